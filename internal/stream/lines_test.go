package stream_test

import (
	"fmt"
	"log/slog"
	"slices"
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
	for i := range 20 {
		for _, source := range []string{"radius", "nat"} {
			text := fmt.Sprint(source, i)
			place, err := s.AppendLines(t.Context(), source, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
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
		if _, err := s.AppendLines(t.Context(), bad, nil); err == nil {
			t.Errorf("%q names a source", bad)
		}
	}
	if _, err := s.AppendLines(t.Context(), "radius", make([]byte, stream.MaxLineBatch+1)); err == nil {
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
	place, err := s.AppendLines(t.Context(), "radius", []byte("again"))
	if err != nil || place <= places[19] {
		t.Errorf("place %d after %d, %v", place, places[19], err)
	}
}

// TestLinesReopened: what was acknowledged is there after a restart.
func TestLinesReopened(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	place, err := s.AppendLines(t.Context(), "radius", []byte("one"))
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
	for b.Loop() {
		if _, err := s.AppendLines(b.Context(), "radius", batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}
