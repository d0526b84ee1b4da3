package storetest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/desk"
	"tocsin/internal/line"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// oddLines knows the line of every address with an odd last byte, but for the highest.
type oddLines struct{}

func (oddLines) Which(_ context.Context, s *line.Selector, _ bool) (report.LineAnswer, error) {
	switch last := s.Addr.As4()[3]; {
	case last == 255:
		return report.LineAnswer{State: report.LineAmbiguous, Count: 3, Reason: "several lines held the address within that time"}, nil
	case last%2 == 1:
		return report.LineAnswer{State: report.LineUnique, Handle: fmt.Sprintf("aaaaaaaaaaaaaa%02d", last%3)}, nil
	}
	return report.LineAnswer{State: report.LineNone, Reason: "by the log nobody held the address then"}, nil
}

// unattributed holds that a line's events are one incident, whatever its addresses, that events of which nobody knows
// the line are the network's, and that these are found again with what is missing.
func unattributed(t *testing.T, db *store.DB) {
	doc := &Document{Report: report.Report{
		ID: report.NewID(Start), Channel: "test", Reporter: "north", ReceivedAt: Start, SHA256: [32]byte{9, 9},
	}}
	for i := range 256 {
		e := Event(0, Start.Add(time.Duration(i)*time.Second), "one")
		e.Subject.Addr = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		doc.Rows = append(doc.Rows, Row{Event: e})
	}
	other := &Document{Report: report.Report{
		ID: report.NewID(Start), Channel: "test", Reporter: "north", ReceivedAt: Start, SHA256: [32]byte{9, 8},
	}, Rows: []Row{{Event: Event(1, Start, "one")}}}
	d := Desk(t, db, doc, other)
	d.Lines = oddLines{}
	if _, err := d.Work(t.Context(), other.Report, 0); err != nil { // whose one line is known
		t.Fatal(err)
	}
	res, err := d.Work(t.Context(), doc.Report, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := (desk.LineCounts{Unique: 127, Ambiguous: 1, None: 128}); res.Lines != want {
		t.Errorf("%+v, want %+v", res.Lines, want)
	}
	parties := map[report.Party]int64{}
	count := 0
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		count++
		parties[in.Party] += in.Events
	}
	want := map[report.Party]int64{"own": 129, "line:aaaaaaaaaaaaaa00": 42, "line:aaaaaaaaaaaaaa01": 44, "line:aaaaaaaaaaaaaa02": 42}
	if diff := gocmp.Diff(want, parties); diff != "" || count != 129+3 {
		t.Errorf("%d incidents\n%s", count, diff)
	}
	for row, err := range db.Unattributed(t.Context()) {
		if err != nil || row.ID != doc.Report.ID {
			t.Errorf("report %s has events that are not attributed, %v", row.ID, err)
		}
	}
	var rows []int64
	for u, err := range db.EachUnattributed(t.Context(), doc.Report.ID) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, u.Row)
		if last := u.Row - 1; last == 255 && (u.State != report.LineAmbiguous || u.Lines != 3) || last != 255 && u.State != report.LineNone {
			t.Errorf("row %d: %+v", u.Row, u)
		}
	}
	if len(rows) != 129 || rows[0] != 1 || rows[128] != 256 {
		t.Errorf("%d rows are not attributed: %v", len(rows), rows)
	}
}
