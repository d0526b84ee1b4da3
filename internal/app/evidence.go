package app

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"tocsin/internal/evidence"
	"tocsin/internal/keys"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// LogFolder is where the evidence log of a data directory lies.
func LogFolder(data string) string { return filepath.Join(data, "log") }

// LogKey is a key that may have signed checkpoints of the evidence log.
type LogKey struct {
	ID      string
	Created time.Time // zero where it is not known
	Ends    time.Time // zero while it is in use
	Public  ed25519.PublicKey
}

// LogKeys are the keys of a node's evidence log, the one in use first.
func LogKeys(data string) ([]LogKey, error) {
	ring, err := keys.Open(filepath.Join(data, "keys"))
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	return logKeys(ring), nil
}

func logKeys(ring *keys.Ring) []LogKey {
	held := ring.All(keys.Log)
	all := make([]LogKey, len(held))
	for i, k := range held {
		all[i] = LogKey{ID: k.ID, Created: k.Created, Ends: k.Ends, Public: k.PublicKey()}
	}
	return all
}

// ReadLogKeys reads public keys that somebody was given, in PEM as openssl writes them: for those who check a log and have
// nothing else of its node.
func ReadLogKeys(path string) ([]LogKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", report.Printable(path), Reason(err))
	}
	var all []LogKey
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		public, ok := parsed.(ed25519.PublicKey)
		if block.Type != "PUBLIC KEY" || err != nil || !ok {
			return nil, fmt.Errorf("%s holds something that is no public key of Ed25519: write it with openssl pkey -pubout", report.Printable(path))
		}
		sum := sha256.Sum256(block.Bytes)
		all = append(all, LogKey{ID: hex.EncodeToString(sum[:16]), Public: public})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no public key in PEM: write it with openssl pkey -pubout", report.Printable(path))
	}
	return all, nil
}

// LogTrust is what checkpoints of a node's evidence log are held to. The log is named after the first key that it had, so
// that it keeps its name when keys are replaced.
func LogTrust(all []LogKey) evidence.Trust {
	t := evidence.Trust{}
	for _, k := range all {
		t.Keys = append(t.Keys, k.Public)
	}
	if len(all) > 0 && !all[len(all)-1].Created.IsZero() { // of a node's own ring
		t.Origin = "tocsin/log/" + all[len(all)-1].ID
	}
	return t
}

// OpenLog opens the evidence log of a data directory for writing, and makes it and its key where they are not there. seen
// is the head that the database remembers, nil where it remembers none.
func OpenLog(ctx context.Context, data string, now time.Time, seen *evidence.Seen, log *slog.Logger) (*evidence.Log, error) {
	ring, err := keys.Open(filepath.Join(data, "keys"))
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	if _, err := ring.Ensure(keys.Log, now); err != nil {
		return nil, fmt.Errorf("make the key of the evidence log: %w", err)
	}
	return openLog(ctx, ring, data, seen, log)
}

// openLog is OpenLog where the keys are open and there is one of the log.
func openLog(ctx context.Context, ring *keys.Ring, data string, seen *evidence.Seen, log *slog.Logger) (*evidence.Log, error) {
	k, err := ring.Current(keys.Log)
	if err != nil {
		return nil, err
	}
	signer, err := k.Signer()
	if err != nil {
		return nil, err
	}
	trust := LogTrust(logKeys(ring))
	return evidence.Open(ctx, LogFolder(data), evidence.Options{
		Origin: trust.Origin, Signer: signer, Keys: slices.Clone(trust.Keys), Seen: seen, Logger: log,
	})
}

// SeenLog is how far the database has seen the evidence log of a data directory; nil where it has seen nothing of it, or
// where there is no database that can be read.
func SeenLog(ctx context.Context, data string) (*evidence.Seen, error) {
	cfg, err := LoadData(data)
	if err != nil {
		return nil, err
	}
	db, err := OpenReader(ctx, cfg)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrOlder) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := db.Log().State(ctx)
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	own, err := LogKeys(cfg.Data)
	if err != nil {
		return nil, err
	}
	if s.Edge.Size() == 0 || s.Lease.Holder != "" && len(own) > 0 && s.Lease.Holder != own[len(own)-1].ID { // another worker's log
		return nil, nil
	}
	return &evidence.Seen{Size: s.Edge.Size(), Root: s.Edge.Root()}, nil
}

// ErrLogWhole says that there is nothing to begin anew.
var ErrLogWhole = errors.New("the evidence log is the one that the database knows: there is nothing to begin anew")

// BeginLogAnew begins another evidence log where the one that the database knows is lost for good. The folder and the key
// of the old one, as far as they are there, are put aside under aside, and the first entry of the new one says how far
// the old one had come. No node may run on the data directory.
func BeginLogAnew(ctx context.Context, cfg Config, now time.Time, log *slog.Logger) (aside string, err error) {
	data, err := OpenData(cfg.Data)
	if err != nil {
		return "", err
	}
	defer data.Close()
	db, err := store.Open(ctx, cfg.Store, data.Sub("db"), cfg.Incident)
	if err != nil {
		return "", err
	}
	defer db.Close()
	s, err := db.Log().State(ctx)
	if err != nil {
		return "", err
	}
	if whole, err := logWhole(ctx, data.Dir, now, &s.Edge, log); whole || err != nil {
		return "", errors.Join(err, ErrLogWhole)
	}
	root := s.Edge.Root()
	first, err := evidence.NewItem(&evidence.Entry{
		ID: report.NewID(now), At: now, Kind: "oversight", By: "desk",
		Fields: []evidence.Field{
			{Name: "note", Value: "log-begun-anew"},
			{Name: "lost-entries", Value: strconv.FormatUint(s.Edge.Size(), 10)},
			{Name: "lost-root", Value: hex.EncodeToString(root[:])},
		},
	})
	if err != nil {
		return "", err
	}
	aside = "lost-" + now.UTC().Format("20060102T150405Z")
	for _, path := range []string{LogFolder(data.Dir), filepath.Join(data.Sub("keys"), string(keys.Log)+".pem")} { // another key: nobody may take the new log for the old one
		if err := os.Rename(path, path+"."+aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("put %s aside: %w", report.Printable(path), Reason(err))
		}
	}
	return aside, db.Log().BeginAnew(ctx, first, now)
}

// logWhole reports whether the log in the folder is what the database knows, or goes on from it.
func logWhole(ctx context.Context, data string, now time.Time, seen *evidence.Edge, log *slog.Logger) (bool, error) {
	l, err := OpenLog(ctx, data, now, &evidence.Seen{Size: seen.Size(), Root: seen.Root()}, log)
	switch {
	case err == nil:
		return true, l.Close()
	case errors.Is(err, evidence.ErrRolledBack), errors.Is(err, evidence.ErrDamaged):
		return false, nil
	}
	return false, err
}

// ErrNoLogKey says that there is nothing to hold the checkpoint to.
var ErrNoLogKey = errors.New("the data directory has no key of the evidence log: give the public one with --key")
