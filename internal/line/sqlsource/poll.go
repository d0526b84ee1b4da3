package sqlsource

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/database"
	"tocsin/internal/report"
)

// Table is one query, and how far it was read.
type Table struct {
	Name  string // of the source, within the node
	DB    *database.DB
	Query string // with {from} and {to}
	Realm string // of the addresses

	// FixedAddresses says that a session has the addresses of its last record from its start on. Else they are certain
	// from the first time on that the row was read with them.
	FixedAddresses bool

	Overlap time.Duration // rows may come to be seen so much later than they say that they changed
	History time.Duration // how far back the first reading goes
	Every   time.Duration // between two readings; 0 is not known
	Key     []byte        // under which the names of lines stand in the state

	path     string // of the state, on the disk
	state    state
	last     time.Time // of the last reading that went well
	next     time.Time // no reading before that
	failures int
	failed   error
}

// state is how far the table was read. Where it is lost, all is read again, and told once more, which changes nothing.
type state struct {
	Cursor int64 // Unix time: what changed before was read, but for what comes late; 0: nothing was
	Step   int64 // seconds that are read at a time, until the present is reached
	Told   map[key]int64
}

// key stands for what a row says: HMAC-SHA-256 under Table.Key, cut. Whose it is says nothing to who has no key.
type key [16]byte

const (
	firstStep = 3600
	leastStep = 60
	mostStep  = 31 * 86400
	fewRows   = 10_000    // in a step: the next may be longer
	manyRows  = 50_000    // in a step: the next is to be shorter
	maxTold   = 1_000_000 // rows of the overlap that are remembered; others are told twice
	ahead     = 24 * time.Hour
	disorder  = 15 * 60 // seconds by which rows may go back in one answer
	mostWait  = 10 * time.Minute
)

// Load reads the state, which is kept in a file.
func (t *Table) Load(path string) error {
	t.path = path
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && gob.NewDecoder(bytes.NewReader(b)).Decode(&t.state) != nil {
		t.state = state{}
	}
	return err
}

func (t *Table) keep(st state) error {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&st); err != nil {
		return err
	}
	if err := os.WriteFile(t.path+".new", b.Bytes(), 0o600); err != nil {
		return err
	}
	if err := os.Rename(t.path+".new", t.path); err != nil {
		return err
	}
	t.state = st
	return nil
}

// Check asks for no rows: it says what is wrong with the query, or that the database does not answer.
func (t *Table) Check(ctx context.Context) error {
	none := time.Unix(0, 0)
	return t.DB.Read(ctx, database.Query{Text: t.Query, From: none, To: none}, func(c []database.Column) error {
		_, err := shapeOf(c)
		return err
	}, func(*database.Row) error { return nil })
}

// Poll reads what is new and hands it to tell, which keeps it. After an error the next readings wait longer and longer,
// and return that error until then.
func (t *Table) Poll(ctx context.Context, now time.Time, tell func(context.Context, iter.Seq2[line.Record, error]) error) error {
	if now.Before(t.next) {
		return t.failed
	}
	err := t.poll(ctx, now, tell)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if t.failed = err; err != nil {
		wait := min(max(t.Every, time.Second)<<min(t.failures, 10), max(mostWait, t.Every))
		t.failures++
		t.next = now.Add(wait)
		return err
	}
	t.failures, t.last, t.next = 0, now, time.Time{}
	return nil
}

func (t *Table) poll(ctx context.Context, now time.Time, tell func(context.Context, iter.Seq2[line.Record, error]) error) error {
	overlap := int64(t.Overlap.Seconds())
	for {
		st := t.state
		from := st.Cursor - overlap
		if st.Cursor == 0 {
			from = now.Add(-t.History).Unix()
		}
		step := min(max(st.Step, leastStep), mostStep)
		if st.Step == 0 {
			step = firstStep
		}
		end := max(st.Cursor, from) + step
		present := end >= now.Unix()
		r := &reading{t: t, now: now, told: map[key]int64{}, from: from, to: end}
		short := step <= leastStep || now.Unix()-max(st.Cursor, from) <= leastStep
		if present { // also what a clock that is ahead says
			end = now.Unix()
			r.to = now.Add(ahead).Unix()
		}
		r.again = end - overlap
		err := tell(ctx, r.records(ctx))
		if err == nil {
			err = r.err
		}
		if database.TooSlow(err) && !short {
			st.Step = max(step/4, leastStep)
			if err := t.keep(st); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case r.rows > manyRows:
			step /= 2
		case r.rows < fewRows:
			step *= 2
		}
		next := state{Cursor: end, Step: step, Told: r.told}
		for k, at := range st.Told {
			if at >= end-overlap && len(next.Told) < maxTold {
				next.Told[k] = at
			}
		}
		if err := t.keep(next); err != nil {
			return fmt.Errorf("keep how far the database was read: %w", err)
		}
		if present {
			return nil
		}
	}
}

// reading is one query.
type reading struct {
	t        *Table
	now      time.Time
	from, to int64
	again    int64         // what changed since then is read once more
	told     map[key]int64 // rows of it that may come again
	rows     int64
	latest   int64 // of a row so far
	reset    line.Record
	err      error // of the database; what was read before it is told
}

var errStopped = errors.New("stopped")

// records yields the records of the rows that say something new, and a *report.RowError for each that cannot be used.
func (r *reading) records(ctx context.Context) iter.Seq2[line.Record, error] {
	return func(yield func(line.Record, error) bool) {
		var s shape
		q := database.Query{Text: r.t.Query, From: time.Unix(r.from, 0), To: time.Unix(r.to, 0)}
		err := r.t.DB.Read(ctx, q, func(c []database.Column) (err error) {
			s, err = shapeOf(c)
			return err
		}, func(row *database.Row) error {
			r.rows++
			if !r.row(s, row, yield) {
				return errStopped
			}
			return r.err
		})
		if !errors.Is(err, errStopped) && r.err == nil {
			r.err = err
		}
	}
}

func (r *reading) row(s shape, from *database.Row, yield func(line.Record, error) bool) bool {
	bad := func(err error) bool {
		return yield(line.Record{}, &report.RowError{Row: r.rows, Reason: err.Error()})
	}
	row, wrong := s.read(from)
	at := row.changed()
	if wrong == nil && at.Latest < r.latest-disorder {
		r.err = &database.Error{Kind: database.Wrong, Reason: "the rows of the query are in no order: end it with ORDER BY, by the time of the last change"}
		return true
	}
	if wrong == nil {
		r.latest = max(r.latest, at.Earliest)
	}
	k, facts := row.keys(r.t.Key)
	if r.before(k) {
		return true
	}
	corrected := r.before(facts) // all that it said before it says still, but for whose it is
	if at.Latest >= r.again && len(r.told) < maxTold {
		r.told[k], r.told[facts] = at.Latest, at.Latest
	}
	records, err := r.t.records(row)
	if err = cmp.Or(wrong, err); err != nil && !bad(err) {
		return false
	}
	if err != nil || corrected {
		for _, doubt := range r.t.doubts(row) {
			if !yield(doubt, nil) {
				return false
			}
		}
	}
	if err != nil || corrected { // which of the two it was is not certain either
		return true
	}
	for i := range records {
		rec := &records[i]
		if rec.Action == line.Reset {
			if *rec == r.reset { // of another session of the device
				continue
			}
			r.reset = *rec
		}
		rec.Received = r.received(at)
		if !yield(*rec, nil) {
			return false
		}
	}
	return true
}

// before reports whether it was told before.
func (r *reading) before(k key) bool {
	_, before := r.t.state.Told[k]
	_, now := r.told[k]
	return before || now
}

// received is when the row came to be seen. All that is known is that it was not there at the reading before: where that
// was later than what the row says, somebody's clock is behind, or it came late.
func (r *reading) received(at line.Moment) time.Time {
	const prompt = 2 // seconds that writing it may take
	last := r.t.last.Unix()
	switch {
	case r.t.last.IsZero(): // it may have lain there for long
		return time.Time{}
	case at.Earliest > r.now.Unix(): // the clock is ahead
		return r.now
	case at.Latest+prompt < last:
		return r.now
	}
	return time.Unix(at.Latest, 0)
}

// keys stand for all that a row says, and for all but whose it is.
func (r *row) keys(secret []byte) (all, facts key) {
	h := hmac.New(sha256.New, secret)
	fmt.Fprintf(h, "row of a query %q %q %q %q %q %q %v %v %v", r.nas, r.session, r.ranges, r.lo, r.hi, r.proto, r.start, r.updated, r.stop)
	facts = key(h.Sum(nil)[:16])
	fmt.Fprintf(h, " %q", r.line)
	return key(h.Sum(nil)[:16]), facts
}
