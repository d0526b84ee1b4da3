package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// TestMain lets the test binary be a runner that is killed.
func TestMain(m *testing.M) {
	if os.Getenv("TOCSIN_TESTRUN_CHILD") == "" {
		os.Exit(m.Run())
	}
	p, err := startPostgres(context.Background(), false)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, p.cmd.Process.Pid, p.folder)
	<-p.ended
}

const module = "module made.up/m\n\ngo 1.26\n"

// TestGoTest runs go test on made-up modules: what is counted, what is said, and whether the run is good.
func TestGoTest(t *testing.T) {
	header := "package m\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nvar _ = os.Exit\n\n"
	for _, c := range []struct {
		name, code string
		last       string
		said       []string
		good       bool
		goodInCI   bool
	}{
		{
			name: "subtests count, the test around them does not",
			code: `func TestA(t *testing.T) { t.Run("one", func(*testing.T) {}); t.Run("two", func(*testing.T) {}) }
				func TestB(t *testing.T) {}`,
			last: "3 passed, 0 failed, 0 skipped", good: true, goodInCI: true,
		},
		{
			name: "a skipped test is named with its reason and is fatal in CI",
			code: `func TestA(t *testing.T) {}
				func TestB(t *testing.T) { t.Run("sub", func(t *testing.T) { t.Skip("no such peer: install it") }) }`,
			last: "1 passed, 0 failed, 1 skipped", good: true,
			said: []string{"skip  made.up/m TestB/sub: no such peer: install it"},
		},
		{
			name: "a failed subtest counts once and says what it printed",
			code: `func TestA(t *testing.T) { t.Run("sub", func(t *testing.T) { t.Log("before"); t.Error("it is so") }) }
				func TestB(t *testing.T) {}`,
			last: "1 passed, 1 failed, 0 skipped",
			said: []string{"FAIL  made.up/m TestA/sub", "before", "it is so"},
		},
		{
			name: "a panic",
			code: `func TestA(t *testing.T) {}
				func TestB(t *testing.T) { panic("out of order") }`,
			last: "1 passed, 1 failed, 0 skipped", said: []string{"out of order"},
		},
		{
			name: "a process that ends in the middle of a test",
			code: `func TestB(t *testing.T) { println("last words"); os.Exit(3) }`,
			last: "0 passed, 1 failed, 0 skipped", said: []string{"TestB", "last words"},
		},
		{
			name: "a TestMain that fails",
			code: `func TestA(t *testing.T) {}
				func TestMain(m *testing.M) { m.Run(); println("left open"); os.Exit(1) }`,
			last: "1 passed, 1 failed, 0 skipped", said: []string{"left open"},
		},
		{
			name: "code that does not compile",
			code: `func TestA(t *testing.T) { undefined() }`,
			last: "0 passed, 1 failed, 0 skipped", said: []string{"undefined: undefined"},
		},
		{
			name: "no test at all is not a good run",
			code: `var _ testing.TB`,
			last: "0 passed, 0 failed, 0 skipped", said: []string{"no test ran"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "go.mod"), module)
			writeFile(t, filepath.Join(dir, "m_test.go"), header+c.code)
			for ci, want := range map[string]bool{"": c.good, "true": c.goodInCI} {
				t.Setenv("CI", ci)
				var out, errs bytes.Buffer
				r := runner{root: dir, out: &out, errs: &errs}
				err := r.goTest(t.Context(), []string{"CGO_ENABLED=0", "GOFLAGS="}, []string{"test", "-json", "-count=1", "./..."})
				if err != nil && !errors.Is(err, errFailed) {
					t.Fatal(err)
				}
				if (err == nil) != want {
					t.Errorf("with CI=%s good is %v, want %v", ci, err == nil, want)
				}
				lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
				if last := lines[len(lines)-1]; last != c.last {
					t.Errorf("the last line is %q, want %q", last, c.last)
				}
				for _, s := range c.said {
					if !strings.Contains(out.String()+errs.String(), s) {
						t.Errorf("nothing is said of %q in\n%s%s", s, &out, &errs)
					}
				}
			}
		})
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestResultsInPieces: what is not JSON is passed on, a long output is cut, a data race is a failure like another.
func TestResultsInPieces(t *testing.T) {
	line := `{"Action":"output","Package":"p","Test":"TestA","Output":"` + strings.Repeat("x", 1000) + `\n"}` + "\n"
	in := "go: something about a module\n" +
		`{"Action":"run","Package":"p","Test":"TestA"}` + "\n" + strings.Repeat(line, 1000) +
		`{"Action":"fail","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"fail","Package":"p"}`
	var out bytes.Buffer
	got, err := readResults(strings.NewReader(in), &out)
	if err != nil || got.failed != 1 || got.passed != 0 {
		t.Errorf("%+v, %v, want 1 failed", got, err)
	}
	if !strings.HasPrefix(out.String(), "go: something about a module\n") || out.Len() > 2*maxOutputBytes {
		t.Errorf("%d bytes of output", out.Len())
	}
	if _, err := readResults(io.MultiReader(strings.NewReader(in), broken{}), io.Discard); err == nil {
		t.Error("an output that broke off was taken for whole")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestFuzzTargets(t *testing.T) {
	got := fuzzTargets("?   \ttocsin/internal/a\t[no test files]\nok  \ttocsin/internal/b\t0.1s\n" +
		"FuzzOne\nFuzzTwo\nok  \ttocsin/internal/c\t0.003s\nFuzzOne\nok  \ttocsin/internal/d\t(cached)\n")
	want := []target{{"tocsin/internal/c", "FuzzOne"}, {"tocsin/internal/c", "FuzzTwo"}, {"tocsin/internal/d", "FuzzOne"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{})); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestBenchmarkLines(t *testing.T) {
	got := benchmarkLines([]byte("?   \tp\t[no test files]\ngoos: linux\npkg: tocsin/internal/b\n" +
		"BenchmarkX-2 \t 10\t 5 ns/op\nPASS\nok  \ttocsin/internal/b\t1s\n"))
	if want := "goos: linux\npkg: tocsin/internal/b\nBenchmarkX-2 \t 10\t 5 ns/op\n"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestMedianTable(t *testing.T) {
	got, err := medianTable([][]byte{
		[]byte(`{"events_per_second":101234.5,"seconds":9.5,"machine":"here"}`),
		[]byte(`{"events_per_second":150000,"seconds":7}`),
		[]byte(`{"events_per_second":120000,"seconds":8}`),
	})
	want := "| figure | median | least | most |\n|---|---|---|---|\n" +
		"| `events_per_second` | 120000 | 101234 | 150000 |\n| `seconds` | 8 | 7 | 9.5 |\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
	if _, err := medianTable([][]byte{[]byte("{}")}); err == nil {
		t.Error("a benchmark without figures is taken")
	}
	if m := median([]float64{1, 2, 4, 8}); m != 3 {
		t.Errorf("the median of four is %v, want 3", m)
	}
}

// TestPostgres: a server starts, answers, and leaves nothing behind.
func TestPostgres(t *testing.T) {
	needPostgres(t)
	p, err := startPostgres(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	db, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	var fsync string
	if err := db.QueryRow(t.Context(), "SHOW fsync").Scan(&fsync); err != nil || fsync != "on" {
		t.Errorf("fsync of a durable server: %q, %v", fsync, err)
	}
	if err := p.stop(); err != nil { // with db still connected
		t.Error(err)
	}
	wantGone(t, p.cmd.Process.Pid, p.folder)
}

// TestPostgresDiesWithUs: a runner that is killed leaves no server.
func TestPostgresDiesWithUs(t *testing.T) {
	needPostgres(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "TOCSIN_TESTRUN_CHILD=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, folder, _ := strings.Cut(strings.TrimSpace(line), " ")
	number, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	wantGone(t, number, "")
	if err := os.RemoveAll(folder); err != nil {
		t.Error(err)
	}
}

func needPostgres(t *testing.T) {
	t.Helper()
	if _, err := postgresFolder(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func wantGone(t *testing.T, pid int, folder string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); syscall.Kill(pid, 0) == nil; {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && bytes.Contains(stat, []byte(") Z ")) {
			break // ended, and nobody has asked how
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("process %d is still there", pid)
		}
	}
	if folder != "" {
		if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", folder, err)
		}
	}
}
