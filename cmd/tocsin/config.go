package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config check FILE",
		Short: "Check a config file",
		Args:  cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			return wrongUse("say what to do: tocsin config check FILE")
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Say everything that is wrong with a config file, at once",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return wrongUse("name one config file: %s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := app.Load(args[0]); err != nil {
				return configError(args[0], err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is fine\n", args[0])
			return nil
		},
	})
	return cmd
}

// configError tells a file that is wrong (1) from one that is not there (3).
func configError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return cannot(fmt.Errorf("cannot read %s: %w", path, plainPath(err)))
	}
	return &exitError{exitRefused, err}
}
