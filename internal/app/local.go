package app

import (
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
	"strings"
	"time"

	"tocsin/internal/access"
)

// socketName is the socket in the data directory by which commands ask a running node. Whoever may open it could read
// the database and the keys beside it as well.
const socketName = "node.sock"

// byHeader says for whom the caller of the socket asks: a name that nobody checks, beside the system's user.
const byHeader = "Tocsin-By"

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
		Handler: a.guard(a.localHandler()), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return access.With(ctx, local(peerName(c))) },
	}
	srv.RegisterOnShutdown(a.api.EndStreams)
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

// local is a caller of the socket: whoever may open it could read the database and the keys beside it, so they may all
// that people of this node may.
func local(name string) access.Caller {
	return access.Caller{Name: name, Party: access.Own, Roles: access.RolesOf(access.OwnParty), Via: access.BySocket}
}

// localHandler is the API for whoever was let in by the permissions of the data directory.
func (a *App) localHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if by := r.Header.Get(byHeader); by != "" {
			c := access.From(r.Context())
			by = strings.NewReplacer("(", "", ")", "").Replace(by) // they tell the two apart
			r = r.WithContext(access.With(r.Context(), local(by+" ("+c.Name+")")))
		}
		a.api.ServeHTTP(w, r)
	})
}

// userOf is the name of a user of the system.
func userOf(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(uid)
}
