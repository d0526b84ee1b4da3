package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"tocsin/internal/bench"
	"tocsin/internal/store"
)

func newBench() *cobra.Command {
	opt := bench.Options{Events: 1_000_000}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench [--events N | --mails N] [--data DIR] [--json]",
		Short: "Measure the pipeline on generated reports",
		Long: `Bench writes reports of 20 types and an address table of 500,000 prefixes, imports them through the same code as
tocsin import, durable, into a fresh data directory, and says how fast it was. The time counts from the first byte
read to the last commit.`,
		Args: noArgs,
	}
	cmd.Flags().IntVar(&opt.Events, "events", opt.Events, "rows to generate")
	cmd.Flags().IntVar(&opt.Mails, "mails", 0, "instead of rows, generate so many mails with one event each: small reports")
	cmd.Flags().StringVar(&opt.Dir, "data", "", "folder to work in; it must be empty and stays (default: a temporary one that is removed)")
	cmd.Flags().StringVar(&opt.CPUProfile, "cpuprofile", "", "write a CPU profile of the import to this file")
	cmd.Flags().StringVar(&opt.StoreURL, "store", "", "PostgreSQL database to use instead of SQLite; it must be empty")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("mails") && opt.Mails < 100 {
			return wrongUse("--mails %d is too few to measure: write 100 or more", opt.Mails)
		}
		if opt.Events < 1000 {
			return wrongUse("--events %d is too few to measure: write 1000 or more", opt.Events)
		}
		if db := (store.Config{URL: opt.StoreURL}); db.Validate() != nil {
			return wrongUse("--store %q is no PostgreSQL database: write postgres://user@host/database", opt.StoreURL)
		}
		bar := newProgress(cmd.ErrOrStderr(), "importing", bytesRead)
		opt.Progress = bar.set
		res, err := bench.Run(cmd.Context(), opt)
		bar.close()
		if err != nil {
			return cannot(err)
		}
		if asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(res)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%.0f events/s (%d events, %.2f s)\n%.1f CPU seconds per million events\n%.0f MiB peak memory\n",
			res.EventsPerSecond, res.Events, res.Seconds, res.CPUSecondsPerMillion, res.PeakRSSMiB)
		if opt.Mails > 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "%.0f reports/s\n", res.ReportsPerSecond)
		}
		return nil
	}
	cmd.MarkFlagsMutuallyExclusive("events", "mails")
	cmd.AddCommand(newBenchIntake(), newBenchLines(), newBenchLog())
	return cmd
}

func newBenchIntake() *cobra.Command {
	var opt bench.IntakeOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "intake [--mails N] [--data DIR] [--json]",
		Short: "Measure how fast a mailbox of mixed mails is taken and worked",
		Long: `Intake sends mails as an abuse mailbox has them (reports in many formats, letters, bounces, spam, damaged ones) to a node
of its own by LMTP, and says how fast it was. The time counts from the first connection until the last mail is worked.`,
		Args: noArgs,
	}
	cmd.Flags().IntVar(&opt.Mails, "mails", 20_000, "mails to send")
	cmd.Flags().StringVar(&opt.Dir, "data", "", "folder to work in; it must be empty and stays (default: a temporary one that is removed)")
	cmd.Flags().StringVar(&opt.CPUProfile, "cpuprofile", "", "write a CPU profile of it to this file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if opt.Mails < 100 {
			return wrongUse("--mails %d is too few to measure: write 100 or more", opt.Mails)
		}
		bar := newProgress(cmd.ErrOrStderr(), "sending", mailsSent)
		opt.Progress = bar.set
		res, err := bench.Intake(cmd.Context(), opt)
		bar.close()
		if err != nil {
			return cannot(err)
		}
		if asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(res)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%.0f mails/s (%d mails, %.2f s)\n%d parsed, %d waiting, %d set aside, %d quarantined, %d duplicates\n%.0f MiB peak memory\n",
			res.MailsPerSecond, res.Mails, res.Seconds, res.Parsed, res.Waiting, res.SetAside, res.Quarantined, res.Duplicates, res.PeakRSSMiB)
		return nil
	}
	return cmd
}
