package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

func start(t *testing.T, grade string, pinned bool) intake.Start {
	t.Helper()
	g, err := report.ParseGrade(grade)
	if err != nil {
		t.Fatal(err)
	}
	return intake.Start{Grade: g, Pinned: pinned}
}

func setGrade(t *testing.T, db *store.DB, source, grade string, pinned bool) {
	t.Helper()
	err := db.SetGrade(t.Context(), intake.Setting{Source: source, Start: start(t, grade, pinned), Who: "ann", Reason: "we know them", At: Start})
	if err != nil {
		t.Fatal(err)
	}
}

// sighting is a report of hosts that were seen at a time.
func sighting(n byte, reporter string, a report.Authenticity, at time.Time, hosts ...int) *Document {
	d := &Document{Report: report.Report{
		ID: report.NewID(Start), Channel: "test", Reporter: reporter, ReceivedAt: Start.AddDate(0, 0, int(n)), SHA256: [32]byte{7, n}, Authenticity: a,
	}}
	for _, h := range hosts {
		d.Rows = append(d.Rows, Row{Event: Event(h, at, fmt.Sprint(n))})
	}
	return d
}

func gradeOf(t *testing.T, db *store.DB, doc *Document) string {
	t.Helper()
	row, err := db.Report(t.Context(), doc.Report.ID)
	if err != nil {
		t.Fatal(err)
	}
	return row.Grade.String()
}

// reportGrades: a report has the grade of the moment, and keeps it.
func reportGrades(t *testing.T, db *store.DB) {
	setGrade(t, db, "north", "B4", false)
	setGrade(t, db, "south", "C", false)
	mailed := sighting(4, "north", report.Unchecked, Start, 104)
	mailed.Mail = &report.Mail{From: "abuse@north.example"}
	signed := sighting(5, "north", report.Aligned, Start, 105)
	signed.Mail = mailed.Mail
	nextDay := Start.AddDate(0, 0, 1)
	mixed := sighting(15, "north", report.Token, nextDay, 1, 2, 3, 150, 151, 152)
	for _, c := range []struct {
		doc  *Document
		want string
		why  string
	}{
		{sighting(1, "north", report.Unchecked, Start, 101), "B4", "nothing else speaks for it, so the digit is the source's own"},
		{sighting(2, "north", report.Token, Start, 102), "B4", "who has the token is the source"},
		{sighting(3, "north", report.Unsigned, Start, 103), "F6", "anybody can have sent this, even where the operator takes it for the source's"},
		{mailed, "F6", "a mail at which nobody looked"},
		{signed, "B4", "signed by the author's own domain"},
		{sighting(6, "north", report.Failed, Start, 106), "F6", "a broken signature"},
		{sighting(7, "north", report.Unaligned, Start, 107), "F6", "signed by somebody else"},
		{sighting(8, "north", report.Unresolved, Start, 108), "F6", "a key that could not be asked for"},
		{sighting(9, "east", report.Token, Start, 109), "F6", "never graded"},
		{sighting(10, "north", report.Token, Start, 1, 2, 3), "B4", "alone"},
		{sighting(11, report.Unproven, report.Unsigned, Start, 1, 2, 3), "F6", "what is unproven is no second source"},
		{sighting(12, "south", report.Token, Start, 1, 2, 3), "C2", "a second source"},
		{sighting(13, report.Unproven, report.Failed, Start, 1, 2, 3), "F2", "what anybody can have sent agrees with two sources"},
		{sighting(14, "north", report.Token, nextDay, 101), "B3", "seen again by the same source on another day"},
		{mixed, "B1", "half of its events are of two sources on two days"},
		{sighting(16, "south", report.Token, nextDay, 1, 2, 160, 161, 162), "C6", "less than half"},
		{sighting(17, "south", report.Token, Start, 1, 2, 3, 160, 161, 162), "C1", "at last"},
		{&Document{Report: sighting(18, "north", report.Token, Start).Report}, "B4", "of nothing"},
	} {
		d := Desk(t, db, c.doc)
		work(t, d, c.doc, 0)
		if got := gradeOf(t, db, c.doc); got != c.want {
			t.Errorf("report %d: %s, want %s: %s", c.doc.Report.SHA256[1], got, c.want, c.why)
		}
		work(t, d, c.doc, 0)
		if got := gradeOf(t, db, c.doc); got != c.want {
			t.Errorf("report %d delivered twice: %s, want %s", c.doc.Report.SHA256[1], got, c.want)
		}
	}
	setGrade(t, db, "north", "E", false)
	if got := gradeOf(t, db, mixed); got != "B1" {
		t.Errorf("a report's grade changed afterwards: %s", got)
	}
	after := sighting(19, "north", report.Token, Start, 119)
	work(t, Desk(t, db, after), after, 0)
	if got := gradeOf(t, db, after); got != "E6" {
		t.Errorf("the next report is %s", got)
	}
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(in.Sources, " "); in.Subject == "198.51.0.1" && got != "north south unproven" {
			t.Errorf("the sources of %s are %s", in.Subject, got)
		}
	}
}

// longReport: the events of all chunks of a report count for its digit, and those that a replay brings.
func longReport(t *testing.T, db *store.DB) {
	var hosts []int
	for i := range 45_000 { // three chunks
		hosts = append(hosts, i)
	}
	long := sighting(1, "north", report.Token, Start, hosts...)
	other := sighting(2, "south", report.Token, Start, hosts[:30_000]...)
	for i := range 100 {
		other.Rows[i].Reason = "bad row"
	}
	work(t, Desk(t, db, long), long, 0)
	d := Desk(t, db, other)
	work(t, d, other, 0)
	if a, b := gradeOf(t, db, long), gradeOf(t, db, other); a != "F6" || b != "F2" {
		t.Errorf("%s, %s; want F6 and F2", a, b)
	}
	for i := range 100 {
		other.Rows[i].Reason = ""
	}
	work(t, d, other, 1)
	row, err := db.Report(t.Context(), other.Report.ID)
	if err != nil || row.Events != 30_000 || row.Grade.String() != "F2" {
		t.Errorf("after the replay: %+v, %v", row, err)
	}
}

// sourceGrades: the config's grade, a person's before it, and judgements between.
func sourceGrades(t *testing.T, db *store.DB) {
	ctx, later := t.Context(), Start.Add(time.Hour)
	now := func() string {
		t.Helper()
		all, err := db.Grades(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, g := range all {
			words = append(words, g.Source+"="+g.Why())
		}
		return strings.Join(words, "\n")
	}
	want := func(lines ...string) {
		t.Helper()
		if diff := gocmp.Diff(strings.Join(lines, "\n"), now()); diff != "" {
			t.Errorf("grades (-want +got):\n%s", diff)
		}
	}
	config := func(c map[string]intake.Start) {
		t.Helper()
		if err := db.StartGrades(ctx, c, later); err != nil {
			t.Fatal(err)
		}
	}
	config(map[string]intake.Start{"north": start(t, "C3", false), "south": start(t, "D", true)})
	config(map[string]intake.Start{"north": start(t, "C3", false), "south": start(t, "D", true)})
	want("north=C, set by the config", "south=D, pinned, set by the config")

	judge := func(source string, confirmed, refuted int64) bool {
		t.Helper()
		all, err := db.Grades(ctx)
		if err != nil {
			t.Fatal(err)
		}
		was := intake.Graded{Source: source}
		for _, g := range all {
			if g.Source == source {
				was = g
			}
		}
		g := was
		g.Record = intake.Record{Confirmed: confirmed, Refuted: refuted, Neither: 5}
		if r := intake.Judge(g.Grade.Reliability, g.Reliability, g.Record); r != g.Reliability {
			g.Was, g.Moved, g.Reliability = g.Reliability, later, r
		}
		kept, err := db.Regrade(ctx, was, g)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := db.Regrade(ctx, was, g); err != nil || again {
			t.Errorf("what was judged meanwhile was judged over: %v", err)
		}
		return kept
	}
	if !judge("north", 41, 3) || !judge("east", 0, 25) {
		t.Error("a judgement was not kept")
	}
	want("east=D, was F: 0 of 25 outcomes confirmed in 90 days", "north=B, was C: 41 of 44 outcomes confirmed in 90 days",
		"south=D, pinned, set by the config")

	config(map[string]intake.Start{"north": start(t, "C3", false)}) // south is gone, north is as it was
	want("east=D, was F: 0 of 25 outcomes confirmed in 90 days", "north=B, was C: 41 of 44 outcomes confirmed in 90 days",
		"south=F, where every source starts")

	setGrade(t, db, "north", "d2", true)
	config(map[string]intake.Start{"north": start(t, "A", false), "south": start(t, "B", false)})
	want("east=D, was F: 0 of 25 outcomes confirmed in 90 days", "north=D, pinned, set by ann on 2026-03-02: we know them",
		"south=B, set by the config")

	if err := db.UnsetGrade(ctx, "north", start(t, "A", false), later); err != nil {
		t.Error(err)
	}
	for _, source := range []string{"north", "nobody"} {
		if err := db.UnsetGrade(ctx, source, intake.Start{}, later); !errors.Is(err, store.ErrNotSet) {
			t.Errorf("%s given back: %v", source, err)
		}
	}
	want("east=D, was F: 0 of 25 outcomes confirmed in 90 days", "north=A, set by the config; 41 of 44 outcomes confirmed in 90 days",
		"south=B, set by the config")
	if err := db.SetGrade(ctx, intake.Setting{Source: "north"}); err == nil {
		t.Error("a grade without who and why was set")
	}
}

// sourceList: one entry a reporter, with all that came from it.
func sourceList(t *testing.T, db *store.DB) {
	rdp := sighting(3, "north", report.Aligned, Start, 1)
	rdp.Rows[0].Event.Feed = "rdp"
	forged := sighting(9, report.Unproven, report.Unsigned, Start, 1)
	docs := []*Document{
		sighting(1, "north", report.Token, Start, 1, 2), sighting(5, "north", report.Token, Start.AddDate(0, 0, -3), 3), rdp, forged,
		sighting(2, "south", report.Unchecked, Start, 1),
	}
	d := Desk(t, db, docs...)
	for _, doc := range docs {
		work(t, d, doc, 0)
	}
	setGrade(t, db, "south", "B", false)
	setGrade(t, db, "west", "E", true)
	var all []store.Source
	for s, err := range db.Sources(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		s.Grade = intake.Graded{Source: s.Grade.Source, Reliability: s.Grade.Reliability}
		all = append(all, s)
	}
	at := func(day int) time.Time { return Start.AddDate(0, 0, day) }
	want := []store.Source{
		{
			Name: "north", Reports: 3, Events: 4, Last: at(5), Grade: intake.Graded{Source: "north"},
			Authenticity: map[report.Authenticity]int64{report.Token: 2, report.Aligned: 1},
			Feeds:        []store.Feed{{Name: "test/rdp", Delivered: at(3)}, {Name: "test/telnet", Delivered: at(5)}},
		},
		{
			Name: "south", Reports: 1, Events: 1, Last: at(2), Grade: intake.Graded{Source: "south", Reliability: report.ReliabilityB},
			Authenticity: map[report.Authenticity]int64{report.Unchecked: 1},
			Feeds:        []store.Feed{{Name: "test/telnet", Delivered: at(2)}},
		},
		{
			Name: report.Unproven, Reports: 1, Events: 1, Last: at(9), Grade: intake.Graded{Source: report.Unproven},
			Authenticity: map[report.Authenticity]int64{report.Unsigned: 1},
			Feeds:        []store.Feed{{Name: "test/telnet", Delivered: at(9)}},
		},
		{Name: "west", Grade: intake.Graded{Source: "west", Reliability: report.ReliabilityE}},
	}
	if diff := gocmp.Diff(want, all); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	for source, want := range map[string]bool{"north": true, "west": false} {
		if has, err := db.HasReports(t.Context(), source); err != nil || has != want {
			t.Errorf("%s has reports: %v, %v", source, has, err)
		}
	}
}

// byHost returns every incident by the last byte of its address.
func byHost(t *testing.T, db *store.DB) map[int]incident.Incident {
	t.Helper()
	all := map[int]incident.Incident{}
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		var host int
		if _, err := fmt.Sscanf(in.Subject, "198.51.0.%d", &host); err != nil {
			t.Fatal(err)
		}
		all[host] = in
	}
	return all
}

func records(t *testing.T, db *store.DB, since time.Time) map[string]intake.Record {
	t.Helper()
	all, err := db.Records(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// rulings: what somebody says closes an incident, and counts for its reporters once.
func rulings(t *testing.T, db *store.DB) {
	ctx := t.Context()
	first := sighting(1, "north", report.Token, Start, 1, 2, 3, 4, 5, 6)
	second := sighting(2, "south", report.Token, Start, 1, 2)
	forged := sighting(3, report.Unproven, report.Unsigned, Start, 3)
	elsewhere := sighting(4, "north", report.Token, Start.AddDate(0, 0, 60), 7) // its feed goes on: the others end
	d := Desk(t, db, first, second, forged, elsewhere)
	for _, doc := range []*Document{first, second, forged} {
		work(t, d, doc, 0)
	}
	at := func(n int) time.Time { return Start.AddDate(0, 0, 10).Add(time.Duration(n) * time.Hour) }
	ids := byHost(t, db)
	say := func(host int, o report.Outcome, n int) incident.Ruling {
		return incident.Ruling{Incident: ids[host].ID, Outcome: o, Who: "ann", Reason: "asked the customer", At: at(n)}
	}
	nobody := say(1, report.OutcomeCleaned, 0)
	nobody.Incident = report.NewID(Start)
	if err := db.Rule(ctx, say(1, report.OutcomeFalseAlarm, 0), nobody); !errors.Is(err, incident.ErrNotFound) {
		t.Errorf("a ruling on no incident: %v", err)
	}
	if err := db.Rule(ctx, say(1, report.OutcomeWentQuiet, 0)); err == nil {
		t.Error("somebody said what only a feed can show")
	}
	if in := byHost(t, db)[1]; in.State != incident.StateOpen {
		t.Errorf("rulings that failed left %+v", in)
	}
	if got := records(t, db, Start); len(got) != 0 {
		t.Errorf("records without outcomes: %v", got)
	}
	err := db.Rule(ctx, say(1, report.OutcomeFalseAlarm, 0), say(2, report.OutcomeCleaned, 0), say(3, report.OutcomeFalseAlarm, 0),
		say(4, report.OutcomeNotOurs, 0), say(5, report.OutcomeHandedOver, 0), say(6, report.OutcomeNoAnswer, 0))
	if err != nil {
		t.Fatal(err)
	}
	in := byHost(t, db)[1]
	if in.State != incident.StateClosed || in.Outcome != report.OutcomeFalseAlarm || in.Credibility() != report.Credibility4 || !in.Updated.Equal(at(0)) {
		t.Errorf("ruled: %+v", in)
	}
	want := map[string]intake.Record{
		"north": {Confirmed: 2, Refuted: 3, Neither: 1}, "south": {Confirmed: 1, Refuted: 1}, report.Unproven: {Refuted: 1},
	}
	if diff := gocmp.Diff(want, records(t, db, at(0))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got := records(t, db, at(1)); len(got) != 0 {
		t.Errorf("outcomes before the window count: %v", got)
	}

	// A false alarm that is reported again goes on as an incident, and still was a false alarm.
	again := sighting(5, "north", report.Token, Start.AddDate(0, 0, 1), 1)
	work(t, Desk(t, db, again), again, 0)
	if in := byHost(t, db)[1]; in.State != incident.StateOpen || in.Outcome != "" {
		t.Errorf("reported again: %+v", in)
	}
	if diff := gocmp.Diff(want, records(t, db, at(0))); diff != "" {
		t.Errorf("records after it was reported again (-want +got):\n%s", diff)
	}

	// What was said last counts, and all of it is kept.
	if err := db.Rule(ctx, say(2, report.OutcomeFalseAlarm, 1)); err != nil {
		t.Fatal(err)
	}
	want["north"], want["south"] = intake.Record{Confirmed: 1, Refuted: 4, Neither: 1}, intake.Record{Refuted: 2}
	if diff := gocmp.Diff(want, records(t, db, at(0))); diff != "" {
		t.Errorf("records after another ruling (-want +got):\n%s", diff)
	}
	said, err := db.Rulings(ctx, ids[2].ID)
	if diff := gocmp.Diff([]incident.Ruling{say(2, report.OutcomeCleaned, 0), say(2, report.OutcomeFalseAlarm, 1)}, said); diff != "" || err != nil {
		t.Errorf("rulings: %v\n%s", err, diff)
	}

	// The sweep's own outcomes say nothing here: nobody was told, or it is somebody else's.
	work(t, d, elsewhere, 0)
	cfg := incident.Defaults()
	now := Start.AddDate(0, 0, 60)
	if _, err := db.Sweep(ctx, &cfg, now); err != nil {
		t.Fatal(err)
	}
	if in := byHost(t, db)[1]; in.State != incident.StateClosed || in.Outcome != report.OutcomeWentQuiet {
		t.Errorf("swept: %+v", in)
	}
	if diff := gocmp.Diff(want, records(t, db, at(0))); diff != "" {
		t.Errorf("records after the sweep (-want +got):\n%s", diff)
	}
	if n, err := db.DeleteIncidents(ctx, now.Add(time.Hour), now); err != nil || n != 6 {
		t.Errorf("deleted %d, %v", n, err)
	}
	if said, err := db.Rulings(ctx, ids[2].ID); err != nil || len(said) != 0 {
		t.Errorf("rulings outlived their incident: %v, %v", said, err)
	}
}

// sweptElsewhere: what the sweep finds to be of somebody else is no fault of whoever reported it.
func sweptElsewhere(t *testing.T, db *store.DB) {
	told := sighting(1, "north", report.Token, Start, 1, 2)
	d := Desk(t, db, told)
	work(t, d, told, 0)
	ids := byHost(t, db)
	if err := db.Rule(t.Context(), incident.Ruling{Incident: ids[1].ID, Outcome: report.OutcomeFalseAlarm, Who: "ann", Reason: "x", At: Start}); err != nil {
		t.Fatal(err)
	}
	// It goes on, and is handed over after all: later, and known better.
	again := sighting(2, "north", report.Token, Start.AddDate(0, 0, 1), 1)
	work(t, Desk(t, db, again), again, 0)
	if err := db.Rule(t.Context(), incident.Ruling{Incident: ids[1].ID, Outcome: report.OutcomeHandedOver, Who: "bob", Reason: "y", At: Start.AddDate(0, 0, 2)}); err != nil {
		t.Fatal(err)
	}
	// Rulings before the window count no more; an incident that was ruled not ours, and changed since, says nothing.
	if err := db.Rule(t.Context(), incident.Ruling{Incident: ids[2].ID, Outcome: report.OutcomeNotOurs, Who: "ann", Reason: "x", At: Start}); err != nil {
		t.Fatal(err)
	}
	early := sighting(3, "north", report.Token, Start.Add(-time.Hour), 2)
	work(t, Desk(t, db, early), early, 0)
	if diff := gocmp.Diff(map[string]intake.Record{"north": {Confirmed: 1, Neither: 1}}, records(t, db, Start.AddDate(0, 0, 1))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// rulingBridged: rulings follow an incident that is joined into an older one.
func rulingBridged(t *testing.T, db *store.DB) {
	at := func(day int) time.Time { return Start.AddDate(0, 0, day) }
	docs := []*Document{
		sighting(1, "north", report.Token, at(0), 1), sighting(2, "north", report.Token, at(20), 1), sighting(3, "north", report.Token, at(10), 1),
	}
	d := Desk(t, db, docs...)
	work(t, d, docs[0], 0)
	work(t, d, docs[1], 0)
	var younger report.ID
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		younger = in.ID // the last
	}
	for _, o := range []report.Outcome{report.OutcomeFalseAlarm} {
		if err := db.Rule(t.Context(), incident.Ruling{Incident: younger, Outcome: o, Who: "ann", Reason: "x", At: at(30)}); err != nil {
			t.Fatal(err)
		}
	}
	work(t, d, docs[2], 0)
	// The id that is no more leads to the incident that took it in.
	if err := db.Rule(t.Context(), incident.Ruling{Incident: younger, Outcome: report.OutcomeCleaned, Who: "ann", Reason: "y", At: at(31)}); err != nil {
		t.Fatal(err)
	}
	said, err := db.Rulings(t.Context(), younger)
	if err != nil || len(said) != 2 || said[0].Incident == younger || said[0].Incident != said[1].Incident {
		t.Errorf("rulings after the join: %+v, %v", said, err)
	}
	if diff := gocmp.Diff(map[string]intake.Record{"north": {Confirmed: 1}}, records(t, db, Start)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// regraded: false alarms take a source's letter away, and the next report has the new one.
func regraded(t *testing.T, db *store.DB) {
	setGrade(t, db, "north", "B", false)
	var hosts []int
	for i := range 25 {
		hosts = append(hosts, i)
	}
	r := rand.New(rand.NewPCG(3, 9))
	forged := sighting(1, report.Unproven, report.Failed, Start, hosts...)
	true25 := sighting(2, "north", report.Token, Start, hosts...)
	d := Desk(t, db, forged, true25)
	work(t, d, forged, 0)
	work(t, d, true25, 0)
	var all []incident.Ruling
	for _, in := range byHost(t, db) {
		all = append(all, incident.Ruling{Incident: in.ID, Outcome: report.OutcomeFalseAlarm, Who: "ann", Reason: "a test of ours", At: Start})
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if err := db.Rule(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	now := Start.AddDate(0, 0, 1)
	moved, err := intake.Regrade(t.Context(), db, now)
	if err != nil || len(moved) != 1 || moved[0].Why() != "C, was B: 0 of 25 outcomes confirmed in 90 days" {
		t.Errorf("%+v, %v", moved, err)
	}
	if moved, err := intake.Regrade(t.Context(), db, now); err != nil || len(moved) != 0 {
		t.Errorf("judged again: %+v, %v", moved, err)
	}
	next := sighting(3, "north", report.Token, Start, 77)
	work(t, Desk(t, db, next), next, 0)
	if got := gradeOf(t, db, next); got != "C6" {
		t.Errorf("the next report is %s", got)
	}
	if all, err := db.Grades(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("what nobody vouches for was graded: %+v, %v", all, err)
	}
	// Ninety days on the outcomes have left the window.
	moved, err = intake.Regrade(t.Context(), db, now.AddDate(0, 0, 90))
	if err != nil || len(moved) != 1 || moved[0].Reliability != report.ReliabilityB {
		t.Errorf("after the window: %+v, %v", moved, err)
	}
}
