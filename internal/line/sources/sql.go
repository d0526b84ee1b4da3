package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/internal/line"
	"tocsin/internal/line/contact"
	"tocsin/internal/line/database"
	"tocsin/internal/line/sqlsource"
)

// query is a source that is asked.
type query struct {
	source *source
	table  *sqlsource.Table
}

const checkWait = 5 * time.Second // for a database to answer when the node begins

// openSQL opens a query. A database that does not answer is asked later; one that cannot understand the query is not.
func (l *Lines) openSQL(ctx context.Context, c *SQL) error {
	z, err := zone(c.Zone)
	if err != nil {
		return err
	}
	if err := l.source(ctx, c.Name, "sql", c.Keep, line.Rules{Interim: true}, reader{}); err != nil {
		return err
	}
	db, err := database.Open(database.Options{URLFile: c.URLFile, Zone: z, Timeout: cmp.Or(c.Timeout, defaultQueryTimeout)})
	if err != nil {
		return fmt.Errorf("source %s: url_file: %w", c.Name, err)
	}
	s := l.named(c.Name)
	t := &sqlsource.Table{
		Name: c.Name, DB: db, Query: cmp.Or(c.Query, sqlsource.Radacct(db.Engine(), c.Identity)), Realm: c.Realm, FixedAddresses: c.FixedAddresses,
		Overlap: cmp.Or(c.Overlap, defaultOverlap), History: s.keep, Every: c.Every,
		Key: l.needs.Keys[0].Pseudonym[:],
	}
	l.queries = append(l.queries, &query{s, t})
	within, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	if err := t.Check(within); database.Lasting(err) {
		return fmt.Errorf("source %s: %w", c.Name, err)
	}
	return t.Load(filepath.Join(l.needs.Dir, c.Name, "read"))
}

// poll reads what is new.
func (q *query) poll(ctx context.Context, now time.Time) error {
	err := q.table.Poll(ctx, now, func(ctx context.Context, records iter.Seq2[line.Record, error]) error {
		told, err := q.source.tell(ctx, records, now, false)
		for _, fault := range told.Faults {
			q.source.log.Warn("a row of a source cannot be used", "source", q.source.name, "row", fault.Row, "reason", fault.Reason)
		}
		return err
	})
	q.source.down.Store(err != nil)
	err = errors.Join(err, q.source.keepClocks())
	if err != nil {
		return fmt.Errorf("source %s: %w", q.source.name, err)
	}
	return nil
}

// runSQL asks each database apart: a first reading may take hours.
func (l *Lines) runSQL(ctx context.Context, g *errgroup.Group) {
	for _, q := range l.queries {
		g.Go(func() error {
			return l.repeat(ctx, cmp.Or(q.table.Every, l.cfg.Every), func(ctx context.Context) error { return q.poll(ctx, l.needs.Now()) })
		})
	}
}

// pollSQL asks all databases.
func (l *Lines) pollSQL(ctx context.Context) error {
	var errs []error
	for _, q := range l.queries {
		errs = append(errs, q.poll(ctx, l.needs.Now()))
	}
	return errors.Join(errs...)
}

// closeSQL ends the connections.
func (l *Lines) closeSQL() error {
	var errs []error
	for _, q := range l.queries {
		errs = append(errs, q.table.DB.Close())
	}
	if l.contacts != nil {
		errs = append(errs, l.contacts.Close())
	}
	return errors.Join(errs...)
}

// openContact opens what knows contacts, where the config names it.
func (l *Lines) openContact() error {
	c := &l.cfg.Contact
	wait := cmp.Or(c.Timeout, defaultContactTimeout)
	switch c.Kind {
	case "csv":
		file, faults, err := contact.OpenCSV(c.File)
		if err != nil {
			return fmt.Errorf("lines.contact: %w", err)
		}
		for _, f := range faults {
			l.needs.Logger.Warn("a row of the contacts cannot be used", "file", filepath.Base(c.File), "row", f.Row, "reason", f.Reason)
		}
		if n := file.Faults(); n > len(faults) {
			l.needs.Logger.Warn("more rows of the contacts cannot be used", "file", filepath.Base(c.File), "rows", n)
		}
		l.contacts = file
	case "sql":
		db, err := database.Open(database.Options{URLFile: c.URLFile, Timeout: wait})
		if err != nil {
			return fmt.Errorf("lines.contact.url_file: %w", err)
		}
		l.contacts = &contact.SQL{DB: db, Query: c.Query}
	case "http":
		h, err := contact.OpenHTTP(contact.HTTPOptions{URL: c.URL, TokenFile: c.TokenFile, CAFile: c.CAFile, Timeout: wait})
		if err != nil {
			return fmt.Errorf("lines.contact: %w", err)
		}
		l.contacts = h
	}
	return nil
}

// ErrNoContacts says that nothing knows contacts.
var ErrNoContacts = errors.New("nothing knows the contacts of lines: name it under lines.contact")

// Contact returns how to reach whoever has the line of a handle. Whoever calls it has had that logged before: who asked,
// about which handle, and why. contact.ErrUnknown says that there is no such line or contact, archive.ErrForgotten that
// the line's name has come to its end date. Nothing of the answer is kept, and no error has anything of it.
func (l *Lines) Contact(ctx context.Context, handle string) (contact.Contact, error) {
	if l.contacts == nil {
		return contact.Contact{}, ErrNoContacts
	}
	name, err := l.Name(ctx, handle)
	if err != nil {
		return contact.Contact{}, err
	}
	return l.contacts.Contact(ctx, name)
}

// Name returns the name that the sources have for the line of a handle: a user name, a circuit, a hardware address. What
// is said of Contact goes for it too.
func (l *Lines) Name(ctx context.Context, handle string) (string, error) {
	id, err := l.lines.ByHandle(ctx, handle)
	if err != nil {
		return "", err
	}
	if id == 0 {
		return "", contact.ErrUnknown
	}
	return l.lines.Name(ctx, id)
}
