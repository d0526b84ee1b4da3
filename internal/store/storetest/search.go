package storetest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// mixed makes a report of n events of many kinds at addresses of lines, of our network and of a partner, over span.
func mixed(r *rand.Rand, n byte, events int, begin time.Time, span time.Duration) *Document {
	d := &Document{Report: report.Report{
		ID: report.NewID(Start), Channel: "test", Reporter: fmt.Sprintf("r%d", n%3), ReceivedAt: Start.AddDate(0, 0, 30), SHA256: [32]byte{7, n},
	}}
	kinds := []string{"vulnerable-system", "infected-system", "ddos-amplifier", "c2-server"}
	for i := range events {
		host := r.IntN(4000)
		e := Event(host, begin.Add(time.Duration(r.Int64N(int64(span)))), fmt.Sprint(n, i))
		e.Subject.Addr = netip.AddrFrom4([4]byte{100, 64, byte(host >> 8), byte(host)})
		e.Kind = report.KindOf(kinds[min(r.IntN(12), len(kinds)-1)])
		e.Tags = []string{[]string{"telnet", "mirai", "rare"}[min(r.IntN(100), 2)*r.IntN(2)]}
		if host%7 == 0 {
			e.Subject.ASN = 64501
		}
		if host%300 == 3 {
			e.Subject.Addr, e.Subject.Domain = netip.Addr{}, fmt.Sprintf("h%d.example.net", host)
		}
		d.Rows = append(d.Rows, Row{Event: e})
	}
	return d
}

// search finds what going through all incidents finds, whatever became of them and in whatever pieces.
func search(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(11, 11))
	var docs []*Document
	for i := range byte(6) { // the later ones go back in time, so that episodes are joined
		docs = append(docs, mixed(r, i, 600, Start.AddDate(0, 0, -20*int(i%3)), 15*24*time.Hour))
	}
	d := Desk(t, db, docs...)
	d.Lines = oddLines{}
	at := map[report.ID]map[netip.Addr]bool{}
	for i, doc := range docs {
		work(t, d, doc, 0)
		if i%2 == 1 {
			searched(t, db, r, at)
		}
	}
	cfg := incident.Defaults()
	if _, err := db.Sweep(t.Context(), &cfg, Start.AddDate(0, 0, 31)); err != nil {
		t.Fatal(err)
	}
	var rulings []incident.Ruling
	for i, in := range allIncidents(t, db) {
		if i%100 == 0 {
			rulings = append(rulings, incident.Ruling{Incident: in.ID, Outcome: report.OutcomeFalseAlarm, Who: "ann", Reason: "ours", At: Start.AddDate(0, 0, 40)})
		}
	}
	if err := db.Rule(t.Context(), rulings...); err != nil {
		t.Fatal(err)
	}
	searched(t, db, r, at)
	if n, err := db.DeleteIncidents(t.Context(), Start.AddDate(0, 0, 35), Start); err != nil || n == 0 {
		t.Fatalf("deleted %d, %v", n, err)
	}
	searched(t, db, r, at)
	again := mixed(r, 8, 600, Start.AddDate(0, 0, -60), 80*24*time.Hour) // behind what was deleted
	d = Desk(t, db, again)
	d.Lines = oddLines{}
	work(t, d, again, 0)
	searched(t, db, r, at)
	stable(t, db)
	badQuery(t, db)
}

// searched asks for everything that there is, alone and together, and compares.
func searched(t *testing.T, db *store.DB, r *rand.Rand, at map[report.ID]map[netip.Addr]bool) {
	t.Helper()
	all := allIncidents(t, db)
	slices.SortFunc(all, func(a, b incident.Incident) int { return a.LastSeen.Compare(b.LastSeen) })
	clear(at)
	var addrs []netip.Addr
	for i := range all {
		at[all[i].ID] = map[netip.Addr]bool{}
		if a, err := netip.ParseAddr(all[i].Subject); err == nil {
			at[all[i].ID][a] = true
			addrs = append(addrs, a)
		}
		if !all[i].Party.IsLine() {
			continue
		}
		for e, err := range db.Events(t.Context(), all[i].ID) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Subject.Addr.IsValid() {
				at[all[i].ID][e.Subject.Addr] = true
				addrs = append(addrs, e.Subject.Addr)
			}
		}
	}
	found := 0
	for range 50 {
		in := all[r.IntN(len(all))]
		var q incident.Query
		for _, ask := range []func(){
			func() { q.Addr = addrs[r.IntN(len(addrs))] },
			func() { q.Party = in.Party },
			func() { q.Kind = in.Kind },
			func() { q.Kind = report.Kind{Class: in.Kind.Class} },
			func() { q.Tag = in.Tag },
			func() { q.State = in.State },
			func() { q.From = in.LastSeen },
			func() { q.To = in.LastSeen.Add(time.Duration(r.IntN(2))) },
			func() { q.From, q.To = in.LastSeen, in.LastSeen.Add(time.Microsecond) },
			func() { q.Party, q.Addr = "line:aaaaaaaaaaaaaa01", addrs[r.IntN(len(addrs))] },
		} {
			if r.IntN(5) == 0 {
				ask()
			}
		}
		if q.Validate() != nil {
			continue
		}
		want := map[report.ID]bool{}
		for i := range all {
			if q.Matches(&all[i]) && (!q.Addr.IsValid() || at[all[i].ID][q.Addr]) {
				want[all[i].ID] = true
			}
		}
		got := map[report.ID]bool{}
		for _, in := range leaf(t, db, q, 40+r.IntN(300)) {
			if got[in.ID] {
				t.Errorf("%+v: %s comes twice", q, in.ID)
			}
			got[in.ID] = true
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v (-want +got):\n%s", q, diff)
		}
		found += len(got)
	}
	if found == 0 {
		t.Error("nothing was asked for that is there")
	}
}

// leaf returns all pages of a search.
func leaf(t *testing.T, db *store.DB, q incident.Query, limit int) (all []incident.Incident) {
	t.Helper()
	q.Limit = limit
	for {
		found, err := db.SearchIncidents(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found.Incidents...)
		switch {
		case found.Partial && found.Next.IsZero():
			t.Fatalf("%+v: a part that does not say how to go on", q)
		case len(found.Incidents) > limit, len(found.Incidents) < limit && !found.Next.IsZero() && !found.Partial:
			t.Fatalf("%+v: a page of %d with more behind it", q, len(found.Incidents))
		case found.Next.IsZero():
			return all
		}
		if q.After, err = incident.ParseCursor(found.Next.String()); err != nil {
			t.Fatal(err)
		}
	}
}

// stable: what comes in while somebody leafs through pages moves nothing, and stands before it.
func stable(t *testing.T, db *store.DB) {
	t.Helper()
	before := leaf(t, db, incident.Query{}, 7)
	page, err := db.SearchIncidents(t.Context(), incident.Query{Limit: 7})
	if err != nil {
		t.Fatal(err)
	}
	doc := mixed(rand.New(rand.NewPCG(1, 2)), 77, 40, Start.AddDate(1, 0, 0), time.Hour)
	work(t, Desk(t, db, doc), doc, 0)
	rest := leaf(t, db, incident.Query{After: page.Next}, 11)
	ids := func(all []incident.Incident) (ids []report.ID) {
		for _, in := range all {
			ids = append(ids, in.ID)
		}
		return ids
	}
	if diff := gocmp.Diff(ids(before[7:]), ids(rest)); diff != "" {
		t.Errorf("the rest of the list moved:\n%s", diff)
	}
	now := leaf(t, db, incident.Query{}, 100)
	if diff := gocmp.Diff(ids(before), ids(now[len(now)-len(before):])); diff != "" || len(now) == len(before) {
		t.Errorf("%d, before %d:\n%s", len(now), len(before), diff)
	}
}

func badQuery(t *testing.T, db *store.DB) {
	t.Helper()
	for _, q := range []incident.Query{{State: "x"}, {Party: "x"}, {Limit: -1}, {Limit: incident.MaxPage + 1}} {
		if _, err := db.SearchIncidents(t.Context(), q); err == nil {
			t.Errorf("%+v is answered", q)
		}
	}
	found, err := db.SearchIncidents(t.Context(), incident.Query{Addr: netip.MustParseAddr("192.0.2.1")})
	if err != nil || len(found.Incidents) != 0 || !found.Next.IsZero() || found.Partial {
		t.Errorf("an address that was never seen: %+v, %v", found, err)
	}
}

// spilt: an incident of a line that had more addresses than fit into its row is found by each of them, also when it was
// joined into another, and by none once it is deleted.
func spilt(t *testing.T, db *store.DB) {
	day := func(n int) time.Time { return Start.AddDate(0, 0, n) }
	doc := func(n byte, at time.Time, from, to int) *Document {
		d := &Document{Report: report.Report{ID: report.NewID(Start), Channel: "test", Reporter: "north", ReceivedAt: day(30), SHA256: [32]byte{6, n}}}
		for i := from; i < to; i++ {
			e := Event(0, at, fmt.Sprint(i))
			e.Subject.Addr = netip.AddrFrom4([4]byte{100, 64, byte(i), 1})
			d.Rows = append(d.Rows, Row{Event: e})
		}
		return d
	}
	docs := []*Document{doc(1, day(20), 0, 110), doc(2, day(20), 100, 215), doc(3, day(0), 90, 230), doc(4, day(10), 5, 6)}
	d := Desk(t, db, docs...)
	d.Lines = oddLines{}
	found := func(addr int) int {
		t.Helper()
		return len(leaf(t, db, incident.Query{Addr: netip.AddrFrom4([4]byte{100, 64, byte(addr), 1})}, 10))
	}
	for i, want := range []map[int]int{
		{0: 1, 109: 1, 110: 0},
		{0: 1, 105: 1, 214: 1, 215: 0},
		{0: 1, 89: 1, 90: 2, 214: 2, 215: 1, 230: 0},
		{0: 1, 5: 1, 89: 1, 90: 1, 214: 1, 229: 1, 230: 0}, // the last joins them
	} {
		work(t, d, docs[i], 0)
		for addr, n := range want {
			if got := found(addr); got != n {
				t.Errorf("after report %d, address %d: %d incidents, want %d", i+1, addr, got, n)
			}
		}
	}
	in := allIncidents(t, db)
	if len(in) != 1 || in[0].Events != 110+115+140+1 {
		t.Fatalf("%+v", in)
	}
	if err := db.Rule(t.Context(), incident.Ruling{Incident: in[0].ID, Outcome: report.OutcomeCleaned, Who: "ann", Reason: "so", At: day(40)}); err != nil {
		t.Fatal(err)
	}
	if n, err := db.DeleteIncidents(t.Context(), day(41), day(41)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for addr := range 230 {
		if found(addr) != 0 {
			t.Errorf("a deleted incident is found by address %d", addr)
		}
	}
}

// partial: a search that reads much for little says so, and finds what there is when somebody goes on.
func partial(t *testing.T, db *store.DB) {
	doc := &Document{Report: report.Report{ID: report.NewID(Start), Channel: "test", Reporter: "north", ReceivedAt: Start.AddDate(0, 0, 30), SHA256: [32]byte{5}}}
	for i := range 3500 {
		doc.Rows = append(doc.Rows, Row{Event: Event(i, Start.Add(time.Duration(i)*time.Millisecond), "one")})
	}
	work(t, Desk(t, db, doc), doc, 0)
	q := incident.Query{From: Start.Add(7 * time.Millisecond), To: Start.Add(8 * time.Millisecond)}
	parts := 0
	for {
		found, err := db.SearchIncidents(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if found.Partial {
			parts++
		}
		if q.After = found.Next; found.Next.IsZero() {
			break
		}
	}
	if all := leaf(t, db, incident.Query{From: q.From, To: q.To}, 10); len(all) != 1 || parts == 0 || parts > 4 {
		t.Errorf("%d found in %d parts", len(all), parts)
	}
}
