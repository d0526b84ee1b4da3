package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/keys"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys list|rotate",
		Short: "List the node's keys, and replace one",
		Long: `A node has one key a purpose: node (its identity towards partners), log (signs the evidence log), line (pseudonyms and
sealed names of lines). Each is a file in keys/ with those that it replaced.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return wrongUse("say what to do: tocsin keys list or rotate") },
	}
	for _, c := range []*cobra.Command{newKeysList(), newKeysRotate()} {
		c.DisableFlagsInUseLine = true // it names them itself
		cmd.AddCommand(c)
	}
	return cmd
}

func newKeysList() *cobra.Command {
	cmd := &cobra.Command{Use: "list [--data DIR]", Short: "List the keys, the one in use first", Args: noArgs}
	data := dataFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !app.Begun(*data) {
			return noData(*data)
		}
		ring, err := app.OpenKeys(*data)
		if err != nil {
			return cannot(err)
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "PURPOSE\tKEY\tIN USE SINCE\tENDS")
		for _, p := range keys.Purposes() {
			for _, k := range ring.All(p) {
				ends := "-"
				if !k.Ends.IsZero() {
					ends = k.Ends.Format("2006-01-02 15:04")
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p, k.ID, k.Created.Format("2006-01-02 15:04"), ends)
			}
		}
		return t.Flush()
	}
	return cmd
}

func newKeysRotate() *cobra.Command {
	var overlap time.Duration
	cmd := &cobra.Command{
		Use:   "rotate [--data DIR] [--overlap D] PURPOSE",
		Short: "Replace the key of a purpose",
		Long: `Rotate makes a new key for a purpose. The one that it replaces ends after the overlap: until then both count, afterwards
only its public half is kept, to verify what it signed. With --overlap 0s it ends at once: for a key that somebody else
may know. The node must not run; its next start takes the new key. Names of lines are sealed anew then, and their handles
stay.`,
		Example: "  tocsin keys rotate line\n  tocsin keys rotate --overlap 0s log",
		Args:    exactlyOne("a purpose: node, log or line"),
	}
	data := dataFlag(cmd)
	cmd.Flags().DurationVar(&overlap, "overlap", 30*24*time.Hour, "how long both count, as a `duration`: 720h")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		purpose := keys.Purpose(args[0])
		if !slices.Contains(keys.Purposes(), purpose) {
			words := make([]string, 0, 3)
			for _, p := range keys.Purposes() {
				words = append(words, string(p))
			}
			return wrongUse("there are no keys for %q: there are those for %s", args[0], strings.Join(words, ", "))
		}
		if overlap < 0 || purpose == keys.Line && overlap < time.Hour {
			return wrongUse("--overlap %s is too short: the key of lines needs an hour at least, in which the node starts and seals their names anew", overlap)
		}
		if !app.Begun(*data) {
			return noData(*data)
		}
		k, err := app.RotateKey(*data, purpose, time.Now(), overlap)
		if errors.Is(err, app.ErrBusy) {
			return cannot(errors.New("a node runs on this data directory: end it first, as it would go on with the old key"))
		}
		if err != nil {
			return cannot(err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s is in use from the next start on\n", purpose, k.ID)
		return nil
	}
	return cmd
}
