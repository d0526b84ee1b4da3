package storetest

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/report"
	"tocsin/internal/store"
)

// mail makes a report that is a letter.
func mail(r *rand.Rand, state report.State, m report.Mail) *Document {
	d := NewDocument(r, "mail", 0, 1, Start, time.Hour)
	d.Report.Authenticity, d.Report.Signer = report.Aligned, "example.net"
	d.Mail, d.Letter = &m, &report.Letter{State: state, Reason: "why " + m.MessageID}
	return d
}

func ids(t *testing.T, rows iter.Seq2[store.Row, error]) (all []string) {
	t.Helper()
	for r, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.ID.String())
	}
	return all
}

func letters(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(9, 9))
	first := mail(r, report.StateWaiting, report.Mail{MessageID: "1@example.net", From: "ann@example.net"})
	reply := mail(r, report.StateWaiting, report.Mail{MessageID: "3@example.net", From: "ann@example.net", References: []string{"1@example.net", "2@example.net"}})
	bridge := mail(r, report.StateAside, report.Mail{MessageID: "5@example.net", References: []string{"4@example.net", "2@example.net"}})
	apart := mail(r, report.StateWaiting, report.Mail{MessageID: "4@example.net", From: "bob@example.org"})
	parsed := NewDocument(r, "mail", 3, 1, Start, time.Hour)
	parsed.Mail = &report.Mail{MessageID: "6@example.net", From: "bob@example.org", References: []string{"5@example.net"}}
	lonely := mail(r, report.StateWaiting, report.Mail{})
	all := []*Document{first, reply, apart, bridge, parsed, lonely}
	d := Desk(t, db, all...)
	for _, doc := range []*Document{apart, reply, first, lonely, bridge, parsed, first} { // one of them twice
		res := work(t, d, doc, 0)
		if doc.Letter != nil && res.Letter != doc.Letter.State || doc.Letter == nil && res.Letter != "" || res.Refused != 0 {
			t.Errorf("%s: %+v", doc.Mail.MessageID, res)
		}
	}
	if d := gocmp.Diff([]string{first.Report.ID.String(), reply.Report.ID.String(), apart.Report.ID.String(), lonely.Report.ID.String()},
		ids(t, db.Letters(t.Context(), report.StateWaiting)), cmpopts.SortSlices(strings.Compare)); d != "" {
		t.Errorf("waiting:\n%s", d)
	}
	if got := ids(t, db.Letters(t.Context(), report.StateAside)); len(got) != 1 || got[0] != bridge.Report.ID.String() {
		t.Errorf("set aside: %v", got)
	}
	if got := ids(t, db.Quarantine(t.Context())); len(got) != 0 {
		t.Errorf("a letter is no fault: %v", got)
	}
	for _, doc := range []*Document{first, reply, apart, bridge, parsed} {
		if got := ids(t, db.Thread(t.Context(), doc.Report.ID)); len(got) != 5 {
			t.Errorf("the thread of %s has %d reports, want 5", doc.Mail.MessageID, len(got))
		}
	}
	if got := ids(t, db.Thread(t.Context(), lonely.Report.ID)); len(got) != 1 {
		t.Errorf("the thread of a mail without an id: %v", got)
	}
	row, err := db.Report(t.Context(), first.Report.ID)
	want := fmt.Sprint(report.StateWaiting, "why 1@example.net", "ann@example.net", report.Aligned, "example.net")
	if got := fmt.Sprint(row.State, row.Reason, row.Sender, row.Authenticity, row.Signer); err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	turns(t, db, first)
	blocks(t, db, r)
	if n, err := db.DeleteReports(t.Context(), Start.Add(365*24*time.Hour), Start); err != nil || n < 6 {
		t.Errorf("%d reports deleted, %v", n, err)
	}
	again := mail(r, report.StateWaiting, report.Mail{MessageID: "9@example.net", References: []string{"1@example.net"}})
	work(t, Desk(t, db, again), again, 0)
	if row, err := db.Report(t.Context(), again.Report.ID); err != nil || row.Thread != again.Report.ID {
		t.Errorf("a thread outlived its reports: %+v, %v", row, err)
	}
}

// turns: a person sets aside and brings back, each once.
func turns(t *testing.T, db *store.DB, doc *Document) {
	t.Helper()
	id := doc.Report.ID
	if err := db.Bring(t.Context(), id, "x"); !errors.Is(err, store.ErrNotWaiting) {
		t.Errorf("brought back what waits: %v", err)
	}
	if err := db.SetAside(t.Context(), id, "sold us a car"); err != nil {
		t.Error(err)
	}
	if err := db.SetAside(t.Context(), id, "x"); !errors.Is(err, store.ErrNotWaiting) {
		t.Errorf("set aside twice: %v", err)
	}
	if row, err := db.Report(t.Context(), id); err != nil || row.State != report.StateAside || row.Reason != "sold us a car" {
		t.Errorf("%+v, %v", row, err)
	}
	if err := db.Bring(t.Context(), id, "no"); err != nil {
		t.Error(err)
	}
}

// blocks: a letter of a blocked author is set aside, a report is worked.
func blocks(t *testing.T, db *store.DB, r *rand.Rand) {
	t.Helper()
	for _, who := range []string{"spam@example.com", "@example.edu", "@example.edu"} {
		if err := db.Block(t.Context(), who, "ann", Start); err != nil {
			t.Fatal(err)
		}
	}
	state := func(from string, letter bool) report.State {
		doc := mail(r, report.StateWaiting, report.Mail{From: from})
		if !letter {
			doc = NewDocument(r, "mail", 1, 1, Start, time.Hour)
			doc.Mail = &report.Mail{From: from}
		}
		work(t, Desk(t, db, doc), doc, 0)
		row, err := db.Report(t.Context(), doc.Report.ID)
		if err != nil {
			t.Fatal(err)
		}
		return row.State
	}
	for from, want := range map[string]report.State{
		"spam@example.com": report.StateAside, "a@example.com": report.StateWaiting, "a@example.edu": report.StateAside,
		"a@sub.example.edu": report.StateWaiting, "": report.StateWaiting,
	} {
		if got := state(from, true); got != want {
			t.Errorf("a letter of %q: %s, want %s", from, got, want)
		}
	}
	if got := state("spam@example.com", false); got != report.StateWorked {
		t.Errorf("a report of a blocked author: %s", got)
	}
	if err := db.Unblock(t.Context(), "spam@example.com"); err != nil {
		t.Fatal(err)
	}
	if got := state("spam@example.com", true); got != report.StateWaiting {
		t.Errorf("a letter after the block was taken back: %s", got)
	}
	list, err := db.BlockedSenders(t.Context())
	if err != nil || len(list) != 1 || list[0] != (store.BlockedSender{Sender: "@example.edu", At: Start, Who: "ann"}) {
		t.Errorf("%+v, %v", list, err)
	}
}
