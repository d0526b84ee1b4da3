package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

// Node is a node of this machine that a command asks over its API.
type Node struct {
	api.Client

	done func() error
}

// AskNode asks the node of a data directory: the one that runs there, or else one that open builds, which reads its
// sources once and ends with Close. by is for whom it is asked, beside the system's user; it may be empty.
func AskNode(ctx context.Context, dir, by string, open func() (*App, error)) (*Node, error) {
	n := &Node{}
	if by = strings.TrimSpace(by); by != "" {
		n.Header = http.Header{byHeader: {by}}
	}
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
		n.HTTP = t
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
	n.HTTP = asUser{api.InProcess{Handler: a.localHandler()}}
	n.done = func() error {
		stop()
		return errors.Join(<-ended, a.Close())
	}
	return n, nil
}

// Close ends what AskNode began.
func (n *Node) Close() error { return n.done() }

// asUser makes requests as the system's user of this process.
type asUser struct{ next http.RoundTripper }

// RoundTrip is http.RoundTripper's.
func (u asUser) RoundTrip(r *http.Request) (*http.Response, error) {
	return u.next.RoundTrip(r.WithContext(access.With(r.Context(), local(userOf(os.Getuid())))))
}
