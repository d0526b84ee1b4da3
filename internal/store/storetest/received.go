package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/desk"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// received: what came in is counted by reporter and channel.
func received(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(15, 15))
	var all []*Document
	for i := range 9 {
		doc := mail(r, report.StateWaiting, report.Mail{MessageID: fmt.Sprintf("r%d@example.net", i), From: "ann@example.net"})
		if i%2 == 0 {
			doc.Report.Channel = "smtp"
		}
		doc.Report.ReceivedAt = doc.Report.ReceivedAt.Add(time.Duration(i/3) * time.Minute) // some at the same moment
		work(t, Desk(t, db, doc), doc, 0)
		all = append(all, doc)
	}
	first := all[0].Report.ReceivedAt
	senders, err := db.Senders(t.Context(), first)
	if err != nil || len(senders) != 2 || senders[0].Reports != 5 || senders[0].Channel != "smtp" || senders[1].Reports != 4 || senders[0].Last.Before(first) {
		t.Errorf("%+v, %v", senders, err)
	}
	if none, err := db.Senders(t.Context(), first.AddDate(1, 0, 0)); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

// refusedRows: what of a report could not be read, in pieces, is all of it; and its events lead to their incidents.
func refusedRows(t *testing.T, db *store.DB, doc *Document) {
	t.Helper()
	row, err := db.Report(t.Context(), doc.Report.ID)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := db.Refusals(t.Context(), row.ID, row.Generation)
	if err != nil || len(whole) == 0 || int64(len(whole)) != row.Refused {
		t.Fatalf("%d of %d, %v", len(whole), row.Refused, err)
	}
	for _, limit := range []int{1, 2, 7, 1000} {
		var got []string
		var at desk.RefusedPlace
		for more := true; more; {
			var some []desk.Refusal
			if some, at, more, err = db.RefusedAfter(t.Context(), row.ID, row.Generation, at, limit); err != nil || len(some) > limit || more && len(some) < limit {
				t.Fatal(len(some), more, err)
			}
			for _, one := range some {
				got = append(got, fmt.Sprint(one.Document, one.Row, one.After, one.Reason))
			}
		}
		var want []string
		for _, one := range whole {
			want = append(want, fmt.Sprint(one.Document, one.Row, one.After, one.Reason))
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%d at once (-want +got):\n%s", limit, diff)
		}
	}
	if n, err := db.QuarantineSize(t.Context()); err != nil || n != 1 {
		t.Errorf("%d in the quarantine, %v", n, err)
	}
	page, err := db.QuarantineAfter(t.Context(), time.Time{}, report.ID{}, 5)
	if err != nil || len(page) != 1 || page[0].ID != row.ID {
		t.Errorf("the quarantine: %v, %v", page, err)
	}
	if page, err = db.QuarantineAfter(t.Context(), row.ReceivedAt, row.ID, 5); err != nil || len(page) != 0 {
		t.Errorf("behind it: %v, %v", page, err)
	}
	incidents := map[report.ID]bool{}
	for _, in := range allIncidents(t, db) {
		incidents[in.ID] = true
	}
	found, more, err := db.IncidentsFrom(t.Context(), row.ID, 1000)
	if err != nil || more || (row.Events > 0) != (len(found) > 0) {
		t.Errorf("%d incidents of %d events, %v %v", len(found), row.Events, more, err)
	}
	for _, in := range found {
		if !incidents[in.ID] {
			t.Errorf("incident %s is none", in.ID)
		}
	}
	if len(found) > 1 {
		if some, more, err := db.IncidentsFrom(t.Context(), row.ID, 1); err != nil || len(some) != 1 || !more || some[0].ID != found[0].ID {
			t.Errorf("the first: %v, %v %v", some, more, err)
		}
	}
}
