package desk

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"

	"tocsin/internal/report"
)

// work is one report being read.
type work struct {
	ctx        context.Context //nolint:containedctx // lives as long as one call of Work
	desk       *Desk
	report     report.Report
	generation int
	known      Known
	build      *builder
	networks   Networks
	repeats    *repeats
	source     int32 // the store's number of the reporter
	feeds      map[string]int32
	result     Result
	original   *source
	mail       *report.Mail
	letter     *report.Letter
	reading    []byte // of the letter, packed

	document int
	name     string
	format   string
	done     int64        // last row of the document that was committed before
	before   *refusedRows // what the generation before refused of the document
	lastRow  int64
	pending  *Chunk // finished, held back until it is known whether it is the last

	submitted sync.WaitGroup
	mu        sync.Mutex
	failed    error // first error of a commit; mu
}

func newWork(ctx context.Context, d *Desk, rep report.Report, generation int, known Known) *work {
	return &work{
		ctx: ctx, desk: d, report: rep, generation: generation, known: known, feeds: map[string]int32{},
	}
}

// close gives back what the next report needs.
func (w *work) close() {
	if w.repeats != nil {
		w.repeats.close()
	}
	w.build.reset()
	w.desk.parsing <- w.build
	w.build = nil
}

func (w *work) wait() error {
	w.submitted.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// read goes through all documents of the report and submits its chunks. It returns when everything is submitted.
func (w *work) read() error {
	ids, err := w.desk.Store.Names(w.ctx, w.report.Reporter)
	if err != nil {
		return err
	}
	w.source = ids[0]
	w.repeats = newRepeats(w.desk.SpoolDir, heldRows)
	w.networks = w.desk.Networks()
	original, err := w.desk.Originals.Original(w.ctx, w.report.ID)
	if err != nil {
		return err
	}
	defer original.Close()
	w.original = &source{in: original}
	outer := report.Document{Reader: w.original, Name: w.report.Name, Received: w.report.ReceivedAt}
	for doc, err := range w.desk.Open(outer, w.report.Format) {
		w.begin(&doc)
		if letter, ok := errors.AsType[*report.Letter](err); ok {
			if err := w.put(letter, doc.Mail); err != nil {
				return err
			}
		} else if err == nil {
			err = w.readDocument(doc.Events)
		} else if refused := w.refuse(err); refused != nil {
			return refused
		}
		if err := w.cut(); err != nil {
			return err
		}
		if stop := w.stopped(err); stop != nil {
			return stop
		}
	}
	return w.finish()
}

// begin turns to the next document.
func (w *work) begin(doc *Document) {
	w.document, w.lastRow = doc.Index, 0
	w.name, w.format = doc.Name, doc.Format
	w.done = w.known.Done[w.document]
	w.before = refusedOf(w.known.Refusals, w.document)
	w.result.Documents++
	if w.mail == nil {
		w.mail = doc.Mail
	}
}

// stopped tells an error that ends the work from a report's own faults, which are stored as refusals.
func (w *work) stopped(err error) error {
	var row *report.RowError
	var letter *report.Letter
	if err == nil || errors.As(err, &row) || errors.As(err, &letter) {
		return context.Cause(w.ctx)
	}
	return err
}

func (w *work) readDocument(events iter.Seq2[report.Event, error]) error {
	for e, err := range events {
		if err != nil {
			if err := w.refuse(err); err != nil {
				return err
			}
			continue
		}
		if err := w.event(&e); err != nil {
			return err
		}
	}
	return nil
}

// event takes one valid event.
func (w *work) event(e *report.Event) error {
	feed, err := w.feed(e)
	if err != nil {
		return err
	}
	if err := w.at(e.Row); err != nil {
		return err
	}
	b := w.build
	off := len(b.arena)
	line, content := e.AppendLine(b.arena)
	b.arena = append(line, '\n')
	repeat, err := w.repeats.seen(feed, line[content:])
	if err != nil {
		return err
	}
	switch {
	case !w.takes(e.Row):
	case repeat:
		w.result.Repeats++
	default:
		w.result.Events++
	}
	if repeat || !w.takes(e.Row) || e.Row <= w.done {
		b.arena = b.arena[:off]
		if repeat && w.takes(e.Row) && e.Row > w.done {
			b.repeats++
		}
		return nil
	}
	whose, err := w.desk.responsible(w.ctx, b, w.networks, e)
	if err != nil {
		return err
	}
	b.add(e, off, whose, feed)
	return nil
}

// holderOf says whose a subject is. The answer is valid until the next question.
func holderOf(networks Networks, s *report.Subject) *report.Holder {
	if s.Prefix.IsValid() {
		return networks.WhosePrefix(s.Prefix, s.ASN)
	}
	return networks.Whose(s.Addr, s.ASN)
}

// takes reports whether a row belongs to this generation: all rows to the first, rows refused before to a replay.
func (w *work) takes(row int64) bool { return w.generation == 0 || w.before.has(row) }

// refuse stores a row's or the document's fault; other errors it returns.
func (w *work) refuse(err error) error {
	var row *report.RowError
	if !errors.As(err, &row) {
		return err
	}
	if w.original.err != nil {
		return w.original.err
	}
	r := Refusal{Document: w.document, Row: row.Row, Reason: row.Reason}
	if row.Row == 0 {
		r.After = w.lastRow
	} else if !w.takes(row.Row) {
		return nil
	}
	w.result.Refused++
	if row.Row != 0 && row.Row <= w.done {
		return nil
	}
	if err := w.at(max(row.Row, w.lastRow, 1)); err != nil {
		return err
	}
	w.build.row(max(row.Row, w.lastRow, 1)) // a document's fault has a place in a chunk too
	w.build.refusals = append(w.build.refusals, r)
	return nil
}

// chunkBytes cuts a chunk of very long rows before its ChunkRows are full, so that memory stays bounded.
const chunkBytes = 32 << 20

// at notes that a row was reached, and cuts the chunk where the row belongs to the next.
func (w *work) at(row int64) error {
	b := w.build
	full := len(b.arena) >= chunkBytes || (row-1)/ChunkRows != (b.from-1)/ChunkRows
	if !b.empty() && row > b.to && full {
		if err := w.cut(); err != nil {
			return err
		}
	}
	w.lastRow = max(w.lastRow, row)
	if row > w.done {
		b.row(row)
	}
	return nil
}

func (w *work) feed(e *report.Event) (int32, error) {
	if id, ok := w.feeds[e.Feed]; ok {
		return id, nil
	}
	ids, err := w.desk.Store.Names(w.ctx, FeedName(e))
	if err != nil {
		return 0, err
	}
	w.feeds[strings.Clone(e.Feed)] = ids[0]
	return ids[0], nil
}

// FeedName names the feed of an event across formats.
func FeedName(e *report.Event) string {
	if e.Feed == "" {
		return e.Format
	}
	return e.Format + "/" + e.Feed
}

// cut ends the chunk being gathered.
func (w *work) cut() error {
	if w.build.empty() {
		return nil
	}
	defer w.build.reset()
	w.result.Lines.add(w.build.lines)
	c := w.chunk(seqOf(w.document, w.build.from))
	if err := w.build.finish(c, w.source); err != nil {
		return err
	}
	if w.pending != nil {
		if err := w.submit(w.pending); err != nil {
			return err
		}
	}
	w.pending = c
	w.networks = w.desk.Networks()
	return nil
}

func (w *work) chunk(seq int64) *Chunk {
	return &Chunk{
		Report: w.report, Generation: w.generation, Seq: seq, Document: w.document, Name: w.name, Format: w.format,
	}
}

// finish submits the last chunk, which also says that the report is done. A report of which nothing is new, because
// it was killed just before this moment or holds nothing at all, is finished by an empty chunk of its own.
func (w *work) finish() error {
	if w.pending == nil {
		w.pending = w.chunk(seqOf(w.document+1, 0))
	}
	w.pending.Final, w.pending.Documents = true, w.result.Documents
	w.pending.Mail, w.pending.Letter, w.pending.Reading = w.mail, w.letter, w.reading
	return w.submit(w.pending)
}

func (w *work) submit(c *Chunk) error {
	if w.desk.room.Acquire(w.ctx, c.room()) != nil {
		return context.Cause(w.ctx)
	}
	w.submitted.Add(1)
	s := &submission{c, func(err error) {
		if err != nil {
			w.mu.Lock()
			w.failed = errors.Join(w.failed, err)
			w.mu.Unlock()
		}
		w.submitted.Done()
	}}
	w.desk.queue <- s // never full: room bounds it
	return nil
}
