// Package desk works one report: it opens and parses it, asks whose each subject is, folds the events into chunks and
// hands these to the store. A report is worked in chunks of ChunkRows rows, cut by row number and committed in order, so
// that work begun again after a crash goes on behind the last committed row (DESIGN.md §9).
package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"tocsin/internal/formats/letter"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// ChunkRows is how many rows of one document make a chunk.
const ChunkRows = 20_000

// Desk works reports. Run has to be running while Work is called; Work may be called from several goroutines.
type Desk struct {
	// Open undoes containers and yields what is inside a report, in an order that the bytes decide. An error is a
	// *report.RowError with Row 0, and the Document beside it says what cannot be opened; or a *report.Letter for a mail
	// that is in no format.
	Open func(doc report.Document, format string) iter.Seq2[Document, error]

	// About says of what kind a mail in no format is, where that files it apart from the rest; else the zero Kind. May
	// be nil.
	About func(m *report.Mail, r *letter.Reading) report.Kind

	// Networks returns the address tables in force, for one goroutine. It is asked for each chunk, so that a chunk is
	// attributed by one state of the tables.
	Networks func() Networks

	Originals Originals
	Store     Store
	Assigns   Assigner // may be nil where nobody calls Assign or Merge
	Incidents incident.Config

	// Lines says which line held an address of our own; nil where nothing knows, and then incidents are filed by address.
	Lines       Lines
	Uncertainty time.Duration // by which times in reports may be off, either way, where Lines is asked

	Metrics  *Metrics // may be nil
	SpoolDir string   // where the hashes of very long reports spill to; empty is the system's temporary folder

	setup   sync.Once
	queue   chan *submission
	room    *semaphore.Weighted // of queue
	parsing chan *builder       // one for each report being parsed at a time: that bounds memory
}

// Document is one thing inside a report that can be read.
type Document struct {
	Index  int    // among all things inside the report: the same bytes give the same number
	Name   string // with the path inside its containers; personal
	Format string
	Mail   *report.Mail                   // the mail that it is or came in; nil where it is none
	Events iter.Seq2[report.Event, error] // valid events, and a *report.RowError for each bad row
}

// Originals gives the bytes of a report as they were received.
type Originals interface {
	// Original opens the original of a report. The caller closes it. ErrNoOriginal says that it is past its end date.
	Original(ctx context.Context, id report.ID) (io.ReadCloser, error)
}

// Networks says whose an address is.
type Networks interface {
	// Whose returns the holder of an address about which a report names an AS number (0 when none), never nil, valid
	// until the next call; the caller does not change it. The address is the zero Addr where the subject is none. The
	// report's number decides nothing that config or tables do.
	Whose(a netip.Addr, reported uint32) *report.Holder

	// WhosePrefix is Whose for a whole network: the holder of the most specific prefix that covers all of it. One that
	// is known only in part has none.
	WhosePrefix(p netip.Prefix, reported uint32) *report.Holder
}

// Store keeps what the desk made of a report.
type Store interface {
	// Known says what is already stored of a report, for the generation about to be worked.
	Known(ctx context.Context, rep *report.Report, generation int) (Known, error)

	// Names returns the store's numbers for names of reporters and feeds, making those that are new. The number of a
	// name never changes.
	Names(ctx context.Context, names ...string) ([]int32, error)

	// Blocked reports whether a person wants nothing more from an author of mails.
	Blocked(ctx context.Context, from string) (bool, error)

	// Commit stores chunks with all that they touch in one transaction: all of it or nothing. A chunk that is already
	// there (same report, generation and seq) is skipped with everything that it touches. ErrPoison says that what one
	// of them holds can never be stored.
	Commit(ctx context.Context, chunks []*Chunk) error
}

// Known is what the store knows of a report before it is worked.
type Known struct {
	DuplicateOf report.ID     // an earlier report with the same bytes, format and reporter; zero when none
	State       report.State  // empty when the report is new
	Done        map[int]int64 // by document: the last row of this generation that is committed
	Refusals    []Refusal     // what the generation before refused
}

// ErrNoOriginal says that the original of a report is past its end date and was deleted.
var ErrNoOriginal = errors.New("the original of the report is past its end date and was deleted")

// ErrPoison says that the store refuses what a report says, and will refuse it for ever.
var ErrPoison = errors.New("the database cannot hold what this report says: the document is kept; please tell the makers of Tocsin, and replay it after an update")

// Result is what became of a report.
type Result struct {
	DuplicateOf report.ID
	Letter      report.State // StateWaiting or StateAside for a mail in no format, else empty
	Events      int64
	Repeats     int64
	Refused     int64
	Documents   int
	Lines       LineCounts
}

// parsers is how many reports are parsed at a time. One would do where the database is the limit; a second fills the
// gaps.
const parsers = 2

// groupRows and groupBytes bound how much is committed in one transaction; queueChunks how many full chunks may wait
// for it, or how many more that are smaller. Together they bound memory: a full chunk holds some 6 MB.
const (
	groupRows   = 100_000
	groupBytes  = 48 << 20
	queueChunks = 6
	chunkRoom   = 6 << 20  // that a chunk takes at most of the queue
	chunkLeast  = 64 << 10 // and at least
)

// room is how much of the queue a chunk takes: about its memory. Small reports are many there, and share their
// transactions.
func (c *Chunk) room() int64 {
	return int64(min(max(chunkRoom/ChunkRows*(c.Events+c.Refused)+len(c.Body)+len(c.Refusals), chunkLeast), chunkRoom))
}

func (d *Desk) init() {
	d.setup.Do(func() {
		d.queue = make(chan *submission, queueChunks*chunkRoom/chunkLeast)
		d.room = semaphore.NewWeighted(queueChunks * chunkRoom)
		d.parsing = make(chan *builder, parsers)
		for range parsers {
			d.parsing <- newBuilder(&d.Incidents)
		}
	})
}

// Work works one report and returns when all of it is committed. generation is 0 for a report just received; a replay
// has the next number and takes only what the generation before refused. Work that was begun before goes on where it
// was. A bad report is no error: what cannot be read is stored as refused.
func (d *Desk) Work(ctx context.Context, rep report.Report, generation int) (res Result, err error) {
	d.init()
	known, err := d.Store.Known(ctx, &rep, generation)
	if err != nil {
		return Result{}, fmt.Errorf("work report %s: %w", rep.ID, err)
	}
	if !known.DuplicateOf.IsZero() {
		return Result{DuplicateOf: known.DuplicateOf}, nil
	}
	w := newWork(ctx, d, rep, generation, known)
	select {
	case w.build = <-d.parsing:
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
	defer func() { // also when the document makes its reader panic: whoever caught that calls Work again
		w.close()
		if waited := w.wait(); err == nil && waited != nil {
			res, err = Result{}, fmt.Errorf("work report %s: %w", rep.ID, waited)
		}
	}()
	if err := w.read(); err != nil {
		return Result{}, fmt.Errorf("work report %s: %w", rep.ID, err)
	}
	return w.result, nil
}

// submission is a chunk on its way to the store.
type submission struct {
	chunk *Chunk
	done  func(error)
}

// Run commits what Work submits, as many chunks together as have come up, until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	d.init()
	for {
		select {
		case <-ctx.Done():
			return nil
		case first := <-d.queue:
			d.room.Release(first.chunk.room())
			d.commit(ctx, d.gather(first))
		}
	}
}

// gather takes what waits in the queue, up to the bounds of one transaction. Under load a transaction that touches
// many rows of one table page costs little more than one that touches a single row.
func (d *Desk) gather(first *submission) []*submission {
	group := []*submission{first}
	rows, size := first.chunk.Events, len(first.chunk.Body)
	for rows < groupRows && size < groupBytes {
		select {
		case s := <-d.queue:
			d.room.Release(s.chunk.room())
			group = append(group, s)
			rows += s.chunk.Events
			size += len(s.chunk.Body)
		default:
			return group
		}
	}
	return group
}

func (d *Desk) commit(ctx context.Context, group []*submission) {
	chunks := make([]*Chunk, len(group))
	for i, s := range group {
		chunks[i] = s.chunk
	}
	begin := time.Now()
	err := d.Store.Commit(ctx, chunks)
	if errors.Is(err, ErrPoison) && len(group) > 1 {
		for i := range group { // alone, each takes only itself down
			d.commit(ctx, group[i:i+1])
		}
		return
	}
	if err == nil {
		d.Metrics.committed(chunks, time.Since(begin))
	}
	for _, s := range group {
		s.done(err)
	}
}
