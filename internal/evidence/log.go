package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"k8s.io/klog/v2"
)

// What one batch holds at most: its entries are durable together, under one checkpoint.
const (
	batchEntries = 4096
	batchBytes   = 8 << 20
)

// request is one Append.
type request struct {
	entries [][]byte
	bytes   int
	answer  chan answer // of size 1: the committer never waits for who asked
}

type answer struct {
	first uint64
	err   error
}

// Append adds entries, in order and next to each other, and returns the index of the first. When it returns they are in
// the tree, on the disk, and under a signed checkpoint that everybody can read. After an error, a cancelled ctx among
// them, they may be in the log or not: look for their ids, or append them again. Calls share batches.
func (l *Log) Append(ctx context.Context, entries [][]byte) (first uint64, err error) {
	r := request{answer: make(chan answer, 1)}
	for _, e := range entries {
		if len(e) == 0 || len(e) > MaxEntry {
			return 0, fmt.Errorf("an entry of the evidence log has 1 to %d bytes, this one has %d", MaxEntry, len(e))
		}
		r.bytes += len(e)
		r.entries = append(r.entries, slices.Clone(e))
	}
	if len(entries) == 0 {
		return 0, errors.New("there is no entry to append")
	}
	select {
	case l.requests <- r:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-l.quit:
		return 0, ErrClosed
	}
	select {
	case a := <-r.answer:
		return a.first, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// commit works the requests, all that wait at once, until the log is closed.
func (l *Log) commit() {
	defer close(l.done)
	for {
		select {
		case <-l.quit:
			return
		case r := <-l.requests:
			l.work(l.gather(r))
		}
	}
}

// gather takes the requests that wait besides r, up to a batch.
func (l *Log) gather(r request) []request {
	all, entries, bytes := []request{r}, len(r.entries), r.bytes
	for entries < batchEntries && bytes < batchBytes {
		select {
		case r = <-l.requests:
			all, entries, bytes = append(all, r), entries+len(r.entries), bytes+r.bytes
		default:
			return all
		}
	}
	return all
}

func (l *Log) work(requests []request) {
	var all [][]byte
	for i := range requests {
		all = append(all, requests[i].entries...)
	}
	first, err := l.appendAll(all)
	for i := range requests {
		if err != nil {
			requests[i].answer <- answer{err: err}
			continue
		}
		requests[i].answer <- answer{first: first}
		first += uint64(len(requests[i].entries))
	}
}

// appendAll appends entries in batches. What a batch that failed left on the disk is dealt with before the next one, as
// when the log is opened.
func (l *Log) appendAll(entries [][]byte) (first uint64, err error) {
	if l.stale {
		// The log that is there now grew out of the one that was.
		before := l.Head()
		if err := l.recover(&Seen{before.Size, before.Root}); err != nil {
			return 0, fmt.Errorf("append to the evidence log: %w", err)
		}
		l.stale = false
	}
	first = l.Size()
	for len(entries) > 0 {
		n, bytes := 0, 0
		for n < len(entries) && n < batchEntries && (n == 0 || bytes < batchBytes) {
			bytes += len(entries[n])
			n++
		}
		if err := l.appendBatch(entries[:n]); err != nil {
			l.stale = true
			return 0, fmt.Errorf("append to the evidence log: %w", err)
		}
		entries = entries[n:]
	}
	return first, nil
}

func (l *Log) appendBatch(batch [][]byte) error {
	before := l.Head()
	next := l.edge
	for _, e := range batch {
		next.Add(e)
	}
	size := before.Size + uint64(len(batch))
	if err := l.sequence(batch); err != nil {
		return err
	}
	// tessera has written bundles, tiles and its state. It builds on the tiles that it finds, without a look whether they
	// are those of the last checkpoint. Only a tree that we have computed ourselves gets our signature.
	state, err := readState(l.dir)
	if err != nil {
		return err
	}
	if state != (treeState{size, next.Root()}) {
		return fmt.Errorf("the tree of %d entries on the disk is not the one that was to be written: %w", state.size, ErrDamaged)
	}
	if err := l.publish(size, next); err != nil {
		return err
	}
	l.sweep(before.Size, size)
	return nil
}

// publish signs the tree and makes its checkpoint the log's head.
func (l *Log) publish(size uint64, e Edge) error {
	head := Head{Size: size, Root: e.Root()}
	var err error
	if head.Checkpoint, err = l.signer.sign(head.Size, head.Root); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(l.dir, checkpointName), head.Checkpoint); err != nil {
		return err
	}
	l.edge = e
	l.head.Store(&head)
	return nil
}

// newDriver opens tessera's storage.
func newDriver(ctx context.Context, dir string) (*posix.Storage, error) {
	// tessera tells standard error of what it returns as an error as well, in lines that are not our log's.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return nil, err
	}
	storage, ok := driver.(*posix.Storage)
	if !ok {
		return nil, fmt.Errorf("tessera's storage is a %T", driver)
	}
	return storage, nil
}

// sequence has tessera add a batch to bundles, tiles and state. Its queue ends a batch by size or by age, and two that
// end at once may overtake each other: so each batch gets an appender of its own that ends with exactly its entries.
func (l *Log) sequence(batch [][]byte) error {
	if err := l.probe(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background()) // a batch that is begun is ended
	defer cancel()
	const never = time.Duration(math.MaxInt64)
	appender, _, err := l.storage.Appender(ctx, tessera.NewAppendOptions().
		WithBatching(uint(len(batch)), time.Hour).
		WithCheckpointSigner(noSigner{l.signer.name}).
		WithCheckpointInterval(never).WithCheckpointRepublishInterval(0). // checkpoints are ours: publish
		WithGarbageCollectionInterval(0))                                 // so is what becomes superfluous: sweep
	if err != nil {
		return err
	}
	futures := make([]tessera.IndexFuture, len(batch))
	for i, e := range batch {
		futures[i] = appender.Add(ctx, tessera.NewEntry(e))
	}
	first := l.Size()
	for i, future := range futures {
		at, err := future()
		if err != nil {
			return err
		}
		if at.Index != first+uint64(i) {
			return fmt.Errorf("entry %d was written as %d: %w", first+uint64(i), at.Index, ErrDamaged)
		}
	}
	return nil
}

// probe finds out whether tessera will be able to open its lock: where it is not it panics, in a goroutine of its own. It
// opens as many files at once as tessera does, so that a lack of them shows here.
func (l *Log) probe() error {
	for range 4 {
		f, err := os.OpenFile(filepath.Join(l.dir, stateFolder, "treeState.lock"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
	}
	return nil
}

// noSigner is the signer that tessera gets: it has nothing to sign.
type noSigner struct{ name string }

func (s noSigner) Name() string    { return s.name }
func (s noSigner) KeyHash() uint32 { return 0 }
func (s noSigner) Sign([]byte) ([]byte, error) {
	return nil, errors.New("checkpoints are not signed here")
}

// sweep removes the partial files of what has become full between two sizes. It need not succeed: they are in nobody's
// way but the disk's.
func (l *Log) sweep(from, to uint64) {
	for level := uint64(0); to>>(tileHeight*level) > 0; level++ {
		was, is := edgePlace(level, from), edgePlace(level, to)
		if was.width == 0 || was.index == is.index {
			continue
		}
		was.width = width
		names := []string{was.path()}
		if level == 0 {
			was.entries = true
			names = append(names, was.path())
		}
		for _, name := range names {
			if err := os.RemoveAll(filepath.Join(l.dir, name+partialEnding)); err != nil {
				l.log.Warn("a folder of the evidence log that is not needed any more could not be removed", "error", err)
			}
		}
	}
}
