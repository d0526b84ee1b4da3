package resolver

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"tocsin/internal/report"
)

// Fault is why there is no answer of the system that can be used: one sentence, which names no line, no address that was
// asked about, and no URL.
type Fault struct{ Reason string }

// Error returns the sentence.
func (f *Fault) Error() string { return f.Reason }

func fault(format string, args ...any) error { return &Fault{fmt.Sprintf(format, args...)} }

const maxAnswer = 1 << 20 // bytes

// asked is the body of a question.
type asked struct {
	Address string `json:"address"`        // personal
	Port    uint16 `json:"port,omitempty"` // left out: not known
	From    string `json:"from"`
	To      string `json:"to"` // not in it any more
}

// post asks the system. The question is in the body: URLs are written into logs. An error is a *Fault.
func (r *Resolver) post(ctx context.Context, q question) (*said, error) {
	late := fault("it did not answer within %s", r.opts.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.Timeout, late)
	defer cancel()
	body, err := json.Marshal(asked{q.addr.String(), q.port, rfc3339(q.from), rfc3339(q.to)})
	if err != nil {
		return nil, fault("the question cannot be written")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.opts.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fault("its url cannot be used: write https://HOST/PATH")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Cache-Control", "no-store") // RFC 9111 §5.2.1.5: not by anybody between
	req.Header["Idempotency-Key"] = nil         // not sent; lets net/http ask again where an old connection turns out to be closed
	if r.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.opts.Token)
	}
	began := r.now()
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, why(ctx, err)
	}
	defer resp.Body.Close()
	if err := status(resp.StatusCode); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, why(ctx, err)
	}
	if len(text) > maxAnswer {
		return nil, fault("its answer is larger than 1 MiB: leave out sessions that have nothing of the time asked about")
	}
	off := offset(resp.Header.Get("Date"), began, r.now())
	if off > maxOff {
		return nil, fault("its clock is off by more than a day: set it by NTP")
	}
	s, err := decode(text, q, began.Unix()-off)
	if err != nil {
		return nil, err
	}
	s.off, s.at = off, began
	return s, nil
}

func rfc3339(at int64) string { return time.Unix(at, 0).UTC().Format(time.RFC3339) }

// status is what an answer that is none means. Redirects are not followed: the question is personal, and goes where the
// config says.
func status(code int) error {
	switch {
	case code == http.StatusOK:
		return nil
	case code/100 == 3:
		return fault("it redirects to another address (HTTP %d): write that into the config if it is right", code)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fault("it lets us not in (HTTP %d): check the token", code)
	}
	return fault("it answers with HTTP %d", code)
}

// why says what went wrong on the way. What net/http says of it holds the URL.
func why(ctx context.Context, err error) error {
	if f, ok := errors.AsType[*Fault](context.Cause(ctx)); ok {
		return f
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	dns, named := errors.AsType[*net.DNSError](err)
	switch {
	case authority || name || invalid:
		return fault("it shows no certificate that can be trusted: name the authority in ca_file")
	case named && dns.IsNotFound:
		return fault("the name server does not know its host")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault("it broke off before the end of its answer")
	}
	for next := err; next != nil; next = errors.Unwrap(err) {
		err = next // the innermost names no address
	}
	return fault("it cannot be reached, or broke off (%s)", report.Printable(err.Error()))
}

// offset is by how many seconds a clock may be off whose time (RFC 9110 §6.6.1, whole seconds) was written between two
// moments of ours. Where it may be right it is nought, and where it says none too.
func offset(date string, began, ended time.Time) int64 {
	at, err := http.ParseTime(date)
	if err != nil {
		return 0
	}
	first, last := began.Unix(), ended.Unix() // of the whole seconds that a right clock would have said
	switch said := at.Unix(); {
	case said > last+lenient:
		return said + 1 - first
	case said < first-lenient:
		return last - said
	}
	return 0
}

const lenient = 1 // second by which the Date may be older than the answer: some servers write it once a second
