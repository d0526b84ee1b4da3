package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/app"
	"tocsin/internal/world"
)

// called runs tocsin and returns what it printed. An exit code other than these fails the test.
func called(t *testing.T, codes []int, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "tocsin", args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); !slices.Contains(codes, code) {
		t.Fatalf("tocsin %s: exit code %d (%v)\n%s", strings.Join(args, " "), code, err, &errOut)
	}
	return out.String()
}

// imported imports a folder to its end.
func imported(t *testing.T, data, reports string) app.Summary {
	t.Helper()
	var s app.Summary
	if err := json.Unmarshal([]byte(called(t, []int{0, exitRefused}, "import", "--data", data, "--json", reports)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// known is all that a node knows and that does not depend on when it learnt it: incidents by key, and what is refused.
func known(t *testing.T, data string) (incidents, refused []map[string]any) {
	t.Helper()
	incidents = lines(t, called(t, []int{0}, "incidents", "--data", data, "--json"), "id")
	refused = lines(t, called(t, []int{0}, "quarantine", "list", "--data", data, "--json"), "id", "received_at", "name")
	slices.SortFunc(refused, func(a, b map[string]any) int {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return bytes.Compare(x, y)
	})
	return incidents, refused
}

func lines(t *testing.T, out string, without ...string) (all []map[string]any) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var o map[string]any
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range without {
			delete(o, name)
		}
		all = append(all, o)
	}
}

// killFolder writes reports of every kind: long ones of several chunks, many small ones, bad rows, containers,
// duplicates and what nobody can read.
func killFolder(t *testing.T, rows int) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, body []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	small := world.Bench(2, world.BenchSize{Rows: rows / 3, Pairs: rows / 20})
	long := world.Bench(3, world.BenchSize{Rows: 20 * rows / 3, RowsPerFile: rows / 3, Pairs: rows / 2}) // two of its files
	for i, f := range append(long.Files[:2:2], small.Files...) {
		var b bytes.Buffer
		if _, err := f.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			f.Name = strings.Replace(f.Name, "-bench-", "-long-", 1)
		}
		write(f.Name, b.Bytes())
	}
	n := 0
	for body := range world.BenchMails(rows / 100) {
		write(fmt.Sprintf("%07d.eml", n), body)
		n++
	}
	for f := range world.New(4, world.Small()).Reports() {
		write(f.Reporter+"-"+f.Name, f.Body())
	}
	return dir
}

// killed starts an import and kills it after a while. It reports whether the import was killed before its end.
func killed(t *testing.T, data, reports string, after time.Duration) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tocsin", "import", "--data", data, reports)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		_ = cmd.Process.Kill() // it may have ended this moment: the status says so
		<-done
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// TestKilledImport kills imports with SIGKILL at random points and starts them again: once, or a second time in the
// middle of going on. In the end the node knows what an undisturbed one knows: the same incidents with the same times
// and counts, the same refusals; and it knows that it knows.
func TestKilledImport(t *testing.T) {
	rounds, rows := 3, 60_000
	if os.Getenv("TOCSIN_PROVE") == "1" {
		rounds, rows = 20, 300_000
	}
	reports := killFolder(t, rows)
	undisturbed := filepath.Join(t.TempDir(), "node")
	begin := time.Now()
	all := imported(t, undisturbed, reports)
	span := time.Since(begin)
	incidents, refused := known(t, undisturbed)
	if all.Events < int64(rows)*9/10 || len(incidents) == 0 || len(refused) == 0 {
		t.Fatalf("too little to kill: %+v", all)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for round := 0; round < rounds; {
		data := filepath.Join(t.TempDir(), "node")
		after := time.Duration(random.Int64N(int64(span)))
		if !killed(t, data, reports, after) {
			span = max(span*9/10, 50*time.Millisecond) // faster than the first: this one does not count
			continue
		}
		again := random.IntN(2) == 0 && killed(t, data, reports, time.Duration(random.Int64N(int64(span))))
		round++
		t.Logf("round %d: killed after %s, again %v (seed %d)", round, after, again, seed)
		imported(t, data, reports)
		gotIncidents, gotRefused := known(t, data)
		if diff := cmp.Diff(incidents, gotIncidents); diff != "" {
			t.Fatalf("incidents differ (-undisturbed +killed):\n%.4000s", diff)
		}
		if diff := cmp.Diff(refused, gotRefused); diff != "" {
			t.Fatalf("refusals differ (-undisturbed +killed):\n%.4000s", diff)
		}
		s := imported(t, data, reports)
		if s.Reports != all.Reports || s.Duplicates != s.Reports || s.Events+s.Repeats+s.Rejected+s.IncidentsNew+s.IncidentsUpdated != 0 {
			t.Fatalf("imported once more: %+v", s)
		}
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
	}
}
