package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"tocsin/internal/bench"
)

func newBenchLog() *cobra.Command {
	opt := bench.LogOptions{Entries: 100_000}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "log [--entries N] [--data DIR] [--json]",
		Short: "Measure how fast the evidence log takes entries, and is checked",
		Long: `Log appends entries to an evidence log of its own, durable and signed, most of them in calls of 256 from 16 sides, the last
500 one by one. Then it checks the whole log as tocsin log check does.`,
		Args: noArgs,
	}
	cmd.Flags().IntVar(&opt.Entries, "entries", opt.Entries, "entries to append")
	cmd.Flags().StringVar(&opt.Dir, "data", "", "folder to work in; it must be empty and stays (default: a temporary one that is removed)")
	cmd.Flags().StringVar(&opt.CPUProfile, "cpuprofile", "", "write a CPU profile to this file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if opt.Entries < 1000 {
			return wrongUse("--entries %d is too few to measure: write 1000 or more", opt.Entries)
		}
		bar := newProgress(cmd.ErrOrStderr(), "appending", entriesDone)
		opt.Progress = bar.set
		res, err := bench.Log(cmd.Context(), opt)
		bar.close()
		if err != nil {
			return cannot(err)
		}
		if asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(res)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%.0f entries/s (%d entries, %.1f s), %.0f bytes each on the disk for %.0f\none alone: median %.1f ms, 99 in 100 within %.1f ms\nchecked in %.1f s, %d faults\n%.0f MiB peak memory\n",
			res.EntriesPerSecond, res.Entries, res.Seconds, res.BytesPerEntry, res.EntryBytes, res.AppendP50, res.AppendP99,
			res.CheckSeconds, res.Faults, res.PeakRSSMiB)
		return nil
	}
	return cmd
}
