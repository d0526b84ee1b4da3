package syslog_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/internal/line/syslog"
)

var received = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func london(t testing.TB) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestMessages: the cases in testdata.
func TestMessages(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	h := syslog.Header{Zone: london(t)}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil || len(a.Files) != 2 || len(a.Comment) == 0 {
				t.Fatalf("%v: want a sentence, input and want", err)
			}
			var out strings.Builder
			for text := range strings.Lines(string(a.Files[0].Data)) {
				m, err := h.Read(text, received)
				if err != nil {
					fmt.Fprintln(&out, err)
					continue
				}
				at := "no time"
				if !m.At.IsZero() {
					at = time.Unix(m.At.Earliest, 0).UTC().Format(time.DateTime)
				}
				if m.At.Latest != m.At.Earliest {
					at += fmt.Sprintf("+%d", m.At.Latest-m.At.Earliest)
				}
				fmt.Fprintf(&out, "%s host %s", at, m.Host)
				if m.Sequence != 0 {
					fmt.Fprintf(&out, " %d", m.Sequence)
				}
				fmt.Fprintf(&out, ": %s\n", m.Text)
			}
			if diff := gocmp.Diff(string(a.Files[1].Data), out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzMessage(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for text := range strings.Lines(string(a.Files[0].Data)) {
			f.Add(text)
		}
	}
	h := syslog.Header{Zone: london(f)}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := h.Read(text, received)
		if err == nil && (len(m.Host) > 255 || len(m.Text) > len(text) || m.At.Latest < m.At.Earliest || m.Sequence >= 1<<31) {
			t.Errorf("%+v", m)
		}
	})
}
