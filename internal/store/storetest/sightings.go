package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// sightings: the events of an incident in pieces, newest first, each with where it comes from.
func sightings(t *testing.T, db *store.DB) {
	var docs []*Document
	want := map[report.ID]int{}
	for i := range 30 {
		d := &Document{Report: report.Report{
			ID: report.NewID(Start), Channel: "test", Reporter: fmt.Sprintf("r%d", i%2), Name: fmt.Sprintf("%d.csv", i), ReceivedAt: Start.AddDate(0, 0, 20),
			SHA256: [32]byte{1, byte(i)},
		}}
		if i%10 == 9 { // long, with much of others before and behind
			for k := range 3000 {
				d.Rows = append(d.Rows, Row{Event: Event(100+k, Start, fmt.Sprint(k))})
			}
		}
		for k := range i%4 + 1 {
			d.Rows = append(d.Rows, Row{Event: Event(1, Start.Add(time.Duration(i*10+k)*time.Minute), fmt.Sprintf("%d/%d", i, k))})
			want[d.Report.ID]++
		}
		docs = append(docs, d)
	}
	d := Desk(t, db, docs...)
	for _, doc := range docs {
		work(t, d, doc, 0)
	}
	id := one(t, db, 1).ID
	var banners []string
	for i := range slices.Backward(docs) {
		for k := i % 4; k >= 0; k-- {
			banners = append(banners, fmt.Sprintf("%d/%d", i, k))
		}
	}
	for _, limit := range []int{1, 3, 50, 500} {
		got, by := leafEvents(t, db, id, limit)
		if diff := gocmp.Diff(banners, got); diff != "" {
			t.Errorf("%d at a time:\n%s", limit, diff)
		}
		if diff := gocmp.Diff(want, by); diff != "" {
			t.Errorf("by report:\n%s", diff)
		}
	}
	page, err := db.EventsOf(t.Context(), id, incident.Cursor{}, 1)
	s := page.Sightings[0]
	if err != nil || s.Channel != "test" || s.Reporter != "r1" || s.Format != "test" || s.ReportName != "29.csv" || s.Report != docs[29].Report.ID ||
		!s.ReceivedAt.Equal(docs[29].Report.ReceivedAt) || s.Event.Row != 3002 || s.Event.Detail("banner") != "29/1" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := db.EventsOf(t.Context(), report.NewID(Start), incident.Cursor{}, 1); !errors.Is(err, incident.ErrNotFound) {
		t.Errorf("of no incident: %v", err)
	}
	if _, err := db.DeleteReports(t.Context(), Start.AddDate(0, 0, 21), Start); err != nil {
		t.Fatal(err)
	}
	if page, err := db.EventsOf(t.Context(), id, incident.Cursor{}, 10); err != nil || len(page.Sightings) != 0 || !page.Next.IsZero() {
		t.Errorf("past their end date: %+v, %v", page, err)
	}
}

func leafEvents(t *testing.T, db *store.DB, id report.ID, limit int) (banners []string, by map[report.ID]int) {
	t.Helper()
	var after incident.Cursor
	by = map[report.ID]int{}
	for {
		page, err := db.EventsOf(t.Context(), id, after, limit)
		if err != nil || len(page.Sightings) > limit {
			t.Fatal(len(page.Sightings), err)
		}
		for _, s := range page.Sightings {
			banners = append(banners, s.Event.Detail("banner"))
			by[s.Report]++
		}
		if after = page.Next; after.IsZero() {
			return banners, by
		}
	}
}
