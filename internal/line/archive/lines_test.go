package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
)

func keys(n byte) archive.Keys { return archive.Keys{Pseudonym: [32]byte{n}, Seal: [32]byte{n, 1}} }

func openLines(t testing.TB, dir string, n byte) *archive.Lines {
	t.Helper()
	l, err := archive.OpenLines(dir, keys(n))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestLines: a name has one number for good, and nobody finds it in the file.
func TestLines(t *testing.T) {
	dir := t.TempDir()
	l := openLines(t, dir, 1)
	var want []line.ID
	names := []string{"ann@isp.example", "bob@isp.example", "ann@isp.example"}
	for round := range 3 {
		got, err := l.Numbers(names)
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
			if name, err := l.Name(got[i]); err != nil || name != n {
				t.Errorf("%d is %q, %v", got[i], name, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openLines(t, dir, 1)
		names = append(names, fmt.Sprint("new", round))
		want = append(want, line.ID(3+round))
	}
	if _, err := l.Name(99); !errors.Is(err, archive.ErrForgotten) {
		t.Error(err)
	}
	for _, bad := range []string{"", string(make([]byte, 1025))} {
		if _, err := l.Numbers([]string{"fine", bad}); err == nil || l.Len() != 4 {
			t.Errorf("%d lines, %v", l.Len(), err)
		}
	}
	file, err := os.ReadFile(filepath.Join(dir, "lines"))
	if err != nil || bytes.Contains(file, []byte("ann")) || bytes.Contains(file, []byte("isp.example")) {
		t.Errorf("the file has a name in it: %v", err)
	}
	other := openLines(t, t.TempDir(), 2)
	if _, err := other.Numbers(names); err != nil {
		t.Fatal(err)
	}
	a, _ := l.Pseudonym(1)
	b, _ := other.Pseudonym(1)
	if a == b {
		t.Error("another key makes the same pseudonym")
	}
	if wrong := openLines(t, dir, 3); wrong.Len() != 4 {
		t.Error(wrong.Len())
	} else if _, err := wrong.Name(1); err == nil {
		t.Error("another key opens a name")
	}
}

// TestLinesCut: wherever a crash cut the file, what was acknowledged is there, and a damage is no crash.
func TestLinesCut(t *testing.T) {
	dir := t.TempDir()
	l := openLines(t, dir, 1)
	var sizes []int64
	for i := range 4 {
		if _, err := l.Numbers([]string{fmt.Sprint("a", i), fmt.Sprint("b", i)}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "lines"))
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	file, err := os.ReadFile(filepath.Join(dir, "lines"))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range file {
		at := t.TempDir()
		if err := os.WriteFile(filepath.Join(at, "lines"), file[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, s := range sizes {
			if int64(cut) >= s {
				want += 2
			}
		}
		again, err := archive.OpenLines(at, keys(1))
		if err != nil || again.Len() != want {
			t.Fatalf("cut at %d: %d lines, want %d, %v", cut, again.Len(), want, err)
		}
		if got, err := again.Numbers([]string{"c"}); err != nil || int(got[0]) != want+1 {
			t.Fatalf("cut at %d: %v, %v", cut, got, err)
		}
		again.Close()
	}
	for i := range sizes[2] { // the last batch could be a crash's
		bad := slices.Clone(file)
		bad[i] ^= 1
		at := t.TempDir()
		if err := os.WriteFile(filepath.Join(at, "lines"), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.OpenLines(at, keys(1)); err == nil {
			t.Fatalf("byte %d was flipped, and nobody noticed", i)
		}
	}
}
