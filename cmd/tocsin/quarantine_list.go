package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/desk"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// quarantined is what `tocsin quarantine list --json` prints of a report before its refusals.
type quarantined struct {
	ID         report.ID    `json:"id"`
	Reporter   string       `json:"reporter"`
	Name       string       `json:"name"`
	Format     string       `json:"format,omitempty"`
	ReceivedAt time.Time    `json:"received_at"`
	State      report.State `json:"state"`
	Refused    int64        `json:"refused"`
	Events     int64        `json:"events"`
}

type refusals = iter.Seq2[desk.Refusal, error]

func newQuarantineList() *cobra.Command {
	var asJSON, rows bool
	cmd := &cobra.Command{
		Use:   "list [--data DIR] [--json] [--rows]",
		Short: "List reports of which something could not be read, also beside a running node",
		Long: `List prints of each report its file name, its id, when it came, from whom, and why its first row was refused. On a
terminal long sentences are wrapped. With --json each report is one object on one line, with every refused row.`,
		Args: noArgs,
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line, with every refused row")
	cmd.Flags().BoolVar(&rows, "rows", false, "print every refused row, not only the first of each report")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		db, err := openReader(cmd, *data)
		if err != nil {
			return err
		}
		defer db.Close()
		l := &quarantineList{out: bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16), rows: rows, width: terminalWidth(cmd.OutOrStdout())}
		show := l.text
		if asJSON {
			show = l.json
		}
		n := 0
		for r, err := range db.Quarantine(cmd.Context()) {
			if err == nil {
				err = show(&r, db.EachRefusal(cmd.Context(), r.ID, r.Generation))
			}
			if err != nil {
				return cannot(errors.Join(err, l.out.Flush()))
			}
			n++
		}
		if n == 0 && !asJSON {
			fmt.Fprintln(l.out, "the quarantine is empty")
		}
		if err := l.out.Flush(); err != nil {
			return cannot(fmt.Errorf("write the list: %w", err))
		}
		return nil
	}
	return cmd
}

// quarantineList prints reports one by one: however many there are, and however much was refused of each, memory does
// not grow with it.
type quarantineList struct {
	out   *bufio.Writer
	rows  bool // every refused row
	width int  // to wrap at; 0 does not
}

// json prints one report as one object.
func (l *quarantineList) json(r *store.Row, all refusals) error {
	head, err := json.Marshal(quarantined{
		ID: r.ID, Reporter: r.Reporter, Name: r.Name, Format: r.Found, ReceivedAt: r.ReceivedAt, State: r.State, Refused: r.Refused, Events: r.Events,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(l.out, `%s,"refusals":[`, head[:len(head)-1])
	comma := ""
	for one, err := range all {
		if err != nil {
			return err
		}
		b, err := json.Marshal(one)
		if err != nil {
			return err
		}
		fmt.Fprintf(l.out, "%s%s", comma, b)
		comma = ","
	}
	_, err = fmt.Fprintln(l.out, "]}")
	return err
}

// text prints one report for people.
func (l *quarantineList) text(r *store.Row, all refusals) error {
	name := r.Name
	if name == "" {
		name = "(no file name)"
	}
	l.line("", fmt.Sprintf("%s, %d refused", name, r.Refused))
	l.line("  ", fmt.Sprintf("%s  %s  %s", r.ID, r.ReceivedAt.Format("2006-01-02 15:04"), r.Reporter))
	n := int64(0)
	for one, err := range all {
		if err != nil {
			return err
		}
		if n++; n > 1 && !l.rows {
			l.line("  ", fmt.Sprintf("and %d more: --rows shows them", r.Refused-1))
			break
		}
		l.line("  ", place(&one)+": "+one.Reason)
	}
	return nil
}

// place says where in its report something was refused.
func place(r *desk.Refusal) string {
	where := "document"
	switch {
	case r.Row > 0:
		where = fmt.Sprintf("row %d", r.Row)
	case r.After > 0:
		where = fmt.Sprintf("from row %d", r.After+1)
	}
	if r.Name != "" {
		return r.Name + ", " + where
	}
	return where
}

// line prints a line after an indent. On a terminal it goes on below, further in, where it is too long.
func (l *quarantineList) line(indent, s string) {
	if l.width > 0 {
		s = strings.Join(wrap(s, l.width-len(indent)-2), "\n"+indent+"  ")
	}
	fmt.Fprintln(l.out, indent+s)
}
