package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"tocsin/internal/bench"
)

func newBenchLines() *cobra.Command {
	opt := bench.LinesOptions{Sessions: 1_000_000}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lines [--sessions N] [--data DIR] [--json]",
		Short: "Measure how fast sessions are kept and found",
		Long: `Lines makes a week of sessions, half of RADIUS and half of port blocks of a NAT, keeps them as a node does, durable, and
then asks 200,000 times who held an address and port at an instant. It says how many answers were wrong.`,
		Args: noArgs,
	}
	cmd.Flags().IntVar(&opt.Sessions, "sessions", opt.Sessions, "sessions to make")
	cmd.Flags().StringVar(&opt.Dir, "data", "", "folder to work in; it must be empty and stays (default: a temporary one that is removed)")
	cmd.Flags().StringVar(&opt.CPUProfile, "cpuprofile", "", "write a CPU profile to this file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if opt.Sessions < 1000 {
			return wrongUse("--sessions %d is too few to measure: write 1000 or more", opt.Sessions)
		}
		bar := newProgress(cmd.ErrOrStderr(), "keeping", sessions)
		opt.Progress = bar.set
		res, err := bench.Lines(cmd.Context(), opt)
		bar.close()
		if err != nil {
			return cannot(err)
		}
		if asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(res)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%.0f sessions/s kept (%d sessions of %d lines, %.1f s), %.1f bytes each\nlookup: median %d ns, 99 in 100 within %d ns\n%d of %d unique, %d wrong\n%.0f MiB peak memory\n",
			res.IngestPerSecond, res.Sessions, res.Lines, res.Seconds, res.BytesPerSession, res.LookupP50, res.LookupP99,
			res.Unique, res.Lookups, res.Wrong, res.PeakRSSMiB)
		return nil
	}
	return cmd
}
