package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// fuzz runs each fuzz target of the packages, one after the other, and goes on after one that fails.
func (r runner) fuzz(ctx context.Context, packages []string) error {
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	length := os.Getenv("FUZZTIME")
	if length == "" {
		length = "1m"
	}
	var listed bytes.Buffer
	list := r.command(ctx, []string{goFlags()}, "go", append([]string{"test", "-list", "^Fuzz"}, packages...)...)
	list.Stdout = &listed
	if err := list.Run(); err != nil {
		return fmt.Errorf("list the fuzz targets: %w\n%s", err, &listed)
	}
	targets := fuzzTargets(listed.String())
	var failed []string
	for i, t := range targets {
		fmt.Fprintf(r.out, "fuzz %d of %d: %s %s for %s\n", i+1, len(targets), t.pkg, t.name, length)
		cmd := r.command(ctx, []string{goFlags()}, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$",
			"-fuzztime", length, "-fuzzminimizetime", "20x", t.pkg)
		if err := cmd.Run(); ctx.Err() != nil {
			return context.Cause(ctx)
		} else if err != nil {
			failed = append(failed, t.pkg+" "+t.name)
		}
	}
	for _, f := range failed {
		fmt.Fprintf(r.out, "FAIL  %s: the input is in its testdata/fuzz: commit it, and a golden case that names it\n", f)
	}
	fmt.Fprintf(r.out, "%d fuzz targets, %d failed\n", len(targets), len(failed))
	if len(targets) == 0 {
		return errors.New("there is no fuzz target")
	}
	if len(failed) > 0 {
		return errFailed
	}
	return nil
}

type target struct{ pkg, name string }

// fuzzTargets reads what `go test -list` prints: names, and then the package that they are of.
func fuzzTargets(listed string) []target {
	var all []target
	var names []string
	for line := range strings.Lines(listed) {
		words := strings.Fields(line)
		switch {
		case len(words) == 1 && strings.HasPrefix(words[0], "Fuzz"):
			names = append(names, words[0])
		case len(words) > 1 && words[0] == "ok":
			for _, n := range names {
				all = append(all, target{words[1], n})
			}
			names = nil
		}
	}
	return all
}
