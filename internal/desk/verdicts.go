package desk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"tocsin/internal/evidence"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// verdicts gathers, in the order of rows, what was decided about the events of a chunk: the root that the evidence log
// gets, and what has to be stored so that the root can be derived again. Most of a verdict stands in the body; only whom
// an event was attributed to does not, because it follows from tables and sources that change.
type verdicts struct {
	tree    evidence.VerdictTree
	salt    [32]byte
	ends    []end
	places  map[end]int32 // in ends
	byTouch []int32       // by place in touches: the place in ends of its last event
	runs    []byte        // of rows without a gap, see packed
	gap     int64         // of the run at hand, to the last row before it
	long    uint64        // rows of the run at hand
	last    int64         // its last row
	run     int           // runs that were written
	which   []byte        // for each event its place in ends
	held    []decision    // of the row at hand
	one     evidence.Verdict
}

// decision is a verdict on its way into the tree.
type decision struct {
	row   int64
	touch int32 // place of its incident among those of the chunk
	key   incident.Key
	end   end
}

// end is what a question whose an event is came to.
type end struct {
	party report.Party
	line  report.LineState
}

// reset begins a chunk under a salt that nobody knows.
func (v *verdicts) reset(salt [32]byte) {
	v.salt = salt
	v.tree.Reset(salt)
	v.ends, v.byTouch, v.runs, v.which = v.ends[:0], v.byTouch[:0], v.runs[:0], v.which[:0]
	v.gap, v.long, v.last, v.run, v.held = 0, 0, 0, 0, v.held[:0]
	if v.places == nil {
		v.places = map[end]int32{}
	}
	clear(v.places)
}

// add takes the next event. Events that a format makes of one row stand in the order of their keys, as in the body.
func (v *verdicts) add(d decision) {
	if len(v.held) > 0 && v.held[0].row != d.row {
		v.flush()
	}
	v.held = append(v.held, d)
}

func (v *verdicts) flush() {
	if len(v.held) > 1 {
		slices.SortStableFunc(v.held, func(a, b decision) int { return bytes.Compare(a.key[:], b.key[:]) })
	}
	for i := range v.held {
		v.enter(&v.held[i])
	}
	v.held = v.held[:0]
}

func (v *verdicts) enter(d *decision) {
	v.one = evidence.Verdict{Row: d.row, Party: d.end.party, Incident: evidence.IncidentKey(d.key), Line: d.end.line}
	v.tree.Add(&v.one)
	if v.long > 0 && d.row == v.last+1 {
		v.long++
	} else {
		v.endRun()
		v.gap, v.long = d.row-v.last, 1
	}
	v.last = d.row
	for int(d.touch) >= len(v.byTouch) {
		v.byTouch = append(v.byTouch, -1)
	}
	at := &v.byTouch[d.touch]
	if *at < 0 || v.ends[*at] != d.end {
		*at = v.place(d.end)
	}
	v.which = binary.AppendUvarint(v.which, uint64(*at))
}

func (v *verdicts) place(e end) int32 {
	at, ok := v.places[e]
	if !ok {
		at = int32(len(v.ends))
		v.ends = append(v.ends, e)
		v.places[e] = at
	}
	return at
}

func (v *verdicts) endRun() {
	if v.long > 0 {
		v.runs = binary.AppendUvarint(binary.AppendVarint(v.runs, v.gap), v.long)
		v.run++
	}
}

// finish fills in what a chunk keeps of its verdicts.
func (v *verdicts) finish(c *Chunk) (err error) {
	v.flush()
	v.endRun()
	v.long = 0
	c.Salt, c.Root, c.Verdicts = v.salt, v.tree.Root(), nil
	if v.tree.Len() > 0 {
		c.Verdicts, err = v.packed()
	}
	return err
}

// packed is what DecodeVerdicts reads.
func (v *verdicts) packed() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(v.ends)))
	for _, e := range v.ends {
		b = append(binary.AppendUvarint(b, uint64(len(e.party))), e.party...)
		b = append(binary.AppendUvarint(b, uint64(len(e.line))), e.line...)
	}
	b = append(binary.AppendUvarint(b, uint64(v.run)), v.runs...)
	return compress(append(b, v.which...))
}

// errVerdicts says that what is stored of a chunk's verdicts cannot be read.
var errVerdicts = errors.New("what is stored of the verdicts is damaged: check the disk, and put back a backup of the database")

// DecodeVerdicts returns the verdicts of a chunk in their order, from its Body and its Verdicts.
func DecodeVerdicts(body, packed []byte) ([]evidence.Verdict, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	raw, err := Decompress(packed)
	if err != nil {
		return nil, err
	}
	all, err := unpackVerdicts(raw)
	if err != nil {
		return nil, err
	}
	next := make(map[int64]int, len(all)) // by row: the first of its verdicts that has no key yet
	for i := range slices.Backward(all) {
		next[all[i].Row] = i
	}
	events, err := Decompress(body)
	if err != nil {
		return nil, err
	}
	var keys incident.KeyMaker
	n := 0
	for line := range bytes.Lines(events) {
		var e report.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("read the events of a chunk: %w", err)
		}
		i, ok := next[e.Row]
		if !ok || i == len(all) || all[i].Row != e.Row {
			return nil, errVerdicts
		}
		v := &all[i]
		next[e.Row]++
		v.Incident = evidence.IncidentKey(keys.Key(v.Party, &e.Subject, e.Kind, e.Tag()))
		n++
	}
	if n != len(all) {
		return nil, errVerdicts
	}
	return all, nil
}

// unpackVerdicts reads rows, parties and answers.
func unpackVerdicts(b []byte) ([]evidence.Verdict, error) {
	r := unpacker{b: b}
	ends := make([]end, r.count())
	for i := range ends {
		ends[i] = end{report.Party(r.text()), report.LineState(r.text())}
	}
	var all []evidence.Verdict
	row := int64(0)
	for range r.count() {
		row += r.number() - 1
		n := r.count()
		if uint64(len(all))+n > uint64(len(r.b)) { // each has its place in ends behind the runs
			return nil, errVerdicts
		}
		for range n {
			row++
			all = append(all, evidence.Verdict{Row: row})
		}
	}
	for i := range all {
		at := r.uint()
		if at >= uint64(len(ends)) {
			return nil, errVerdicts
		}
		all[i].Party, all[i].Line = ends[at].party, ends[at].line
	}
	if r.bad || len(r.b) != 0 {
		return nil, errVerdicts
	}
	return all, nil
}

// unpacker reads numbers and texts; after the first that is not there, bad is true and all are zero.
type unpacker struct {
	b   []byte
	bad bool
}

func (r *unpacker) fail() {
	r.b, r.bad = nil, true
}

func (r *unpacker) uint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *unpacker) number() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count reads how many things follow, of which each takes a byte at least.
func (r *unpacker) count() uint64 {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return n
}

func (r *unpacker) text() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
