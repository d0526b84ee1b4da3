package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tocsin/internal/report"
)

// Kind is what sort of failure it was.
type Kind string

// The kinds of failure.
const (
	Refused Kind = "refused" // by us: asking again changes nothing before the config does
	Denied  Kind = "denied"  // by the server (401, 403), or it leads where we do not follow
	Gone    Kind = "gone"    // there is no such thing (404, 410)
	Busy    Kind = "busy"    // come back later (429, 503)
	Failed  Kind = "failed"  // all else: it may work the next time
)

// Error says in one sentence why something could not be fetched. No address in it has a path or a query: they may be
// keys.
type Error struct {
	Kind   Kind
	Status int           // of HTTP; 0 where there was no answer
	After  time.Duration // the server's Retry-After; 0 where it names none
	Reason string
	bare   bool // Reason lacks the host before it
	cause  error
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Reason }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// KindOf is the kind of an error of this package.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Failed
}

// Pause is how long to wait before the next try after a failure: what the server asks for, else first doubled with each
// failure in a row, and never more than most.
func Pause(err error, failures int, first, most time.Duration) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok && e.After > 0 {
		return min(max(e.After, first), max(most, 24*time.Hour))
	}
	if KindOf(err) == Refused || KindOf(err) == Denied {
		return most // nobody's patience is tried
	}
	return min(first<<min(max(failures-1, 0), 20), most)
}

func refused(reason string) error { return &Error{Kind: Refused, Reason: reason} }

// leads is about a host that leads us elsewhere: its name is put before the reason by who knows it.
func leads(kind Kind, reason string) error { return &Error{Kind: kind, Reason: reason, bare: true} }

func failed(host, what string, cause error) error {
	return &Error{Kind: Failed, Reason: report.Printable(host) + " " + what + ": it is tried again", cause: cause}
}

// clockOff is from where on a clock is called wrong.
const clockOff = 5 * time.Minute

// status is what an answer without a document means.
func (c *Client) status(resp *http.Response, host string, ahead time.Duration) error {
	e := &Error{Kind: Failed, Status: resp.StatusCode, After: c.retryAfter(resp.Header.Get("Retry-After"))}
	host = report.Printable(host)
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Kind = Denied
		e.Reason = fmt.Sprintf("%s lets us not in (HTTP %d): check the key and the secret, and ask it whether they still hold", host, resp.StatusCode)
		if ahead.Abs() > clockOff {
			e.Reason += fmt.Sprintf("; this machine's clock is %s", Off(ahead))
		}
	case http.StatusNotFound, http.StatusGone:
		e.Kind, e.Reason = Gone, fmt.Sprintf("%s has no such thing (HTTP %d): check the address", host, resp.StatusCode)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		e.Kind, e.Reason = Busy, fmt.Sprintf("%s asks us to come back later (HTTP %d)", host, resp.StatusCode)
	default:
		e.Reason = fmt.Sprintf("%s answers with HTTP %d: it is tried again", host, resp.StatusCode)
		if resp.StatusCode/100 == 3 {
			e.Kind, e.Reason = Denied, fmt.Sprintf("%s redirects without saying where to (HTTP %d)", host, resp.StatusCode)
		}
	}
	return e
}

// Off says how wrong a clock is.
func Off(ahead time.Duration) string {
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	return ahead.Abs().Round(time.Second).String() + " " + word + " the server's: set it by NTP"
}

// retryAfter reads a number of seconds or a time (RFC 9110 §10.2.3).
func (c *Client) retryAfter(s string) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(at.Sub(c.opts.Now()), 0)
	}
	return 0
}

// explain says what went wrong on the way. What net/http says of it holds the whole URL, which may be a key.
func (c *Client) explain(ctx context.Context, host string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if e.bare {
			return &Error{Kind: e.Kind, Reason: report.Printable(host) + " " + e.Reason, cause: err}
		}
		return e
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if bad, ok := errors.AsType[x509.CertificateInvalidError](err); ok && bad.Reason == x509.Expired {
		return failed(host, "has a certificate that does not hold now ("+c.opts.Now().UTC().Format(time.RFC3339)+
			" by this machine's clock, which may be wrong)", err)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return failed(host, "is not known to the name server", err)
	}
	switch {
	case isTLS(err):
		return failed(host, "shows no certificate that can be trusted", err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return failed(host, "broke off before the end", err)
	}
	return failed(host, "cannot be reached, or broke off ("+plain(err)+")", err)
}

func isTLS(err error) bool {
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return authority || name
}

// plain is the innermost error, which names no address.
func plain(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return report.Printable(err.Error())
		}
		err = next
	}
}
