package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/report"
)

// program is the real program, built as it is shipped: no race detector, no cgo.
type program struct {
	path string
	env  []string
}

// buildProgram builds it into a folder of the test's own that other users can reach.
func buildProgram(t *testing.T) program {
	t.Helper()
	dir := reachable(t)
	p := program{path: filepath.Join(dir, "tocsin")}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", p.path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return p
}

// reachable is a temporary folder that every user may enter; t.TempDir is the test's user's alone.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tocsin-test-*") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// result is what a run of the program came to.
type result struct {
	args   []string
	code   int
	out    string
	errs   string
	rssMiB int64
	took   time.Duration
}

// patience is how long one run may take: hostile input must not take for ever.
const patience = 2 * time.Minute

// run runs the program to its end. It must not panic, be killed or say anything that is not text.
func (p program) run(t *testing.T, args ...string) result {
	t.Helper()
	return p.runAs(t, nil, args...)
}

func (p program) runAs(t *testing.T, attr *syscall.SysProcAttr, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the program did not end in time"))
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &errs, attr
	cmd.Env = append(os.Environ(), p.env...)
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := watchMemory(cmd.Process.Pid)
	err := cmd.Wait()
	r := result{args: args, out: out.String(), errs: errs.String(), took: time.Since(begin)}
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || !exit.Exited()) {
		t.Fatalf("tocsin %q: %v %v\n%s", args, err, context.Cause(ctx), r.errs)
	}
	r.code = cmd.ProcessState.ExitCode()
	r.rssMiB = min(peak(), peakMiB(cmd.ProcessState))
	for _, bad := range []string{"panic:", "goroutine ", "fatal error:", "SIGBUS", "made its reader fail"} {
		if strings.Contains(r.errs, bad) {
			t.Fatalf("tocsin %q panicked:\n%s", args, r.errs)
		}
	}
	return r
}

// peakMiB is the most memory that the process ever held, and never less than this test held when it started it: the
// kernel counts the time before exec.
func peakMiB(s *os.ProcessState) int64 {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return u.Maxrss >> 20
	}
	return u.Maxrss >> 10
}

// watchMemory looks at what the kernel says of a process's own peak, again and again while it runs; the function that
// it returns says the last. Where there is no /proc it is as much as can be.
func watchMemory(pid int) (peak func() int64) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	if _, err := os.Stat(path); err != nil {
		return func() int64 { return 1 << 40 }
	}
	end, gone := make(chan struct{}), make(chan int64)
	go func() {
		t := time.NewTicker(2 * time.Millisecond)
		defer t.Stop()
		var kib, most int64
		for {
			select {
			case <-end:
				gone <- most >> 10
				return
			case <-t.C:
			}
			b, _ := os.ReadFile(path)
			if _, after, ok := strings.Cut(string(b), "VmHWM:"); ok {
				if _, err := fmt.Sscan(after, &kib); err == nil {
					most = max(most, kib) // a process that has ended has none
				}
			}
		}
	}()
	return func() int64 { close(end); return <-gone }
}

// ends checks how a run ended.
func (r result) ends(t *testing.T, code int) {
	t.Helper()
	if r.code != code {
		t.Fatalf("tocsin %q ended with %d, want %d\nstdout: %.2000s\nstderr: %.2000s", r.args, r.code, code, r.out, r.errs)
	}
}

// under checks the run's memory.
func (r result) under(t *testing.T, mib int64) {
	t.Helper()
	t.Logf("tocsin %s: %d MiB, %.2f s", r.args[0], r.rssMiB, r.took.Seconds())
	if r.rssMiB >= mib {
		t.Errorf("tocsin %q held %d MiB, want under %d", r.args, r.rssMiB, mib)
	}
}

// sentence checks that standard error is one line, and returns it. Warnings of the log are not counted: they have a
// level.
func (r result) sentence(t *testing.T) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(r.errs) {
		if !strings.Contains(line, " level=WARN ") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	if len(lines) != 1 {
		t.Fatalf("tocsin %q says %d things, want one sentence:\n%s", r.args, len(lines), r.errs)
	}
	return lines[0]
}

// summary is what `import --json` prints, as far as these tests need it.
type summary struct {
	Reports    int64 `json:"reports"`
	Duplicates int64 `json:"duplicates"`
	Events     int64 `json:"events"`
	Repeats    int64 `json:"repeats"`
	Rejected   int64 `json:"rejected"`
	Waiting    int64 `json:"waiting"`
	SetAside   int64 `json:"set_aside"`
}

func (r result) summary(t *testing.T) summary {
	t.Helper()
	var s summary
	if err := json.Unmarshal([]byte(r.out), &s); err != nil {
		t.Fatalf("tocsin %q printed no summary: %v\nstdout: %s\nstderr: %s", r.args, err, r.out, r.errs)
	}
	return s
}

// kept is one line of `quarantine list --json`.
type kept struct {
	ID       report.ID    `json:"id"`
	Name     string       `json:"name"`
	State    report.State `json:"state"`
	Refused  int64        `json:"refused"`
	Events   int64        `json:"events"`
	Refusals []struct {
		Row    int64  `json:"row"`
		Reason string `json:"reason"`
	} `json:"refusals"`
}

// quarantine lists what a data directory refused, by name.
func (p program) quarantine(t *testing.T, data string) map[string]kept {
	t.Helper()
	r := p.run(t, "quarantine", "list", "--json", "--data", data)
	r.ends(t, 0)
	all := map[string]kept{}
	for line := range strings.Lines(r.out) {
		var k kept
		if err := json.Unmarshal([]byte(line), &k); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all[k.Name] = k
	}
	return all
}

// incidents is what `incidents --json` says beside the ids, which each run makes anew, and how many events there are
// in all.
func (p program) incidents(t *testing.T, data string) (lines string, events int64) {
	t.Helper()
	r := p.run(t, "incidents", "--json", "--data", data)
	r.ends(t, 0)
	var b strings.Builder
	for line := range strings.Lines(r.out) {
		var in map[string]any
		if err := json.Unmarshal([]byte(line), &in); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		delete(in, "id")
		n, _ := in["events"].(float64)
		events += int64(n)
		fmt.Fprintln(&b, in) // maps print in the order of their keys
	}
	return b.String(), events
}

// full reports whether the properties are to be shown at the sizes that the issue names.
func full() bool { return os.Getenv("TOCSIN_PROVE") != "" }

// sized picks a size.
func sized(small, large int64) int64 {
	if full() {
		return large
	}
	return small
}
