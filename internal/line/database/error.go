package database

import (
	"errors"
	"fmt"
	"net"
)

// Kind is what is to be done about an error.
type Kind uint8

// The kinds. The zero value is one to try again.
const (
	Failed  Kind = iota // the database could not answer this time
	Away                // it cannot be reached
	Slow                // it took too long: less may be asked at a time
	Wrong               // the query, or the columns it gives: it will fail until somebody changes something
	Refused             // it lets us not in, or not read; or the query writes
)

// Error is that a question had no answer. The reason is a sentence that has no value of a row.
type Error struct {
	Kind   Kind
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// Lasting reports whether an error stays until somebody changes the query, the database or the way in.
func Lasting(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Kind == Wrong || e.Kind == Refused)
}

// TooSlow reports whether the database took too long.
func TooSlow(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == Slow
}

var (
	errAway   = &Error{Away, "the database cannot be reached: check the host and port in the file with its URL, and that it runs"}
	errDoor   = &Error{Refused, "the database lets nobody in: check user, password and database in the file with its URL"}
	errWrites = &Error{Refused, "the database refused the query, because it writes: a query may only read"}
	errSlow   = &Error{Slow, "the database took too long to answer: an index on the columns of times helps, or a longer timeout"}
)

// wrong is what the engine says of the query's text. It says that before it looks at a row.
func wrong(said string) error {
	return &Error{Wrong, fmt.Sprintf("the database cannot understand the query: %s", said)}
}

// unreachable reports whether an error is one of the network.
func unreachable(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}

// local reports whether a host is this machine: what goes there needs no TLS.
func local(host string) bool {
	if host == "localhost" || host == "" || host[0] == '/' {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
