package main

import (
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/api"
	"tocsin/internal/app"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/report"
)

func newLinesQuestions() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "questions [--data DIR] [--json]",
		Short: "List questions above the day's budget, which wait for a second person",
		Args:  noArgs,
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var all struct {
			Items []api.QuestionEntry `json:"items"`
		}
		if err := askNode(cmd, *data, "", func(n *app.Node) error { return n.Get(cmd.Context(), "/questions", &all) }); err != nil {
			return err
		}
		if asJSON {
			return encodeAll(cmd.OutOrStdout(), all.Items)
		}
		if len(all.Items) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "no question waits")
			return nil
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "ASKED\tWHO\tREASON\tABOUT\tID")
		for i := range all.Items {
			q := &all.Items[i]
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", q.At.UTC().Format("2006-01-02 15:04"), report.Printable(q.Who), report.Printable(q.Reason), q.About, q.ID)
		}
		return t.Flush()
	}
	return cmd
}

func newLinesDecide(verb, short string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " [--data DIR] [--by NAME] ID",
		Short: short,
		Args:  exactlyOne("one question: tocsin lines questions lists those that wait"),
	}
	data := dataFlag(cmd)
	by := byFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var q api.QuestionEntry
		if err := askNode(cmd, *data, *by, func(n *app.Node) error {
			return n.Post(cmd.Context(), "/questions/"+url.PathEscape(args[0])+"/"+verb, nil, &q)
		}); err != nil {
			return err
		}
		word := string(q.State)
		if q.State == inquiry.Approved {
			word += ": " + report.Printable(q.Who) + " may ask the same once more"
		}
		fmt.Fprintln(cmd.OutOrStdout(), word)
		return nil
	}
	return cmd
}

func newLinesReveal() *cobra.Command {
	var in struct {
		Line   string `json:"line"`
		Reason string `json:"reason"`
	}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reveal [--data DIR] --reason TEXT [--by NAME] [--json] LINE",
		Short: "Say whose a line is: logged before it is shown",
		Long: `Reveal says whose the line of a handle is: the name that the sources have for it, and the contact that your own records
give (lines.contact). It needs a reason, counts against the budget of the day, and stands in the evidence log before it
is shown.`,
		Example: "  tocsin lines reveal --reason 'call them about incident 01a2...' n2sbtpr2vz7rxuqp",
		Args:    exactlyOne("one line: tocsin incidents shows its handle behind line:"),
	}
	data := dataFlag(cmd)
	by := byFlag(cmd)
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why you need to know, in a `sentence` for whoever asks later")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.Line = args[0]
		if strings.TrimSpace(in.Reason) == "" {
			return wrongUse("say why with --reason: it is kept for whoever asks later")
		}
		var r api.Revealed
		if err := askNode(cmd, *data, *by, func(n *app.Node) error { return n.Post(cmd.Context(), "/reveal", &in, &r) }); err != nil {
			return err
		}
		if asJSON {
			return encodeAll(cmd.OutOrStdout(), []api.Revealed{r})
		}
		show := func(name, v string) {
			if v != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "%-9s%s\n", name, report.Printable(v))
			}
		}
		show("line", r.Line)
		show("known as", r.Name)
		if c := r.Contact; c != nil {
			show("name", c.Name)
			show("mail", c.Mail)
			show("phone", c.Phone)
			show("address", strings.ReplaceAll(c.Address, "\n", ", "))
			show("language", c.Language)
			show("class", string(c.Class))
		}
		show("note", r.Note)
		return nil
	}
	return cmd
}

func newLinesHold() *cobra.Command {
	var h struct {
		Request string `json:"request"`
		Addr    string `json:"addr"`
		Port    uint16 `json:"port,omitempty"`
		Proto   string `json:"proto,omitempty"`
		From    string `json:"from"`
		To      string `json:"to"`
		Until   string `json:"until"`
	}
	cmd := &cobra.Command{
		Use:   "hold [--data DIR] --request ID --from TIME --to TIME --until TIME [--port N] [--proto P] [--by NAME] ADDR",
		Short: "Keep what a request names beyond its end date; it discloses nothing",
		Args:  exactlyOne("one address: there is no hold on more"),
	}
	data := dataFlag(cmd)
	by := byFlag(cmd)
	cmd.Flags().StringVar(&h.Request, "request", "", "`id` of the request that asks for it")
	cmd.Flags().Uint16Var(&h.Port, "port", 0, "only this port")
	cmd.Flags().StringVar(&h.Proto, "proto", "", "only this protocol, tcp or udp")
	cmd.Flags().StringVar(&h.From, "from", "", "from when, with the zone: `2026-03-01T02:00:00Z`")
	cmd.Flags().StringVar(&h.To, "to", "", "to when, with the zone: `2026-03-01T04:00:00Z`")
	cmd.Flags().StringVar(&h.Until, "until", "", "ends by itself then: `2026-06-01T00:00:00Z`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		h.Addr = args[0]
		for _, f := range [...]struct{ name, value string }{{"from", h.From}, {"to", h.To}, {"until", h.Until}} {
			if _, err := time.Parse(time.RFC3339, f.value); err != nil {
				return wrongUse("--%s %q is no time with its zone: write 2026-03-01T02:00:00Z", f.name, f.value)
			}
		}
		var out api.HoldEntry
		if err := askNode(cmd, *data, *by, func(n *app.Node) error { return n.Post(cmd.Context(), "/holds", &h, &out) }); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s held until %s: %s\n", report.Counted(int64(out.Sessions), "session"), out.Until.UTC().Format(time.DateOnly), out.ID)
		return nil
	}
	return cmd
}

func newLinesHolds() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "holds [--data DIR] [--json]", Short: "List the holds in force", Args: noArgs}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var all struct {
			Items []api.HoldEntry `json:"items"`
		}
		if err := askNode(cmd, *data, "", func(n *app.Node) error { return n.Get(cmd.Context(), "/holds", &all) }); err != nil {
			return err
		}
		if asJSON {
			return encodeAll(cmd.OutOrStdout(), all.Items)
		}
		if len(all.Items) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "nothing is held")
			return nil
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "REQUEST\tFROM\tTO\tUNTIL\tSESSIONS\tMADE BY\tID")
		for i := range all.Items {
			h := &all.Items[i]
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", report.Printable(h.Request), h.From.UTC().Format("2006-01-02 15:04"), h.To.UTC().Format("2006-01-02 15:04"),
				h.Until.UTC().Format(time.DateOnly), h.Sessions, report.Printable(h.Who), h.ID)
		}
		return t.Flush()
	}
	return cmd
}

func newLinesLift() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lift [--data DIR] [--by NAME] ID",
		Short: "End a hold: what only it kept is deleted",
		Args:  exactlyOne("one hold: tocsin lines holds lists them"),
	}
	data := dataFlag(cmd)
	by := byFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := askNode(cmd, *data, *by, func(n *app.Node) error {
			return n.Post(cmd.Context(), "/holds/"+url.PathEscape(args[0])+"/lift", nil, nil)
		}); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "lifted")
		return nil
	}
	return cmd
}
