package demo_test

import (
	"bytes"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/demo"
	"tocsin/internal/line/sources"
	"tocsin/internal/world"
)

// figures reads the result table's totals.
func figures(t *testing.T, out string) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^ +(reports|duplicates|events|repeats|refused|events about own addresses|unique|ambiguous|none) +(\d+)\b`).FindAllStringSubmatch(out, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		got[m[1]] = n
	}
	return got
}

// TestDemoTellsTheTruth checks the table against what the made-up world knows of itself.
func TestDemoTellsTheTruth(t *testing.T) {
	size := world.Small()
	if os.Getenv("TOCSIN_PROVE") == "1" {
		size = world.Demo()
	}
	t.Setenv("TMPDIR", t.TempDir())
	var out, errOut bytes.Buffer
	if err := demo.Run(t.Context(), demo.Options{Once: true, Size: size}, &out, &errOut); err != nil {
		t.Fatal(err)
	}
	w := world.New(demo.Seed, size)
	truth, lines := w.Truth(), w.Answers(sources.Defaults().Uncertainty)
	want := map[string]int{
		"reports": truth.Documents, "duplicates": truth.Duplicates, "events": truth.Observations, "repeats": truth.Repeats,
		"refused":                    truth.Refused + truth.Unreadable,
		"events about own addresses": lines.Unique + lines.Ambiguous + lines.None,
		"unique":                     lines.Unique, "ambiguous": lines.Ambiguous, "none": lines.None,
	}
	if diff := cmp.Diff(want, figures(t, out.String())); diff != "" {
		t.Errorf("the world's truth and the table (-truth +table):\n%s\n%s", diff, &out)
	}
	if errOut.Len() > 0 {
		t.Errorf("the demo complains:\n%s", &errOut)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v behind (%v)", left, err)
	}
}

// TestDemoListensFirst has the port taken: the reader is told before anything is made up, what to do, and nothing of
// keys that a demo does not have.
func TestDemoListensFirst(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	t.Setenv("TMPDIR", t.TempDir())
	var out, errOut bytes.Buffer
	err = demo.Run(t.Context(), demo.Options{Addr: taken.Addr().String(), Size: world.Small()}, &out, &errOut)
	if err == nil || !strings.Contains(err.Error(), "another program listens there") || !strings.Contains(err.Error(), "--addr") || strings.Contains(err.Error(), "config") {
		t.Errorf("a taken port gives %v", err)
	}
	if out.Len() > 0 || errOut.Len() > 0 {
		t.Errorf("it went on: %s%s", &out, &errOut)
	}
}
