package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"tocsin/internal/api"
	"tocsin/internal/app"
	"tocsin/internal/network"
	"tocsin/internal/report"
)

// lookupQuestion is what the flags say, as the API takes it.
type lookupQuestion struct {
	Addr        string `json:"addr"`
	Port        uint16 `json:"port,omitempty"`
	Proto       string `json:"proto,omitempty"`
	At          string `json:"at,omitempty"`
	Zone        string `json:"zone,omitempty"`
	Uncertainty string `json:"uncertainty,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Document    string `json:"document,omitempty"`
}

func newLookup() *cobra.Command {
	var asJSON bool
	var q lookupQuestion
	cmd := &cobra.Command{
		Use:   "lookup [--data DIR] [--port N] [--at TIME] [--json] ADDR",
		Short: "Say whose an address is, and which line held it",
		Long: `Lookup says whose an address is, by the config and the address tables of the data directory, read anew: the party that
an incident about it would have, the prefix, the network, and who takes abuse reports. It takes one address, and works
beside a running node. It never guesses: what no table knows is "unknown".

With --at, and where a source of line sessions is configured, it also says which subscriber line held one of our own
addresses then: unique, ambiguous with the number of lines that it could be, none, or outside-retention. Lines are known
by their random handle. Such a question is counted against the budget of the day (lines.questions.daily) and written into
the evidence log before it is answered.`,
		Example: "  tocsin lookup 198.51.100.7\n  tocsin lookup --port 40312 --at 2026-03-01T02:10:00Z --json 203.0.113.5\n  tocsin lookup --at '2026-10-25 02:30:00' --zone Europe/London --reason 'mail of 26 October' 203.0.113.5",
		Args:    exactlyOne("one address, no lookup takes more than one"),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().Uint16Var(&q.Port, "port", 0, "source port, for an address that many lines share")
	cmd.Flags().StringVar(&q.Proto, "proto", "", "tcp or udp, or its number, where it is known")
	cmd.Flags().StringVar(&q.At, "at", "", "when, with its zone: 2026-03-01T02:10:00Z")
	cmd.Flags().StringVar(&q.Zone, "zone", "", "`zone` of a time without one: Europe/London")
	cmd.Flags().StringVar(&q.Uncertainty, "uncertainty", "", "`duration` by which the time may be off, either way (default lines.uncertainty)")
	cmd.Flags().StringVar(&q.Reason, "reason", "", "why you ask, in a `sentence` for whoever asks later")
	cmd.Flags().StringVar(&q.Document, "document", "", "`name` of what the address is taken from")
	by := byFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		addr, err := report.ParseAddr(args[0])
		if err != nil {
			return wrongUse("%w", err)
		}
		q.Addr = addr.String()
		if q.At != "" && q.Zone == "" {
			if _, err := time.Parse(time.RFC3339, q.At); err != nil {
				return wrongUse("--at %q is no time with its zone: write 2026-03-01T02:10:00Z, or name the zone with --zone", q.At)
			}
		}
		if cmd.Flags().Changed("port") && q.Port == 0 {
			return wrongUse("--port cannot be 0: %s", wanted(cmd.Flag("port")))
		}
		if !app.Begun(*data) {
			return noData(*data)
		}
		cfg, err := app.LoadData(*data)
		if err != nil {
			return cannot(err)
		}
		nets, err := network.New(cfg.Network, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})), prometheus.NewRegistry())
		if err != nil {
			return cannot(fmt.Errorf("read address tables: %w", err))
		}
		h := nets.Lookup(addr)
		ans := api.LookupOf(addr, &h)
		switch {
		case h.Own && cfg.Lines.Any() && q.At != "": // only the node may ask, and logs it
			ans = api.Lookup{}
			if err := askNode(cmd, *data, *by, func(n *app.Node) error { return n.Post(cmd.Context(), "/lookup", &q, &ans) }); err != nil {
				return err
			}
		case h.CGNAT && q.Port == 0:
			ans.Note = "many lines share this address: without a source port and a time it names nobody"
		case h.Own && cfg.Lines.Any():
			ans.Note = "to know which line held it, say when: --at 2026-03-01T02:10:00Z"
		case h.Own:
			ans.Note = "no source of line sessions is configured, so the line is not known"
		}
		if asJSON {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(ans)
		} else {
			printLookup(cmd.OutOrStdout(), &ans)
		}
		if err != nil {
			return cannot(err)
		}
		return nil
	}
	return cmd
}

func printLookup(w io.Writer, a *api.Lookup) {
	line := func(name, v string) {
		if v != "" {
			fmt.Fprintf(w, "%-8s %s\n", name, v)
		}
	}
	line("address", a.Addr)
	line("party", string(a.Party))
	line("prefix", a.Prefix)
	if a.ASN != 0 {
		line("network", fmt.Sprintf("AS%d %s", a.ASN, a.Org))
	} else {
		line("network", a.Org)
	}
	line("country", a.CC)
	line("abuse", a.Abuse)
	if a.Line != nil {
		line("line", lineWords(a.Line))
	}
	line("note", a.Note)
}

// lineWords is which line it was, for a person.
func lineWords(a *api.LineAnswer) string {
	switch a.State {
	case report.LineUnique:
		return "unique: " + a.Handle
	case report.LineAmbiguous:
		if a.Count == 1 {
			return "ambiguous, 1 line or nobody: " + a.Reason
		}
		return fmt.Sprintf("ambiguous, %s: %s", report.Counted(int64(a.Count), "line"), a.Reason)
	}
	return fmt.Sprintf("%s: %s", a.State, a.Reason)
}
