// Command tocsin is the node: `tocsin serve` runs it, the other commands feed it, ask it and check it. Every command
// ends with 0 done, 1 done with refusals or a check that failed, 2 wrong use, 3 cannot (DESIGN.md §7).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	cobra.EnableCommandSorting = false // newRoot's order is the one in which a newcomer needs them
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// gcPercent is how much garbage may lie beside what is in use. Chunks are large and short-lived, so half of Go's own
// default costs 2 % of speed and saves a sixth of the memory (docs/bench).
const gcPercent = 50

// Exit codes of every command.
const (
	exitRefused = 1
	exitUsage   = 2
	exitCannot  = 3
)

// exitError is an error with its own exit code. A nil err has been printed already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func cannot(err error) error { return &exitError{exitCannot, err} }

func wrongUse(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func refused() error { return &exitError{code: exitRefused} }

// run is the whole program.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{exitUsage, err} // what cobra itself found wrong
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		exit = &exitError{exitCannot, errors.New("stopped by a signal; what was committed is kept, run the command again to go on")}
	}
	if exit.err != nil {
		fmt.Fprintf(errOut, "tocsin: %v\n", exit.err)
	}
	return exit.code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "tocsin",
		Short: "Turn something bad seen on a network into the right action by the right party, with proof",
		Long: `Tocsin takes in reports of abuse and weakness, says whose network each one is about, folds them into incidents
and keeps track of what became of them. To see it with a made-up partnership: tocsin demo

Exit codes: 0 done, 1 done with refusals or a check that failed, 2 wrong use, 3 cannot.`,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, g := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Look at it:", []*cobra.Command{newDemo(), newParse(), newBench()}},
		{"Run a node:", []*cobra.Command{newInit(), newConfig(), newServe()}},
		{"Feed it and ask it:", []*cobra.Command{newImport(), newIncidents(), newLookup(), newQuarantine(), newWaiting()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.title
			root.AddCommand(c)
		}
	}
	root.AddCommand(newVersion())
	return root
}

// dataFlag adds --data and returns where its value will be.
func dataFlag(cmd *cobra.Command) *string {
	fallback := os.Getenv("TOCSIN_DATA")
	if fallback == "" {
		fallback = "tocsin-data"
	}
	dir := cmd.Flags().String("data", fallback, "data `directory` (default $TOCSIN_DATA, then ./tocsin-data)")
	cmd.Flags().Lookup("data").DefValue = "" // the text says it already
	return dir
}

// explainData says what to do about the data directory of cfg when it cannot be used.
func explainData(err error, cfg *app.Config) error {
	if errors.Is(err, app.ErrBusy) {
		return cannot(fmt.Errorf("%w: if it is a node, put the files into its drop folder, %s; else wait for it to end", err, cfg.DropFolder()))
	}
	return cannot(err)
}
