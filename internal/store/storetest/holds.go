package storetest

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/hold"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// holds holds that what a hold keeps comes back as it was, and that the names of its lines outlive their end date until
// it ends.
func holds(t *testing.T, db *store.DB) {
	now := Start
	l, err := archive.OpenLines(t.Context(), db, func() time.Time { return now }, keysOf(1))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := l.Numbers(t.Context(), []string{"held", "other"})
	if err != nil {
		t.Fatal(err)
	}
	h := hold.Hold{
		ID: report.NewID(Start), Request: "REQ-1", Who: "ann", At: Start, Until: Start.AddDate(0, 3, 0),
		Addr: netip.MustParseAddr("203.0.113.9"), Port: 40112, Proto: "tcp", From: Start.Add(-2 * time.Hour), To: Start.Add(-time.Hour), Salt: [32]byte{7},
	}
	if err := db.AddHold(t.Context(), &h); err != nil {
		t.Fatal(err)
	}
	span := line.Span{From: 10, To: 20}
	h.Kept = []hold.Kept{
		{Source: "nat", Sessions: []line.Session{{
			Range:  line.Range{Prefix: netip.MustParsePrefix("203.0.113.9/32"), Proto: "tcp", Lo: 40000, Hi: 40511},
			Holder: line.Holder{Inside: line.Address{Addr: netip.MustParseAddr("100.64.0.7"), Realm: "cg"}}, Possible: span, Certain: span,
		}}},
		{Source: "radius", Sessions: []line.Session{{
			Range:  line.Range{Prefix: netip.MustParsePrefix("100.64.0.7/32"), Realm: "cg", Hi: 65535},
			Holder: line.Holder{Line: ids[0]}, Possible: span, Certain: line.Span{From: 12, To: 18},
		}}},
	}
	for range 2 { // twice is once
		if err := db.KeepHeld(t.Context(), h.ID, h.Kept); err != nil {
			t.Fatal(err)
		}
	}
	all, err := db.Holds(t.Context())
	if diff := gocmp.Diff([]hold.Hold{h}, all, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	if n, err := l.Forget(t.Context(), Start.AddDate(0, 1, 0)); err != nil || n != 1 {
		t.Errorf("forgot %d names, %v: want only the one that nothing holds", n, err)
	}
	if name, err := l.Name(t.Context(), ids[0]); err != nil || name != "held" {
		t.Errorf("the name of the held line: %v", err)
	}
	if err := db.EndHold(t.Context(), h.ID, now); err != nil {
		t.Fatal(err)
	}
	if err := db.EndHold(t.Context(), h.ID, now); !errors.Is(err, hold.ErrNoHold) {
		t.Error(err)
	}
	if err := db.KeepHeld(t.Context(), h.ID, h.Kept); err != nil {
		t.Error("of a hold that has ended:", err)
	}
	if n, err := l.Forget(t.Context(), Start.AddDate(0, 1, 0)); err != nil || n != 1 {
		t.Errorf("forgot %d names, %v, after the hold", n, err)
	}
	if _, err := l.Name(t.Context(), ids[0]); !errors.Is(err, archive.ErrForgotten) {
		t.Error(err)
	}
}
