package stream_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"tocsin/internal/stream"
)

func linesAfter(t testing.TB, s *stream.Stream, source string, place uint64) (places []uint64, said []string) {
	t.Helper()
	for b, err := range s.LinesAfter(t.Context(), source, place) {
		if err != nil {
			t.Fatal(err)
		}
		places, said = append(places, b.Place), append(said, string(b.Data))
	}
	return places, said
}

// lines: what sources say is kept in order, each source's by itself, and deleted from its beginning.
func lines(t *testing.T, s *stream.Stream) {
	var want []string
	var places []uint64
	last := map[string]uint64{}
	for i := range 20 {
		for _, source := range []string{"radius", "nat"} {
			text := fmt.Sprint(source, i)
			place, err := s.AppendLines(t.Context(), source, last[source], []byte(text))
			if err != nil || place <= last[source] {
				t.Fatal(place, err)
			}
			if i > 0 { // whoever does not know of this one comes too late
				for _, behind := range []uint64{0, last[source], place - 1} {
					if _, err := s.AppendLines(t.Context(), source, behind, []byte("late")); err != stream.ErrLinesBehind { //nolint:errorlint // it is that one
						t.Fatalf("behind %d of %d: %v", behind, place, err)
					}
				}
			}
			last[source] = place
			if source == "radius" {
				want, places = append(want, text), append(places, place)
			}
		}
	}
	got, said := linesAfter(t, s, "radius", 0)
	if !slices.Equal(got, places) || !slices.Equal(said, want) || !slices.IsSorted(got) {
		t.Errorf("%v %v", got, said)
	}
	if _, said := linesAfter(t, s, "radius", places[14]); !slices.Equal(said, want[15:]) {
		t.Errorf("%v", said)
	}
	if got, _ := linesAfter(t, s, "nobody", 0); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{"", "a.b", "*", ">", "A", "a b"} {
		if _, err := s.AppendLines(t.Context(), bad, 0, nil); err == nil {
			t.Errorf("%q names a source", bad)
		}
	}
	if _, err := s.AppendLines(t.Context(), "radius", last["radius"], make([]byte, stream.MaxLineBatch+1)); err == nil {
		t.Error("a batch without bounds is kept")
	}
	if err := s.DropLines(t.Context(), "radius", time.Now().Add(-time.Hour)); err != nil {
		t.Error(err)
	}
	if _, said := linesAfter(t, s, "radius", 0); !slices.Equal(said, want) {
		t.Errorf("young ones are gone: %v", said)
	}
	if err := s.DropLines(t.Context(), "radius", time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if _, said := linesAfter(t, s, "radius", 0); len(said) != 0 {
		t.Errorf("%v are left", said)
	}
	if _, said := linesAfter(t, s, "nat", 0); len(said) != 20 {
		t.Errorf("the other source has %d left", len(said))
	}
	if _, err := s.AppendLines(t.Context(), "radius", 0, []byte("again")); err != nil { // whoever knows of none, as there is none
		t.Error(err)
	}
	if err := s.DropLines(t.Context(), "radius", time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	place, err := s.AppendLines(t.Context(), "radius", places[19], []byte("again")) // what it knows of is deleted
	if err != nil || place <= places[19] {
		t.Errorf("place %d after %d, %v", place, places[19], err)
	}
	linesDeleted(t, s)
	linesAtOnce(t, s)
}

// linesDeleted: single batches go, whoever deletes them first, and the order of the others stays.
func linesDeleted(t *testing.T, s *stream.Stream) {
	var places []uint64
	last := uint64(0)
	for i := range 6 {
		var err error
		if last, err = s.AppendLines(t.Context(), "old", last, []byte(fmt.Sprint("old", i))); err != nil {
			t.Fatal(err)
		}
		places = append(places, last)
	}
	for range 2 {
		if err := s.DeleteLines(t.Context(), "old", []uint64{places[0], places[2], places[3]}); err != nil {
			t.Error(err)
		}
		if got, said := linesAfter(t, s, "old", 0); !slices.Equal(said, []string{"old1", "old4", "old5"}) || !slices.Equal(got, []uint64{places[1], places[4], places[5]}) {
			t.Errorf("%v %v", got, said)
		}
	}
	if _, said := linesAfter(t, s, "old", places[1]); !slices.Equal(said, []string{"old4", "old5"}) {
		t.Errorf("%v", said)
	}
	if err := s.DeleteLines(t.Context(), "radius", places[1:2]); err == nil {
		t.Error("the batch of another source is deleted")
	}
	if _, err := s.AppendLines(t.Context(), "old", places[5], []byte("old6")); err != nil {
		t.Error(err)
	}
}

// linesAtOnce: of several writers, each of which reads what it does not know of and tries again, all know the same in the
// end, and nothing is lost or kept twice.
func linesAtOnce(t *testing.T, s *stream.Stream) {
	const writers, each = 3, 30
	var all [writers][]string
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			last := uint64(0)
			for i := 0; i < each; {
				text := fmt.Sprint(w, "-", i)
				place, err := s.AppendLines(t.Context(), "both", last, []byte(text))
				switch {
				case err == nil:
					all[w], last = append(all[w], text), place
					i++
					continue
				case !errors.Is(err, stream.ErrLinesBehind):
					t.Error(err)
					return
				}
				for b, err := range s.LinesAfter(t.Context(), "both", last) {
					if err != nil || b.Place <= last {
						t.Errorf("place %d after %d, %v", b.Place, last, err)
						return
					}
					all[w], last = append(all[w], string(b.Data)), b.Place
				}
			}
		})
	}
	wg.Wait()
	_, want := linesAfter(t, s, "both", 0)
	if once := slices.Compact(slices.Sorted(slices.Values(want))); len(want) != writers*each || len(once) != len(want) {
		t.Errorf("%d batches, %d of them different", len(want), len(once))
	}
	for w := range writers { // one stops with its own last one, and does not see what comes behind it
		if got := all[w]; len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
			t.Errorf("writer %d has them in another order", w)
		}
	}
}

// TestLinesReopened: what was acknowledged is there after a restart.
func TestLinesReopened(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	place, err := s.AppendLines(t.Context(), "radius", 0, []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if got, said := linesAfter(t, s, "radius", 0); len(got) != 1 || got[0] != place || said[0] != "one" {
		t.Errorf("%v %v", got, said)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkAppendLines is one durable batch of 100 KB.
func BenchmarkAppendLines(b *testing.B) {
	s, err := stream.Open(b.Context(), stream.Config{}, b.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	batch := body(100<<10, 1)
	b.SetBytes(int64(len(batch)))
	last := uint64(0)
	for b.Loop() {
		if last, err = s.AppendLines(b.Context(), "radius", last, batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}
