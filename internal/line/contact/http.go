package contact

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"tocsin/internal/line/secret"
)

// HTTP is the operator's own system: {"line": "NAME"} by POST, and JSON as an answer. docs/lines/contact.md is the
// contract.
type HTTP struct {
	client *http.Client
	url    string
	token  string
}

// HTTPOptions say where it is.
type HTTPOptions struct {
	URL       string
	TokenFile string // holds what goes as a bearer's token; "": none does
	CAFile    string // holds certificates of authorities, PEM; "": those of the machine
	Timeout   time.Duration
}

const (
	mostAnswer = 64 << 10 // bytes
	mostHead   = 16 << 10
)

// CheckURL says what is wrong with the URL: names of people go there, so it has to be TLS, but on this machine.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it is no URL: write https://host/path")
	case u.User != nil:
		return errors.New("a password in a URL gets into logs: write a token into token_file")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("names would cross the network unencrypted: write https")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// OpenHTTP reads the files. It does not connect.
func OpenHTTP(o HTTPOptions) (*HTTP, error) {
	h := &HTTP{url: o.URL}
	if err := CheckURL(o.URL); err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", o.CAFile)
		}
	}
	if o.TokenFile != "" {
		var err error
		if h.token, err = secret.Read(o.TokenFile); err != nil {
			return nil, err
		}
	}
	h.client = &http.Client{
		Timeout: max(o.Timeout, time.Second),
		Transport: &http.Transport{ // no proxy: it would see the token where the system is on this machine
			TLSClientConfig: config, MaxResponseHeaderBytes: mostHead, MaxConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the name goes to this host alone
	}
	return h, nil
}

// Close ends what waits for a next question.
func (h *HTTP) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

// Contact is Book's.
func (h *HTTP) Contact(ctx context.Context, name string) (Contact, error) {
	body, err := json.Marshal(map[string]string{"line": name}) // never in the URL, which gets into logs
	if err != nil {
		return Contact{}, errors.New("the name of the line cannot be asked for")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return Contact{}, errors.New("the URL of the contacts is none")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return Contact{}, ctx.Err()
		}
		return Contact{}, h.broken(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return h.read(resp.Body)
	case http.StatusNoContent:
		return Contact{}, ErrUnknown
	case http.StatusUnauthorized, http.StatusForbidden:
		return Contact{}, fmt.Errorf("the system of contacts lets us not in (status %d): check token_file", resp.StatusCode)
	case http.StatusNotFound:
		return Contact{}, errors.New("the system of contacts has nothing at the URL (status 404): check it; a line that is not known is answered with 204")
	}
	return Contact{}, fmt.Errorf("the system of contacts answered with status %d: 200 and 204 are answers", resp.StatusCode)
}

func (h *HTTP) read(body io.Reader) (Contact, error) {
	b, err := io.ReadAll(io.LimitReader(body, mostAnswer+1))
	switch {
	case err != nil:
		return Contact{}, errors.New("the answer of the system of contacts broke off")
	case len(b) > mostAnswer:
		return Contact{}, fmt.Errorf("the answer of the system of contacts is longer than %d KiB", mostAnswer>>10)
	}
	var said map[string]json.RawMessage
	if json.Unmarshal(b, &said) != nil || said == nil {
		return Contact{}, errors.New("the answer of the system of contacts is no JSON object")
	}
	var found Contact
	for _, f := range fields {
		raw, ok := said[f.name]
		if !ok || string(raw) == "null" {
			continue
		}
		if json.Unmarshal(raw, f.of(&found)) != nil {
			return Contact{}, fmt.Errorf("the answer of the system of contacts has a %s that is no text", f.name)
		}
	}
	if err := found.check(); err != nil {
		return Contact{}, fmt.Errorf("the answer of the system of contacts cannot be used: %w", err)
	}
	return found, nil
}

// broken says what is wrong with the connection, without what the system is called.
func (h *HTTP) broken(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errors.New("the system of contacts cannot prove who it is: its certificate is not valid for the URL's host; ca_file names another authority")
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return fmt.Errorf("the system of contacts did not answer within %s", h.client.Timeout)
	}
	return errors.New("the system of contacts cannot be reached: check the URL, and that it runs")
}
