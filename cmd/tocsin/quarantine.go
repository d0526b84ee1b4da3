package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

func newQuarantine() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine list|replay|drop",
		Short: "List what could not be read, try it again, or drop it",
		Long: `A row or a document that cannot be read is refused with a reason, and kept. The rest of its report goes on. After an
update or a new table of report types, replay reads it again: only what was refused before is taken, so nothing counts
twice. A report can be replayed as long as its original is kept (retention.originals).`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return wrongUse("say what to do: tocsin quarantine list, replay or drop")
		},
	}
	for _, c := range []*cobra.Command{newQuarantineList(), newQuarantineReplay(), newQuarantineDrop()} {
		c.DisableFlagsInUseLine = true // it names them itself
		cmd.AddCommand(c)
	}
	return cmd
}

func newQuarantineReplay() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "replay [--data DIR] --all | ID...",
		Short: "Read again what was refused, after a parser or a table was mended",
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "every report in the quarantine")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := parseIDs(args)
		if err != nil {
			return err
		}
		if all == (len(ids) > 0) {
			return wrongUse("name the reports to replay, or --all: tocsin quarantine list shows them")
		}
		if !app.Begun(*data) {
			return noData(*data)
		}
		a, err := openApp(cmd, *data)
		if err != nil {
			return err
		}
		bar := newProgress(cmd.ErrOrStderr(), "replaying", reports)
		sum, err := a.Replay(cmd.Context(), ids, bar.set)
		bar.close()
		if closed := a.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return cannot(err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s replayed: %s, %s, %d still refused\n", report.Counted(sum.Reports, "report"),
			report.Counted(sum.Events, "event"), report.Counted(sum.Repeats, "repeat"), sum.Rejected)
		if sum.Rejected > 0 {
			return refused()
		}
		return nil
	}
	return cmd
}

func newQuarantineDrop() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop [--data DIR] ID...",
		Short: "Take reports out of the quarantine for good",
		Args:  atLeastOne("the reports to drop"),
	}
	data := dataFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := parseIDs(args)
		if err != nil {
			return err
		}
		if !app.Begun(*data) {
			return noData(*data)
		}
		a, err := openApp(cmd, *data)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err = a.Store().Drop(cmd.Context(), id); err != nil {
				break
			}
			fmt.Fprintf(cmd.OutOrStdout(), "dropped %s\n", id)
		}
		if closed := a.Close(); err == nil {
			err = closed
		}
		if errors.Is(err, store.ErrNoReport) {
			err = errors.New("no such report in the quarantine: tocsin quarantine list shows them")
		}
		if err != nil {
			return cannot(err)
		}
		return nil
	}
	return cmd
}

func parseIDs(args []string) ([]report.ID, error) {
	ids := make([]report.ID, len(args))
	for i, s := range args {
		var err error
		if ids[i], err = report.ParseID(s); err != nil {
			return nil, wrongUse("%q: %w", s, err)
		}
	}
	return ids, nil
}
