package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/network"
	"tocsin/internal/report"
)

// lookupAnswer is what `tocsin lookup --json` prints.
type lookupAnswer struct {
	Addr    string       `json:"addr"`
	Party   report.Party `json:"party"`
	Prefix  string       `json:"prefix,omitempty"`
	ASN     uint32       `json:"asn,omitempty"`
	Org     string       `json:"org,omitempty"`
	CC      string       `json:"cc,omitempty"`
	Abuse   string       `json:"abuse,omitempty"`
	Partner string       `json:"partner,omitempty"`
	CGNAT   bool         `json:"cgnat,omitempty"`
	Note    string       `json:"note,omitempty"`
}

func newLookup() *cobra.Command {
	var asJSON bool
	var port uint16
	var at string
	cmd := &cobra.Command{
		Use:   "lookup [--data DIR] [--port N] [--at TIME] [--json] ADDR",
		Short: "Say whose an address is",
		Long: `Lookup says whose an address is, by the config and the address tables of the data directory, read anew: the party that
an incident about it would have, the prefix, the network, and who takes abuse reports. It takes one address, and works
beside a running node. It never guesses: what no table knows is "unknown".`,
		Example: "  tocsin lookup 198.51.100.7\n  tocsin lookup --port 40312 --at 2026-03-01T02:10:00Z --json 203.0.113.5",
		Args:    exactlyOne("one address, no lookup takes more than one"),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().Uint16Var(&port, "port", 0, "source port, for an address that many lines share")
	cmd.Flags().StringVar(&at, "at", "", "when, with its zone: 2026-03-01T02:10:00Z")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		addr, err := report.ParseAddr(args[0])
		if err != nil {
			return wrongUse("%w", err)
		}
		if at != "" {
			if _, err := time.Parse(time.RFC3339, at); err != nil {
				return wrongUse("--at %q is no time with its zone: write 2026-03-01T02:10:00Z", at)
			}
		}
		if cmd.Flags().Changed("port") && port == 0 {
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
		ans := lookupAnswer{
			Addr: addr.String(), Party: h.Party(0), ASN: h.ASN, Org: h.Org, CC: h.CC, Abuse: h.Abuse, Partner: h.Partner, CGNAT: h.CGNAT,
		}
		if h.Prefix.IsValid() {
			ans.Prefix = h.Prefix.String()
		}
		switch {
		case h.CGNAT && port == 0:
			ans.Note = "many lines share this address: without a source port and a time it names nobody"
		case h.Own:
			ans.Note = "no source of line sessions is configured, so the line is not known"
		case ans.Party == report.PartyUnknown:
			ans.Note = "no address table knows it: add one under network.tables in tocsin.yaml"
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

func printLookup(w io.Writer, a *lookupAnswer) {
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
	line("note", a.Note)
}
