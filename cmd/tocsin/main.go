// Command tocsin is the node: `tocsin serve` runs it, the other commands feed it, ask it and check it. Every command
// ends with 0 done, 1 done with refusals or a check that failed, 2 wrong use, 3 cannot (DESIGN.md §7).
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
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
	err := unknownCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	return exitCode(ctx, err, errOut)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "tocsin",
		Short: "Turn something bad seen on a network into the right action by the right party, with proof",
		Long: `Tocsin takes in reports of abuse and weakness, says whose network each one is about, folds them into incidents
and keeps track of what became of them. To see it with a made-up partnership: tocsin demo

Exit codes: 0 done, 1 done with refusals or a check that failed, 2 wrong use, 3 cannot.`,
		SilenceErrors: true, SilenceUsage: true, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	for _, g := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Look at it:", []*cobra.Command{newDemo(), newParse(), newBench()}},
		{"Run a node:", []*cobra.Command{newInit(), newConfig(), newKeys(), newServe(), newPeople()}},
		{"Feed it and ask it:", []*cobra.Command{newImport(), newIncidents(), newLookup(), newLines(), newAnswer(), newSources(), newQuarantine(), newWaiting()}},
		{"Prove what it did:", []*cobra.Command{newLog()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.title
			c.DisableFlagsInUseLine = strings.Contains(c.Use, "[--") // it names them itself
			root.AddCommand(c)
		}
	}
	root.AddCommand(newVersion())
	root.InitDefaultHelpCmd()
	fitHelp(root)
	root.InitDefaultCompletionCmd()
	return root
}
