package main

import (
	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/demo"
)

func newDemo() *cobra.Command {
	opt := demo.Options{Addr: "127.0.0.1:8420"}
	cmd := &cobra.Command{
		Use:   "demo [--addr 127.0.0.1:8420] [--once]",
		Short: "Show Tocsin with a made-up partnership, offline, nothing to configure",
		Long: `Demo makes up an internet provider, its partners and fourteen days of reports, imports them in a temporary directory
and shows what came of it. Without --once it then runs as a node, so that it can be looked at and fed.`,
		Args: noArgs,
	}
	cmd.Flags().StringVar(&opt.Addr, "addr", opt.Addr, "address and port to listen on")
	cmd.Flags().BoolVar(&opt.Once, "once", false, "open no port: play it through, print the result table and end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := app.CheckAddr(opt.Addr); err != nil {
			return wrongUse("--addr %w", err)
		}
		bar := newProgress(cmd.ErrOrStderr(), "importing", bytesRead)
		opt.Progress, opt.Done = bar.set, bar.close
		if err := demo.Run(cmd.Context(), opt, cmd.OutOrStdout(), cmd.ErrOrStderr()); err != nil {
			return cannot(err)
		}
		return nil
	}
	return cmd
}
