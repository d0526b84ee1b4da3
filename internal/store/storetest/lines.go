package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/store"
)

func keysOf(n byte) archive.Keys {
	return archive.Keys{ID: fmt.Sprint("key", n), Pseudonym: [32]byte{n}, Seal: [32]byte{n, 1}}
}

// lines holds that a name has one line, whichever worker enters it first, until its end date.
func lines(t *testing.T, db *store.DB) {
	var names []string
	for i := range 2500 { // more than go into one statement
		names = append(names, fmt.Sprintf("line%d@isp.example", i))
	}
	now := Start
	open := func() *archive.Lines {
		l, err := archive.OpenLines(t.Context(), db, func() time.Time { return now }, keysOf(1))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	var all [4][]line.ID
	var wg sync.WaitGroup
	for w := range all {
		worker := open()
		wg.Go(func() {
			for part := range slices.Chunk(names, 300+w) {
				got, err := worker.Numbers(t.Context(), part)
				if err != nil {
					t.Error(err)
					return
				}
				all[w] = append(all[w], got...)
			}
		})
	}
	wg.Wait()
	for _, got := range all[1:] {
		if !slices.Equal(got, all[0]) {
			t.Fatal("two workers have different lines for the same names")
		}
	}
	sorted := slices.Sorted(slices.Values(all[0]))
	if sorted[0] != 1 || sorted[2499] != 2500 || len(slices.Compact(sorted)) != 2500 {
		t.Errorf("lines %d to %d", sorted[0], sorted[2499])
	}
	l := open()
	for _, i := range []int{0, 7, 2499} {
		if n, err := l.Name(t.Context(), all[0][i]); err != nil || n != names[i] {
			t.Errorf("%q, %v", n, err)
		}
	}
	now = Start.AddDate(0, 0, 30)
	if got, err := l.Numbers(t.Context(), names[:10]); err != nil || !slices.Equal(got, all[0][:10]) {
		t.Error(got, err)
	}
	// One that goes on without a word is known by its number. Nobody is seen on a day before that on which he was.
	if err := db.SeeLines(t.Context(), now.Unix()/86400, []line.ID{all[0][2400], 99_999}); err != nil {
		t.Error(err)
	}
	if err := errors.Join(db.SeeLines(t.Context(), 1, all[0]), db.SeeLines(t.Context(), 1, nil)); err != nil {
		t.Error(err)
	}
	if n, err := l.Forget(t.Context(), Start.AddDate(0, 0, 30)); n != 2489 || err != nil {
		t.Errorf("%d forgotten, %v", n, err)
	}
	if _, err := l.Name(t.Context(), all[0][10]); err != archive.ErrForgotten { //nolint:errorlint // it is that one
		t.Error(err)
	}
	for _, i := range []int{9, 2400} {
		if n, err := l.Name(t.Context(), all[0][i]); n != names[i] || err != nil {
			t.Error(n, err)
		}
	}
	for _, id := range []line.ID{all[0][9], all[0][10]} { // the second is forgotten
		h, err := open().Handle(t.Context(), id)
		if len(h) != 16 || err != nil {
			t.Errorf("the handle of a line is %q, %v", h, err)
		}
		if got, err := open().ByHandle(t.Context(), h); got != id || err != nil {
			t.Errorf("the line of a handle is %d, %v; want %d", got, err, id)
		}
	}
	for _, h := range []string{"", "aaaaaaaaaaaaaaaa"} {
		if got, err := open().ByHandle(t.Context(), h); got != 0 || err != nil {
			t.Errorf("a handle that nobody has is line %d, %v", got, err)
		}
	}
	got, err := l.Numbers(t.Context(), names[10:11])
	if err != nil || got[0] != 2501 {
		t.Errorf("a forgotten name is line %v, %v", got, err)
	}
	if d, err := db.Deletions(t.Context()); err != nil || len(d) != 1 || d[0].Class != "line names" || d[0].Deleted != 2489 {
		t.Errorf("the deletion is recorded as %v, %v", d, err)
	}
}

// lineKeys holds that a line keeps number, handle and name through a change of keys.
func lineKeys(t *testing.T, db *store.DB) {
	names := []string{"ann", "bob", "cay"}
	open := func(keys ...archive.Keys) *archive.Lines {
		t.Helper()
		l, err := archive.OpenLines(t.Context(), db, func() time.Time { return Start }, keys...)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	type known struct {
		IDs     []line.ID
		Handles []string
		Names   []string
	}
	ask := func(l *archive.Lines) (k known) {
		t.Helper()
		var err error
		if k.IDs, err = l.Numbers(t.Context(), names); err != nil {
			t.Fatal(err)
		}
		for _, id := range k.IDs {
			h, err := l.Handle(t.Context(), id)
			n, err2 := l.Name(t.Context(), id)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			k.Handles, k.Names = append(k.Handles, h), append(k.Names, n)
		}
		return k
	}
	want := ask(open(keysOf(1)))
	for _, keys := range [][]archive.Keys{
		{keysOf(2), keysOf(1)}, {keysOf(2), ended(1)}, {keysOf(3), keysOf(2), ended(1)}, {keysOf(3), ended(2), ended(1)},
	} {
		if d := gocmp.Diff(want, ask(open(keys...))); d != "" {
			t.Error(d)
		}
	}
	if old, err := db.SealedLines(t.Context(), 0, 10); err != nil || len(old) != 3 || old[0].Key != "key3" {
		t.Errorf("%v, %v", old, err)
	}
	// Whoever does not have the key is refused, and the lines stay as they are.
	for _, keys := range [][]archive.Keys{{keysOf(4)}, {keysOf(2)}, {keysOf(4), ended(2), ended(1)}} {
		if _, err := archive.OpenLines(t.Context(), db, func() time.Time { return Start }, keys...); !errors.Is(err, archive.ErrKeys) {
			t.Errorf("opened with %s: %v", keys[0].ID, err)
		}
		if d := gocmp.Diff(want, ask(open(keysOf(3), ended(2), ended(1)))); d != "" {
			t.Error(d)
		}
	}
	// One that has ended is known: its pseudonyms go, and the names are other lines from then on.
	l := open(keysOf(4), ended(3))
	if got, err := l.Numbers(t.Context(), names); err != nil || slices.Equal(got, want.IDs) {
		t.Errorf("lines %v, %v", got, err)
	}
}

// ended is a key of which only the id is left.
func ended(n byte) archive.Keys { return archive.Keys{ID: keysOf(n).ID, Ended: true} }
