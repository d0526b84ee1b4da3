package storetest

import (
	"math/rand/v2"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/intake"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// fetched holds what is remembered of fetches: the newest word on an item, until its end date.
func fetched(t *testing.T, db *store.DB) {
	if _, known, err := db.Fetched(t.Context(), "shadowserver", "a"); err != nil || known {
		t.Errorf("known before it was: %v, %v", known, err)
	}
	first := intake.Fetched{Source: "shadowserver", Item: "a", At: Start, Report: report.NewID(Start)}
	again := intake.Fetched{Source: "feed/drop", At: Start.Add(48 * time.Hour), ETag: `W/"2"`, Modified: "Sun, 01 Mar 2026 00:00:00 GMT"}
	older := again
	older.At, older.ETag, older.Report = Start, `"1"`, report.NewID(Start)
	for _, f := range []intake.Fetched{first, older, again, again} {
		if err := db.NoteFetched(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []intake.Fetched{first, again} {
		got, known, err := db.Fetched(t.Context(), want.Source, want.Item)
		if d := gocmp.Diff(want, got); d != "" || !known || err != nil {
			t.Errorf("%v, %v, %s", known, err, d)
		}
	}
	if n, err := db.DeleteFetched(t.Context(), Start.Add(time.Hour), Start); err != nil || n != 1 {
		t.Errorf("%d forgotten, %v; want the one of the first day", n, err)
	}
	if _, known, err := db.Fetched(t.Context(), "shadowserver", "a"); err != nil || known {
		t.Errorf("known past its end date: %v, %v", known, err)
	}
	if d, err := db.Deletions(t.Context()); err != nil || len(d) != 1 || d[0].Class != "fetched" || d[0].Deleted != 1 {
		t.Errorf("the deletion is recorded as %v, %v", d, err)
	}
}

// links holds the links in mails: each is noted once, and handed out while it is open and due.
func links(t *testing.T, db *store.DB) {
	mail := report.NewID(Start)
	a := intake.Link{
		Mail: mail, URL: "https://reports.example.net/a", Reporter: "north", Authenticity: report.Aligned, Signer: "example.net",
		Exercise: true, Found: Start, State: intake.LinkOpen, Due: Start.Add(time.Minute),
	}
	b := a
	b.URL, b.Due = "https://reports.example.net/b", Start
	for range 2 {
		if err := db.AddLinks(t.Context(), []intake.Link{a, b}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, want []intake.Link, got []intake.Link, err error) {
		t.Helper()
		if d := gocmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", what, err, d)
		}
	}
	got, err := db.DueLinks(t.Context(), Start, 10)
	expect("due at first", []intake.Link{b}, got, err)
	got, err = db.DueLinks(t.Context(), a.Due, 1)
	expect("the longest due", []intake.Link{b}, got, err)
	b.Tries, b.Due, b.Reason = 1, a.Due.Add(time.Second), "reports.example.net broke off before the end"
	if err := db.UpdateLink(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got, err = db.DueLinks(t.Context(), b.Due, 10)
	expect("after a failure", []intake.Link{a, b}, got, err)
	a.State, a.Tries, a.Report = intake.LinkFetched, 1, report.NewID(Start.Add(time.Hour))
	if err := db.UpdateLink(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := db.AddLinks(t.Context(), []intake.Link{a}); err != nil { // the mail is worked once more
		t.Fatal(err)
	}
	got, err = db.DueLinks(t.Context(), b.Due, 10)
	expect("after a success", []intake.Link{b}, got, err)
	got, err = db.LinksOf(t.Context(), mail)
	expect("of the mail", []intake.Link{a, b}, got, err)
	got, err = db.LinksOf(t.Context(), a.Report)
	expect("of what was fetched", []intake.Link{a}, got, err)
	if n, err := db.DeleteFetched(t.Context(), Start.Add(time.Hour), Start); err != nil || n != 2 {
		t.Errorf("%d forgotten, %v; want 2", n, err)
	}
}

// restated holds that a list which says the same again later is no duplicate, and that everything else is.
func restated(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(6, 6))
	first := NewDocument(r, "list", 3, 1, Start, time.Hour)
	first.Report.Channel, first.Report.Identity = intake.ChannelFeed, [32]byte{1}
	later := *first
	later.Report.ID, later.Report.Identity, later.Report.ReceivedAt = report.NewID(Start.Add(24*time.Hour)), [32]byte{2}, Start.Add(24*time.Hour)
	same := later
	same.Report.ID = report.NewID(Start.Add(25 * time.Hour))
	mail := *first
	mail.Report.Channel = intake.ChannelImport
	mail.Report.ID = report.NewID(Start.Add(26 * time.Hour))
	again := mail
	again.Report.ID, again.Report.Identity = report.NewID(Start.Add(27*time.Hour)), [32]byte{3}
	d := Desk(t, db, first, &later, &same, &mail, &again)
	for i, c := range []struct {
		doc  *Document
		dup  report.ID
		rows int64
	}{
		{first, report.ID{}, 3},
		{&later, report.ID{}, 3},
		{&same, later.Report.ID, 0},
		{&mail, report.ID{}, 3},
		{&again, mail.Report.ID, 0},
		{first, report.ID{}, 0},
	} {
		if res := work(t, d, c.doc, 0); res.DuplicateOf != c.dup || c.rows > 0 && res.Events != c.rows {
			t.Errorf("%d: %+v", i, res)
		}
	}
}
