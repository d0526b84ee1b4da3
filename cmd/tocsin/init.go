package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tocsin/internal/app"
	"tocsin/internal/intake"
	"tocsin/internal/keys"
	"tocsin/internal/network"
	"tocsin/internal/report"
)

// answers is what init has to know. All of it may stay empty.
type answers struct {
	Name         string
	ASNs         []string
	Prefixes     []string
	CGNAT        []string
	Shadowserver string // TLP label of Shadowserver's reports
	Listen       string
	KeyFile      string // of Shadowserver's reports API; empty: it is not asked
	SecretFile   string
	Mode         string // full or delta
}

func newInit() *cobra.Command {
	a := answers{}
	var yes bool
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Write a commented tocsin.yaml and the keys of a new node",
		Long: `Init makes a data directory with a commented config and the node's keys. On a terminal it asks what it was not told by
flags; every question may be left empty. It changes nothing that is there already.`,
		Example: "  tocsin init /var/lib/tocsin --name 'Example Net' --asn 64500 --prefix 198.51.100.0/24 --yes",
		Args:    exactlyOne("the data directory to make"),
	}
	f := cmd.Flags()
	f.StringVar(&a.Name, "name", "", "name of your network")
	f.StringSliceVar(&a.ASNs, "asn", nil, "your AS numbers")
	f.StringSliceVar(&a.Prefixes, "prefix", nil, "your prefixes")
	f.StringSliceVar(&a.CGNAT, "cgnat", nil, "your prefixes whose addresses many lines share")
	f.StringVar(&a.Shadowserver, "shadowserver-tlp", "amber", "how far Shadowserver's reports may travel: red, amber+strict, amber, green or clear")
	f.StringVar(&a.KeyFile, "shadowserver-key-file", "", "file with your key of Shadowserver's reports API; without it, the API is not asked")
	f.StringVar(&a.SecretFile, "shadowserver-secret-file", "", "file with the secret that came with the key")
	f.StringVar(&a.Mode, "shadowserver-mode", intake.ModeFull, "what Shadowserver sends you: full, or delta if you asked for that")
	f.StringVar(&a.Listen, "listen", "127.0.0.1:8420", "address and port of the HTTP listener, or off")
	f.BoolVarP(&yes, "yes", "y", false, "ask nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if in, ok := cmd.InOrStdin().(*os.File); !yes && ok && term.IsTerminal(int(in.Fd())) {
			if err := a.ask(cmd, bufio.NewReader(in), cmd.OutOrStdout()); err != nil {
				return cannot(err)
			}
		}
		dir, path := args[0], filepath.Join(args[0], app.FileName)
		if dir == "" {
			return wrongUse("the data directory to make has no name: %s", usage(cmd))
		}
		text, cfg, err := a.config(path)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		if err := writeNode(dir, path, text, &cfg); err != nil {
			return cannot(err)
		}
		warn(cmd, path, &cfg)
		fmt.Fprintf(cmd.OutOrStdout(), "%s is ready. Look through %s, then run:\n\n  tocsin serve --config %s\n", report.Printable(dir),
			report.Printable(path), report.Printable(path))
		return nil
	}
	return cmd
}

// ask asks for what no flag said. An empty answer keeps what stands in brackets.
func (a *answers) ask(cmd *cobra.Command, in *bufio.Reader, out io.Writer) error {
	for _, q := range []struct {
		flag, text string
		one        *string
		list       *[]string
		after      *string // asked only where this was answered
	}{
		{flag: "name", text: "What is your network called?", one: &a.Name},
		{flag: "asn", text: "Its AS numbers, separated by spaces?", list: &a.ASNs},
		{flag: "prefix", text: "Its prefixes, separated by spaces (2001:db8::/32)?", list: &a.Prefixes},
		{flag: "cgnat", text: "Which of them are shared by many lines (carrier-grade NAT)?", list: &a.CGNAT},
		{flag: "shadowserver-tlp", text: "How far may Shadowserver's reports travel (red, amber+strict, amber, green, clear)?", one: &a.Shadowserver},
		{flag: "shadowserver-key-file", text: "Which file holds your key of Shadowserver's reports API, if you have one?", one: &a.KeyFile},
		{flag: "shadowserver-secret-file", text: "Which file holds the secret that came with it?", one: &a.SecretFile, after: &a.KeyFile},
		{flag: "shadowserver-mode", text: "Does Shadowserver send you all that it saw each day, or on weekdays what is new since Sunday (full, delta)?", one: &a.Mode, after: &a.KeyFile},
	} {
		if cmd.Flags().Changed(q.flag) || q.after != nil && *q.after == "" {
			continue
		}
		fallback := ""
		if q.one != nil && *q.one != "" {
			fallback = " [" + *q.one + "]"
		}
		fmt.Fprintf(out, "%s%s ", q.text, fallback)
		line, err := in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the answer: %w", err)
		}
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case q.one != nil:
			*q.one = line
		default:
			*q.list = strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' })
		}
	}
	return nil
}

// config is the text of the config that says so, and what it means. Its error says everything that is wrong at once.
func (a *answers) config(path string) ([]byte, app.Config, error) {
	if err := a.check(); err != nil {
		return nil, app.Config{}, err
	}
	var b bytes.Buffer
	t := template.Must(template.New("").Funcs(template.FuncMap{"join": strings.Join, "quote": yamlQuote}).Parse(configText))
	if err := t.Execute(&b, a); err != nil {
		return nil, app.Config{}, err
	}
	cfg, err := app.Parse(b.Bytes(), path)
	if faults, ok := errors.AsType[*app.ConfigError](err); ok { // what only the whole config shows; its lines are not there yet
		var errs []error
		for _, f := range faults.Faults {
			errs = append(errs, errors.New(f.Rule))
		}
		err = errors.Join(errs...)
	}
	return b.Bytes(), cfg, err
}

// check brings the answers into one form and says everything that is wrong with them at once.
func (a *answers) check() error {
	var errs []error
	if a.Name != report.CleanName(a.Name) {
		errs = append(errs, fmt.Errorf("the name %s cannot be printed: write it in UTF-8 on one line, shorter than 256 bytes", strconv.Quote(a.Name)))
	}
	for i, s := range a.ASNs {
		var n network.ASN
		if err := n.UnmarshalText([]byte(strings.TrimSpace(s))); err != nil {
			errs = append(errs, err)
		}
		a.ASNs[i] = fmt.Sprint(uint32(n))
	}
	for _, list := range [][]string{a.Prefixes, a.CGNAT} {
		for i, p := range list {
			list[i] = strings.TrimSpace(p)
			switch prefix, err := netip.ParsePrefix(list[i]); {
			case err != nil:
				errs = append(errs, fmt.Errorf("%q is no prefix: write 198.51.100.0/24", p))
			case prefix != prefix.Masked():
				errs = append(errs, fmt.Errorf("%s has host bits: write %s", p, prefix.Masked()))
			default:
				list[i] = prefix.String()
			}
		}
	}
	var tlp report.TLP
	if err := tlp.UnmarshalText([]byte(a.Shadowserver)); err != nil {
		errs = append(errs, err)
	}
	a.Shadowserver = tlp.String()
	for _, p := range []*string{&a.KeyFile, &a.SecretFile} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p) // in the config, a relative path starts at the config's own folder
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", report.Printable(*p), err))
			continue
		}
		*p = abs
	}
	if a.Mode != intake.ModeFull && a.Mode != intake.ModeDelta {
		errs = append(errs, fmt.Errorf("--shadowserver-mode %q is no mode: write full, or delta if you asked Shadowserver for that", a.Mode))
	}
	if a.Listen != "off" {
		if err := app.CheckAddr(a.Listen); err != nil {
			errs = append(errs, fmt.Errorf("--listen %w, or off", err))
		}
	}
	// Who says of a prefix that it is shared need not leave it out of the others.
	a.Prefixes = slices.DeleteFunc(a.Prefixes, func(p string) bool { return slices.Contains(a.CGNAT, p) })
	return errors.Join(errs...)
}

// Shared is what the networks that many lines share are called.
func (a *answers) Shared() string { return strings.TrimSpace(a.Name + " CGNAT") }

// writeNode makes the directory, the config, the drop folder and the keys.
func writeNode(dir, path string, text []byte, cfg *app.Config) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make %s: %w", report.Printable(dir), app.Reason(err))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and stays as it is: edit it, or name another directory", report.Printable(path))
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", report.Printable(path), app.Reason(err))
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", report.Printable(path), app.Reason(err))
	}
	if err := os.MkdirAll(cfg.DropFolder(), 0o750); err != nil {
		return fmt.Errorf("cannot make the drop folder %s: %w", report.Printable(cfg.DropFolder()), app.Reason(err))
	}
	ring, err := keys.Open(filepath.Join(dir, "keys"))
	if err != nil {
		return fmt.Errorf("make the keys: %w", err)
	}
	for _, p := range keys.Purposes() {
		if _, err := ring.Ensure(p, time.Now()); err != nil {
			return fmt.Errorf("make the keys: %w", err)
		}
	}
	return nil
}

// yamlQuote writes a YAML string in single quotes.
func yamlQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// configText is the config of a new node: what was asked, and the rest as comments. docs/config.md has every key.
const configText = `# Tocsin. Every key may be left out; docs/config.md explains them all.
# Check a change with: tocsin config check FILE

# Address and port of the one HTTP listener: health, metrics, the API. "off" opens none.
listen: {{quote .Listen}}

network:
  # Your own networks. An address is yours when it lies in one of their prefixes, or when a table says that one of
  # their AS numbers announces it. Where neither knows the address, the AS number in the report itself decides.
{{- if or .ASNs .Prefixes .CGNAT}}
  own:
{{- if or .ASNs .Prefixes}}
    - name: {{quote .Name}}
{{- if .ASNs}}
      asns: [{{join .ASNs ", "}}]
{{- end}}
{{- if .Prefixes}}
      prefixes: [{{range $i, $p := .Prefixes}}{{if $i}}, {{end}}{{quote $p}}{{end}}]
{{- end}}
{{- end}}
{{- else}}
  # own:
  #   - name: {{or .Name "Example Net"}}
  #     asns: [64500]
  #     prefixes: [198.51.100.0/24, '2001:db8::/32']
{{- end}}
{{- if .CGNAT}}
    # Many lines share each of these addresses: without a port and a time they name nobody.
    - name: {{quote .Shared}}
      cgnat: true
      prefixes: [{{range $i, $p := .CGNAT}}{{if $i}}, {{end}}{{quote $p}}{{end}}]
{{- end}}
  # Others in the partnership, with or without a node of their own.
  # partners:
  #   - id: north
  #     name: North Net
  #     asns: [64501]
  # Files that say whose the rest of the Internet is: start,end,asn,org as CSV, MMDB, or delegated-extended.
  # tables:
  #   - path: prefixes.csv.gz

intake:
  # Who sends reports, and how far what they send may travel (Traffic Light Protocol 2.0). A source without a label
  # is red: nothing of it leaves this node, and the log reminds you of it.
  sources:
    - name: shadowserver
      formats: [shadowserver]
      tlp: {{.Shadowserver}}
    # - name: north-abuse
    #   formats: [xarf]
    #   tlp: amber
{{- if .KeyFile}}
  # Shadowserver's reports API is asked for new reports once an hour. Nobody but the node's user may read the two files.
  shadowserver:
    key_file: {{quote .KeyFile}}
    secret_file: {{quote .SecretFile}}
    # full: each day all that was seen. delta: on weekdays only what is new since Sunday.
    mode: {{.Mode}}
    # Types that come in the other mode:
    # modes: {device_id: full}
{{- else}}
  # Shadowserver's reports API, which gives what comes by mail otherwise: docs/connect-shadowserver.md.
  # shadowserver:
  #   key_file: keys/shadowserver-key
  #   secret_file: keys/shadowserver-secret
  #   mode: full # or delta, if you asked Shadowserver for that
{{- end}}
  # Public lists that are fetched: docs/connect-a-feed.md.
  # feeds:
  #   - name: spamhaus-drop
  # A file that is put into the folder drop, beside this file, is a report.
  # POST /api/v1/reports takes reports from whoever has a token. Make one:
  #   token=$(openssl rand -hex 32); printf %s "$token" | sha256sum
  # http:
  #   tokens:
  #     - name: north-abuse
  #       sha256: ...
{{if eq .Mode "delta"}}
# In delta mode, what lasts is shown once a week, up to eight days apart.
incident:
  recurrence:
    default: 192h
{{- if not .KeyFile}}
  weekly: ['shadowserver/*']
{{- end}}
{{end}}
# How long each class of data is kept.
retention:
  originals: 720h  # the bytes of a report as received; a replay is possible until then
  incidents: 8760h # after closing
  reports: 9600h   # a report's events; never shorter than incidents

# PostgreSQL, when this node has outgrown SQLite in its data directory.
# store:
#   url: postgres://tocsin@localhost/tocsin
`
