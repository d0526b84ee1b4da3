package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"tocsin/internal/api"
)

// socketName is the socket in the data directory by which commands ask a running node. Whoever may open it could read
// the database and the keys beside it as well.
const socketName = "node.sock"

// ByHeader says for whom the caller of the socket asks: a name that nobody checks, beside the system's user.
const ByHeader = "Tocsin-By"

// maxSocketPath is how long the path of a socket may be: 108 bytes on Linux, fewer elsewhere.
const maxSocketPath = 100

// socketPath is a path to the socket that is short enough. The caller closes what keeps it so.
func socketPath(dir string) (path string, keep *os.File, err error) {
	path = filepath.Join(dir, socketName)
	if len(path) <= maxSocketPath {
		return path, nil, nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), socketName), f, nil
}

// serveLocal answers commands on this machine until ctx ends.
func (a *App) serveLocal(ctx context.Context) error {
	handler, err := a.localHandler()
	if err != nil {
		return err
	}
	path, keep, err := socketPath(a.data.Dir)
	if err != nil {
		return fmt.Errorf("open the socket for commands: %w", err)
	}
	if keep != nil {
		defer keep.Close()
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a node that was killed: we hold the lock
		return fmt.Errorf("remove the socket of a node that has ended: %w", Reason(err))
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil { // a file system without sockets
		a.log.Warn("commands cannot ask this node while it runs", "error", err)
		<-ctx.Done()
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("open the socket for commands: %w", Reason(err)), l.Close())
	}
	srv := &http.Server{
		Handler: a.guard(handler), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return api.WithCaller(ctx, peerName(c)) },
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("answer commands: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop answering commands: %w", err)
	}
	return nil
}

// localHandler is the API for whoever was let in by the permissions of the data directory.
func (a *App) localHandler() (http.Handler, error) {
	h, err := api.NewLocal("1", a.rooms(), a.log)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if by := r.Header.Get(ByHeader); by != "" {
			name := api.Caller(r.Context())
			r = r.WithContext(api.WithCaller(r.Context(), by+" ("+name+")"))
		}
		h.ServeHTTP(w, r)
	}), nil
}

// userOf is the name of a user of the system.
func userOf(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(uid)
}

// Local asks the node of a data directory: the one that runs there, or else one that is built for the question and
// polls its sources once. The caller calls done.
func Local(ctx context.Context, dir string, open func() (*App, error)) (c *http.Client, done func() error, err error) {
	path, keep, err := socketPath(dir)
	if err != nil {
		return nil, nil, Reason(err)
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	if conn, err := dial(ctx); err == nil {
		_ = conn.Close()
		t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
		return &http.Client{Transport: t}, func() error {
			t.CloseIdleConnections()
			if keep != nil {
				return keep.Close()
			}
			return nil
		}, nil
	}
	if keep != nil {
		_ = keep.Close()
	}
	a, err := open()
	if err != nil {
		return nil, nil, err
	}
	h, err := a.localHandler()
	if err != nil {
		return nil, nil, errors.Join(err, a.Close())
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
	return &http.Client{Transport: inProcess{h}}, func() error {
		stop()
		return errors.Join(<-ended, a.Close())
	}, nil
}

// inProcess hands requests to a handler of this process.
type inProcess struct{ handler http.Handler }

// RoundTrip is http.RoundTripper's.
func (w inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := &recorder{header: http.Header{}, code: http.StatusOK}
	w.handler.ServeHTTP(rec, r.WithContext(api.WithCaller(r.Context(), userOf(os.Getuid()))))
	return &http.Response{
		StatusCode: rec.code, Header: rec.header, Body: body{bytes.NewReader(rec.b.Bytes())}, ContentLength: int64(rec.b.Len()), Request: r,
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

type body struct{ *bytes.Reader }

// Close has nothing to do.
func (body) Close() error { return nil }
