package network

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	maxLineBytes  = 64 << 10 // a longer line is refused
	maxFileBytes  = 8 << 30  // after decompression, of files read line by line
	maxMMDBBytes  = 512 << 20
	maxProblems   = 10 // kept for each file; all are counted
	bufferedBytes = 256 << 10
)

// Source is what one table file held.
type Source struct {
	Path     string
	Kind     Kind // what it turned out to be, never KindAuto
	Modified time.Time
	Rows     int64     // lines or database records that were used
	Refused  int64     // lines or database records that were not
	Problems []Problem // the first of the refused
}

// Problem is one line of a table file that could not be used.
type Problem struct {
	Path   string
	Line   int64  // from 1; of a database the record
	Reason string // quotes nothing of the line, so it may be logged
}

// Error is the sentence with its place.
func (p *Problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Reason) }

// Load reads every table file of the config and lays the config over them. It is all or nothing: a file that cannot
// be read, or in which nothing can be used, is an error that names it. Single bad lines are counted in
// Table.Sources. The config must be one that Validate lets through.
func Load(ctx context.Context, cfg Config) (*Table, error) {
	t, _, err := load(ctx, cfg)
	return t, err
}

// load also returns what it found of each file, for the watch to compare with.
func load(ctx context.Context, cfg Config) (*Table, []fs.FileInfo, error) {
	b := newBuilder()
	infos := make([]fs.FileInfo, len(cfg.Tables))
	sources := make([]Source, len(cfg.Tables))
	for i, f := range cfg.Tables {
		src, info, err := readFile(ctx, b, f)
		if err != nil {
			return nil, infos, fmt.Errorf("read address table %s: %w", f.Path, err)
		}
		sources[i], infos[i] = src, info
	}
	t, err := b.settle(ctx, newClaims(cfg))
	if err != nil {
		return nil, infos, err
	}
	t.sources = sources
	return t, infos, nil
}

func readFile(ctx context.Context, b *builder, f TableFile) (Source, fs.FileInfo, error) {
	// A pipe would block for ever where it is opened, so the question comes first.
	if info, err := os.Stat(f.Path); err != nil {
		return Source{}, nil, pathless(err)
	} else if !info.Mode().IsRegular() {
		return Source{}, nil, errors.New("it is not a file: name one file")
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return Source{}, nil, pathless(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	before, err := file.Stat()
	if err != nil {
		return Source{}, nil, pathless(err)
	}
	src := Source{Path: f.Path, Kind: f.Kind, Modified: before.ModTime()}
	if err := readTable(ctx, b, &src, file); err != nil {
		return Source{}, nil, pathless(err)
	}
	after, err := file.Stat()
	if err != nil {
		return Source{}, nil, pathless(err)
	}
	if !sameFile(before, after) {
		return Source{}, nil, errors.New("it changed while it was read: put a new one in its place by renaming")
	}
	return src, before, nil
}

// pathless takes the path out of an error of package os, because the caller names the file.
func pathless(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// readTable reads one table from r into b. src says which and takes the counts.
func readTable(ctx context.Context, b *builder, src *Source, r io.Reader) error {
	in := bufio.NewReaderSize(r, bufferedBytes)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) { // RFC 1952 §2.3.1
		z, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("open as gzip: %w", err)
		}
		in = bufio.NewReaderSize(z, bufferedBytes)
	}
	head, err := in.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return describe(err)
	}
	if src.Kind == "" || src.Kind == KindAuto {
		src.Kind = detect(head)
	}
	t := &intoTable{b: b, src: src}
	switch src.Kind {
	case KindMMDB:
		err = t.readMMDB(ctx, in)
	case KindDelegated:
		err = t.readDelegated(ctx, in)
	default:
		err = t.readCSV(ctx, in)
	}
	switch {
	case err != nil:
		return describe(err)
	case src.Rows == 0 && src.Refused > 0:
		return fmt.Errorf("nothing in it can be used as %s; line %d: %s",
			src.Kind, src.Problems[0].Line, src.Problems[0].Reason)
	case src.Rows == 0:
		return fmt.Errorf("it is empty, read as %s", src.Kind)
	}
	return nil
}

// describe turns what a reader says of a broken file into something to act on.
func describe(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it is cut off: fetch it again (%w)", err)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("it is damaged: fetch it again (%w)", err)
	}
	return err
}

// detect tells the kinds apart by a file's beginning: a database starts with its binary tree, a line of statistics
// has bars.
func detect(head []byte) Kind {
	if bytes.IndexByte(head, 0) >= 0 {
		return KindMMDB
	}
	for line := range bytes.Lines(head) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if bytes.Count(line, []byte("|")) >= 5 {
			return KindDelegated
		}
		return KindCSV
	}
	return KindCSV
}

// intoTable reads one file into a builder.
type intoTable struct {
	b   *builder
	src *Source
}

// refuse counts a line that cannot be used.
func (t *intoTable) refuse(line int64, reason string) {
	t.src.Refused++
	if len(t.src.Problems) < maxProblems {
		t.src.Problems = append(t.src.Problems, Problem{t.src.Path, line, reason})
	}
}

// took books what became of one line; only an error that ends the whole reading is returned.
func (t *intoTable) took(line int64, err error) error {
	switch {
	case err == nil:
		t.src.Rows++
	case errors.Is(err, errTooManyPrefixes):
		return err
	default:
		t.refuse(line, err.Error())
	}
	return nil
}

// eachLine hands every line to take, without its end, until take fails. Empty lines and comments (#) are left out.
func (t *intoTable) eachLine(ctx context.Context, in *bufio.Reader, take func(n int64, line string) error) error {
	l := lines{in: in, left: maxFileBytes}
	for {
		line, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if l.n%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch {
		case errors.Is(err, errLongLine):
			t.refuse(l.n, err.Error())
			continue
		case err != nil:
			return err
		case len(line) == 0 || line[0] == '#':
			continue
		}
		if err := take(l.n, string(line)); err != nil {
			return err
		}
	}
}

var (
	errLongLine = fmt.Errorf("the line has more than %d bytes", maxLineBytes)
	errTooBig   = fmt.Errorf("it has more than %d GiB: is it the right file?", maxFileBytes>>30)
)

// lines cuts a file into lines with bounded memory.
type lines struct {
	in   *bufio.Reader
	n    int64 // of the line that next returned, from 1
	left int64 // bytes that may still be read
}

// next returns the next line, without its end and surrounding white space, valid until the next call; io.EOF after
// the last, errLongLine for one that is too long, after which reading goes on.
func (l *lines) next() ([]byte, error) {
	l.n++
	line, err := l.in.ReadSlice('\n')
	long := len(line) > maxLineBytes
	l.left -= int64(len(line))
	for errors.Is(err, bufio.ErrBufferFull) && l.left >= 0 {
		long = true
		line, err = l.in.ReadSlice('\n')
		l.left -= int64(len(line))
	}
	switch {
	case l.left < 0:
		return nil, errTooBig
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case long:
		return nil, errLongLine
	case err != nil && len(line) == 0:
		return nil, io.EOF
	}
	if l.n == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	return bytes.TrimSpace(line), nil
}
