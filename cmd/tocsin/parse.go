package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/formats"
	"tocsin/internal/formats/intelmq"
	"tocsin/internal/formats/list"
	"tocsin/internal/report"
)

func newParse() *cobra.Command {
	p := &parser{}
	cmd := &cobra.Command{
		Use:   "parse [--format NAME] [--map FILE] [--as json|intelmq] [--strict] FILE...",
		Short: "Print the events of reports as JSON lines, and what is wrong with them",
		Long: `Parse reads reports and prints one event a line on standard output; rows that cannot be used are named on
standard error as FILE:ROW: reason, row 0 being the document itself, when not even its first row could be read. Nothing
is stored. "-" is standard input; --name gives it the name of the file.

What is inside gzip, zip and mail is read too. The format is found by the file's name and by what is in it: keep the
names that Shadowserver gives its files. A public list is named as list/NAME (docs/formats/list.md); --map reads the
files as a list that FILE describes, as an entry of formats.lists in the config does. With --as intelmq the events are
written for IntelMQ's JSON parser.`,
		Example: "  tocsin parse 2026-03-01-scan_telnet-examplenet-asn64500.csv | jq .subject.addr",
		Args:    atLeastOne("a file to parse"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.name != "" && !slices.Contains(args, stdin) {
				return errNoStdin(cmd)
			}
			p.in, p.out, p.errOut = cmd.InOrStdin(), bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16), cmd.ErrOrStderr()
			return p.run(args)
		},
	}
	cmd.Flags().StringVar(&p.format, "format", "", "read every document as this format instead of detecting it")
	cmd.Flags().StringVar(&p.mapFile, "map", "", "read every document as the list that this file describes")
	cmd.Flags().BoolVar(&p.strict, "strict", false, "refuse whatever the format's own specification would refuse")
	cmd.Flags().StringVar(&p.as, "as", asJSON, "write the events as json, which is Tocsin's own, or as intelmq")
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{asJSON, asIntelMQ}, cobra.ShellCompDirectiveNoFileComp))
	nameFlag(cmd, &p.name)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// What parse writes.
const (
	asJSON    = "json"
	asIntelMQ = "intelmq"
)

// stdin is standard input where a file can be named.
const stdin = "-"

// nameFlag adds --name.
func nameFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", "", "file `name` of what comes on standard input: Shadowserver's say of which type a report is")
}

func errNoStdin(cmd *cobra.Command) error {
	return wrongUse("--name names what comes on standard input, and nothing does: write - for it: %s -", cmd.CommandPath())
}

// knownFormat refuses a name that is no format's. The empty name is for detection.
func knownFormat(name string) error {
	if name == "" || slices.Contains(formatNames(), name) {
		return nil
	}
	return wrongUse("%q is no format that Tocsin reads: name one of %s", name, strings.Join(formatNames(), ", "))
}

func formatNames() (all []string) {
	for _, f := range (formats.Tables{}).List() {
		all = append(all, f.Name)
	}
	return all
}

type parser struct {
	format  string
	as      string
	name    string // of standard input
	mapFile string
	strict  bool
	in      io.Reader
	out     *bufio.Writer
	errOut  io.Writer
	tables  formats.Tables
	bad     bool // something was refused
	missing bool // some file could not be read
	line    []byte
}

func (p *parser) run(files []string) error {
	if _, ok := p.tables.Format(p.format); p.format != "" && !ok {
		return wrongUse("%s", p.tables.NotListed(p.format))
	}
	if p.mapFile != "" {
		if err := p.useMap(); err != nil {
			return err
		}
	}
	if p.as != asJSON && p.as != asIntelMQ {
		return wrongUse("%q is no format that events are written in: name json or intelmq", p.as)
	}
	for _, f := range files {
		if err := p.file(f); err != nil {
			return cannot(err)
		}
	}
	if err := p.out.Flush(); err != nil {
		return cannot(fmt.Errorf("write events: %w", err))
	}
	switch {
	case p.missing:
		return &exitError{code: exitCannot}
	case p.bad:
		return refused()
	}
	return nil
}

// useMap takes the list that the operator describes as the format of every file.
func (p *parser) useMap() error {
	if p.format != "" {
		return wrongUse("--format and --map both say what the files are: leave one out")
	}
	m, err := app.LoadMap(p.mapFile)
	if faults, ok := errors.AsType[*app.ConfigError](err); ok {
		return wrongUse("%s", faults)
	}
	if err != nil {
		return cannot(fmt.Errorf("cannot read %s: %w", report.Printable(p.mapFile), app.Reason(err)))
	}
	if p.tables.Lists, err = list.New([]list.Mapping{m}); err != nil {
		return wrongUse("%v", err)
	}
	p.format = list.Format + "/" + m.Name
	return nil
}

// file prints one file. Its error is one of this machine's; what is wrong with the file is printed.
func (p *parser) file(path string) error {
	doc := report.Document{Reader: p.in, Name: report.CleanName(filepath.Base(path)), Received: time.Now(), Strict: p.strict}
	if path == stdin && p.name != "" {
		doc.Name = report.CleanName(filepath.Base(p.name))
	}
	if path != stdin {
		f, err := os.Open(path)
		if err == nil {
			var st fs.FileInfo
			if st, err = f.Stat(); err == nil && st.IsDir() {
				err = errors.New("it is a folder: name the files in it, or use tocsin import")
			}
			defer f.Close()
		}
		if err != nil {
			p.missing = true
			fmt.Fprintf(p.errOut, "tocsin: cannot read %s: %v\n", report.Printable(path), app.Reason(err))
			return nil
		}
		doc.Reader = f
	}
	members := p.tables.Open(doc, formats.Limits{})
	if p.format != "" {
		members = p.tables.OpenAs(p.format, doc, formats.Limits{})
	}
	for m, err := range members {
		name := report.Printable(path) + strings.TrimPrefix(m.Name, doc.Name)
		if errors.Is(err, formats.ErrSpool) {
			return fmt.Errorf("%s: %w", name, err)
		}
		if l, ok := errors.AsType[*report.Letter](err); ok {
			p.letter(name, l)
			continue
		}
		if err != nil {
			p.refuse(name, 0, err)
			continue
		}
		last := int64(0)
		for e, err := range m.Events() {
			if err != nil {
				last = p.refuse(name, last, err)
				continue
			}
			last = e.Row
			if err := p.write(&e); err != nil {
				return fmt.Errorf("write events: %w", err)
			}
		}
	}
	return nil
}

func (p *parser) write(e *report.Event) error {
	line := p.line[:0]
	if p.as == asIntelMQ {
		text, err := intelmq.Encode(e)
		if err != nil {
			return err
		}
		line = append(line, text...)
	} else {
		line = e.AppendJSON(line)
	}
	p.line = append(line, '\n')
	_, err := p.out.Write(p.line)
	return err
}

// letter prints what a mail in no format is. A bounce or an auto-reply is all good: there is nothing in it to read.
func (p *parser) letter(name string, l *report.Letter) {
	what := "set aside"
	if l.State == report.StateWaiting {
		p.bad, what = true, "waits for a person"
	}
	fmt.Fprintf(p.errOut, "%s:0: %s: %s\n", name, what, l.Reason)
}

// refuse prints what is wrong with a row, or with the document behind its last row, and returns the row that it names.
func (p *parser) refuse(name string, last int64, err error) int64 {
	p.bad = true
	row := int64(0)
	if re, ok := errors.AsType[*report.RowError](err); ok {
		row = re.Row
	}
	if row == 0 && last > 0 {
		row = last + 1 // where it breaks off
	}
	fmt.Fprintf(p.errOut, "%s:%d: %v\n", name, row, err)
	return row
}
