package evidence

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"tocsin/internal/report"
)

// Appender is the log on this worker's disk, opened for writing: nobody else on this machine has it open.
type Appender interface {
	// Append adds entries in their order and returns the index of the first. When it returns they are durable and
	// covered by a signed checkpoint. After an error the first few of them, all or none are in the log, and Head says
	// which: none comes into it afterwards.
	Append(ctx context.Context, entries [][]byte) (first uint64, err error)

	// Size is how many entries the log has.
	Size() uint64

	// Head is what the newest checkpoint signs.
	Head() Head

	// Entries yields the entries [from, to).
	Entries(ctx context.Context, from, to uint64) iter.Seq2[[]byte, error]
}

// How long a lease lasts, and how long before its end its holder stops to append: longer than an append takes and than
// clocks of workers differ.
const (
	leaseTime   = 15 * time.Second
	leaseMargin = 5 * time.Second
)

// How often one looks into the store for what another worker did there, for chunks, and again after a fault.
const (
	poll      = 100 * time.Millisecond
	pollWalk  = time.Second
	pollFault = time.Second
)

// batch is how many items, and how many chunks, are appended at a time.
const batch = 256

// sweepAfter is how long an item stays in the outbox once it is in the log: whoever waits for it asks ten times a second.
const sweepAfter = time.Hour

// ErrShort says that the log on disk lacks entries that the database saw in it.
var ErrShort = errors.New("the log on this disk lacks entries that the database has seen in it: its folder was put back from an older backup, or belongs to another node; nothing is written to it until you put back the newest copy of the folder")

// ErrForked says that the log on disk does not go on from what the database saw.
var ErrForked = errors.New("the log on this disk holds other entries than those that the database has seen: its folder belongs to another node, or two workers wrote to copies of it; nothing is written to it until you put back the folder that belongs to this database, and keep the other: it shows what happened")

// errMoved says that the log has changed under our hands. Whoever takes the lease next looks what became of it.
var errMoved = errors.New("the log has entries that this worker did not append")

// Writer brings entries into the log. Every worker of a node has one; the one that holds the lease appends what all
// hand over, and an entry for each committed chunk.
//
// Each entry comes into the log once. Before an append the store has to say that the lease is still ours, and when it is
// done the same transaction that notes where the entries are says it again. What was appended and never noted, because
// somebody died in between, is found by its id in the log when the next one takes the lease.
//
// BUG(evidence): one gap remains, because no transaction spans database and disk. A worker that is stopped between its
// last look at lease and clock and the write to its disk, for longer than leaseMargin, and wakes up when another has
// taken over, appends what the other appended too. On one machine that cannot be: the log has one who has it open. Two
// machines with copies of the folder then have two logs: the store refuses to note the late one's entries, so none of
// its callers is told that they are in the log, and the late log is ErrForked from then on.
type Writer struct {
	log     Appender // nil on a worker that has no log: it hands over
	outbox  Outbox
	leases  Leases
	holder  string
	now     func() time.Time
	logger  *slog.Logger
	metrics *Metrics
	wake    chan struct{}

	lease   Lease // while held; of the goroutine in Run, as all up to mu
	held    bool
	until   time.Time
	edge    Edge
	chunk   int64
	walked  time.Time // when there was no more chunk
	swept   time.Time
	counted time.Time
	said    time.Time // when a fault was last logged

	mu    sync.Mutex                  // guards what follows, for moments
	waits map[report.ID][]chan uint64 // who waits for an item in this process
	fault error                       // why this worker cannot take the lease; nil where it can
}

// NewWriter returns a worker's writer. holder names the log's folder on this machine, the same after a restart: whoever
// has that folder open is the one who held the lease under this name. log is nil where this worker has none.
func NewWriter(log Appender, outbox Outbox, leases Leases, holder string, now func() time.Time, logger *slog.Logger, m *Metrics) *Writer {
	return &Writer{
		log: log, outbox: outbox, leases: leases, holder: holder, now: now, logger: logger, metrics: m,
		wake: make(chan struct{}, 1), waits: map[report.ID][]chan uint64{},
	}
}

// Submit brings an item into the log and returns its index there: only then may what it tells of be done or shown. When
// ctx ends before, the item may come into the log all the same; handed in again within the hour, it is the same item.
func (w *Writer) Submit(ctx context.Context, item Item) (index uint64, err error) {
	done := w.expect(item.ID)
	defer w.forget(item.ID, done)
	if err := w.outbox.Enqueue(ctx, item); err != nil {
		return 0, fmt.Errorf("hand an entry over to the log: %w", err)
	}
	w.Wake()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case index := <-done:
			return index, nil
		case <-ctx.Done():
			if fault := w.Fault(); fault != nil {
				return 0, fmt.Errorf("wait for the log: %w (%w)", fault, context.Cause(ctx))
			}
			return 0, fmt.Errorf("wait for the log: %w", context.Cause(ctx))
		case <-tick.C:
			if index, ok, err := w.outbox.Index(ctx, item.ID); ok || err != nil && ctx.Err() == nil {
				return index, err
			}
		}
	}
}

// Wake has Run look at once for what there is to append.
func (w *Writer) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Fault is why this worker cannot take the lease, nil where it can: ErrShort or ErrForked.
func (w *Writer) Fault() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}

func (w *Writer) expect(id report.ID) chan uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	done := make(chan uint64, 1)
	w.waits[id] = append(w.waits[id], done)
	return done
}

func (w *Writer) forget(id report.ID, done chan uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var rest []chan uint64
	for _, one := range w.waits[id] {
		if one != done {
			rest = append(rest, one)
		}
	}
	if w.waits[id] = rest; len(rest) == 0 {
		delete(w.waits, id)
	}
}

func (w *Writer) tell(all []Appended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range all {
		for _, done := range w.waits[a.ID] {
			select {
			case done <- a.Index:
			default: // told already
			}
		}
	}
}

// Run writes the log whenever this worker holds the lease, until ctx ends. Faults of database and disk are logged and
// tried again. While the log is not the one that the database knows, nothing is written, and Submit returns no index:
// what a person asks for is not answered.
func (w *Writer) Run(ctx context.Context) error {
	defer w.release(ctx)
	for {
		more, err := w.Round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait, wake := poll, w.wake
		switch {
		case err != nil:
			w.complain(err)
			wait, wake = pollFault, nil
		case more:
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Flush appends what there is to append, and gives the lease back. It is for a program that ends: nobody may be in Run.
func (w *Writer) Flush(ctx context.Context) error {
	defer w.release(ctx)
	w.walked = time.Time{}
	for {
		more, err := w.Round(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// complain logs a fault, once a minute while it lasts.
func (w *Writer) complain(err error) {
	if now := w.now(); now.Sub(w.said) >= time.Minute {
		w.said = now
		w.logger.Error("cannot write the log; trying again", "error", err)
	}
}

// release gives the lease back, so that another need not wait for its end; also where the end came upon an append, of
// which the next one finds out.
func (w *Writer) release(ctx context.Context) {
	if w.lease.Holder == "" {
		return
	}
	w.held = false
	w.metrics.writes(false)
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), 5*time.Second, errors.New("the database did not answer within 5s"))
	defer cancel()
	if s, err := w.leases.State(ctx); err == nil && s.Lease == w.lease {
		_ = w.leases.Take(ctx, s, Lease{Term: w.lease.Term}, w.now(), w.now()) // else it ends by itself
	}
}

// Round does what there is to do once: takes the lease or renews it, and appends one batch. more says that there may be
// more to append. Run calls it; it is not for use by several goroutines.
func (w *Writer) Round(ctx context.Context) (more bool, err error) {
	w.count(ctx)
	if w.log == nil {
		return false, nil
	}
	if w.held && w.until.Sub(w.now()) <= leaseTime-leaseMargin {
		if err := w.renew(ctx); err != nil {
			return false, w.lose(err)
		}
	}
	if !w.held {
		if led, err := w.lead(ctx); err != nil || !led {
			return false, err
		}
	}
	more, err = w.append(ctx)
	if err != nil {
		return false, w.lose(err)
	}
	return more, w.sweep(ctx)
}

// lose forgets what was known of the log: after a fault anything may have been appended. The next round takes the lease
// anew, if it can, and looks.
func (w *Writer) lose(err error) error {
	w.held = false
	w.metrics.writes(false)
	if errors.Is(err, ErrLost) || errors.Is(err, ErrHeld) || errors.Is(err, errMoved) {
		return nil // no fault: another goes on, or we do when we have looked
	}
	return err
}

func (w *Writer) renew(ctx context.Context) error {
	s, err := w.leases.State(ctx)
	if err != nil {
		return err
	}
	if s.Lease != w.lease {
		return ErrLost
	}
	now := w.now()
	if err := w.leases.Take(ctx, s, w.lease, now, now.Add(leaseTime)); err != nil {
		return err
	}
	w.until = now.Add(leaseTime)
	return nil
}

// lead takes the lease if nobody holds it and the log on our disk is the one that the database knows.
func (w *Writer) lead(ctx context.Context) (bool, error) {
	s, err := w.leases.State(ctx)
	now := w.now()
	if err != nil {
		return false, err
	}
	if s.Lease.Holder != "" && s.Lease.Holder != w.holder && now.Before(s.Until) {
		return false, nil
	}
	found, err := w.recognise(ctx, &s.Edge)
	w.mu.Lock()
	w.fault = nil
	if errors.Is(err, ErrShort) || errors.Is(err, ErrForked) {
		w.fault = err
	}
	w.mu.Unlock()
	if err != nil {
		return false, err
	}
	// Reading the log may have taken long.
	now = w.now()
	next := Lease{w.holder, s.Lease.Term + 1}
	if err := w.leases.Take(ctx, s, next, now, now.Add(leaseTime)); err != nil {
		if errors.Is(err, ErrHeld) {
			return false, nil
		}
		return false, err
	}
	w.lease, w.until, w.chunk = next, now.Add(leaseTime), s.Chunk
	if len(found) > 0 {
		if err := w.noteFound(ctx, found); err != nil {
			return false, w.lose(err)
		}
	}
	w.held = true
	w.metrics.writes(true)
	return true, nil
}

// recognise holds the log on our disk to what the database has seen of it: it must go on from there. It returns what
// was appended since, by an append whose end nobody noted.
func (w *Writer) recognise(ctx context.Context, seen *Edge) ([]Appended, error) {
	head := w.log.Head()
	if head.Size < seen.Size() {
		return nil, fmt.Errorf("%w (entries in the log: %d, seen: %d)", ErrShort, head.Size, seen.Size())
	}
	var found []Appended
	w.edge = *seen
	for body, err := range w.log.Entries(ctx, seen.Size(), head.Size) {
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		found = append(found, Appended{EntryID(body), w.edge.Size()})
		w.edge.Add(body)
	}
	if w.edge.Size() != head.Size || w.edge.Root() != head.Root {
		return nil, fmt.Errorf("%w (after entry %d)", ErrForked, seen.Size())
	}
	return found, nil
}

// noteFound notes what was found in the log. Chunks got their entries in the order of the cursor, so those that were
// found are the next ones behind it.
func (w *Writer) noteFound(ctx context.Context, found []Appended) error {
	ids := make(map[report.ID]bool, len(found))
	for _, f := range found {
		ids[f.ID] = true
	}
	chunk := w.chunk
	for more := true; more; {
		_, chunks, err := w.leases.Pending(ctx, w.lease, 0, chunk, batch)
		if err != nil {
			return err
		}
		more = len(chunks) > 0
		for i := range chunks {
			if !ids[chunks[i].ID()] {
				more = false
				break
			}
			chunk = chunks[i].Number
		}
	}
	if err := w.leases.Note(ctx, w.lease, &Noted{&w.edge, chunk, found}); err != nil {
		return err
	}
	w.chunk = chunk
	w.tell(found)
	return nil
}

// append appends one batch and notes it.
func (w *Writer) append(ctx context.Context) (more bool, err error) {
	walk := 0
	if w.now().Sub(w.walked) >= pollWalk {
		walk = batch
	}
	items, chunks, err := w.leases.Pending(ctx, w.lease, batch, w.chunk, walk)
	if err != nil {
		return false, err
	}
	if len(chunks) < walk {
		w.walked = w.now()
	}
	if len(items)+len(chunks) == 0 {
		return false, nil
	}
	more = len(items) == batch || walk > 0 && len(chunks) == walk
	n := Noted{Edge: &w.edge, Chunk: w.chunk}
	for i := range chunks {
		items = append(items, chunks[i].Item(w.now()))
		n.Chunk = chunks[i].Number
	}
	entries := make([][]byte, len(items))
	for i := range items {
		entries[i] = items[i].Body
	}
	left := w.until.Sub(w.now())
	if left <= leaseMargin {
		return true, nil // renewed first
	}
	if w.log.Size() != w.edge.Size() {
		return false, errMoved
	}
	ctx, cancel := context.WithTimeoutCause(ctx, left, errors.New("the disk of the log took longer than the lease lasts"))
	defer cancel()
	first, err := w.log.Append(ctx, entries)
	if err != nil {
		return false, fmt.Errorf("append to the log: %w", err)
	}
	for i := range items {
		n.Appended = append(n.Appended, Appended{items[i].ID, first + uint64(i)})
		w.edge.Add(entries[i])
	}
	if head := w.log.Head(); head.Size != w.edge.Size() || head.Root != w.edge.Root() {
		return false, errMoved
	}
	if err := w.leases.Note(ctx, w.lease, &n); err != nil {
		return false, err
	}
	w.chunk = n.Chunk
	w.metrics.appended(items)
	w.tell(n.Appended)
	return more, nil
}

// sweep deletes from the outbox what has long been in the log.
func (w *Writer) sweep(ctx context.Context) error {
	now := w.now()
	if now.Sub(w.swept) < sweepAfter/4 {
		return nil
	}
	w.swept = now
	_, err := w.outbox.Sweep(ctx, now.Add(-sweepAfter))
	return err
}

// count measures the queue, every ten seconds. A fault shows elsewhere.
func (w *Writer) count(ctx context.Context) {
	now := w.now()
	if w.metrics == nil || now.Sub(w.counted) < 10*time.Second {
		return
	}
	w.counted = now
	if n, oldest, err := w.outbox.Waiting(ctx); err == nil {
		age := time.Duration(0)
		if n > 0 {
			age = now.Sub(oldest)
		}
		w.metrics.waits(n, age)
	}
}
