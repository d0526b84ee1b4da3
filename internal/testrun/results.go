package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// event is a line of `go test -json` (`go doc test2json`, and `go help buildjson` for the build-* actions).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Output     string
	Elapsed    float64 // seconds
}

// tally counts tests. A test with subtests is counted when it ended otherwise than they did, so the sum is the
// number of things that were tried.
type tally struct {
	passed, failed, skipped int
	skips                   []string // "PACKAGE TEST: reason"
	slow                    []slowTest
}

// slowTest is a test that took long, its subtests included.
type slowTest struct {
	name    string // "PACKAGE TEST"
	elapsed float64
}

// A test that takes as many seconds is named at the end, with some others like it: where to save time.
const (
	slowSeconds = 5
	slowNamed   = 25
)

func (t tally) good(ci bool) bool {
	return t.failed == 0 && t.passed > 0 && (t.skipped == 0 || !ci)
}

// print ends with the sums, alone on the last line.
func (t tally) print(w io.Writer, ci bool) {
	slices.SortFunc(t.slow, func(a, b slowTest) int { return cmp.Compare(b.elapsed, a.elapsed) })
	for _, s := range t.slow[:min(len(t.slow), slowNamed)] {
		fmt.Fprintf(w, "slow  %s %s\n", s.name, seconds(s.elapsed))
	}
	for _, s := range slices.Sorted(slices.Values(t.skips)) {
		fmt.Fprintf(w, "skip  %s\n", s)
	}
	switch {
	case t.skipped > 0 && ci:
		fmt.Fprintln(w, "tests were skipped, and with CI=true none may be")
	case t.failed == 0 && t.passed == 0:
		fmt.Fprintln(w, "no test ran")
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
}

// maxOutputBytes is how much of one test's output is kept for the case that it fails.
const maxOutputBytes = 256 << 10

// test is one that is running, or, with the name "", its package.
type test struct {
	output       bytes.Buffer
	children     bool // it has subtests
	failedWithin bool // one of its subtests, or of the package's tests, has failed
	ended        bool
}

func (t *test) write(s string) {
	if t.output.Len() < maxOutputBytes {
		t.output.WriteString(s)
	}
}

type results struct {
	tally

	out   io.Writer
	tests map[string]map[string]*test // by package and name
	built map[string]*bytes.Buffer    // what the compiler said, by import path
}

// readResults reads `go test -json` to its end, and writes to out a line for each package and what the failed tests
// printed.
func readResults(r io.Reader, out io.Writer) (tally, error) {
	res := results{out: out, tests: map[string]map[string]*test{}, built: map[string]*bytes.Buffer{}}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				fmt.Fprintf(out, "%s", line)
			} else {
				res.take(e)
			}
		}
		if err == io.EOF {
			return res.tally, nil
		}
		if err != nil {
			return res.tally, err
		}
	}
}

func (r *results) take(e event) {
	switch e.Action {
	case "build-output":
		if r.built[e.ImportPath] == nil {
			r.built[e.ImportPath] = &bytes.Buffer{}
		}
		r.built[e.ImportPath].WriteString(e.Output)
	case "build-fail":
		if b := r.built[e.ImportPath]; b != nil {
			fmt.Fprintf(r.out, "%s", b)
		}
	case "run":
		r.test(e)
	case "output":
		r.test(e).write(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
	}
}

func (r *results) test(e event) *test {
	p := r.tests[e.Package]
	if p == nil {
		p = map[string]*test{}
		r.tests[e.Package] = p
	}
	t := p[e.Test]
	if t == nil {
		t = &test{}
		p[e.Test] = t
		if up := parent(e.Test); up != "" {
			r.test(event{Package: e.Package, Test: up}).children = true
		}
	}
	return t
}

func parent(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return ""
}

func (r *results) endTest(e event) {
	t := r.test(e)
	t.ended = true
	if parent(e.Test) == "" && e.Elapsed >= slowSeconds {
		r.slow = append(r.slow, slowTest{e.Package + " " + e.Test, e.Elapsed})
	}
	switch e.Action {
	case "pass":
		if !t.children {
			r.passed++
		}
	case "skip":
		r.skipped++
		r.skips = append(r.skips, e.Package+" "+e.Test+": "+reason(t.output.String()))
	case "fail":
		if !t.failedWithin {
			r.failed++
		}
		for up := e.Test; up != ""; {
			up = parent(up)
			r.test(event{Package: e.Package, Test: up}).failedWithin = true
		}
		if said := said(t.output.String()); said != "" || !t.failedWithin {
			fmt.Fprintf(r.out, "FAIL  %s %s\n%s", e.Package, e.Test, said)
		}
	}
	t.output = bytes.Buffer{} // not Reset, which keeps the memory
}

func (r *results) endPackage(e event) {
	p := r.test(event{Package: e.Package})
	switch e.Action {
	case "pass":
		fmt.Fprintf(r.out, "ok    %s %s\n", e.Package, seconds(e.Elapsed))
	case "fail":
		if !p.failedWithin { // it did not build, or ended outside of its tests, or in the middle of one
			r.failed++
			for name, t := range r.tests[e.Package] {
				if name != "" && !t.ended {
					fmt.Fprintf(r.out, "      %s did not end\n%s", name, said(t.output.String()))
				}
			}
		}
		fmt.Fprintf(r.out, "FAIL  %s %s\n%s", e.Package, seconds(e.Elapsed), said(p.output.String()))
	}
	delete(r.tests, e.Package) // "skip" is a package without tests
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// reason finds in a skipped test's output what it said: the line after "file_test.go:12: ".
func reason(output string) string {
	for line := range strings.Lines(output) {
		if _, said, ok := strings.Cut(line, "_test.go:"); ok {
			if _, said, ok = strings.Cut(said, ": "); ok {
				return strings.TrimSpace(said)
			}
		}
		// a helper's file need not be a test's
		if _, said, ok := strings.Cut(line, ".go:"); ok {
			if _, said, ok = strings.Cut(said, ": "); ok {
				return strings.TrimSpace(said)
			}
		}
	}
	return "no reason given"
}

// said is what a test printed, indented, without what the testing package says of its progress.
func said(output string) string {
	var b strings.Builder
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "=== ") || strings.HasPrefix(strings.TrimSpace(line), "--- FAIL: ") ||
			line == "FAIL\n" || strings.HasPrefix(line, "FAIL\t") {
			continue
		}
		b.WriteString("      " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}
