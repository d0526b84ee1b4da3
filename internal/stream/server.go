package stream

import (
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
func startServer(dir string, log *slog.Logger) (*server.Server, error) {
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
	srv.SetLoggerV2(&natsLog{log}, false, false, false)
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

// natsLog passes the server's log on: what it says of itself at debug, what it complains of as a warning.
type natsLog struct{ log *slog.Logger }

func (l *natsLog) Noticef(f string, v ...any) { l.debug(f, v) }
func (l *natsLog) Debugf(f string, v ...any)  { l.debug(f, v) }
func (l *natsLog) Tracef(f string, v ...any)  { l.debug(f, v) }
func (l *natsLog) Warnf(f string, v ...any)   { l.warn(f, v) }
func (l *natsLog) Errorf(f string, v ...any)  { l.warn(f, v) }
func (l *natsLog) Fatalf(f string, v ...any)  { l.warn(f, v) }

func (l *natsLog) debug(f string, v []any) { l.log.Debug("nats server", "text", text(f, v)) }
func (l *natsLog) warn(f string, v []any)  { l.log.Warn("nats server", "text", text(f, v)) }

func text(f string, v []any) string { return strings.TrimSpace(fmt.Sprintf(f, v...)) }
