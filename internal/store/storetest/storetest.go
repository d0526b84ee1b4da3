// Package storetest is the contract of the store: what every engine has to do. Each engine's test calls Run.
package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// Start is when the reports of the suite come in.
var Start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Run runs the whole suite. open gives an empty database that is closed when the test ends.
func Run(t *testing.T, open func(t *testing.T) *store.DB) {
	for name, test := range map[string]func(*testing.T, *store.DB){
		"twice is once":               twice,
		"any order":                   anyOrder,
		"bridge":                      bridge,
		"links spill":                 linksSpill,
		"goes on after a crash":       goesOn,
		"duplicate bytes":             duplicateBytes,
		"quarantine, replay, drop":    quarantine,
		"received":                    received,
		"letters, threads, blocks":    letters,
		"what a person says":          person,
		"fetched":                     fetched,
		"lines":                       lines,
		"keys of lines":               lineKeys,
		"questions":                   questions,
		"holds":                       holds,
		"config":                      configSeen,
		"unattributed":                unattributed,
		"links":                       links,
		"restated":                    restated,
		"grades of reports":           reportGrades,
		"grade of a long report":      longReport,
		"grades of sources":           sourceGrades,
		"sources":                     sourceList,
		"rulings":                     rulings,
		"swept elsewhere":             sweptElsewhere,
		"ruling bridged":              rulingBridged,
		"regraded":                    regraded,
		"sweep":                       sweep,
		"archive":                     archived,
		"retention":                   retention,
		"failed commit keeps nothing": failedCommit,
		"outbox and lease of the log": outbox,
		"deletions are logged":        deletionEntries,
		"entries exactly once":        exactlyOnce,
		"chunks walked":               walked,
		"logs that are not ours":      guard,
		"submitted":                   submitted,
		"verdicts":                    verdicts,
		"search":                      search,
		"events by page":              sightings,
		"reports by page":             reportList,
		"acts":                        acts,
		"figures":                     figures,
		"changes":                     changed,
		"addresses spill":             spilt,
		"search in parts":             partial,
		"people":                      people,
		"ways in":                     waysIn,
		"links of invitations":        inviting,
		"sessions and tokens":         signedIn,
		"ended ways in":               endedAccess,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// Document is a report of the suite: rows that are events, or the reason for which they are refused.
type Document struct {
	Report report.Report
	Rows   []Row
	Mail   *report.Mail   // the mail that it is
	Letter *report.Letter // what it is instead of rows
}

// events is what a parser would yield.
func (d *Document) events(yield func(report.Event, error) bool) {
	for i, r := range d.Rows {
		r.Event.Row = int64(i + 1)
		var err error
		if r.Reason != "" {
			err = &report.RowError{Row: r.Event.Row, Reason: r.Reason}
		}
		if !yield(r.Event, err) {
			return
		}
	}
}

// Row is one row.
type Row struct {
	Event  report.Event
	Reason string // refused when not empty
}

// Desk returns a desk over db that reads documents from memory, running until the test ends.
func Desk(t testing.TB, db desk.Store, docs ...*Document) *desk.Desk {
	t.Helper()
	byName := map[string]*Document{}
	for _, d := range docs {
		byName[d.Report.ID.String()] = d
	}
	d := &desk.Desk{
		Open: func(doc report.Document, _ string) iter.Seq2[desk.Document, error] {
			return func(yield func(desk.Document, error) bool) {
				id, _ := io.ReadAll(doc.Reader)
				d := byName[string(id)]
				one := desk.Document{Name: doc.Name, Format: "test", Mail: d.Mail, Events: d.events}
				if d.Letter != nil {
					one.Events = nil
					yield(one, d.Letter)
					return
				}
				yield(one, nil)
			}
		},
		Originals: originals{}, Networks: func() desk.Networks { return networks{} }, Store: db, Assigns: assigns(db), Incidents: incident.Defaults(), SpoolDir: t.TempDir(),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return d
}

// assigns is the database where it is one that keeps what people say.
func assigns(db desk.Store) desk.Assigner {
	a, _ := db.(desk.Assigner)
	return a
}

type originals struct{}

func (originals) Original(_ context.Context, id report.ID) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(id.String())), nil
}

type networks struct{}

var (
	own   = report.Holder{Own: true}
	north = report.Holder{Partner: "north"}
)

// Whose says that everything is ours, but for what a report says is of AS64501.
func (networks) Whose(_ netip.Addr, reported uint32) *report.Holder {
	if reported == 64501 {
		return &north
	}
	return &own
}

func (networks) WhosePrefix(netip.Prefix, uint32) *report.Holder { return &own }

// NewDocument makes a report of n events: hosts different addresses, over span from begin on.
func NewDocument(r *rand.Rand, reporter string, n, hosts int, begin time.Time, span time.Duration) *Document {
	d := &Document{Report: report.Report{
		ID: report.NewID(Start), Channel: "test", Reporter: reporter, ReceivedAt: Start.Add(30 * 24 * time.Hour), Name: "test.csv",
	}}
	for i := range d.Report.SHA256 {
		d.Report.SHA256[i] = byte(r.Uint32())
	}
	for i := range n {
		d.Rows = append(d.Rows, Row{Event: Event(r.IntN(hosts), begin.Add(time.Duration(r.Int64N(int64(span)))), fmt.Sprint(i))})
	}
	return d
}

// Event is a sighting of a host with an open telnet port.
func Event(host int, at time.Time, banner string) report.Event {
	return report.Event{
		Format: "test", Feed: "telnet", Kind: report.Kind{Class: "vulnerable", Type: "vulnerable-system"},
		Tags: []string{"open-telnet"}, From: at.Truncate(time.Microsecond),
		Subject: report.Subject{Addr: netip.AddrFrom4([4]byte{198, 51, byte(host >> 8), byte(host)}), Port: 23},
		Details: []report.Detail{{Name: "banner", Value: banner}},
	}
}

// Seen is what two runs are compared by.
type Seen struct {
	Key         incident.Key
	First, Last time.Time
	Events      int64
	Days        int
	Sources     string
}

// All returns every incident as it is compared.
func All(t testing.TB, db *store.DB) []Seen {
	t.Helper()
	var all []Seen
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Seen{in.Key, in.FirstSeen, in.LastSeen, in.Events, in.Days, strings.Join(in.Sources, " ")})
	}
	return all
}

// Oracle computes the incidents of documents the slow and obvious way: all events of a key in the order of time, cut
// where the gap exceeds the window.
func Oracle(docs ...*Document) []Seen {
	type sighting struct {
		at       time.Time
		reporter string
	}
	cfg := incident.Defaults()
	var keys incident.KeyMaker
	byKey := map[incident.Key][]sighting{}
	for _, d := range docs {
		for _, r := range d.Rows {
			if r.Reason == "" {
				k := keys.Key(report.PartyOwn, &r.Event.Subject, r.Event.Kind, r.Event.Tag())
				byKey[k] = append(byKey[k], sighting{r.Event.From, d.Report.Reporter})
			}
		}
	}
	var all []Seen
	for k, seen := range byKey {
		slices.SortFunc(seen, func(a, b sighting) int { return a.at.Compare(b.at) })
		begin := 0
		for i := 1; i <= len(seen); i++ {
			if i < len(seen) && seen[i].at.Sub(seen[i-1].at) <= cfg.Window(report.Kind{Class: "vulnerable", Type: "vulnerable-system"}) {
				continue
			}
			days, reporters := map[string]bool{}, []string{}
			for _, s := range seen[begin:i] {
				days[s.at.Format(time.DateOnly)] = true
				reporters = append(reporters, s.reporter)
			}
			slices.Sort(reporters)
			all = append(all, Seen{k, seen[begin].at, seen[i-1].at, int64(i - begin), len(days), strings.Join(slices.Compact(reporters), " ")})
			begin = i
		}
	}
	slices.SortFunc(all, compare)
	return all
}

func compare(a, b Seen) int {
	return cmp.Or(bytes.Compare(a.Key[:], b.Key[:]), a.First.Compare(b.First))
}

func work(t *testing.T, d *desk.Desk, doc *Document, generation int) desk.Result {
	t.Helper()
	res, err := d.Work(t.Context(), doc.Report, generation)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func twice(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(1, 1))
	doc := NewDocument(r, "north", 3000, 50, Start, 30*24*time.Hour)
	doc.Rows = append(doc.Rows, doc.Rows[0], doc.Rows[1]) // repeats
	d := Desk(t, db, doc)
	first := work(t, d, doc, 0)
	if want := (desk.Result{Events: 3000, Repeats: 2, Documents: 1}); first != want {
		t.Errorf("first run: %+v, want %+v", first, want)
	}
	before := All(t, db)
	work(t, d, doc, 0)
	if diff := gocmp.Diff(before, All(t, db)); diff != "" {
		t.Errorf("working a report twice changed incidents:\n%s", diff)
	}
	doc.Rows = doc.Rows[:3000]
	if diff := gocmp.Diff(Oracle(doc), before); diff != "" {
		t.Errorf("incidents differ from the oracle (-oracle +store):\n%s", diff)
	}
	row, err := db.Report(t.Context(), doc.Report.ID)
	if err != nil || row.Events != 3000 || row.Repeats != 2 || row.State != report.StateWorked {
		t.Errorf("report row %+v, %v", row, err)
	}
}

// anyOrder works the same reports in several orders, far enough apart in time that episodes grow, split and join.
func anyOrder(t *testing.T, db *store.DB) {
	for round := range 4 {
		r := rand.New(rand.NewPCG(2, uint64(round)))
		var docs []*Document
		for i := range 12 {
			docs = append(docs, NewDocument(r, fmt.Sprintf("r%d", i%3), 20+r.IntN(60), 40, Start.AddDate(0, 0, -200), 200*24*time.Hour))
		}
		for _, d := range docs { // hosts of their own for each round
			for i := range d.Rows {
				b := d.Rows[i].Event.Subject.Addr.As4()
				b[2] = byte(100 + round)
				d.Rows[i].Event.Subject.Addr = netip.AddrFrom4(b)
			}
		}
		had := All(t, db)
		d := Desk(t, db, docs...)
		r.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		for _, doc := range docs {
			work(t, d, doc, 0)
		}
		want := append(had, Oracle(docs...)...)
		slices.SortFunc(want, compare)
		if diff := gocmp.Diff(want, All(t, db)); diff != "" {
			t.Fatalf("round %d (-oracle +store):\n%s", round, diff)
		}
	}
}

// bridge has a late event join two episodes: the younger's id leads to the older, and the events are all there.
func bridge(t *testing.T, db *store.DB) {
	at := func(day int) time.Time { return Start.AddDate(0, 0, day) }
	var docs []*Document
	for i, day := range []int{0, 20, 10} {
		docs = append(docs, &Document{
			Report: report.Report{ID: report.NewID(Start), Channel: "test", Reporter: "north", ReceivedAt: at(30), SHA256: [32]byte{byte(i + 1)}},
			Rows:   []Row{{Event: Event(1, at(day), fmt.Sprint(day))}},
		})
	}
	d := Desk(t, db, docs...)
	work(t, d, docs[0], 0)
	work(t, d, docs[1], 0)
	var ids []report.ID
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, in.ID)
	}
	if len(ids) != 2 {
		t.Fatalf("%d incidents before the late event, want 2", len(ids))
	}
	work(t, d, docs[2], 0)
	if diff := gocmp.Diff(Oracle(docs...), All(t, db)); diff != "" {
		t.Errorf("after the late event (-oracle +store):\n%s", diff)
	}
	for _, id := range ids {
		in, err := db.Incident(t.Context(), id)
		if err != nil || in.ID != ids[0] || in.Events != 3 {
			t.Errorf("id %s leads to %s with %d events, %v; want %s with 3", id, in.ID, in.Events, err, ids[0])
		}
	}
	var banners []string
	for e, err := range db.Events(t.Context(), ids[1]) {
		if err != nil {
			t.Fatal(err)
		}
		banners = append(banners, e.Detail("banner"))
	}
	slices.Sort(banners)
	if diff := gocmp.Diff([]string{"0", "10", "20"}, banners); diff != "" {
		t.Errorf("events of the joined incident:\n%s", diff)
	}
}

// linksSpill sees one host so often that its links leave its row, and finds every event again.
func linksSpill(t *testing.T, db *store.DB) {
	var docs []*Document
	for i := range 300 {
		docs = append(docs, &Document{
			Report: report.Report{ID: report.NewID(Start), Channel: "test", Reporter: "north", ReceivedAt: Start, SHA256: [32]byte{1, byte(i), byte(i >> 8)}},
			Rows:   []Row{{Event: Event(1, Start.Add(time.Duration(i)*time.Minute), fmt.Sprint(i))}},
		})
	}
	d := Desk(t, db, docs...)
	for _, doc := range docs {
		work(t, d, doc, 0)
	}
	n := 0
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for e, err := range db.Events(t.Context(), in.ID) {
			if err != nil {
				t.Fatal(err)
			}
			seen[e.Detail("banner")] = true
		}
		if len(seen) != 300 || in.Events != 300 {
			t.Errorf("%d events linked, %d counted, want 300", len(seen), in.Events)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d incidents, want 1", n)
	}
}

// stops is a store that commits the first chunk and no more, as a node does that is killed.
type stops struct {
	*store.DB
	stopped bool
}

var errKilled = errors.New("killed")

func (s *stops) Commit(ctx context.Context, chunks []*desk.Chunk) error {
	if s.stopped {
		return errKilled
	}
	s.stopped = true
	return errors.Join(s.DB.Commit(ctx, chunks[:1]), errKilled)
}

func goesOn(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(3, 3))
	doc := NewDocument(r, "north", 3*desk.ChunkRows+17, 4000, Start, 20*24*time.Hour)
	for i := 5; i < len(doc.Rows); i += 1000 {
		doc.Rows[i].Reason = "a bad row"
	}
	for i := 7; i < len(doc.Rows); i += 5000 {
		doc.Rows[i] = doc.Rows[0]
	}
	if _, err := Desk(t, &stops{DB: db}, doc).Work(t.Context(), doc.Report, 0); !errors.Is(err, errKilled) {
		t.Fatalf("the killed run ended with %v", err)
	}
	row, err := db.Report(t.Context(), doc.Report.ID)
	if err != nil || row.State != report.StateWorking {
		t.Fatalf("after the kill: %+v, %v", row, err)
	}
	work(t, Desk(t, db, doc), doc, 0)
	row, err = db.Report(t.Context(), doc.Report.ID)
	if err != nil {
		t.Fatal(err)
	}
	var repeats, refused int64
	for i := range doc.Rows {
		switch {
		case doc.Rows[i].Reason != "":
			refused++
		case i%5000 == 7:
			repeats++
			doc.Rows[i].Reason = "left out of the oracle"
		}
	}
	if row.Events != int64(len(doc.Rows))-repeats-refused || row.Repeats != repeats || row.Refused != refused || row.State != report.StateWorked {
		t.Errorf("report row %+v; want %d repeats, %d refused of %d", row, repeats, refused, len(doc.Rows))
	}
	if diff := gocmp.Diff(Oracle(doc), All(t, db)); diff != "" {
		t.Errorf("(-oracle +store):\n%s", diff)
	}
}

func duplicateBytes(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(4, 4))
	doc := NewDocument(r, "north", 10, 5, Start, time.Hour)
	again := *doc
	again.Report.ID = report.NewID(Start)
	other := again
	other.Report.ID, other.Report.Reporter = report.NewID(Start), "south"
	d := Desk(t, db, doc, &again, &other)
	work(t, d, doc, 0)
	if res := work(t, d, &again, 0); res.DuplicateOf != doc.Report.ID {
		t.Errorf("the same bytes from the same reporter: %+v, want a duplicate of %s", res, doc.Report.ID)
	}
	if res := work(t, d, &other, 0); res.Events != 10 {
		t.Errorf("the same bytes from another reporter: %+v, want 10 events", res)
	}
	for _, in := range All(t, db) {
		if in.Sources != "north south" {
			t.Errorf("sources %q, want both", in.Sources)
		}
	}
}

func quarantine(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(5, 5))
	doc := NewDocument(r, "north", 100, 10, Start, time.Hour)
	doc.Rows[3].Reason, doc.Rows[50].Reason, doc.Rows[51].Reason = "bad row", "bad row", "bad row"
	d := Desk(t, db, doc)
	work(t, d, doc, 0)
	list := func() (all []string) {
		for row, err := range db.Quarantine(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("%s %s %d refused", row.ID, row.State, row.Refused))
		}
		return all
	}
	if diff := gocmp.Diff([]string{doc.Report.ID.String() + " worked 3 refused"}, list()); diff != "" {
		t.Errorf("quarantine:\n%s", diff)
	}
	refusedRows(t, db, doc)
	doc.Rows[3].Reason, doc.Rows[50].Reason = "", "" // the parser was mended
	if res := work(t, d, doc, 1); res.Events != 2 || res.Refused != 1 {
		t.Errorf("replay: %+v, want 2 events and 1 refused", res)
	}
	if diff := gocmp.Diff(Oracle(doc), All(t, db)); diff != "" {
		t.Errorf("after the replay (-oracle +store):\n%s", diff)
	}
	if diff := gocmp.Diff([]string{doc.Report.ID.String() + " worked 1 refused"}, list()); diff != "" {
		t.Errorf("quarantine after the replay:\n%s", diff)
	}
	refusals, err := db.Refusals(t.Context(), doc.Report.ID, 1)
	if err != nil || len(refusals) != 1 || refusals[0].Row != 52 || refusals[0].Reason != "bad row" {
		t.Errorf("refusals %+v, %v", refusals, err)
	}
	work(t, d, doc, 1) // delivered twice
	if diff := gocmp.Diff(Oracle(doc), All(t, db)); diff != "" {
		t.Errorf("after the replay was delivered twice (-oracle +store):\n%s", diff)
	}
	if err := db.Drop(t.Context(), doc.Report.ID); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != nil {
		t.Errorf("quarantine after the drop: %v", got)
	}
	if err := db.Drop(t.Context(), doc.Report.ID); !errors.Is(err, store.ErrNoReport) {
		t.Errorf("dropped twice: %v", err)
	}
}

// sweep holds that silence proves something only where the feed is alive.
func sweep(t *testing.T, db *store.DB) {
	doc := &Document{
		Report: report.Report{ID: report.NewID(Start), Channel: "test", Reporter: "north", ReceivedAt: Start.AddDate(0, 0, 40), SHA256: [32]byte{1}},
		Rows: []Row{
			{Event: Event(1, Start, "old")},
			{Event: Event(2, Start.AddDate(0, 0, 11), "quiet")},
			{Event: Event(3, Start.AddDate(0, 0, 15), "new")},
			{Event: Event(4, Start, "lone")},
		},
	}
	doc.Rows[3].Event.Feed = "silent"
	d := Desk(t, db, doc)
	work(t, d, doc, 0)
	cfg := incident.Defaults()
	moved, err := db.Sweep(t.Context(), &cfg, Start.AddDate(0, 0, 16))
	if err != nil || moved != 2 {
		t.Fatalf("swept %d, %v, want 2", moved, err)
	}
	want := "198.51.0.1=closed/went-quiet 198.51.0.2=quiet/ 198.51.0.3=open/ 198.51.0.4=open/"
	if got := states(t, db); got != want {
		t.Errorf("states %s\nwant   %s", got, want)
	}
	if moved, err := db.Sweep(t.Context(), &cfg, Start.AddDate(0, 0, 16)); err != nil || moved != 0 {
		t.Errorf("the second sweep moved %d, %v", moved, err)
	}
	for _, c := range []struct {
		day  int // the feed delivered last on day 40
		want string
	}{{62, "open/"}, {99, "open/"}, {100, "closed/unknown"}} {
		if _, err := db.Sweep(t.Context(), &cfg, Start.AddDate(0, 0, c.day).Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := states(t, db); !strings.Contains(got, "198.51.0.4="+c.want) {
			t.Errorf("a silent feed on day %d: %s", c.day, got)
		}
	}
	// Seen again inside its window: the same incident goes on.
	late := &Document{Report: doc.Report, Rows: []Row{{Event: Event(2, Start.AddDate(0, 0, 16), "again")}}}
	late.Report.ID, late.Report.SHA256 = report.NewID(Start), [32]byte{2}
	work(t, Desk(t, db, late), late, 0)
	if got := states(t, db); !strings.Contains(got, "198.51.0.2=open/") {
		t.Errorf("seen again: %s", got)
	}
}

// states is what became of every subject.
func states(t *testing.T, db *store.DB) string {
	t.Helper()
	var all []string
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s=%s/%s", in.Subject, in.State, in.Outcome))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// archive takes in a report whose events are a year old: its feed is silent once nothing has come in for the silence
// time, and deliveries of older events, in any order of commits, count as well as new ones. Those of another feed, or
// about another network, do not.
func archived(t *testing.T, db *store.DB) {
	old, asn := Start.AddDate(-1, 0, 0), uint32(64501)
	doc := func(n byte, received int, events ...report.Event) *Document {
		d := &Document{Report: report.Report{
			ID: report.NewID(Start), Channel: "test", Reporter: "north", ReceivedAt: Start.AddDate(0, 0, received), SHA256: [32]byte{n},
		}}
		for _, e := range events {
			d.Rows = append(d.Rows, Row{Event: e})
		}
		return d
	}
	partners := Event(2, old, "")
	partners.Subject.ASN = asn
	otherFeed, otherNetwork := Event(3, old, ""), Event(4, old, "")
	otherFeed.Feed, otherNetwork.Subject.ASN = "rdp", asn
	docs := []*Document{
		doc(1, 0, Event(1, old, ""), partners),
		doc(2, 50, otherFeed, otherNetwork),
		doc(3, 30, Event(5, old.AddDate(0, 0, -1), "")), // ours, by the same feed, of the day before
		doc(4, 20, Event(5, old.AddDate(0, 0, -1), "again")),
	}
	d := Desk(t, db, docs...)
	for _, doc := range docs {
		work(t, d, doc, 0)
	}
	marks, err := db.Watermarks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := incident.Watermarks{
		{Feed: "test/telnet", Network: "own"}:           {Newest: old, Delivered: Start.AddDate(0, 0, 30)},
		{Feed: "test/telnet", Network: "partner:north"}: {Newest: old, Delivered: Start.AddDate(0, 0, 50)},
		{Feed: "test/rdp", Network: "own"}:              {Newest: old, Delivered: Start.AddDate(0, 0, 50)},
	}
	if diff := gocmp.Diff(want, marks); diff != "" {
		t.Errorf("watermarks (-want +got):\n%s", diff)
	}
	cfg := incident.Defaults()
	for _, c := range []struct {
		day  int
		want string
	}{
		{50, "198.51.0.1=open/ 198.51.0.2=open/ 198.51.0.3=open/ 198.51.0.4=open/ 198.51.0.5=open/"},
		{89, "198.51.0.1=open/ 198.51.0.2=open/ 198.51.0.3=open/ 198.51.0.4=open/ 198.51.0.5=open/"},
		{91, "198.51.0.1=closed/unknown 198.51.0.2=open/ 198.51.0.3=open/ 198.51.0.4=open/ 198.51.0.5=closed/unknown"},
		{111, "198.51.0.1=closed/unknown 198.51.0.2=closed/unknown 198.51.0.3=closed/unknown 198.51.0.4=closed/unknown 198.51.0.5=closed/unknown"},
	} {
		if _, err := db.Sweep(t.Context(), &cfg, Start.AddDate(0, 0, c.day)); err != nil {
			t.Fatal(err)
		}
		if got := states(t, db); got != c.want {
			t.Errorf("day %d: %s\nwant   %s", c.day, got, c.want)
		}
	}
}

func retention(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(6, 6))
	doc := NewDocument(r, "north", 100, 10, Start, time.Hour)
	late := NewDocument(r, "north", 1, 1, Start.AddDate(0, 0, 30), time.Hour)
	late.Rows[0].Event.Subject.Addr = netip.MustParseAddr("203.0.113.1")
	d := Desk(t, db, doc, late)
	work(t, d, doc, 0)
	work(t, d, late, 0)
	cfg := incident.Defaults()
	now := doc.Report.ReceivedAt.AddDate(0, 0, 61) // their feed delivered last 61 days ago
	if _, err := db.Sweep(t.Context(), &cfg, now); err != nil {
		t.Fatal(err)
	}
	if n, err := db.DeleteIncidents(t.Context(), now.Add(-time.Hour), now); err != nil || n != 0 {
		t.Errorf("deleted %d incidents before their time, %v", n, err)
	}
	n, err := db.DeleteIncidents(t.Context(), now.Add(time.Hour), now)
	if err != nil || n < 10 {
		t.Errorf("deleted %d incidents, %v, want at least 10", n, err)
	}
	if n, err := db.DeleteReports(t.Context(), doc.Report.ReceivedAt.Add(time.Hour), now); err != nil || n != 2 {
		t.Errorf("deleted %d reports, %v, want 2", n, err)
	}
	log, err := db.Deletions(t.Context())
	if err != nil || len(log) != 2 || log[0].Class != "reports" || log[0].Deleted != 2 || log[1].Class != "incidents" || log[1].Deleted != n {
		t.Errorf("record of deletions %+v, %v", log, err)
	}
}

// failedCommit hands in a chunk that cannot be stored next to one that can: neither is there afterwards.
func failedCommit(t *testing.T, db *store.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &desk.Chunk{Report: report.Report{ID: report.NewID(Start), ReceivedAt: Start}, FromRow: 1, ToRow: 1, Final: true}
	if err := db.Commit(ctx, []*desk.Chunk{c}); err == nil {
		t.Fatal("a commit under an ended context succeeded")
	}
	if _, err := db.Report(t.Context(), c.Report.ID); !errors.Is(err, store.ErrNoReport) {
		t.Errorf("after a failed commit the report is there: %v", err)
	}
}
