package main

import (
	"errors"

	"github.com/spf13/cobra"

	"tocsin/internal/api"
	"tocsin/internal/app"
)

// byFlag is who asks, beside the system's user.
func byFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("by", "", "`name` of who asks, beside the system's user")
}

// askNode has f ask the node of a data directory: the one that runs there, or one that is built for the question.
func askNode(cmd *cobra.Command, data, by string, f func(*app.Node) error) error {
	if !app.Begun(data) {
		return noData(data)
	}
	n, err := app.AskNode(cmd.Context(), data, by, func() (*app.App, error) { return openApp(cmd, data) })
	if err == nil {
		err = f(n)
		if closed := n.Close(); err == nil {
			err = closed
		}
	}
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	if d, ok := errors.AsType[*api.Declined](err); ok && d.Wrong() {
		return wrongUse("%w", d)
	}
	return cannot(err)
}
