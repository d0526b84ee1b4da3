package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// postgresVariable is where tests look for the server: postgrestest.Variable.
const postgresVariable = "TOCSIN_TEST_POSTGRES"

type testOptions struct {
	race      bool
	full      bool          // TOCSIN_PROVE=1: tests run at the sizes that the issues name
	timeout   time.Duration // of one package's tests
	arguments []string      // for go test; every package when empty
}

// test installs and starts what the tests need, runs them, and ends what it started, also when they fail.
func (r runner) test(ctx context.Context, o testOptions) (err error) {
	if err := r.install(ctx, o.race); err != nil {
		return err
	}
	if err := r.installNPM(ctx); err != nil {
		return err
	}
	env := []string{goFlags(), "CGO_ENABLED=0"} // as the product is built
	args := []string{"test", "-json", "-shuffle=on", "-timeout", o.timeout.String()}
	if o.race {
		env[1] = "CGO_ENABLED=1" // the race detector needs it
		args = append(args, "-race")
	}
	if o.full {
		env = append(env, "TOCSIN_PROVE=1")
		args = append(args, "-count=1")
	}
	if os.Getenv(postgresVariable) == "" {
		server, err := startPostgres(ctx, o.full)
		if err != nil {
			return err
		}
		defer func() {
			if stopErr := server.stop(); stopErr != nil && err == nil {
				err = stopErr
			}
		}()
		env = append(env, postgresVariable+"="+server.url)
	}
	if len(o.arguments) == 0 {
		o.arguments = []string{"./..."}
	}
	return r.goTest(ctx, env, append(args, o.arguments...))
}

func (r runner) goTest(ctx context.Context, env, args []string) error {
	cmd := r.command(ctx, env, "go", args...)
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	t, readErr := readResults(out, r.out)
	runErr := cmd.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if readErr != nil {
		return fmt.Errorf("read the results of go test: %w", readErr)
	}
	if runErr != nil && t.failed == 0 { // it says why on stderr
		t.failed++
	}
	ci := os.Getenv("CI") == "true"
	t.print(r.out, ci)
	if !t.good(ci) {
		return errFailed
	}
	return nil
}
