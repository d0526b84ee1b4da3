package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"tocsin/internal/desk"
	"tocsin/internal/formats"
	"tocsin/internal/formats/list"
	"tocsin/internal/formats/shadowserver"
	"tocsin/internal/report"
)

// ShadowserverTable is the name of Shadowserver's own table of report types. Where the operator puts it into the data
// directory, it takes over from what is compiled in.
const ShadowserverTable = "intelmq.json"

// LoadTables returns what the formats know, with what the operator put into the config and the data directory.
func LoadTables(dir string, cfg *formats.Config) (formats.Tables, error) {
	var t formats.Tables
	var err error
	if t.Lists, err = list.New(cfg.Lists); err != nil {
		return t, fmt.Errorf("read formats.lists: %w", err)
	}
	f, err := os.Open(filepath.Join(dir, ShadowserverTable))
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return t, fmt.Errorf("cannot read %s: %w", report.Printable(filepath.Join(dir, ShadowserverTable)), Reason(err))
	}
	defer f.Close()
	if t.Shadowserver, err = shadowserver.LoadTables(f); err != nil {
		return t, fmt.Errorf("%s cannot take over from the table of report types that is built in, put Shadowserver's file there again or remove it: %w", report.Printable(f.Name()), err)
	}
	return t, nil
}

// LoadMap reads a file that describes one list, as an entry of formats.lists does. A *ConfigError says all that is
// wrong at once.
func LoadMap(path string) (list.Mapping, error) {
	var m list.Mapping
	b, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	d := decode(b, &m)
	d.validation(m.Validate())
	return m, d.err(path)
}

func formatNames(t formats.Tables) []string {
	var all []string
	for _, f := range t.List() {
		all = append(all, f.Name)
	}
	return all
}

func (a *App) limits() formats.Limits { return formats.Limits{TempDir: a.data.Sub("spool")} }

// open opens a report for the desk.
func (a *App) open(doc report.Document, format string) iter.Seq2[desk.Document, error] {
	members := a.formats.Open(doc, a.limits())
	if format != "" {
		members = a.formats.OpenAs(format, doc, a.limits())
	}
	return func(yield func(desk.Document, error) bool) {
		for m, err := range members {
			d := desk.Document{Index: m.Index, Name: m.Name, Format: m.Format.Name, Mail: m.Mail}
			if err == nil {
				d.Events = m.Events()
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// detect returns the format of the first document inside a report that is of one; "" when none is. It reads no more
// than it needs for that.
func (a *App) detect(name string, r io.Reader) string {
	for m, err := range a.formats.Open(report.Document{Reader: r, Name: name, Received: a.now()}, a.limits()) {
		if err == nil {
			return a.formats.Origin(m)
		}
	}
	return ""
}

// formatNames are the names that a sender may give: the formats, and each list.
func (a *App) formatNames() []string {
	all := formatNames(a.formats)
	for _, n := range a.formats.Lists.Names() {
		all = append(all, list.Format+"/"+n)
	}
	return all
}
