package console

import (
	"bytes"
	"io"
	"net/http"

	"tocsin/internal/api"
)

// handed hands on what the API answers, but for what it declines: that becomes a page.
type handed struct {
	http.ResponseWriter
	code int
	said bytes.Buffer // the problem document
}

// WriteHeader is http.ResponseWriter's.
func (h *handed) WriteHeader(code int) {
	h.code = code
	if code < http.StatusBadRequest {
		h.ResponseWriter.WriteHeader(code)
	}
}

// Write is http.ResponseWriter's.
func (h *handed) Write(p []byte) (int, error) {
	if h.code >= http.StatusBadRequest {
		return h.said.Write(p)
	}
	return h.ResponseWriter.Write(p)
}

// declined is what the API would not do, and nil where it did.
func (h *handed) declined() error {
	if h.code < http.StatusBadRequest {
		return nil
	}
	return api.ReadDeclined(&http.Response{StatusCode: h.code, Body: io.NopCloser(&h.said)})
}
