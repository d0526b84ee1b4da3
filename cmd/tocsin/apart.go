package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/internal/report"
)

// filedApart counts what a list for people leaves out because it would drown the rest (report.Kind.Apart).
type filedApart map[report.Kind]int64

// take reports whether something of a kind is left out, and counts it.
func (f filedApart) take(k report.Kind) bool {
	if !k.Apart() {
		return false
	}
	f[k]++
	return true
}

// print says what was left out and which command lists it: nothing is left out unsaid.
func (f filedApart) print(w io.Writer, again string) {
	for _, k := range report.KindsApart() {
		if n := f[k]; n > 0 {
			fmt.Fprintf(w, "filed apart: %d about %s, see %s --type %s\n", n, k.Type, again, k.Type)
		}
	}
}

// typeFlag adds --type, which takes the type of one of the kinds. What it returns reads it: the zero Kind where it is
// not given.
func typeFlag(cmd *cobra.Command, of []report.Kind, usage string) func() (report.Kind, error) {
	types := make([]string, len(of))
	for i, k := range of {
		types[i] = string(k.Type)
	}
	typ := cmd.Flags().String("type", "", usage)
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(types, cobra.ShellCompDirectiveNoFileComp))
	return func() (report.Kind, error) {
		if *typ == "" {
			return report.Kind{}, nil
		}
		for _, k := range of {
			if string(k.Type) == *typ {
				return k, nil
			}
		}
		return report.Kind{}, wrongUse("--type %q is none of %s", *typ, strings.Join(types, ", "))
	}
}
