// Package fetch is the one place from which Tocsin asks others for something over HTTP: reports, lists, and what links
// in mails lead to. Whom it may ask says the operator; how much, how long and where to is bounded here. A channel names
// what it wants in a Request and gets an Answer whose body lies in the spool, whole.
//
// Nothing here is fetched because a document says so: hosts come from the config. What a name resolves to is checked at
// the address that is dialled, so that a name that changes its mind (DNS rebinding) reaches no machine inside.
package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/report"
)

// Options is what a client is made of. The zero value of each but Spool does.
type Options struct {
	Agent   string                // what the client calls itself: see Agent
	Spool   string                // folder of its own for bodies on their way
	Metrics prometheus.Registerer // nil counts nothing
	Now     func() time.Time      // nil: the clock

	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)        // nil: the system's resolver
	Dial   func(ctx context.Context, address netip.AddrPort) (net.Conn, error) // nil: TCP
	Roots  *x509.CertPool                                                      // nil: the system's
}

// Agent is the User-Agent of a version of Tocsin. contact is where those who run the servers find its operator; it may
// be empty.
func Agent(version, contact string) string {
	a := "tocsin/" + token(version)
	if contact != "" {
		a += " (+" + report.CleanName(contact) + ")"
	}
	return a
}

// token keeps what may stand in a product's version (RFC 9110 §5.6.2).
func token(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 128 && (r == '.' || r == '-' || r == '+' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return "unknown"
	}
	return s
}

// Request is one thing to fetch.
type Request struct {
	For      string            // what it is for, in the metrics: few different ones
	URL      string            // http or https
	Header   map[string]string // sent to the URL's own host only; may hold secrets
	Body     []byte            // with one the request is a POST, and follows no redirect
	ETag     string            // of what is here already
	Modified string            // Last-Modified of it

	Plain    bool     // http without TLS may be used
	Internal bool     // the host is meant to have a private address
	Follow   []string // hosts (HOST or HOST:PORT) that a redirect may lead to, beside the URL's own

	MaxBytes int64         // of the body, unpacked
	Timeout  time.Duration // for all of it; 0 means 15m
	Idle     time.Duration // for something to come; 0 means 30s
}

// Answer is what a server said.
type Answer struct {
	Unchanged bool   // what is here already is still so (304): there is no body
	ETag      string // for the next time
	Modified  string
	Name      string        // file name, from the header or the URL; personal
	Type      string        // media type
	Ahead     time.Duration // how far our clock is ahead of the server's; 0 where that is not known
	Body      *Body         // to be closed
}

// Client fetches. Its methods may be called from many goroutines.
type Client struct {
	opts     Options
	public   http.RoundTripper // reaches public addresses only
	internal http.RoundTripper
	metrics  metrics
}

const (
	spooled      = "fetch-*"
	redirects    = 5
	wholeTimeout = 15 * time.Minute
	idleTimeout  = 30 * time.Second
)

// New makes a client. What a crash left in the spool is removed: it was nobody's yet.
func New(opts Options) (*Client, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Lookup == nil {
		opts.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if opts.Dial == nil {
		opts.Dial = func(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
			d := net.Dialer{Timeout: idleTimeout}
			return d.DialContext(ctx, "tcp", address.String())
		}
	}
	if err := clean(opts.Spool); err != nil {
		return nil, err
	}
	c := &Client{opts: opts, metrics: newMetrics(opts.Metrics)}
	c.public, c.internal = c.transport(false), c.transport(true)
	return c, nil
}

func clean(spool string) error {
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(spool, spooled))
	for _, f := range left {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

// transport has connections of its own, so that one that was opened to a machine inside serves no request that may not
// reach it. It asks no proxy: behind one, no address could be checked.
func (c *Client) transport(internal bool) http.RoundTripper {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return c.dial(ctx, address, internal)
		},
		TLSClientConfig:   &tls.Config{RootCAs: c.opts.Roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true, TLSHandshakeTimeout: idleTimeout, ResponseHeaderTimeout: 2 * time.Minute,
		IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 2, MaxResponseHeaderBytes: 64 << 10,
	}
}

// Get fetches. An error is an *Error, or that of ctx.
func (c *Client) Get(ctx context.Context, r Request) (*Answer, error) {
	a, err := c.get(ctx, r)
	if ctx.Err() != nil && err != nil {
		return nil, context.Cause(ctx)
	}
	c.metrics.count(r.For, a, err, c.opts.Now())
	return a, err
}

func (c *Client) get(ctx context.Context, r Request) (*Answer, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, refused("the address of it cannot be read: write https://HOST/PATH")
	}
	if err := r.check(u); err != nil {
		return nil, err
	}
	if r.Timeout == 0 {
		r.Timeout = wholeTimeout
	}
	if r.Idle == 0 {
		r.Idle = idleTimeout
	}
	host := hostOf(u)
	ctx, done := context.WithTimeoutCause(ctx, r.Timeout, failed(host, "has not delivered all of it in "+r.Timeout.String(), nil))
	defer done()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w := watch{stop: stop, idle: r.Idle, host: host}
	w.timer = time.AfterFunc(r.Idle, w.stalled)
	defer w.timer.Stop()

	req, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: c.public, CheckRedirect: r.redirect}
	if r.Internal {
		client.Transport = c.internal
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, c.explain(ctx, host, err)
	}
	defer resp.Body.Close()
	w.alive()
	return c.answer(ctx, r, &w, resp)
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if r.Body != nil {
		method, body = http.MethodPost, bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.URL, body)
	if err != nil {
		return nil, refused("the address of it cannot be used: write https://HOST/PATH")
	}
	req.Header.Set("User-Agent", c.opts.Agent)
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	if r.ETag != "" { // RFC 9110 §13.1.2
		req.Header.Set("If-None-Match", r.ETag)
	}
	if r.Modified != "" {
		req.Header.Set("If-Modified-Since", r.Modified)
	}
	return req, nil
}

// check says why a URL is not asked.
func (r *Request) check(u *url.URL) error {
	switch {
	case u.Scheme == "http" && !r.Plain:
		return refused("http without TLS is not allowed for it: use https, or allow it in the config")
	case u.Scheme != "https" && u.Scheme != "http":
		return refused("only https is fetched")
	case u.Hostname() == "":
		return refused("the address of it names no host")
	case u.User != nil:
		return refused("the address of it holds a password: put that into a file of headers")
	}
	return nil
}

// redirect says whether a redirect may be followed. Our headers may be keys, so no other host is told them, nor where we
// came from.
func (r *Request) redirect(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	host := hostOf(next.URL)
	next.Header.Del("Referer")
	switch {
	case r.Body != nil:
		return leads(Denied, "redirects to another address: write the new one into the config")
	case len(via) > redirects:
		return leads(Denied, "redirects too often")
	case first.Scheme == "https" && next.URL.Scheme != "https":
		return leads(Denied, "redirects to http without TLS, which is not followed")
	}
	if err := r.check(next.URL); err != nil {
		return err
	}
	if host == hostOf(first) {
		return nil
	}
	for k := range r.Header {
		next.Header.Del(k)
	}
	for _, f := range r.Follow {
		if strings.EqualFold(f, host) {
			return nil
		}
	}
	return leads(Denied, "redirects to "+report.Printable(host)+", which is not followed: add that host to the config if it is right")
}

// hostOf is a URL's host as the config writes it: in lower case, with the port only where it is not the scheme's own.
func hostOf(u *url.URL) string {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	switch p := u.Port(); {
	case p == "", u.Scheme == "https" && p == "443", u.Scheme == "http" && p == "80":
		return host
	default:
		return net.JoinHostPort(host, p)
	}
}

// HostOf is the host that a URL names, as the config writes it; "" where it is no URL with a host.
func HostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	return hostOf(u)
}

func (c *Client) answer(ctx context.Context, r Request, w *watch, resp *http.Response) (*Answer, error) {
	a := &Answer{ETag: short(resp.Header.Get("ETag")), Modified: short(resp.Header.Get("Last-Modified"))}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.Ahead = c.opts.Now().Sub(at)
	}
	switch {
	case resp.StatusCode == http.StatusNotModified && (r.ETag != "" || r.Modified != ""):
		a.Unchanged, a.ETag, a.Modified = true, or(a.ETag, r.ETag), or(a.Modified, r.Modified)
		return a, nil
	case resp.StatusCode != http.StatusOK:
		return nil, c.status(resp, hostOf(resp.Request.URL), a.Ahead)
	}
	a.Type, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	a.Name = nameOf(resp)
	body, err := c.spool(r, w, resp)
	if err == nil && ctx.Err() != nil {
		// We hung up, and the server took that for a reason to end the body in good order: it is not whole.
		err = errors.Join(context.Cause(ctx), body.Close())
	}
	if err != nil {
		return nil, c.explain(ctx, w.host, err)
	}
	a.Body = body
	return a, nil
}

// short drops what no honest server sends, and what is kept for months would be.
func short(s string) string {
	if len(s) > 512 {
		return ""
	}
	return s
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// nameOf is the name that the server gives the file (RFC 6266), else the last part of the path.
func nameOf(resp *http.Response) string {
	name := ""
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil {
		name = params["filename"]
	}
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	if name == "" {
		name = path.Base(resp.Request.URL.Path)
	}
	if name = report.CleanName(name); name == "." || name == ".." || name == "/" {
		return ""
	}
	return name
}
