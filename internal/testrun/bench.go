package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

const (
	roomRuns     = 6 // benchstat's least for a 95 % interval
	pipelineRuns = 5
)

// pipelines are what tocsin bench measures, each with the file in docs/bench that keeps its runs.
var pipelines = []struct {
	title, file string
	args        []string
}{
	{"The whole pipeline", "pipeline.jsonl", []string{"bench", "--events", "1000000", "--json"}},
	{"A mailbox", "intake.jsonl", []string{"bench", "intake", "--mails", "20000", "--json"}},
}

// bench writes docs/bench: what the rooms' benchmarks say, as benchstat reads it; what the pipeline does; and both
// as one page.
func (r runner) bench(ctx context.Context) error {
	dir := filepath.Join(r.root, "docs", "bench")
	env := []string{goFlags(), "CGO_ENABLED=0"}
	var rooms bytes.Buffer
	fmt.Fprintf(r.out, "benchmarks of the rooms, %d runs\n", roomRuns)
	cmd := r.command(ctx, env, "go", "test", "-run", "^$", "-bench", ".", "-benchmem",
		"-count", strconv.Itoa(roomRuns), "-timeout", "3h", "./...")
	cmd.Stdout = &rooms
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run the benchmarks: %w\n%s", err, &rooms)
	}
	roomsFile := filepath.Join(dir, "rooms.txt")
	if err := os.WriteFile(roomsFile, benchmarkLines(rooms.Bytes()), 0o644); err != nil {
		return err
	}
	var table bytes.Buffer
	cmd = r.command(ctx, env, "go", "tool", "-modfile=tools/go.mod", "benchstat", roomsFile)
	cmd.Stdout = &table
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run benchstat: %w", err)
	}
	whole, err := r.wholes(ctx, env, dir)
	if err != nil {
		return err
	}
	page := fmt.Sprintf("# Figures\nWritten by `make bench`: do not edit. Machine: %s.\n\n%s\n## The rooms\n```\n%s```\n",
		r.machine(ctx), whole, strings.ReplaceAll(table.String(), r.root+"/", ""))
	return os.WriteFile(filepath.Join(dir, "figures.md"), []byte(page), 0o644)
}

// wholes measures the pipelines with the program as it is shipped, keeps their runs in dir, and returns their tables.
func (r runner) wholes(ctx context.Context, env []string, dir string) (string, error) {
	// Beside the sources, not in TMPDIR: that may be memory, where syncing costs nothing.
	if err := os.MkdirAll(filepath.Join(r.root, "build"), 0o750); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(filepath.Join(r.root, "build"), "bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // a temporary folder
	program := filepath.Join(temp, "tocsin")
	if err := r.command(ctx, env, "go", "build", "-trimpath", "-o", program, "./cmd/tocsin").Run(); err != nil {
		return "", fmt.Errorf("build the program: %w", err)
	}
	var page strings.Builder
	for _, p := range pipelines {
		runs, err := r.pipeline(ctx, program, filepath.Join(temp, "data"), p.args)
		if err != nil {
			return "", err
		}
		medians, err := medianTable(runs)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, p.file), bytes.Join(runs, nil), 0o644); err != nil {
			return "", err
		}
		fmt.Fprintf(&page, "## %s\n`tocsin %s`, n = %d runs, median (least to most).\n\n%s\n",
			p.title, strings.Join(p.args, " "), len(runs), medians)
	}
	return page.String(), nil
}

// pipeline returns the JSON line of each run of a benchmark on a fresh data directory.
func (r runner) pipeline(ctx context.Context, program, data string, args []string) ([][]byte, error) {
	var runs [][]byte
	for i := range pipelineRuns {
		fmt.Fprintf(r.out, "tocsin %s, run %d of %d\n", strings.Join(args, " "), i+1, pipelineRuns)
		var line bytes.Buffer
		cmd := r.command(ctx, nil, program, slices.Concat(args, []string{"--data", data})...)
		cmd.Stdout = &line
		if err := errors.Join(cmd.Run(), os.RemoveAll(data)); err != nil {
			return nil, fmt.Errorf("tocsin bench: %w", err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, line.Bytes()); err != nil {
			return nil, fmt.Errorf("read what tocsin bench printed: %w", err)
		}
		runs = append(runs, append(compact.Bytes(), '\n'))
	}
	return runs, nil
}

// benchmarkLines drops what go test says about packages without benchmarks.
func benchmarkLines(out []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(out) {
		for _, word := range []string{"goos:", "goarch:", "pkg:", "cpu:", "Benchmark"} {
			if bytes.HasPrefix(line, []byte(word)) {
				kept = append(kept, line...)
			}
		}
	}
	return kept
}

// medianTable is a Markdown table of each number in the runs' JSON objects.
func medianTable(runs [][]byte) (string, error) {
	values := map[string][]float64{}
	for _, line := range runs {
		var object map[string]any
		if err := json.Unmarshal(line, &object); err != nil {
			return "", fmt.Errorf("read what tocsin bench printed: %w", err)
		}
		for name, v := range object {
			if number, ok := v.(float64); ok {
				values[name] = append(values[name], number)
			}
		}
	}
	if len(values) == 0 {
		return "", errors.New("tocsin bench printed no numbers")
	}
	b := strings.Builder{}
	b.WriteString("| figure | median | least | most |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := slices.Sorted(slices.Values(values[name]))
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, number(median(v)), number(v[0]), number(v[len(v)-1]))
	}
	return b.String(), nil
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func number(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// machine says what the figures were taken on.
func (r runner) machine(ctx context.Context) string {
	said := []string{strconv.Itoa(runtime.NumCPU()) + " cores"}
	if cpu := field("/proc/cpuinfo", "model name"); cpu != "" {
		said = append(said, cpu)
	}
	if kib, err := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		said = append(said, fmt.Sprintf("%d GiB memory", kib>>20))
	}
	said = append(said, runtime.GOOS+"/"+runtime.GOARCH, runtime.Version())
	git := exec.CommandContext(ctx, "git", "-c", "safe.directory="+r.root, "describe", "--always", "--dirty")
	git.Dir = r.root
	if out, err := git.Output(); err == nil {
		said = append(said, "commit "+string(bytes.TrimSpace(out)))
	}
	return strings.Join(said, ", ")
}

// field returns the first value of a "name : value" line.
func field(file, name string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
