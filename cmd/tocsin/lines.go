package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

func newLines() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lines import|sources|purge|reveal|questions|approve|refuse|hold|holds|lift",
		Short: "What knows which line held an address: feed it, look after it",
		Long: `Lines are the subscriber connections of our own network. Sources, named under lines in tocsin.yaml, say which line held
which address and ports, and when: docs/lines/README.md says which there are. A running node reads them by itself. To ask
which line it was: tocsin lookup --at.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return wrongUse("say what to do: tocsin lines import, sources, purge, reveal, questions, approve, refuse, hold, holds or lift")
		},
	}
	for _, c := range []*cobra.Command{
		newLinesImport(), newLinesSources(), newLinesPurge(), newLinesReveal(), newLinesQuestions(), newLinesDecide("approve", "Approve another person's question above the day's budget"),
		newLinesDecide("refuse", "Refuse another person's question above the day's budget"), newLinesHold(), newLinesHolds(), newLinesLift(),
	} {
		c.DisableFlagsInUseLine = true // it names them itself
		cmd.AddCommand(c)
	}
	return cmd
}

func newLinesImport() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "import [--data DIR] [--json] SOURCE FILE...",
		Short: "Tell a source what older files say",
		Long: `Import reads files for a source of the config, as that source reads its own: older logs, most often, which are not where
the config looks. Give them in the order of their time. Files that end in .gz are unpacked; "-" is standard input. What
was told before changes nothing. While a node runs on the data directory, put files where the source looks for them.

Times of RFC 3164 have no year: they are of the year before the file was written last. A copy that has lost that time
(cp without -p) is taken for one of this year, and whoever held an address then is named for the wrong year: see to it with
ls -l, or touch -d, first.

A table says who has which address now. So of a table only the file that the config names is read; an older one would undo
what has changed since.`,
		Example: "  tocsin lines import cgn /var/log/cgn.log.2.gz /var/log/cgn.log.1\n  tocsin lines import bras /var/log/radacct/detail-20260301",
		Args:    atLeastOne("a source and its files"),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return wrongUse("name a source and its files: tocsin lines sources shows the sources")
		}
		for _, p := range args[1:] {
			if _, err := os.Stat(p); p != stdin && err != nil {
				return cannot(fmt.Errorf("cannot read %s: %w", report.Printable(p), app.Reason(err)))
			}
		}
		if !app.Begun(*data) {
			return noData(*data)
		}
		a, err := openApp(cmd, *data)
		if errors.Is(err, app.ErrBusy) {
			return cannot(errors.New("a node runs on this data directory and reads its sources itself: put the files where the source looks for them, or end the node first"))
		}
		if err != nil {
			return err
		}
		sum, err := importLines(cmd, a, args[0], args[1:])
		if closed := a.Close(); err == nil && closed != nil {
			err = cannot(closed)
		}
		if err != nil {
			return err
		}
		if asJSON {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(sum)
		} else {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s kept, %d refused\n", report.Counted(sum.Rows, "record"), sum.Refused)
		}
		if err != nil {
			return cannot(err)
		}
		if sum.Refused > 0 {
			return refused()
		}
		return nil
	}
	return cmd
}

func importLines(cmd *cobra.Command, a *app.App, source string, paths []string) (sources.Told, error) {
	var sum sources.Told
	if a.Lines() == nil {
		return sum, cannot(errors.New("tocsin.yaml names no source under lines: docs/lines/README.md says which there are"))
	}
	bar := newProgress(cmd.ErrOrStderr(), "importing", bytesRead)
	defer bar.close()
	for _, p := range paths {
		told, err := importLineFile(cmd, a, source, p, bar)
		sum.Rows += told.Rows
		sum.Refused += told.Refused
		for _, f := range told.Faults {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s:%d: %s\n", report.Printable(p), f.Row, f.Reason)
		}
		if more := told.Refused - int64(len(told.Faults)); more > 0 && len(told.Faults) > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: and %d more\n", report.Printable(p), more)
		}
		if err != nil {
			return sum, cannot(fmt.Errorf("import %s: %w", report.Printable(p), err))
		}
	}
	return sum, nil
}

func importLineFile(cmd *cobra.Command, a *app.App, source, path string, bar *progress) (sources.Told, error) {
	if path == stdin {
		return a.Lines().Import(cmd.Context(), source, cmd.InOrStdin(), time.Now())
	}
	f, err := os.Open(path)
	if err != nil {
		return sources.Told{}, app.Reason(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return sources.Told{}, app.Reason(err)
	}
	var in io.Reader = &metered{f, func(n int64) { bar.set(n, info.Size()) }, 0}
	if len(path) > 3 && path[len(path)-3:] == ".gz" {
		if in, err = gzip.NewReader(in); err != nil {
			return sources.Told{}, errors.New("it is not packed by gzip, as its name says")
		}
	}
	return a.Lines().Import(cmd.Context(), source, in, info.ModTime())
}

// metered says how far a file was read.
type metered struct {
	*os.File
	at   func(int64)
	read int64
}

// Read is io.Reader's.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.File.Read(p)
	m.read += int64(n)
	m.at(m.read)
	return n, err
}

func newLinesSources() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sources [--data DIR] [--json]",
		Short: "List what knows lines, and how it is",
		Long: `Sources lists the sources of line sessions with how much they said, how far they are behind, by how much their clocks
are off, and the gaps in their logs. Answers are less than unique where one of these is in doubt.`,
		Args: noArgs,
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var all struct {
			Items []sources.Status `json:"items"`
		}
		if err := askNode(cmd, *data, "", func(n *app.Node) error { return n.Get(cmd.Context(), "/lines/sources", &all) }); err != nil {
			return err
		}
		if asJSON {
			return encodeAll(cmd.OutOrStdout(), all.Items)
		}
		if len(all.Items) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "no source of line sessions: docs/lines/README.md says which there are")
			return nil
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "SOURCE\tKIND\tHEALTH\tRECORDS\tREFUSED\tLATEST\tBEHIND\tCLOCK OFF\tGAPS\tKEPT SINCE")
		for i := range all.Items {
			s := &all.Items[i]
			latest, behind, since := "never", "-", "the beginning"
			if !s.Latest.IsZero() {
				latest, behind = s.Latest.UTC().Format("2006-01-02 15:04:05"), ago(time.Duration(s.Lag)*time.Second)
			}
			if !s.Since.IsZero() {
				since = s.Since.UTC().Format(time.DateOnly)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%ds\t%d\t%s\n", s.Name, s.Kind, s.Health, s.Rows, s.Refused, latest, behind, s.Clock, s.Gaps, since)
		}
		return t.Flush()
	}
	return cmd
}

// ago is a duration as people say it: days, hours, or less.
func ago(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}

// encodeAll prints one JSON object a line.
func encodeAll[T any](w io.Writer, all []T) error {
	enc := json.NewEncoder(w)
	for i := range all {
		if err := enc.Encode(&all[i]); err != nil {
			return cannot(err)
		}
	}
	return nil
}

func newLinesPurge() *cobra.Command {
	var before string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "purge [--data DIR] [--before DAY] [--json] [SOURCE...]",
		Short: "Delete line sessions that have come to their end, or all before a day",
		Long: `Purge deletes the days of sessions that are past their end date (lines.keep, or the source's own), as a running node
does by itself; with --before all that is older than a day (UTC), of the sources named or of all. What a hold names stays.
A question about what was deleted is answered with outside-retention. It cannot be undone.`,
		Example: "  tocsin lines purge\n  tocsin lines purge --before 2026-01-01 cgn",
	}
	data := dataFlag(cmd)
	cmd.Flags().StringVar(&before, "before", "", "delete the days before this `day`: 2026-01-01")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in := struct {
			Before  string   `json:"before,omitempty"`
			Sources []string `json:"sources"`
		}{before, append([]string{}, args...)}
		if before == "" && len(args) > 0 {
			return wrongUse("name a day with --before: without one, sources are purged by their own end dates")
		}
		if before != "" {
			if _, err := time.Parse(time.DateOnly, before); err != nil {
				return wrongUse("--before %q is no day: write 2026-01-01", before)
			}
		}
		var out struct {
			Items []sources.Purged `json:"items"`
		}
		if err := askNode(cmd, *data, "", func(n *app.Node) error { return n.Post(cmd.Context(), "/lines/purge", &in, &out) }); err != nil {
			return err
		}
		if asJSON {
			return encodeAll(cmd.OutOrStdout(), out.Items)
		}
		if len(out.Items) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "nothing to delete")
		}
		for _, p := range out.Items {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s before %s deleted\n", p.Source, report.Counted(int64(p.Sessions), "session"), p.Before)
		}
		return nil
	}
	return cmd
}
