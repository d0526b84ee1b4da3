package network

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"time"
)

// retryEvery is how long a table that failed is left alone while its file stays the same. What was wrong may lie
// outside of it (permissions, a mount), so it is not given up.
const retryEvery = time.Minute

// Run watches the table files until ctx ends, and puts a new table in force when one of them has changed. It asks for
// size, time and identity instead of subscribing to events: that also works across renames, links that are moved, and
// network file systems. A reload that fails leaves the table before in force.
func (n *Networks) Run(ctx context.Context) error {
	if len(n.cfg.Tables) == 0 {
		<-ctx.Done()
		return nil
	}
	w := &watch{inForce: n.initial, last: n.initial}
	tick := time.NewTicker(n.cfg.CheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			n.check(ctx, w)
		}
	}
}

// watch is what Run remembers of the files; nil stands for a file that is not there.
type watch struct {
	inForce []fs.FileInfo // as the table in force was read
	last    []fs.FileInfo // at the look before
	failed  []fs.FileInfo // as the last reload failed; nil when it did not
	failedT time.Time
	said    string // what was logged of the last failure
}

func (n *Networks) check(ctx context.Context, w *watch) {
	now := stat(n.cfg.Tables)
	settled := sameFiles(now, w.last)
	w.last = now
	switch {
	case sameFiles(now, w.inForce): // nothing new, or the old file is back
		w.failed, w.said = nil, ""
		return
	case !settled: // still being written
		return
	case w.failed != nil && sameFiles(now, w.failed) && time.Since(w.failedT) < retryEvery:
		return
	}
	t, infos, err := load(ctx, n.cfg)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		w.failed, w.failedT = now, time.Now()
		n.figures.failures.Inc()
		if err.Error() != w.said { // once, not at every try
			w.said = err.Error()
			n.log.Error("address table not replaced, the one before stays in force", "error", err)
		}
		return
	}
	w.inForce, w.failed, w.said = infos, nil, ""
	n.swap(t)
}

func stat(tables []TableFile) []fs.FileInfo {
	infos := make([]fs.FileInfo, len(tables))
	for i, t := range tables {
		if info, err := os.Stat(t.Path); err == nil {
			infos[i] = info
		}
	}
	return infos
}

func sameFiles(a, b []fs.FileInfo) bool { return slices.EqualFunc(a, b, sameFile) }

// sameFile reports whether two looks saw the same file with the same content, as far as can be told without reading.
func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
