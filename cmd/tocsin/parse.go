package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/formats"
	"tocsin/internal/formats/intelmq"
	"tocsin/internal/report"
)

func newParse() *cobra.Command {
	p := &parser{}
	cmd := &cobra.Command{
		Use:   "parse [--format NAME] [--as json|intelmq] [--strict] FILE...",
		Short: "Print the events of reports as JSON lines, and what is wrong with them",
		Long: `Parse reads reports and prints one event a line on standard output; rows that cannot be used are named on
standard error as FILE:ROW: reason, row 0 being the document itself. "-" is standard input. Nothing is stored.

What is inside gzip, zip and mail is read too. The format is found by the file's name and by what is in it: keep the
names that Shadowserver gives its files. With --as intelmq the events are written for IntelMQ's JSON parser.`,
		Example: "  tocsin parse 2026-03-01-scan_telnet-examplenet-asn64500.csv | jq .subject.addr",
		Args:    atLeastOne("a file to parse"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.in, p.out, p.errOut = cmd.InOrStdin(), bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16), cmd.ErrOrStderr()
			return p.run(args)
		},
	}
	cmd.Flags().StringVar(&p.format, "format", "", "read every document as this format instead of detecting it")
	cmd.Flags().BoolVar(&p.strict, "strict", false, "refuse whatever the format's own specification would refuse")
	cmd.Flags().StringVar(&p.as, "as", asJSON, "write the events as json, which is Tocsin's own, or as intelmq")
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{asJSON, asIntelMQ}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// What parse writes.
const (
	asJSON    = "json"
	asIntelMQ = "intelmq"
)

func formatNames() (all []string) {
	for _, f := range (formats.Tables{}).List() {
		all = append(all, f.Name)
	}
	return all
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return wrongUse("name %s: %s", what, cmd.UseLine())
		}
		return nil
	}
}

type parser struct {
	format  string
	as      string
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
		return wrongUse("%q is no format that Tocsin reads: name one of %s", p.format, strings.Join(formatNames(), ", "))
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

// file prints one file. Its error is one of this machine's; what is wrong with the file is printed.
func (p *parser) file(path string) error {
	doc := report.Document{Reader: p.in, Name: report.CleanName(filepath.Base(path)), Received: time.Now(), Strict: p.strict}
	if path != "-" {
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
			fmt.Fprintf(p.errOut, "tocsin: cannot read %s: %v\n", report.Printable(path), plainPath(err))
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
		if err != nil {
			p.refuse(name, err)
			continue
		}
		for e, err := range m.Events() {
			if err != nil {
				p.refuse(name, err)
				continue
			}
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

func (p *parser) refuse(name string, err error) {
	p.bad = true
	row := int64(0)
	if re, ok := errors.AsType[*report.RowError](err); ok {
		row = re.Row
	}
	fmt.Fprintf(p.errOut, "%s:%d: %v\n", name, row, err)
}

// plainPath drops the system call and the path that an error of the os package repeats.
func plainPath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
