package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// incidentLine is one incident as `tocsin incidents --json` prints it (DESIGN.md §7).
type incidentLine struct {
	ID        report.ID      `json:"id"`
	Key       incident.Key   `json:"key"`
	Party     report.Party   `json:"party"`
	Subject   string         `json:"subject"`
	Class     report.Class   `json:"class"`
	Type      report.Type    `json:"type"`
	Tag       string         `json:"tag"`
	State     incident.State `json:"state"`
	Outcome   report.Outcome `json:"outcome"`
	FirstSeen time.Time      `json:"first_seen"`
	LastSeen  time.Time      `json:"last_seen"`
	Events    int64          `json:"events"`
	Days      int            `json:"days"`
	Sources   int            `json:"sources"`
}

func lineOf(in *incident.Incident) incidentLine {
	return incidentLine{
		ID: in.ID, Key: in.Key, Party: in.Party, Subject: in.Subject, Class: in.Kind.Class, Type: in.Kind.Type, Tag: in.Tag,
		State: in.State, Outcome: in.Outcome, FirstSeen: in.FirstSeen, LastSeen: in.LastSeen, Events: in.Events,
		Days: in.Days, Sources: len(in.Sources),
	}
}

func newIncidents() *cobra.Command {
	var asJSON bool
	var state string
	cmd := &cobra.Command{
		Use:   "incidents [--data DIR] [--json] [--state S] [--type T]",
		Short: "List incidents, also beside a running node",
		Long: `Incidents lists all incidents, ordered by key: one for each responsible party and problem, for as long as it goes on.
The key follows from the party and the problem alone, so that runs can be compared; the id is the one to speak of.
The table only counts what is filed apart, copyright notices, unless it is asked for with --type; --json prints all.`,
		Example: "  tocsin incidents --state open\n  tocsin incidents --json | jq -r 'select(.party == \"own\") | .subject'",
		Args:    noArgs,
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line, all of them, ordered by key")
	cmd.Flags().StringVar(&state, "state", "", "only incidents in this state: open, told, contained, quiet, closed")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"open", "told", "contained", "quiet", "closed"}, cobra.ShellCompDirectiveNoFileComp))
	kind := typeFlag(cmd, report.Kinds(), "only incidents of this RSIT type, such as phishing or copyright")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		only, err := kind()
		if err != nil {
			return err
		}
		var s incident.State
		if state != "" {
			if s, err = incident.ParseState(state); err != nil {
				return wrongUse("%w", err)
			}
		}
		db, err := openReader(cmd, *data)
		if err != nil {
			return err
		}
		defer db.Close()
		out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
		list := printIncidents
		if width := terminalWidth(cmd.OutOrStdout()); width > 0 && width < tableWidth {
			list = printNarrow
		}
		if asJSON {
			list = encodeIncidents
		}
		left := filedApart{}
		all := chosen(db.Incidents(cmd.Context(), s), func(k report.Kind) bool {
			if only.Valid() {
				return k == only
			}
			return asJSON || !left.take(k)
		})
		again := "tocsin incidents"
		if state != "" {
			again += " --state " + state
		}
		err = list(out, all)
		left.print(out, again)
		if err := errors.Join(err, out.Flush()); err != nil {
			return cannot(err)
		}
		return nil
	}
	return cmd
}

// chosen yields the incidents whose kind is wanted, and every error.
func chosen(all incidentSeq, wanted func(report.Kind) bool) incidentSeq {
	return func(yield func(incident.Incident, error) bool) {
		for in, err := range all {
			if (err != nil || wanted(in.Kind)) && !yield(in, err) {
				return
			}
		}
	}
}

// openReader opens the database of a data directory for reading.
func openReader(cmd *cobra.Command, data string) (*store.DB, error) {
	cfg, err := app.LoadData(data)
	if err != nil {
		return nil, cannot(err)
	}
	db, err := app.OpenReader(cmd.Context(), cfg)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noData(data)
	}
	if err != nil {
		return nil, cannot(err)
	}
	return db, nil
}

// tableWidth is what the table needs, with most of its columns full.
const tableWidth = 170

// printNarrow prints two lines an incident, for a terminal on which the lines of the table would break.
func printNarrow(w io.Writer, all incidentSeq) error {
	n := 0
	for in, err := range all {
		if err != nil {
			return err
		}
		n++
		fmt.Fprintln(w, strings.Join(slices.DeleteFunc([]string{
			string(in.State), string(in.Outcome), string(in.Party), in.Subject, in.Kind.String(), in.Tag,
		}, func(s string) bool { return s == "" }), "  "))
		seen := in.FirstSeen.Format(time.DateOnly)
		if last := in.LastSeen.Format(time.DateOnly); last != seen {
			seen += " to " + last
		}
		fmt.Fprintf(w, "  %s  %s, %s\n", in.ID, seen, report.Counted(in.Events, "event"))
	}
	if n == 0 {
		_, err := fmt.Fprintln(w, "no incidents")
		return err
	}
	return nil
}

type incidentSeq = func(yield func(incident.Incident, error) bool)

func encodeIncidents(w io.Writer, all incidentSeq) error {
	enc := json.NewEncoder(w)
	for in, err := range all {
		if err != nil {
			return err
		}
		if err := enc.Encode(lineOf(&in)); err != nil {
			return err
		}
	}
	return nil
}

func printIncidents(w io.Writer, all incidentSeq) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	n := 0
	for in, err := range all {
		if err != nil {
			return err
		}
		if n == 0 {
			fmt.Fprintln(t, "STATE\tOUTCOME\tPARTY\tSUBJECT\tKIND\tTAG\tFIRST SEEN\tLAST SEEN\tEVENTS\tDAYS\tSOURCES\tID")
		}
		n++
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", in.State, in.Outcome, in.Party, in.Subject, in.Kind,
			in.Tag, in.FirstSeen.Format("2006-01-02 15:04"), in.LastSeen.Format("2006-01-02 15:04"), in.Events, in.Days,
			len(in.Sources), in.ID)
		if n%500 == 0 { // columns are aligned in stretches, so that memory does not grow with the list
			if err := t.Flush(); err != nil {
				return err
			}
		}
	}
	if n == 0 {
		fmt.Fprintln(t, "no incidents")
	}
	return t.Flush()
}
