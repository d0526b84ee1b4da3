package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

func letterOf(t *testing.T, db *store.DB, doc *Document) *desk.Letter {
	t.Helper()
	row, err := db.Report(t.Context(), doc.Report.ID)
	if err != nil {
		t.Fatal(err)
	}
	l := row.Letter()
	return &l
}

// seen is an event that a person writes.
func seen(host byte, at time.Time) report.Event {
	return report.Event{
		Kind: report.KindOf("brute-force"), Tags: []string{"ssh"}, From: at,
		Subject: report.Subject{Addr: netip.AddrFrom4([4]byte{198, 51, 100, host}), Port: 22},
	}
}

func allIncidents(t *testing.T, db *store.DB) (all []incident.Incident) {
	t.Helper()
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, in)
	}
	return all
}

// person: events that a person makes of a letter are folded like any others, once.
func person(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(4, 4))
	one := mail(r, report.StateWaiting, report.Mail{MessageID: "1@example.net", From: "ann@example.net"})
	two := mail(r, report.StateWaiting, report.Mail{MessageID: "2@example.net", From: "ann@example.net"})
	three := mail(r, report.StateWaiting, report.Mail{MessageID: "3@example.net", From: "bob@b_b.example.net"})
	aside := mail(r, report.StateAside, report.Mail{MessageID: "4@example.net", From: "bob@bxb.example.net"})
	d := Desk(t, db, one, two, three, aside)
	for _, doc := range []*Document{one, two, three, aside} {
		work(t, d, doc, 0)
	}
	events := []report.Event{seen(1, Start), seen(1, Start.Add(time.Hour)), seen(2, Start), seen(2, Start)}
	first := letterOf(t, db, one)
	for _, again := range []bool{false, true, true} {
		got, err := d.Assign(t.Context(), first, events, "ann", Start)
		if want := (desk.Assigned{Events: 3, Repeats: 1, Again: again}); err != nil || got != want {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
	}
	row, err := db.Report(t.Context(), one.Report.ID)
	if got := fmt.Sprintf("%s %d %d %d %d %q", row.State, row.Generation, row.Events, row.Repeats, row.Refused, row.Reason); err != nil || got != `worked 1 3 1 0 ""` {
		t.Errorf("the report: %s, %v", got, err)
	}
	a, err := db.Assignment(t.Context(), one.Report.ID)
	if err != nil || a.Who != "ann" || !a.At.Equal(Start) || !a.Incident.IsZero() {
		t.Errorf("the assignment: %+v, %v", a, err)
	}
	all := allIncidents(t, db)
	if len(all) != 2 || all[0].Events+all[1].Events != 3 || all[0].Feeds[0] != desk.Person {
		t.Fatalf("incidents: %+v", all)
	}
	for _, l := range []*desk.Letter{first, letterOf(t, db, one), letterOf(t, db, aside)} {
		if _, err := d.Assign(t.Context(), l, events[:1], "ann", Start); !errors.Is(err, desk.ErrNotWaiting) {
			t.Errorf("what waits for nobody was assigned: %v", err)
		}
	}
	replayed(t, db, d, one)
	merged(t, db, d, two, all[0])
	quick(t, db, d, three)
	said(t, db, first, d)
	if got, err := db.SentBy(t.Context(), "ann@example.net"); err != nil || got != (desk.Sent{Reports: 2}) {
		t.Errorf("sent by ann: %+v, %v", got, err)
	}
	if got, err := db.SentBy(t.Context(), "@b_b.example.net"); err != nil || got != (desk.Sent{Reports: 1}) {
		t.Errorf("sent by a domain with a letter that is a pattern: %+v, %v", got, err)
	}
	if got, err := db.SentBy(t.Context(), "@bxb.example.net"); err != nil || got != (desk.Sent{Reports: 1, Aside: 1}) {
		t.Errorf("sent by another domain: %+v, %v", got, err)
	}
	pages(t, db, r)
	ends(t, db, one)
}

// replayed: a replay that was asked for before a person was faster takes nothing, nor does work that is done twice.
func replayed(t *testing.T, db *store.DB, d *desk.Desk, doc *Document) {
	t.Helper()
	before := allIncidents(t, db)
	doc.Letter, doc.Rows = nil, []Row{{Event: seen(9, Start)}}
	for generation := range 3 { // 0: the work itself, handed out a second time
		work(t, d, doc, generation)
	}
	if diff := gocmp.Diff(before, allIncidents(t, db)); diff != "" {
		t.Errorf("a replay of what a person has said:\n%s", diff)
	}
	if l := letterOf(t, db, doc); l.State != report.StateWorked || l.Generation != 1 || l.Events != 3 {
		t.Errorf("%+v", l)
	}
}

// merged: times become events of the incident, and the report is linked to it.
func merged(t *testing.T, db *store.DB, d *desk.Desk, doc *Document, in incident.Incident) {
	t.Helper()
	l := letterOf(t, db, doc)
	far := in.LastSeen.Add(d.Incidents.Window(in.Kind) + time.Hour)
	if _, err := d.Merge(t.Context(), l, &in, []time.Time{far}, "bob", Start); err == nil {
		t.Error("a time of another episode was merged")
	}
	for _, again := range []bool{false, true} {
		got, err := d.Merge(t.Context(), l, &in, []time.Time{in.FirstSeen.Add(-time.Minute), in.LastSeen}, "bob", Start)
		if err != nil || got.Events != 2 || got.Again != again {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	now, err := db.Incident(t.Context(), in.ID)
	if err != nil || now.Key != in.Key || now.Events != in.Events+2 || !now.FirstSeen.Equal(in.FirstSeen.Add(-time.Minute)) {
		t.Errorf("%+v, %v", now, err)
	}
	rows, err := db.Linked(t.Context(), in.ID)
	if err != nil || len(rows) != 1 || rows[0].ID != doc.Report.ID {
		t.Errorf("linked: %+v, %v", rows, err)
	}
}

// quick: of several people at once one is first, whether they say the same or not.
func quick(t *testing.T, db *store.DB, d *desk.Desk, doc *Document) {
	t.Helper()
	l := letterOf(t, db, doc)
	var won, again, late atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			got, err := d.Assign(t.Context(), l, []report.Event{seen(byte(100+i%2), Start)}, fmt.Sprint(i), Start)
			switch {
			case errors.Is(err, desk.ErrNotWaiting):
				late.Add(1)
			case err != nil:
				t.Error(err)
			case got.Again:
				again.Add(1)
			default:
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || again.Load() != 3 || late.Load() != 4 || letterOf(t, db, doc).Events != 1 {
		t.Errorf("%d were first, %d said the same, %d were late", won.Load(), again.Load(), late.Load())
	}
}

// said: faults of all events are told at once, and nothing is stored.
func said(t *testing.T, db *store.DB, l *desk.Letter, d *desk.Desk) {
	t.Helper()
	before := allIncidents(t, db)
	bad := []report.Event{seen(1, Start), {}, seen(1, l.ReceivedAt.Add(100*time.Hour))}
	_, err := d.Assign(t.Context(), l, bad, "ann", Start)
	var fields []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		f, _ := errors.AsType[*report.FieldError](e)
		fields = append(fields, f.Field)
	}
	if diff := gocmp.Diff([]string{"events[1].type", "events[1].from", "events[1].subject", "events[2].from"}, fields); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff(before, allIncidents(t, db)); diff != "" {
		t.Error(diff)
	}
	for _, n := range []int{0, desk.MaxAssigned + 1} {
		if _, err := d.Assign(t.Context(), l, make([]report.Event, n), "ann", Start); err == nil {
			t.Errorf("%d events at once", n)
		}
	}
}

// pages: the list in pieces is the list.
func pages(t *testing.T, db *store.DB, r *rand.Rand) {
	t.Helper()
	for i := range 7 {
		doc := mail(r, report.StateWaiting, report.Mail{MessageID: fmt.Sprintf("p%d@example.net", i)})
		doc.Report.ReceivedAt = doc.Report.ReceivedAt.Add(time.Duration(i/3) * time.Minute) // some at the same moment
		work(t, Desk(t, db, doc), doc, 0)
	}
	on := func(apart report.Kind) (all []string) {
		var last store.Row
		for range 10 {
			page, err := db.LettersAfter(t.Context(), desk.Shelf{State: report.StateWaiting, Apart: apart}, last.ReceivedAt, last.ID, 3)
			if err != nil || len(page) > 3 {
				t.Fatal(len(page), err)
			}
			for _, row := range page {
				if row.Apart != apart || row.Letter().Apart != apart {
					t.Errorf("%s lies apart under %v, listed under %v", row.ID, row.Apart, apart)
				}
				all, last = append(all, row.ID.String()), row
			}
		}
		return all
	}
	rest := on(report.Kind{})
	if diff := gocmp.Diff(ids(t, db.Letters(t.Context(), report.StateWaiting)), rest); diff != "" || len(rest) != 7 {
		t.Errorf("%d:\n%s", len(rest), diff)
	}
	shelves(t, db, r, rest, on)
}

// shelves: what is filed apart is on its own shelf only, in each state, and counted.
func shelves(t *testing.T, db *store.DB, r *rand.Rand, rest []string, on func(report.Kind) []string) {
	t.Helper()
	copyright := report.KindOf("copyright")
	var want []string
	for range 5 {
		doc := mail(r, report.StateWaiting, report.Mail{})
		doc.Letter.Apart = copyright
		work(t, Desk(t, db, doc), doc, 0)
		want = append(want, doc.Report.ID.String())
	}
	if diff := gocmp.Diff(want, on(copyright), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff(rest, on(report.Kind{})); diff != "" {
		t.Error(diff)
	}
	if all := ids(t, db.Letters(t.Context(), report.StateWaiting)); len(all) != 12 {
		t.Errorf("%d wait in all", len(all))
	}
	id, err := report.ParseID(want[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := db.SetAside(t.Context(), id, "no"); err != nil {
		t.Fatal(err)
	}
	for state, n := range map[report.State]int{report.StateWaiting: 4, report.StateAside: 1, report.StateWorked: 0} {
		got, err := db.LettersApart(t.Context(), state)
		if err != nil || got[copyright] != n || len(got) > 1 {
			t.Errorf("%s: %v, %v", state, got, err)
		}
	}
}

// ends: what can be read of a letter ends with the original, and who said what with the report.
func ends(t *testing.T, db *store.DB, doc *Document) {
	t.Helper()
	id, received := doc.Report.ID, doc.Report.ReceivedAt
	packed, err := db.Reading(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if reading, err := desk.DecodeReading(packed); err != nil || reading == nil || len(reading.Parts) != 1 {
		t.Fatalf("%+v, %v", reading, err)
	}
	if n, err := db.DeleteReadings(t.Context(), received, Start); err != nil || n != 0 {
		t.Errorf("%d readings deleted before their end, %v", n, err)
	}
	if n, err := db.DeleteReadings(t.Context(), received.Add(time.Hour), Start); err != nil || n == 0 {
		t.Errorf("%d readings deleted, %v", n, err)
	}
	if packed, err := db.Reading(t.Context(), id); err != nil || packed != nil {
		t.Errorf("a reading outlived its end: %v", err)
	}
	if _, err := db.DeleteReports(t.Context(), received.Add(time.Hour), Start); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Assignment(t.Context(), id); !errors.Is(err, store.ErrNoReport) {
		t.Errorf("an assignment outlived its report: %v", err)
	}
}
