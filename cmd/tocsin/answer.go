package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

func newAnswer() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "answer [--data DIR] [--json] [REPORT]",
		Short: "Write what the sender of a report is told of it",
		Long: `Answer writes what whoever sent a report is told: that it came, what was read of it, and what was missing so that no more
could be done, as a source port or an exact time. Nothing is sent. Without a report it lists those with events of which
nobody can say whose line it was. Senders over HTTP ask for the same themselves: GET /api/v1/reports/ID.`,
		Example: "  tocsin answer\n  tocsin answer 01a20a9c-8cbf-7ece-ba37-88275829730a",
		Args:    cobra.MaximumNArgs(1),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object; of a list, one a line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		db, err := openReader(cmd, *data)
		if err != nil {
			return err
		}
		defer db.Close()
		if len(args) == 0 {
			return listUnattributed(cmd, db, asJSON)
		}
		id, err := report.ParseID(args[0])
		if err != nil {
			return wrongUse("%q: %w", args[0], err)
		}
		row, err := db.Report(cmd.Context(), id)
		if errors.Is(err, store.ErrNoReport) {
			err = errors.New("no report has this id, or it has not been worked yet: tocsin answer lists those that lack something")
		}
		if err != nil {
			return cannot(err)
		}
		a, err := app.AnswerOf(cmd.Context(), db, &row)
		if err != nil {
			return cannot(err)
		}
		if asJSON {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(&a)
		} else {
			_, err = fmt.Fprint(cmd.OutOrStdout(), a.Text())
		}
		if err != nil {
			return cannot(err)
		}
		return nil
	}
	return cmd
}

// listUnattributed lists the reports of which something could not be attributed.
func listUnattributed(cmd *cobra.Command, db *store.DB, asJSON bool) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	none := true
	for row, err := range db.Unattributed(cmd.Context()) {
		if err != nil {
			return cannot(err)
		}
		a, err := app.AnswerOf(cmd.Context(), db, &row)
		if err != nil {
			return cannot(err)
		}
		if asJSON {
			if err := enc.Encode(&a); err != nil {
				return cannot(err)
			}
			continue
		}
		if none {
			fmt.Fprintln(t, "RECEIVED\tREPORTER\tNAME\tEVENTS\tNOT ATTRIBUTED\tMOST OFTEN\tREPORT")
		}
		none = false
		lacking := int64(0)
		for i := range a.Lacking {
			lacking += a.Lacking[i].Rows
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", row.ReceivedAt.UTC().Format("2006-01-02 15:04"), report.Printable(row.Reporter),
			report.Printable(row.Name), row.Events, lacking, a.Lacking[0].Sentence(), row.ID)
	}
	if none && !asJSON {
		fmt.Fprintln(t, "every event about an own address is attributed, or nothing knows lines")
	}
	if err := t.Flush(); err != nil {
		return cannot(err)
	}
	return nil
}
