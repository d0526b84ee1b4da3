package contact

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/report"
)

// CSV is a file with a header: line, and any of name, mail, phone, address, language and class. It is read for each
// question, so that nothing of it is in memory.
type CSV struct {
	path string

	mu      sync.Mutex // guards what follows
	checked stamp
	faults  int
}

// stamp tells a file from what it was.
type stamp struct {
	size int64
	at   time.Time
}

const (
	maxColumns = 100
	headBytes  = 64 << 10
	maxFaults  = 10 // that are told one by one
)

// OpenCSV checks the file. An error says that it is no such file; faults are of rows, of which the first are told: the
// lines in them have no contact. Neither has anything of what is in the file.
func OpenCSV(path string) (*CSV, []*report.RowError, error) {
	c := &CSV{path: path}
	faults, err := c.check()
	if err != nil {
		return nil, nil, err
	}
	return c, faults, nil
}

// Close has nothing to do.
func (*CSV) Close() error { return nil }

// Faults is how many rows cannot be used.
func (c *CSV) Faults() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults
}

// check reads the file whole, if it has changed.
func (c *CSV) check() ([]*report.RowError, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.path)
	if err != nil {
		return nil, err
	}
	is := stamp{info.Size(), info.ModTime()}
	if is == c.checked {
		return nil, nil
	}
	var faults []*report.RowError
	all := 0
	seen, seed := map[uint64]bool{}, maphash.MakeSeed()
	err = c.each(func(row int64, name string, one Contact, err error) bool {
		if err == nil {
			h := maphash.String(seed, name)
			if seen[h] {
				err = errTwice
			}
			seen[h] = true
		}
		if err != nil {
			if all++; len(faults) < maxFaults {
				faults = append(faults, &report.RowError{Row: row, Reason: err.Error()})
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	c.checked, c.faults = is, all
	return faults, nil
}

var errTwice = errors.New("its line is in the file before: one of the two has to go, as nobody knows which holds")

// Contact is Book's.
func (c *CSV) Contact(ctx context.Context, name string) (Contact, error) {
	if _, err := c.check(); err != nil {
		return Contact{}, err
	}
	var found Contact
	var wrong error
	rows := 0
	err := c.each(func(row int64, line string, one Contact, err error) bool {
		if line == name {
			if rows++; rows > 1 {
				err = errTwice
			}
			if err != nil {
				wrong = fmt.Errorf("row %d of the contacts cannot be used: %w", row, err)
			}
			found = one
		}
		return ctx.Err() == nil
	})
	switch {
	case err != nil:
		return Contact{}, err
	case ctx.Err() != nil:
		return Contact{}, ctx.Err()
	case wrong != nil:
		return Contact{}, wrong
	case rows == 0:
		return Contact{}, ErrUnknown
	}
	return found, nil
}

// each yields the rows of the file, from 1 behind the header.
func (c *CSV) each(yield func(row int64, line string, one Contact, err error) bool) error {
	f, err := os.Open(c.path)
	if err != nil {
		return err
	}
	defer f.Close()
	in, at, err := header(f)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	for row := int64(1); ; row++ {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, csv.ErrFieldCount) {
			return fmt.Errorf("%s: row %d cannot be read, nor what follows it: its quotes are not closed", c.path, row)
		}
		cell := func(field string) string {
			if i, ok := at[field]; ok && i < len(cells) {
				return strings.TrimSpace(cells[i])
			}
			return ""
		}
		var one Contact
		for _, f := range fields {
			*f.of(&one) = cell(f.name)
		}
		line := cell("line")
		wrong := one.check()
		if err != nil {
			wrong = errors.New("it has more or fewer columns than the first row")
		}
		if line == "" {
			wrong = errors.New("line is empty")
		}
		if !yield(row, line, one, wrong) {
			return nil
		}
	}
}

// header reads the first row.
func header(f io.Reader) (*csv.Reader, map[string]int, error) {
	br := bufio.NewReaderSize(f, headBytes)
	head, err := br.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("the file cannot be read")
	}
	if bytes.HasPrefix(head, []byte("\ufeff")) {
		_, _ = br.Discard(3)
		head = head[3:]
	}
	first, _, _ := bytes.Cut(head, []byte("\n"))
	in := csv.NewReader(br)
	in.TrimLeadingSpace, in.ReuseRecord = true, true
	for _, c := range []rune{';', '\t'} {
		if bytes.Count(first, []byte(string(c))) > bytes.Count(first, []byte(string(in.Comma))) {
			in.Comma = c
		}
	}
	names, err := in.Read()
	if err != nil || len(names) > maxColumns {
		return nil, nil, errors.New("the first row does not name the columns, as line,name,mail,phone,address,language,class")
	}
	at := map[string]int{}
	for i, n := range names {
		n = strings.ToLower(strings.TrimSpace(n))
		if _, ok := at[n]; ok && n != "" {
			return nil, nil, fmt.Errorf("column %d has the name of another", i+1)
		}
		at[n] = i
	}
	if _, ok := at["line"]; !ok {
		return nil, nil, errors.New("no column is named line: the first row names the columns, as line,name,mail,phone,address,language,class")
	}
	if !slices.ContainsFunc(fields[:4], func(f field) bool { _, ok := at[f.name]; return ok }) {
		return nil, nil, errors.New("no column is named name, mail, phone or address")
	}
	return in, at, nil
}
