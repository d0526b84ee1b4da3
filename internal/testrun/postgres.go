package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgres is one server for one run, in a temporary folder, reached through a socket in it and through nothing else.
type postgres struct {
	url    string
	folder string
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the server's process has ended
	err    error         // how it ended; read after ended
}

// startPostgres makes and starts a server. With durable it syncs as an operator's would, which figures need and tests
// of what is stored do not: it is thrown away with the run.
func startPostgres(ctx context.Context, durable bool) (_ *postgres, err error) {
	bin, err := postgresFolder()
	if err != nil {
		return nil, err
	}
	owner, err := serverUser()
	if err != nil {
		return nil, err
	}
	// The socket's path has to stay under 108 bytes (unix(7)), which a TMPDIR of its own may not allow.
	folder, err := os.MkdirTemp("/tmp", "tocsin-postgres-")
	if err != nil {
		return nil, err
	}
	p := &postgres{folder: folder, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	if owner != nil {
		if err := os.Chown(folder, int(owner.Uid), int(owner.Gid)); err != nil {
			return nil, err
		}
	}
	if err := p.initdb(ctx, bin, owner); err != nil {
		return nil, err
	}
	if err := p.start(ctx, bin, owner, durable); err != nil {
		return nil, err
	}
	p.url = (&url.URL{
		Scheme: "postgres", User: url.User("tocsin"), Path: "/postgres",
		RawQuery: url.Values{"host": {folder}, "sslmode": {"disable"}}.Encode(),
	}).String()
	return p, nil
}

// serverUser is whom the server runs as: PostgreSQL refuses to run as root. Nil is the caller.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is a caller who is not root
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("run PostgreSQL as somebody who is not root: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (p *postgres) data() string { return filepath.Join(p.folder, "data") }

func (p *postgres) initdb(ctx context.Context, bin string, owner *syscall.Credential) error {
	args := []string{
		"--pgdata", p.data(), "--username", "tocsin", "--auth", "trust", "--encoding", "UTF8", "--no-sync",
		// Text in a person's order, as on most operators' servers: a query that relies on the order of bytes
		// without saying so shows.
		"--locale", "C", "--locale-provider", "icu", "--icu-locale", "en-US",
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), args...)
	cmd.Dir = p.folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a PostgreSQL server (15 or newer) with %s: %w\n%s", cmd.Path, err, out)
	}
	return nil
}

func (p *postgres) start(ctx context.Context, bin string, owner *syscall.Credential, durable bool) error {
	log, err := os.Create(filepath.Join(p.folder, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{
		"-D", p.data(), "-k", p.folder,
		"-c", "listen_addresses=", "-c", "max_connections=300",
		"-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB", "-c", "log_statement=none",
	}
	if !durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	// Not ctx's: stop ends it, after the tests have ended.
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, "postgres"), args...)
	p.cmd.Dir = p.folder
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = childAttributes()
	p.cmd.SysProcAttr.Credential = owner
	p.cmd.SysProcAttr.Setpgid = true // Ctrl-C is for the tests; then we stop the server
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	if err := p.waitReady(ctx); err != nil {
		out, _ := os.ReadFile(log.Name())
		return errors.Join(fmt.Errorf("start PostgreSQL: %w\n%s", err, out), p.stop())
	}
	return nil
}

// waitReady waits until the server says so in the eighth line of its pid file, which is what pg_ctl --wait looks at.
func (p *postgres) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it was not ready after a minute"))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pid, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
		lines := strings.Split(string(pid), "\n")
		if err == nil && len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.ended:
			return fmt.Errorf("it ended: %w", p.err)
		case <-tick.C:
		}
	}
}

// stop ends this server, by its own process, and removes its folder.
func (p *postgres) stop() error {
	// Fast, then immediate shutdown, then the end (PostgreSQL's "Shutting Down the Server").
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 10 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		if err := p.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop PostgreSQL: %w", err)
		}
		select {
		case <-p.ended:
			return os.RemoveAll(p.folder)
		case <-time.After(step.wait):
		}
	}
	return fmt.Errorf("stop PostgreSQL: process %d does not end: end it, then remove %s", p.cmd.Process.Pid, p.folder)
}
