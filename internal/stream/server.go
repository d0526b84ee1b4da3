package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startServer runs a NATS server without a socket: reachable from this process alone.
func startServer(dir string, log *natsLog) (*server.Server, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName: "tocsin", DontListen: true, NoSigs: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: dir,
		// A report is acknowledged when fsync has returned, not at the next interval (DESIGN.md §8.1).
		SyncAlways: true,
		// By default JetStream allows itself three quarters of what was free at its start and then refuses: the
		// room that is left is ours to judge (reserve), at the time of writing.
		JetStreamMaxStore: math.MaxInt64 / 2, JetStreamMaxMemory: 64 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("start the stream in %s: %w", dir, err)
	}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(time.Minute) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("the stream in %s cannot be started: check the disk for space and faults; the log says more", dir)
	}
	return srv, nil
}

// probe says in one sentence why dir cannot hold a stream, before the server meets the reason in its own way.
func probe(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, ".probe"), []byte("can this be written?"), 0o600)
	}
	if err == nil {
		err = os.Remove(filepath.Join(dir, ".probe"))
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the directory %s is read-only: give the user that runs Tocsin the right to write there (%w)", dir, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w (%s)", ErrFull, dir)
	}
	return fmt.Errorf("the directory %s cannot be used: %w", dir, err)
}

// natsLog passes the server's log on: what it says of itself at debug, what it complains of as a warning. broken is
// called when it says that it will write no more.
type natsLog struct {
	log    *slog.Logger
	broken func(reason string)
}

// Noticef is what the server says of its life. The other methods are as their names say.
func (l *natsLog) Noticef(f string, v ...any) { l.debug(f, v) }

// Debugf implements server.Logger.
func (l *natsLog) Debugf(f string, v ...any) { l.debug(f, v) }

// Tracef implements server.Logger.
func (l *natsLog) Tracef(f string, v ...any) { l.debug(f, v) }

// Warnf implements server.Logger.
func (l *natsLog) Warnf(f string, v ...any) { l.warn(f, v) }

// Errorf implements server.Logger.
func (l *natsLog) Errorf(f string, v ...any) { l.warn(f, v) }

// Fatalf implements server.Logger.
func (l *natsLog) Fatalf(f string, v ...any) { l.warn(f, v) }

func (l *natsLog) debug(f string, v []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("nats server", "text", text(f, v))
	}
}

func (l *natsLog) warn(f string, v []any) {
	t := text(f, v)
	if overtaken(t) {
		l.log.Debug("nats server", "text", t)
		return
	}
	l.log.Warn("nats server", "text", t)
	// TestDiskFullWhileWriting fails when an update words these otherwise.
	for _, end := range [...]string{"critical write error", "disabling JetStream", "will be DISABLED"} {
		if strings.Contains(t, end) {
			l.broken(t)
			return
		}
	}
}

// overtaken reports whether the server says what is no fault, and nothing that anybody can do something about:
//
//   - Taking worked items off met the handing out of others: what it wanted to note of its consumer was older than what
//     is there, or torn. It notes the whole anew with the next answer, and what a crash before loses of it is that items
//     are handed out once more.
//   - A run of items was taken off and all above it were gone already: it then compares the number of the first item
//     with that of a block that it has not moved on, and counts anew (nats-server 2.15, fileStore.compactLocked).
func overtaken(t string) bool {
	return strings.Contains(t, "error on write store state from purge") &&
		(strings.HasSuffix(t, "old update ignored") || strings.Contains(t, "bad pending entry")) ||
		strings.HasSuffix(t, "Stream state encountered internal inconsistency on write")
}

func text(f string, v []any) string { return strings.TrimSpace(fmt.Sprintf(f, v...)) }
