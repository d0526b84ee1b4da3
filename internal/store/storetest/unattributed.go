package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/line"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// evenLines knows the lines of even addresses. Of the others it says that seven lines share them.
type evenLines struct{}

// Which is desk.Lines's.
func (evenLines) Which(_ context.Context, s *line.Selector, _ bool) (report.LineAnswer, error) {
	host := s.Addr.As4()[3]
	if host%2 == 0 {
		return report.LineAnswer{State: report.LineUnique, Handle: fmt.Sprint("handle", host)}, nil
	}
	return report.LineAnswer{State: report.LineAmbiguous, Count: 7, Reason: "shared"}, nil
}

// unattributed holds that of each report it is kept which events nobody can give to a line, and of others nothing.
func unattributed(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(3, 3))
	some, none := NewDocument(r, "a", 40, 200, Start, time.Hour), NewDocument(r, "b", 5, 1, Start, time.Hour)
	d := Desk(t, db, some, none)
	d.Lines = evenLines{}
	result := work(t, d, some, 0)
	work(t, d, none, 0)
	want := map[int64]bool{}
	for i := range some.Rows {
		if some.Rows[i].Event.Subject.Addr.As4()[3]%2 == 1 {
			want[int64(i+1)] = true
		}
	}
	if int(result.Lines.Ambiguous) != len(want) || int(result.Lines.Unique) != 40-len(want) {
		t.Errorf("counted %+v, want %d ambiguous", result.Lines, len(want))
	}
	for row, err := range db.Unattributed(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if row.ID != some.Report.ID {
			t.Errorf("report %s has unattributed events", row.ID)
		}
	}
	for u, err := range db.EachUnattributed(t.Context(), some.Report.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if !want[u.Row] || u != (desk.Unattributed{Row: u.Row, State: report.LineAmbiguous, Lines: 7, Reason: "shared"}) {
			t.Errorf("unattributed: %+v", u)
		}
		delete(want, u.Row)
	}
	if len(want) > 0 {
		t.Errorf("rows %v are not told", want)
	}
}
