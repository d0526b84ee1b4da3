// Command testrun runs the project's tests and installs and starts what they need. The Makefile calls it; where
// there is no make, `go run ./internal/testrun test` does what `make test` does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: testrun test [GO TEST ARGUMENTS]    every test, race detector on
       testrun prove [GO TEST ARGUMENTS]   the same at full size, race detector off
       testrun bench                       benchmarks into docs/bench
       testrun fuzz [PACKAGE...]           each fuzz target for $FUZZTIME (1m)
       testrun vuln                        known vulnerabilities in what is called
`

// errFailed says that the run itself went well and that what it found is printed already.
var errFailed = errors.New("failed")

func main() {
	// The kernel stops the server when the thread that started it ends: so it is started from one that does not.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, errFailed):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "testrun:", err)
		os.Exit(3)
	}
}

func run(ctx context.Context, args []string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	r := runner{root: root, out: os.Stdout, errs: os.Stderr}
	command, rest := "", []string(nil)
	if len(args) > 0 {
		command, rest = args[0], args[1:]
	}
	switch command {
	case "test":
		return r.test(ctx, testOptions{race: true, timeout: 25 * time.Minute, arguments: rest})
	case "prove":
		return r.test(ctx, testOptions{full: true, timeout: 3 * time.Hour, arguments: rest})
	case "bench":
		return r.bench(ctx)
	case "fuzz":
		return r.fuzz(ctx, rest)
	case "vuln":
		return r.vuln(ctx)
	}
	fmt.Fprint(os.Stderr, usage)
	return errFailed
}

// runner is where commands run and where they write to.
type runner struct {
	root string
	out  io.Writer
	errs io.Writer
}

// command is a command in the module's root that is interrupted when ctx ends and killed when it does not heed that.
func (r runner) command(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = r.out, r.errs
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// goFlags is the caller's GOFLAGS with version stamping off: a checkout that belongs to another user makes git, and
// with it the stamping, fail.
func goFlags() string {
	return "GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false")
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no go.mod here or above: run it in the repository")
		}
		dir = up
	}
}
