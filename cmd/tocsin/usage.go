package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// dataFlag adds --data and returns where its value will be.
func dataFlag(cmd *cobra.Command) *string {
	fallback := os.Getenv("TOCSIN_DATA")
	if fallback == "" {
		fallback = "tocsin-data"
	}
	dir := cmd.Flags().String("data", fallback, "data `directory` (default $TOCSIN_DATA, then ./tocsin-data)")
	cmd.Flags().Lookup("data").DefValue = "" // the text says it already
	return dir
}

// noArgs is for a command that takes flags alone.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return wrongUse("%s takes no %q: %s --help says what it takes", cmd.CommandPath(), args[0], cmd.CommandPath())
}

// atLeastOne is for a command that works on what it is given.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return wrongUse("name %s: %s", what, usage(cmd))
		}
		if slices.Contains(args, "") { // of a variable that was not set, most often
			return wrongUse("an empty name stands among the arguments: name %s: %s", what, usage(cmd))
		}
		return nil
	}
}

// exactlyOne is for a command that works on one thing.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return wrongUse("name %s: %s", what, usage(cmd))
		}
		return nil
	}
}

func usage(cmd *cobra.Command) string { return strings.TrimSuffix(cmd.UseLine(), " [flags]") }

// unknownCommand says that a command does not exist, and which was perhaps meant. Cobra alone would print the help of
// what stands above it when a flag follows, with an exit code that means done.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) > 0 && args[0] == "help" {
		args = args[1:]
	} else if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		return nil
	}
	cmd, rest, _ := root.Find(args) // it fails for a root without Args alone
	i := slices.IndexFunc(rest, func(s string) bool { return s != "" && s[0] != '-' })
	if i < 0 || !cmd.HasAvailableSubCommands() {
		return nil // no flag of a command with commands takes a value
	}
	cmd.SuggestionsMinimumDistance = 2 // letters
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if near := nearest(rest[i], names, cmd.SuggestionsFor(rest[i])); near != "" {
		return wrongUse("there is no command %q: did you mean %s %s?", cmd.CommandPath()+" "+rest[i], cmd.CommandPath(), near)
	}
	return wrongUse("there is no command %q: there are %s", cmd.CommandPath()+" "+rest[i], strings.Join(names, ", "))
}

// nearest is the name that was perhaps meant, or "".
func nearest(name string, names, near []string) string {
	for _, n := range append(near, names...) {
		if slices.Contains(near, n) && n[0] == name[0] || strings.HasPrefix(n, name) { // first letters are rarely wrong
			return n
		}
	}
	return ""
}

// flagError says what is wrong with a flag in a sentence of ours: the library's quote the parser of the value.
func flagError(cmd *cobra.Command, err error) error {
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return wrongUse("--%s needs a value: %s", missing.GetFlag().Name, wanted(missing.GetFlag()))
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return wrongUse("--%s cannot be %q: %s", bad.GetFlag().Name, bad.GetValue(), wanted(bad.GetFlag()))
	}
	if none, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := "--" + none.GetSpecifiedName()
		if none.GetSpecifiedShortnames() != "" {
			name = "-" + none.GetSpecifiedName()
		}
		return wrongUse("%s has no flag %s: %s --help says which it has", cmd.CommandPath(), name, cmd.CommandPath())
	}
	return wrongUse("%w: %s --help says how flags are written", err, cmd.CommandPath())
}

// wanted says what a flag's value is.
func wanted(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "write --" + f.Name + " alone, or --" + f.Name + "=false"
	case "uint16":
		return "write a port, 1 to 65535"
	case "int", "int64":
		return "write a whole number, as 100000"
	case "stringSlice":
		return "write a list with commas, as a,b"
	}
	_, text := pflag.UnquoteUsage(f)
	return text
}
