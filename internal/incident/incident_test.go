package incident_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

var telnet = report.Kind{Class: "vulnerable", Type: "vulnerable-system"}

// TestKey pins the key: it is stored and compared across nodes and versions.
func TestKey(t *testing.T) {
	var m incident.KeyMaker
	addr := &report.Subject{Addr: netip.MustParseAddr("198.51.100.7"), Port: 23, Domain: "host.example"}
	for _, c := range []struct {
		name    string
		party   report.Party
		subject *report.Subject
		tag     string
		want    string
	}{
		{"address", "as:64500", addr, "open-telnet", "829970418f5d323f891e82f86e585ec5"},
		{"port does not matter", "as:64500", &report.Subject{Addr: addr.Addr, Port: 2323}, "open-telnet", "829970418f5d323f891e82f86e585ec5"},
		{"network", "as:64500", &report.Subject{Prefix: netip.MustParsePrefix("198.51.100.0/24"), ASN: 64500}, "drop", "572e563034298cfb5b9f8e786a1bfa4a"},
		{"autonomous system", "as:64500", &report.Subject{ASN: 64500}, "asn-drop", "045806e334c8470acbbce45a5b5ee58b"},
		{"line", "line:x7", addr, "open-telnet", "e9f3dc273eae9dc43056c6854b918479"},
		{"line, another address", "line:x7", &report.Subject{Addr: netip.MustParseAddr("2001:db8::1")}, "open-telnet", "e9f3dc273eae9dc43056c6854b918479"},
	} {
		if got := m.Key(c.party, c.subject, telnet, c.tag).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func genMarks(t *rapid.T) incident.Marks {
	set := func(name string, low, high int32) []int32 {
		return rapid.Map(rapid.SliceOfDistinct(rapid.Int32Range(low, high), rapid.ID[int32]), sorted).Draw(t, name)
	}
	return incident.Marks{Days: set("days", -3000, 40_000), Sources: set("sources", 1, 1<<20), Feeds: set("feeds", 1, 300)}
}

func sorted(s []int32) []int32 {
	var m incident.Marks
	m.Add(&incident.Marks{Days: s})
	return m.Days
}

func TestEpisodeSurvivesStorage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := incident.Episode{
			Outcome:  rapid.SampledFrom([]report.Outcome{"", report.OutcomeWentQuiet, report.OutcomeRecurred}).Draw(t, "outcome"),
			First:    rapid.Int64().Draw(t, "first"),
			Events:   rapid.Int64Min(0).Draw(t, "events"),
			Severity: rapid.Uint8Max(4).Draw(t, "severity"),
			Marks:    genMarks(t),
		}
		for range rapid.IntRange(0, 40).Draw(t, "links") {
			e.Links = e.Links.Append(rapid.Int64Min(0).Draw(t, "chunk"), rapid.IntMin(0).Draw(t, "start"), rapid.IntMin(0).Draw(t, "n"))
		}
		b := e.AppendBinary(nil)
		var back incident.Episode
		if err := back.ReadEpisode(b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, back, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-wrote +read):\n%s", diff)
		}
		if _, err := back.Links.Read(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzReadEpisode(f *testing.F) {
	e := incident.Episode{Marks: incident.Marks{Days: []int32{1, 2, 3}, Sources: []int32{1}, Feeds: []int32{2}}}
	e.Links = e.Links.Append(1, 2, 3)
	f.Add(e.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e incident.Episode
		if e.ReadEpisode(b) == nil {
			_, _ = e.Links.Read()
		}
	})
}

// TestFoldFollowsFromTheSet folds the same sightings in any order and any grouping: the episodes are the same.
func TestFoldFollowsFromTheSet(t *testing.T) {
	const window = 10 * time.Second
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(0, 300), 1, 40).Draw(t, "seconds")
		fold := func(times []int64) map[[3]int64]bool {
			var all []*incident.Episode
			for i, s := range times {
				p := incident.Part{First: s * 1e6, Last: s * 1e6, Len: 1, Marks: incident.Marks{Days: []int32{int32(s / 100)}}}
				into, bridged := incident.Fold(all, &p, int64(i), window)
				kept := []*incident.Episode{into}
				for _, e := range all {
					gone := e == into
					for _, b := range bridged {
						gone = gone || e == b
					}
					if !gone {
						kept = append(kept, e)
					}
				}
				all = kept
			}
			m := map[[3]int64]bool{}
			for _, e := range all {
				m[[3]int64{e.First, e.Last, e.Events*1000 + int64(len(e.Marks.Days))}] = true
			}
			return m
		}
		want := fold(times)
		if diff := cmp.Diff(want, fold(rapid.Permutation(times).Draw(t, "order"))); diff != "" {
			t.Fatalf("another order gave other episodes:\n%s", diff)
		}
	})
}

func TestFoldKeepsTheOlderAndWhatWasDone(t *testing.T) {
	old := &incident.Episode{ID: report.ID{1}, State: incident.StateClosed, Outcome: report.OutcomeWentQuiet, First: 0, Last: 10, Events: 1}
	young := &incident.Episode{ID: report.ID{2}, State: incident.StateTold, First: 100, Last: 110, Events: 2}
	into, bridged := incident.Fold([]*incident.Episode{young, old}, &incident.Part{First: 50, Last: 55, Len: 3}, 7, 60*time.Microsecond)
	if into != old || len(bridged) != 1 || bridged[0] != young {
		t.Fatalf("joined into %v, bridged %v", into.ID, bridged)
	}
	if old.State != incident.StateTold || old.Outcome != "" || old.Events != 6 || old.Last != 110 {
		t.Errorf("after the join: %+v", old)
	}
	// A late event inside an ended episode says nothing new about now.
	ended := &incident.Episode{State: incident.StateClosed, Outcome: report.OutcomeCleaned, First: 0, Last: 10}
	if incident.Fold([]*incident.Episode{ended}, &incident.Part{First: 5, Last: 5, Len: 1}, 1, time.Second); ended.State != incident.StateClosed {
		t.Errorf("a late event opened it again: %+v", ended)
	}
}

func TestJudge(t *testing.T) {
	cfg := incident.Defaults()
	seen := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		name  string
		party report.Party
		state incident.State
		mark  time.Duration // how far the feed has moved on
		came  time.Duration // when it delivered last; 0 is not known
		now   time.Duration
		told  bool
		want  incident.Verdict
	}{
		{"fresh", "own", "open", day, day, day, false, incident.Verdict{State: "open"}},
		{"quiet", "own", "open", 4 * day, 4 * day, 4 * day, false, incident.Verdict{State: "quiet"}},
		{"gone by itself", "own", "quiet", 15 * day, 15 * day, 15 * day, false, incident.Verdict{State: "closed", Outcome: report.OutcomeWentQuiet}},
		{"gone after a notice", "own", "told", 15 * day, 15 * day, 15 * day, true, incident.Verdict{State: "closed", Outcome: report.OutcomeCleaned}},
		{"the wall clock alone proves nothing", "own", "open", 0, day, 61 * day, false, incident.Verdict{State: "open"}},
		{"nor where no delivery is known", "own", "open", 0, 0, 9000 * day, false, incident.Verdict{State: "open"}},
		{"a feed that died", "own", "open", 0, day, 61*day + 1, false, incident.Verdict{State: "closed", Outcome: report.OutcomeUnknown}},
		{"a feed that died, elsewhere", "as:64511", "open", 0, day, 62 * day, false, incident.Verdict{State: "closed", Outcome: report.OutcomeNotOurs}},
		{"an archive, just imported", "own", "open", 0, 400 * day, 401 * day, false, incident.Verdict{State: "open"}},
		{"an archive that went on", "own", "open", 4 * day, 400 * day, 401 * day, false, incident.Verdict{State: "quiet"}},
		{"an archive that showed the end", "own", "open", 15 * day, 400 * day, 401 * day, false, incident.Verdict{State: "closed", Outcome: report.OutcomeWentQuiet}},
		{"an archive of long ago", "own", "quiet", 4 * day, 400 * day, 461 * day, false, incident.Verdict{State: "closed", Outcome: report.OutcomeUnknown}},
		{"elsewhere", "as:64511", "open", 15 * day, 15 * day, 15 * day, false, incident.Verdict{State: "closed", Outcome: report.OutcomeNotOurs}},
		{"closed stays", "own", "closed", 90 * day, 90 * day, 90 * day, false, incident.Verdict{State: "closed"}},
	} {
		in := &incident.Incident{Party: c.party, Kind: telnet, State: c.state, LastSeen: seen, Feeds: []string{"shadowserver/scan_telnet"}}
		mark := incident.Mark{Newest: seen.Add(c.mark)}
		if c.came != 0 {
			mark.Delivered = seen.Add(c.came)
		}
		far := incident.Mark{Newest: seen.Add(100 * day), Delivered: seen.Add(10_000 * day)}
		marks := incident.Watermarks{
			{Feed: "shadowserver/scan_telnet", Network: incident.Network(c.party)}: mark,
			{Feed: "shadowserver/scan_rdp", Network: incident.Network(c.party)}:    far, // another feed says nothing
			{Feed: "shadowserver/scan_telnet", Network: "partner:x"}:               far, // nor another network
		}
		if got := cfg.Judge(in, marks, c.told, seen.Add(c.now)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestJudgeWeekly holds that what a feed in delta mode does not show counts a week later, and so for no other feed.
func TestJudgeWeekly(t *testing.T) {
	seen := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, c := range []struct {
		weekly []string
		feeds  []string
		moved  time.Duration
		want   incident.State
	}{
		{nil, []string{"shadowserver/scan_telnet"}, 4 * day, "quiet"},
		{[]string{"shadowserver/*"}, []string{"shadowserver/scan_telnet"}, 4 * day, "open"},
		{[]string{"shadowserver/scan_telnet"}, []string{"shadowserver/scan_telnet"}, 10 * day, "open"},
		{[]string{"shadowserver/scan_telnet"}, []string{"shadowserver/scan_telnet"}, 10*day + 1, "quiet"},
		{[]string{"shadowserver/*"}, []string{"shadowserver/scan_telnet"}, 21 * day, "quiet"},
		{[]string{"shadowserver/*"}, []string{"shadowserver/scan_telnet"}, 21*day + 1, "closed"},
		{[]string{"!shadowserver/scan_telnet", "shadowserver/*"}, []string{"shadowserver/scan_telnet"}, 4 * day, "quiet"},
		{[]string{"shadowserver/*", "!shadowserver/scan_telnet"}, []string{"shadowserver/scan_telnet"}, 4 * day, "quiet"},
		{[]string{"shadowserver/scan"}, []string{"shadowserver/scan_telnet"}, 4 * day, "quiet"},
		{[]string{"shadowserver/*"}, []string{"shadowserver/scan_telnet", "list/ours"}, 4 * day, "quiet"}, // the other shows all each day
	} {
		cfg := incident.Defaults()
		cfg.Weekly = c.weekly
		in := &incident.Incident{Party: "own", Kind: telnet, State: "open", LastSeen: seen, Feeds: c.feeds}
		marks := incident.Watermarks{}
		for _, f := range c.feeds {
			marks[incident.Watermark{Feed: f, Network: "own"}] = incident.Mark{Newest: seen.Add(c.moved), Delivered: seen.Add(c.moved)}
		}
		if got := cfg.Judge(in, marks, false, seen.Add(c.moved)); got.State != c.want {
			t.Errorf("%v, %s later: %s, want %s", c.weekly, c.moved, got.State, c.want)
		}
	}
}

// TestJudgeByDeliveries holds what may end an incident, whatever its feeds have delivered: events that show its end, or
// the silence of its feeds, counted from their last delivery.
func TestJudgeByDeliveries(t *testing.T) {
	cfg := incident.Defaults()
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		span := func(name string, low, high time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(int64(low), int64(high)).Draw(t, name))
		}
		const day = 24 * time.Hour
		in := incident.Incident{
			Party:    rapid.SampledFrom([]report.Party{"own", "line:x7", "partner:north", "as:64511", "unknown"}).Draw(t, "party"),
			Kind:     rapid.SampledFrom([]report.Kind{telnet, {Class: "fraud", Type: "phishing"}}).Draw(t, "kind"),
			State:    rapid.SampledFrom([]incident.State{"open", "told", "contained", "quiet"}).Draw(t, "state"),
			LastSeen: begin.Add(span("last seen", -1000*day, day)),
		}
		known := rapid.Bool().Draw(t, "deliveries known")
		marks, later := incident.Watermarks{}, incident.Watermarks{}
		shift := span("shift", -1000*day, 1000*day)
		var delivered time.Time // last
		for _, f := range []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "feeds")] {
			in.Feeds = append(in.Feeds, f)
			m := incident.Mark{Newest: in.LastSeen.Add(span("moved on", 0, 20*day))}
			if known {
				m.Delivered = begin.Add(span("delivered", 0, 100*day))
			}
			if m.Delivered.After(delivered) {
				delivered = m.Delivered
			}
			w := incident.Watermark{Feed: f, Network: incident.Network(in.Party)}
			marks[w] = m
			later[w] = incident.Mark{Newest: m.Newest.Add(shift), Delivered: m.Delivered}
		}
		told := rapid.Bool().Draw(t, "told")
		now := begin.Add(span("now", 0, 300*day))
		got := cfg.Judge(&in, marks, told, now)

		moved := in
		moved.LastSeen = in.LastSeen.Add(shift)
		if other := cfg.Judge(&moved, later, told, now); other != got {
			t.Fatalf("%+v, and %+v when all events are %s older", got, other, -shift)
		}
		if silent := known && now.Sub(delivered) > cfg.Silence; silent {
			if got.State != incident.StateClosed {
				t.Fatalf("the feeds are silent, and it is %+v", got)
			}
			return
		}
		if got.Outcome == report.OutcomeUnknown {
			t.Fatalf("the feeds are not known to be silent, and it is %+v", got)
		}
		alive := begin.Add(span("another now", -100*day, 10_000*day)) // anything while the feeds are not silent
		if known && alive.Sub(delivered) > cfg.Silence {
			alive = delivered.Add(cfg.Silence)
		}
		if other := cfg.Judge(&in, marks, told, alive); other != got {
			t.Fatalf("%+v at %s and %+v at %s: the clock alone decided", got, now, other, alive)
		}
	})
}

func TestParseState(t *testing.T) {
	for _, s := range incident.States() {
		if got, err := incident.ParseState(string(s)); got != s || err != nil {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	_, err := incident.ParseState("bogus")
	if want := `"bogus" is no state: write open, told, contained, quiet or closed`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestConfigSaysAllThatIsWrong(t *testing.T) {
	cfg := incident.Defaults()
	if err := cfg.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	cfg.Recurrence["malware"] = time.Hour
	cfg.Recurrence["vulnerable"] = time.Second
	cfg.Quiet = 0
	err := cfg.Validate()
	if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != 3 {
		t.Errorf("%d faults said, want 3: %v", n, err)
	}
	if w := cfg.Window(report.Kind{Class: "fraud", Type: "phishing"}); w != 7*24*time.Hour {
		t.Errorf("default window %s", w)
	}
}
