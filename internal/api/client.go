package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
)

// Client asks an API: of this process, or over a socket.
type Client struct {
	HTTP   http.RoundTripper
	Header http.Header // of each request; may be nil
}

// Get asks for what there is at a path below Prefix.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.Ask(ctx, http.MethodGet, path, nil, out)
}

// Post has something done. in may be nil, and out.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.Ask(ctx, http.MethodPost, path, in, out)
}

// Ask makes one request. A *Declined says that the API would not, and why.
func (c *Client) Ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://node"+Prefix+path, body)
	if err != nil {
		return err
	}
	maps.Copy(r.Header, c.Header)
	r.Header.Set("Content-Type", "application/json")
	res, err := c.HTTP.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("the node does not answer: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		return ReadDeclined(res)
	}
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("the node's answer cannot be read: %w", err)
	}
	return nil
}

// Declined is what an API says of what it did not do: a problem document (RFC 9457).
type Declined struct {
	Status int
	Detail string
	Faults []Fault // of the request's members, where they can be mended
}

// Fault is what is wrong with one member of a request.
type Fault struct {
	Location string `json:"location"` // body.reason, query.after
	Message  string `json:"message"`
	Value    any    `json:"value,omitempty"` // what it is about; of a question that waits, its id
}

// Wrong reports whether the request can be mended and made again.
func (d *Declined) Wrong() bool {
	return d.Status == http.StatusUnprocessableEntity && len(d.Faults) > 0
}

// Error is what the API says.
func (d *Declined) Error() string {
	if !d.Wrong() {
		return d.Detail
	}
	words := make([]string, len(d.Faults))
	for i, f := range d.Faults {
		words[i] = strings.TrimPrefix(f.Location, "body.") + ": " + f.Message
	}
	return strings.Join(words, "; ")
}

// ReadDeclined reads why an API did not do something.
func ReadDeclined(res *http.Response) error {
	var p struct {
		Detail string  `json:"detail"`
		Errors []Fault `json:"errors"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&p); err != nil || p.Detail == "" {
		return &Declined{Status: res.StatusCode, Detail: fmt.Sprintf("the node answers with status %d", res.StatusCode)}
	}
	return &Declined{res.StatusCode, p.Detail, p.Errors}
}

// InProcess hands requests to a handler of this process. The context of a request says who makes it (access.With).
type InProcess struct{ Handler http.Handler }

// RoundTrip is http.RoundTripper's.
func (p InProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody // as a server has it
	}
	rec := &recorder{header: http.Header{}, code: http.StatusOK}
	p.Handler.ServeHTTP(rec, r)
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
