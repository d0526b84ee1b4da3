package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/report"
	"tocsin/internal/store"
)

// reportList: a list in pieces, by whatever is asked for, is the list.
func reportList(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(3, 9))
	var all []store.Row
	for i := range 60 {
		doc := NewDocument(r, fmt.Sprintf("r%d", i%3), 1, 5, Start, time.Hour)
		doc.Report.Channel = []string{"folder", "http"}[i%2]
		doc.Report.ReceivedAt = Start.Add(time.Duration(i/4) * time.Hour) // some at the same moment
		switch {
		case i%7 == 0:
			doc.Rows[0].Reason = "bad row"
		case i%11 == 0:
			doc = mail(r, report.StateWaiting, report.Mail{})
			doc.Report.ReceivedAt = Start.Add(time.Duration(i) * time.Hour)
		}
		work(t, Desk(t, db, doc), doc, 0)
		row, err := db.Report(t.Context(), doc.Report.ID)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	for range 60 {
		is := all[r.IntN(len(all))]
		var q store.ReportQuery
		for _, ask := range []func(){
			func() { q.Reporter = is.Reporter }, func() { q.Channel = is.Channel }, func() { q.Format = is.Found }, func() { q.State = is.State },
			func() { q.From = is.ReceivedAt }, func() { q.To = is.ReceivedAt },
		} {
			if r.IntN(3) == 0 {
				ask()
			}
		}
		want := map[report.ID]bool{}
		for i := range all {
			row := &all[i]
			if (q.Reporter == "" || q.Reporter == row.Reporter) && (q.Channel == "" || q.Channel == row.Channel) &&
				(q.Format == "" || q.Format == row.Found) && (q.State == "" || q.State == row.State) &&
				(q.From.IsZero() || !row.ReceivedAt.Before(q.From)) && (q.To.IsZero() || row.ReceivedAt.Before(q.To)) {
				want[row.ID] = true
			}
		}
		q.Limit = 1 + r.IntN(30)
		if diff := gocmp.Diff(want, leafReports(t, db, q)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", q, diff)
		}
	}
	contents(t, db)
}

func leafReports(t *testing.T, db *store.DB, q store.ReportQuery) map[report.ID]bool {
	t.Helper()
	got := map[report.ID]bool{}
	var last store.Row
	for {
		page, err := db.ReportsPage(t.Context(), q)
		if err != nil || len(page.Reports) > q.Limit || page.Partial {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, row := range page.Reports {
			if got[row.ID] || !last.ReceivedAt.IsZero() && row.ReceivedAt.After(last.ReceivedAt) {
				t.Errorf("%s is out of order", row.ID)
			}
			got[row.ID], last = true, row
		}
		if page.Next.IsZero() {
			return got
		}
		if q.After, err = report.ParsePlace(page.Next.String()); err != nil {
			t.Fatal(err)
		}
	}
}

// contents: one report with what it holds.
func contents(t *testing.T, db *store.DB) {
	t.Helper()
	doc := NewDocument(rand.New(rand.NewPCG(8, 8)), "north", 20, 5, Start, time.Hour)
	doc.Rows[3].Reason, doc.Rows[4].Reason = "bad row", "bad row"
	doc.Rows = append(doc.Rows, doc.Rows[0])
	d := Desk(t, db, doc)
	work(t, d, doc, 0)
	look := func(refused int64, events int64) {
		t.Helper()
		c, err := db.Contents(t.Context(), doc.Report.ID)
		want := []store.DocumentRow{{Number: 0, Name: doc.Report.Name, Rows: 21, Events: events, Repeats: 1, Refused: refused}}
		if diff := gocmp.Diff(want, c.Documents); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		if c.ID != doc.Report.ID || c.Refused != refused || c.Unattributed || c.Readable || !c.Verdicts || c.Assigned != nil {
			t.Errorf("%+v", c)
		}
	}
	look(2, 18)
	doc.Rows[3].Reason = ""
	work(t, d, doc, 1)
	look(1, 19)
	letter := mail(rand.New(rand.NewPCG(8, 9)), report.StateWaiting, report.Mail{})
	work(t, Desk(t, db, letter), letter, 0)
	if c, err := db.Contents(t.Context(), letter.Report.ID); err != nil || !c.Readable || c.Verdicts {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := db.Contents(t.Context(), report.NewID(Start)); !errors.Is(err, store.ErrNoReport) {
		t.Errorf("of no report: %v", err)
	}
}
