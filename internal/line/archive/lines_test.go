package archive_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/linetest"
)

func keys(n byte) archive.Keys {
	return archive.Keys{ID: fmt.Sprint("key", n), Pseudonym: [32]byte{n}, Seal: [32]byte{n, 1}}
}

func openLines(t testing.TB, table archive.Table, all ...archive.Keys) *archive.Lines {
	t.Helper()
	l, err := archive.OpenLines(t.Context(), table, time.Now, all...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLines: a name has one number and handle for good.
func TestLines(t *testing.T) {
	table := &linetest.Table{}
	l := openLines(t, table, keys(1))
	names := []string{"ann@isp.example", "bob@isp.example", "ann@isp.example"}
	var want []line.ID
	handles := map[string]string{}
	for round := range 3 {
		got, err := l.Numbers(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			want = got
		}
		if !slices.Equal(got, want) || got[0] != got[2] || got[0] == got[1] {
			t.Errorf("round %d: %v", round, got)
		}
		for i, n := range names {
			if name, err := l.Name(t.Context(), got[i]); err != nil || name != n {
				t.Errorf("%d is %q, %v", got[i], name, err)
			}
			h, err := l.Handle(t.Context(), got[i])
			if was, ok := handles[n]; err != nil || len(h) != 16 || ok && was != h {
				t.Errorf("%d has the handle %q, had %q: %v", got[i], h, was, err)
			}
			handles[n] = h
		}
		l = openLines(t, table, keys(1))
		names, want = append(names, fmt.Sprint("new", round)), append(want, line.ID(3+round))
	}
	if _, err := l.Name(t.Context(), 99); !errors.Is(err, archive.ErrForgotten) {
		t.Error(err)
	}
	if h, err := l.Handle(t.Context(), 99); h != "" || err != nil {
		t.Error(h, err)
	}
	for _, bad := range []string{"", string(make([]byte, 1025))} {
		if _, err := l.Numbers(t.Context(), []string{"fine", bad}); err == nil {
			t.Errorf("a name of %d bytes is taken", len(bad))
		}
	}
}

// TestRotation: a new key splits nothing: not of the worker that has it, nor of one that has only the old key, nor of
// one that comes when the old key has ended.
func TestRotation(t *testing.T) {
	table := &linetest.Table{}
	old := openLines(t, table, keys(1))
	numbers := func(l *archive.Lines, names ...string) []line.ID {
		t.Helper()
		got, err := l.Numbers(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	before := numbers(old, "ann", "bob")
	both := openLines(t, table, keys(2), keys(1))
	cay := numbers(both, "cay")
	dan := numbers(old, "dan")
	for what, l := range map[string]*archive.Lines{"old": old, "both": both} {
		if got := numbers(l, "ann", "bob", "cay", "dan"); !slices.Equal(got, slices.Concat(before, cay, dan)) {
			t.Errorf("%s: %v, were %v %v %v", what, got, before, cay, dan)
		}
	}
	openLines(t, table, keys(2), keys(1)) // a restart within the overlap takes over what workers with the old key entered
	after := openLines(t, table, keys(2), ended(1))
	if got := numbers(after, "ann", "bob", "cay", "dan"); !slices.Equal(got, slices.Concat(before, cay, dan)) {
		t.Errorf("when the old key has ended: %v", got)
	}
	for i, id := range []line.ID{before[0], before[1], cay[0], dan[0]} {
		if name, err := after.Name(t.Context(), id); err != nil || name != []string{"ann", "bob", "cay", "dan"}[i] {
			t.Errorf("%d: %q, %v", id, name, err)
		}
	}
}

// ended is a key of which only the id is left.
func ended(n byte) archive.Keys { return archive.Keys{ID: keys(n).ID, Ended: true} }

// TestEnded: a key that has ended is known. What is still sealed under it stays so, and its pseudonyms are deleted.
func TestEnded(t *testing.T) {
	table := &linetest.Table{}
	was, err := openLines(t, table, keys(1)).Numbers(t.Context(), []string{"ann"})
	if err != nil {
		t.Fatal(err)
	}
	l := openLines(t, table, keys(2), ended(1))
	if _, err := l.Name(t.Context(), was[0]); err == nil {
		t.Error("a name is open without its key")
	}
	now, err := l.Numbers(t.Context(), []string{"ann"})
	if err != nil || now[0] == was[0] {
		t.Errorf("line %v, was %v: %v", now, was, err)
	}
	if _, err := archive.OpenLines(t.Context(), table, time.Now, ended(2), keys(1)); err == nil {
		t.Error("a key that has ended is in use")
	}
}

// TestOtherKey: who does not have the key of each line is refused before anything is changed, also while another worker has
// put only some under it.
func TestOtherKey(t *testing.T) {
	table := &linetest.Table{}
	right := []archive.Keys{keys(2), keys(1)}
	l := openLines(t, table, keys(1))
	names := []string{"ann", "bob"}
	want, err := l.Numbers(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	l = openLines(t, table, right...)
	if _, err := l.Numbers(t.Context(), append(names, "cay")); err != nil {
		t.Fatal(err)
	}
	before, err := table.SealedLines(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for what, wrong := range map[string][]archive.Keys{
		"another":                      {keys(3)},
		"another, that replaced one":   {keys(3), keys(1)},
		"another, that replaced ended": {keys(3), ended(1)},
		"the one before":               {keys(1)},
	} {
		if _, err := archive.OpenLines(t.Context(), table, time.Now, wrong...); !errors.Is(err, archive.ErrKeys) {
			t.Errorf("%s: %v", what, err)
		}
		if after, err := table.SealedLines(t.Context(), 0, 10); err != nil || !cmp.Equal(after, before) {
			t.Errorf("%s: the table was changed: %v, %v", what, after, err)
		}
	}
	if got, err := openLines(t, table, right...).Numbers(t.Context(), names); err != nil || !slices.Equal(got, want) {
		t.Errorf("with the right keys again: %v, %v; want %v", got, err, want)
	}
}

// TestForget: a name comes to its end date, the handle says nothing any more, and the same name later is another line.
func TestForget(t *testing.T) {
	table := &linetest.Table{}
	l := openLines(t, table, keys(1))
	was, err := l.Numbers(t.Context(), []string{"ann"})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := l.Forget(t.Context(), time.Now().Add(-48*time.Hour)); n != 0 || err != nil {
		t.Errorf("%d forgotten before their end, %v", n, err)
	}
	if n, err := l.Forget(t.Context(), time.Now().Add(48*time.Hour)); n != 1 || err != nil {
		t.Errorf("%d forgotten, %v", n, err)
	}
	if _, err := l.Name(t.Context(), was[0]); !errors.Is(err, archive.ErrForgotten) {
		t.Error(err)
	}
	if got, err := l.Numbers(t.Context(), []string{"ann"}); err != nil || got[0] == was[0] {
		t.Errorf("the forgotten line is found by its name: %v, %v", got, err)
	}
}
