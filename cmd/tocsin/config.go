package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/report"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config check FILE",
		Short: "Say everything that is wrong with a config file",
		Args:  noArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			return wrongUse("say what to do: tocsin config check FILE")
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Say everything that is wrong with a config file, at once",
		Long: `Check reads a config file and says everything that is wrong with it as FILE:LINE: key: what to do. It ends with 1 then,
and with 0 when the file is fine; what will hardly do what was meant is a warning. It opens no address table.
docs/config.md explains every key.`,
		Example: "  tocsin config check /etc/tocsin/tocsin.yaml",
		Args:    exactlyOne("one config file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := app.Load(args[0])
			if faults, ok := errors.AsType[*app.ConfigError](err); ok {
				fmt.Fprintln(cmd.ErrOrStderr(), faults)
				return refused()
			}
			if err != nil {
				return cannot(err)
			}
			warn(cmd, args[0], &cfg)
			fmt.Fprintf(cmd.OutOrStdout(), "%s is fine\n", report.Printable(args[0]))
			return nil
		},
	})
	return cmd
}

// warn says on standard error what in a config that can be used will hardly do what was meant.
func warn(cmd *cobra.Command, path string, cfg *app.Config) {
	for _, w := range cfg.Warnings() {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: warning: %s\n", path, w)
	}
}
