package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// one returns the incident of a host.
func one(t *testing.T, db *store.DB, host int) incident.Incident {
	t.Helper()
	for _, in := range allIncidents(t, db) {
		if in.Subject == Event(host, Start, "").Subject.Addr.String() {
			return in
		}
	}
	t.Fatalf("host %d has no incident", host)
	return incident.Incident{}
}

// acts: what people do about incidents is done once, all of it or nothing, and told in order.
func acts(t *testing.T, db *store.DB) {
	docs := []*Document{
		sighting(1, "north", "", Start, 1, 2, 3),
		sighting(2, "north", "", Start.AddDate(0, 0, 20), 1),
		sighting(3, "north", "", Start.AddDate(0, 0, 10), 1), // joins the two of host 1
	}
	d := Desk(t, db, docs...)
	work(t, d, docs[0], 0)
	work(t, d, docs[1], 0)
	hour := func(n int) time.Time { return docs[1].Report.ReceivedAt.Add(time.Duration(n) * time.Hour) }
	act := func(host int, at int, what incident.What, text string) incident.Act {
		a := incident.Act{ID: report.NewID(hour(at)), Incident: one(t, db, host).ID, At: hour(at), What: what, Who: "ann", Text: text}
		if what == incident.ActClose {
			a.Outcome = report.OutcomeCleaned
		}
		return a
	}
	stand := func(host int, want string) {
		t.Helper()
		in := one(t, db, host)
		if got := fmt.Sprintf("%s/%s", in.State, in.Outcome); got != want {
			t.Errorf("host %d is %s, want %s", host, got, want)
		}
		if found, err := db.SearchIncidents(t.Context(), incident.Query{State: in.State, Addr: Event(host, Start, "").Subject.Addr}); err != nil || len(found.Incidents) == 0 {
			t.Errorf("host %d is not found by its state: %v", host, err)
		}
	}
	told, note := act(2, 5, incident.ActTold, "by telephone"), act(2, 6, incident.ActNote, "calls back")
	for range 2 {
		if err := db.Act(t.Context(), told, note); err != nil {
			t.Fatal(err)
		}
	}
	stand(2, "told/")
	closed, again := act(2, 8, incident.ActClose, "showed a clean scan"), act(2, 9, incident.ActReopen, "wrong host")
	if err := db.Act(t.Context(), closed, again); err != nil {
		t.Fatal(err)
	}
	stand(2, "open/")
	if err := db.Act(t.Context(), closed); err != nil { // asked for again, late
		t.Fatal(err)
	}
	stand(2, "open/")
	other := told
	other.Text = "by letter"
	for _, c := range []struct {
		acts []incident.Act
		want error
	}{
		{[]incident.Act{act(3, 1, incident.ActTold, "so"), act(2, 1, incident.ActReopen, "so")}, incident.ErrNotClosed},
		{[]incident.Act{act(3, 1, incident.ActTold, "so"), other}, incident.ErrOtherAct},
		{[]incident.Act{act(3, 1, incident.ActTold, "so"), {ID: report.NewID(Start), Incident: report.NewID(Start), What: "note", Who: "a", Text: "b", At: Start}}, incident.ErrNotFound},
	} {
		if err := db.Act(t.Context(), c.acts...); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	stand(3, "open/") // all or nothing
	if lines, err := db.Timeline(t.Context(), one(t, db, 3).ID); err != nil || len(lines) != 0 {
		t.Errorf("%+v, %v", lines, err)
	}
	timeline(t, db, one(t, db, 2).ID, "told by telephone, note calls back, close showed a clean scan cleaned, reopen wrong host")
	joined(t, db, act)
	work(t, d, docs[2], 0)
	timeline(t, db, one(t, db, 1).ID, "note one, note other")
	times(t, db, hour(8))
}

// joined notes something on both episodes of a host before they become one.
func joined(t *testing.T, db *store.DB, act func(host int, at int, what incident.What, text string) incident.Act) {
	t.Helper()
	for i, in := range allIncidents(t, db) {
		if in.Subject != Event(1, Start, "").Subject.Addr.String() {
			continue
		}
		a := act(1, 10+i, incident.ActNote, "one")
		if in.FirstSeen.After(Start.AddDate(0, 0, 1)) {
			a.Text, a.At = "other", a.At.Add(100*time.Hour)
		}
		a.Incident = in.ID
		if err := db.Act(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
}

func timeline(t *testing.T, db *store.DB, id report.ID, want string) {
	t.Helper()
	all, err := db.Timeline(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range all {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.What, a.Text, a.Outcome)))
		if a.ID.IsZero() || a.Incident != id || a.Who != "ann" {
			t.Errorf("%+v", a)
		}
	}
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("timeline: %s\nwant      %s", got, want)
	}
}

// times: the acts on host 2 were timed, once each.
func times(t *testing.T, db *store.DB, cleaned time.Time) {
	t.Helper()
	for step, want := range map[incident.Step]time.Duration{
		incident.StepTold:    29 * time.Hour, // its report came in a day before hour 0
		incident.StepCleaned: cleaned.Sub(Start),
	} {
		all, err := db.TimesOn(t.Context(), step, cleaned.AddDate(0, 0, -1), cleaned.AddDate(0, 0, 1))
		if err != nil || len(all) != 1 || all[0].Times.Median().N != 1 {
			t.Fatalf("%s: %+v, %v", step, all, err)
		}
		if m := all[0].Times.Median(); want < m.Low || want > m.High || !all[0].Day.Equal(cleaned.Truncate(24*time.Hour)) {
			t.Errorf("%s: %+v on %s, want %s", step, m, all[0].Day, want)
		}
		if none, err := db.TimesOn(t.Context(), step, Start.AddDate(1, 0, 0), Start.AddDate(2, 0, 0)); err != nil || len(none) != 0 {
			t.Errorf("%+v, %v", none, err)
		}
	}
}

// figures: what is counted is what there is.
func figures(t *testing.T, db *store.DB) {
	doc := sighting(1, "north", "", Start, 1, 2, 3, 4, 5)
	doc.Rows[0].Event.Kind = report.KindOf("infected-system")
	work(t, Desk(t, db, doc), doc, 0)
	counts := func() map[string]int64 {
		all, err := db.KnownOn(t.Context(), Start, Start.AddDate(0, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int64{}
		for _, k := range all {
			n[k.Kind.String()] += k.N
			if !k.Day.Equal(Start.Truncate(24 * time.Hour)) {
				t.Errorf("on %s", k.Day)
			}
		}
		return n
	}
	want := map[string]int64{"malicious-code/infected-system": 1, doc.Rows[1].Event.Kind.String(): 4}
	if diff := gocmp.Diff(want, counts()); diff != "" {
		t.Error(diff)
	}
	more := sighting(2, "south", "", Start, 1, 2, 6) // host 1 has another kind of problem as well
	work(t, Desk(t, db, more), more, 0)
	want[doc.Rows[1].Event.Kind.String()] += 2
	if diff := gocmp.Diff(want, counts()); diff != "" {
		t.Error(diff)
	}
	if err := db.Rule(t.Context(), incident.Ruling{Incident: one(t, db, 5).ID, Outcome: report.OutcomeNoAnswer, Who: "ann", Reason: "so", At: Start}); err != nil {
		t.Fatal(err)
	}
	states := map[incident.State]int64{"open": 6, "told": 0, "contained": 0, "quiet": 0, "closed": 1}
	got, err := db.StatesNow(t.Context())
	if diff := gocmp.Diff(states, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := db.DeleteIncidents(t.Context(), Start.Add(time.Hour), Start); err != nil {
		t.Fatal(err)
	}
	states["closed"] = 0
	if got, err = db.StatesNow(t.Context()); err != nil || gocmp.Diff(states, got) != "" {
		t.Error(got, err)
	}
	if diff := gocmp.Diff(want, counts()); diff != "" { // stays counted
		t.Error(diff)
	}
}

// changed: who looks on is told of each thing once, in the order of commits, also by several workers at once.
func changed(t *testing.T, db *store.DB) {
	if n, err := db.LastChange(t.Context()); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	doc := sighting(1, "north", "", Start, 1, 2, 3)
	d := Desk(t, db, doc)
	work(t, d, doc, 0)
	all, err := db.Changes(t.Context(), 0, 100)
	if err != nil || len(all) != 2 || all[0].Topic != report.TopicIncidents || all[0].Count != 3 || len(all[0].IDs) != 3 ||
		all[1].Topic != report.TopicReports || all[1].Count != 1 || all[1].IDs[0] != doc.Report.ID {
		t.Fatalf("%+v, %v", all, err)
	}
	work(t, d, doc, 0) // nothing is new
	last, err := db.LastChange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if more, err := db.Changes(t.Context(), all[1].Seq, 100); err != nil || len(more) > 1 || len(more) == 1 && more[0].Topic != report.TopicReports {
		t.Errorf("work done twice: %+v, %v", more, err)
	}
	follow(t, db, last, one(t, db, 1).ID)
	many := sighting(2, "north", "", Start, make([]int, 300)...)
	for i := range many.Rows {
		many.Rows[i] = Row{Event: Event(1000+i, Start, "")}
	}
	work(t, Desk(t, db, many), many, 0)
	if last, err = db.LastChange(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := db.Changes(t.Context(), last-2, 1); err != nil || all[0].Count != 300 || len(all[0].IDs) != report.ChangeIDs {
		t.Errorf("%+v, %v", all, err)
	}
	if err := db.DeleteChanges(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	first, err := db.FirstChange(t.Context())
	if now, err2 := db.LastChange(t.Context()); err != nil || err2 != nil || first != last || now != last {
		t.Errorf("after all are deleted: from %d to %d, was %d, %v %v", first, now, last, err, err2)
	}
}

// follow reads changes while several people make them, and must miss none.
func follow(t *testing.T, db *store.DB, after int64, id report.ID) {
	t.Helper()
	const people, each = 6, 15
	var wg sync.WaitGroup
	for range people {
		wg.Go(func() {
			for range each {
				a := incident.Act{ID: report.NewID(Start), Incident: id, At: Start, What: incident.ActNote, Who: "ann", Text: "so"}
				if err := db.Act(t.Context(), a); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	seen := 0
	for ended := false; ; {
		some, err := db.Changes(t.Context(), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range some {
			if c.Seq <= after || c.Topic != report.TopicIncidents || !bytes.Equal(c.IDs[0][:], id[:]) {
				t.Errorf("%+v behind %d", c, after)
			}
			after = c.Seq
			seen++
		}
		if len(some) > 0 {
			continue
		}
		if ended {
			break
		}
		select {
		case <-done:
			ended = true
		default:
		}
	}
	if seen != people*each {
		t.Errorf("%d changes were seen, want %d", seen, people*each)
	}
}
