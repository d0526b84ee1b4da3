package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
)

func newServe() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve [--config FILE | --data DIR]",
		Short: "Run a node",
		Long: `Serve runs a node until it gets SIGTERM or SIGINT: it takes reports from the drop folder and over HTTP, works them,
moves incidents on, and deletes what has come to its end. It logs JSON lines to standard error. One tocsin at a time
writes in a data directory; docs/operate.md has a systemd unit.

While nobody is an admin, it prints a link at its start for the first one. tocsin people first prints another.`,
		Example: "  tocsin serve --config /etc/tocsin/tocsin.yaml",
		Args:    noArgs,
	}
	data := dataFlag(cmd)
	cmd.Flags().StringVar(&file, "config", "", "config file; its data directory is the one it names, by default its folder")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var cfg app.Config
		var err error
		if file != "" {
			cfg, err = app.Load(file)
		} else {
			cfg, err = app.LoadData(*data)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: name the config with --config, or make a node with tocsin init DIR", err)
		}
		if err != nil {
			return cannot(err)
		}
		log, err := app.NewLog(cmd.ErrOrStderr(), cfg.LogLevel)
		if err != nil {
			return cannot(err)
		}
		a, err := app.New(cmd.Context(), cfg, log, time.Now)
		if err != nil {
			return explainData(err, &cfg)
		}
		link, err := a.FirstLink(cmd.Context())
		if err == nil && link != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "Nobody can sign in yet. Whoever opens this link within a day is the first admin:\n\n  %s\n\n", link)
		}
		if err == nil {
			err = a.Run(cmd.Context())
		}
		if closed := a.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return cannot(err)
		}
		log.Info("stopped")
		return nil
	}
	return cmd
}
