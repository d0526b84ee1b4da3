package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

// Node is a node of this machine that a command asks over its API.
type Node struct {
	client *http.Client
	done   func() error
	by     string
}

// AskNode asks the node of a data directory: the one that runs there, or else one that open builds, which reads its
// sources once and ends with Close. by is for whom it is asked, beside the system's user; it may be empty.
func AskNode(ctx context.Context, dir, by string, open func() (*App, error)) (*Node, error) {
	n := &Node{by: strings.TrimSpace(by)}
	path, keep, err := socketPath(dir)
	if err != nil {
		return nil, Reason(err)
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	if conn, err := dial(ctx); err == nil {
		_ = conn.Close()
		t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
		n.client = &http.Client{Transport: t}
		n.done = func() error {
			t.CloseIdleConnections()
			if keep != nil {
				return keep.Close()
			}
			return nil
		}
		return n, nil
	}
	if keep != nil {
		_ = keep.Close()
	}
	a, err := open()
	if err != nil {
		return nil, err
	}
	if a.lines != nil {
		if err := a.lines.Poll(ctx); err != nil { // makes answers less than unique, not wrong
			a.log.Warn("a source of lines cannot be read", "error", err)
		}
	}
	logCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		ended <- a.withLog(logCtx, func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
	}()
	n.client = &http.Client{Transport: inProcess{a.localHandler()}}
	n.done = func() error {
		stop()
		return errors.Join(<-ended, a.Close())
	}
	return n, nil
}

// Close ends what AskNode began.
func (n *Node) Close() error { return n.done() }

// Get asks for what there is at a path of the API.
func (n *Node) Get(ctx context.Context, path string, out any) error {
	return n.call(ctx, http.MethodGet, path, nil, out)
}

// Post has the node do something. in may be nil, and out.
func (n *Node) Post(ctx context.Context, path string, in, out any) error {
	return n.call(ctx, http.MethodPost, path, in, out)
}

func (n *Node) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://node"+api.Prefix+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if n.by != "" {
		r.Header.Set(byHeader, n.by)
	}
	res, err := n.client.Do(r)
	if err != nil {
		return fmt.Errorf("the node does not answer: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		return faultOf(res)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("the node's answer cannot be read: %w", err)
	}
	return nil
}

// Declined is what a node says of what it did not do.
type Declined struct {
	Wrong bool // the question was: it may be mended and asked again
	Text  string
}

// Error is what the node says.
func (d *Declined) Error() string { return d.Text }

// faultOf makes a Declined of a problem document (RFC 9457).
func faultOf(res *http.Response) error {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct {
			Location string `json:"location"`
			Message  string `json:"message"`
		} `json:"errors"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&p); err != nil || p.Detail == "" {
		return fmt.Errorf("the node answers with status %d", res.StatusCode)
	}
	if res.StatusCode != http.StatusUnprocessableEntity || len(p.Errors) == 0 {
		return &Declined{Text: p.Detail}
	}
	words := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		words[i] = strings.TrimPrefix(e.Location, "body.") + ": " + e.Message
	}
	return &Declined{Wrong: true, Text: strings.Join(words, "; ")}
}

// inProcess hands requests to a handler of this process.
type inProcess struct{ handler http.Handler }

// RoundTrip is http.RoundTripper's.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := &recorder{header: http.Header{}, code: http.StatusOK}
	p.handler.ServeHTTP(rec, r.WithContext(access.With(r.Context(), local(userOf(os.Getuid())))))
	return &http.Response{
		StatusCode: rec.code, Header: rec.header, Body: io.NopCloser(&rec.b), ContentLength: int64(rec.b.Len()), Request: r,
		ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	code   int
	b      bytes.Buffer
}

// Header is http.ResponseWriter's.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader is http.ResponseWriter's.
func (r *recorder) WriteHeader(code int) { r.code = code }

// Write is http.ResponseWriter's.
func (r *recorder) Write(p []byte) (int, error) { return r.b.Write(p) }
