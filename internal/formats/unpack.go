package formats

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"tocsin/internal/report"
)

// gunzip opens gzip data (RFC 1952), several members in a row included.
func (o *opener) gunzip(n node) bool {
	zr, err := gzip.NewReader(n.Reader)
	if err != nil {
		return o.refuse(n, packedError("gzip data", 0, err))
	}
	name := path.Base(n.Name)
	inner := strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".gzip")
	if inner == name || inner == "" {
		// Only then, as what stands in the file was its name on the packer's disk.
		if inner = report.CleanName(path.Base(strings.ReplaceAll(zr.Name, `\`, "/"))); inner == "" || inner == "." || inner == "/" {
			inner = "content"
		}
	}
	return o.open(n.inside(&unpacked{o: o, r: zr, packed: n.packed, what: "gzip data"}, inner))
}

const (
	spoolInMemory = 1 << 20 // archives up to this size are not worth a file
	zipDirectory  = 8 << 20 // of the list of members that archive/zip reads into memory: about 80,000 names
)

// unzip opens the members of a zip archive. file is the archive where it came as one.
func (o *opener) unzip(n node, file *io.SectionReader) bool {
	if file == nil {
		var done func()
		var err error
		if file, done, err = o.spool(n.Reader); err != nil {
			return o.refuse(n, err)
		}
		defer done()
	}
	at := &boundedReaderAt{r: file, left: zipDirectory}
	zr, err := zip.NewReader(at, file.Size())
	switch {
	case at.left < 0:
		return o.refuse(n, refuse("the zip archive's list of members is longer than %d MiB: pack fewer files", zipDirectory>>20))
	case err != nil && !errors.Is(err, zip.ErrInsecurePath): // the paths are only shown
		return o.refuse(n, packedError("zip archive", 0, err))
	}
	at.left = 1<<63 - 1
	// How much of a member was unpacked so far is known here alone; its packed size is what the sender says it is.
	taken := &counter{}
	zr.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser {
		taken.r = r
		return flate.NewReader(taken)
	})
	told := o.told
	for _, f := range zr.File {
		if o.left < 0 {
			o.refuse(n, refuse("%s: the archive's members from %q on were not read", o.tooMuch(), cleanPath(f.Name)))
			return false
		}
		taken.n = 0
		if !o.zipMember(n, f, taken.count) {
			return false
		}
	}
	if o.told == told && !n.noMail {
		return o.refuse(n, refuse("the zip archive holds no file: ask the sender for it again"))
	}
	return true
}

// zipMember opens one member; packed counts the packed bytes that were read of it.
func (o *opener) zipMember(n node, f *zip.File, packed func() int64) bool {
	name := cleanPath(f.Name)
	base := path.Base(name)
	if strings.HasSuffix(f.Name, "/") || strings.HasPrefix(name, "__MACOSX/") || base == ".DS_Store" || base == "Thumbs.db" {
		o.nodes++
		return true // folders, and what file managers leave behind
	}
	c := n.inside(nil, name)
	bad := func(err error) bool {
		c.index = o.nodes
		o.nodes++
		return o.refuse(c, err)
	}
	if f.Flags&1 != 0 { // APPNOTE.TXT §4.4.4
		return bad(refuse("the zip member is encrypted: ask the sender for it without a password"))
	}
	r, err := f.Open()
	if err != nil {
		return bad(packedError("zip member", 0, err))
	}
	defer r.Close()
	if f.Method == zip.Store {
		size := int64(min(f.CompressedSize64, 1<<62))
		packed = func() int64 { return size }
	}
	c.Reader = &unpacked{o: o, r: r, packed: packed, what: "zip member"}
	return o.open(c)
}

// cleanPath is a member's path fit to be shown: with slashes, not absolute, without control characters.
func cleanPath(name string) string {
	name = strings.TrimLeft(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/")
	if name = report.CleanName(name); name == "" {
		return "member"
	}
	return name
}

// spool copies an archive to where it can be read at any place: memory, or a file that has no name any more.
func (o *opener) spool(r io.Reader) (*io.SectionReader, func(), error) {
	var small bytes.Buffer
	if _, err := io.CopyN(&small, r, spoolInMemory); errors.Is(err, io.EOF) {
		return io.NewSectionReader(bytes.NewReader(small.Bytes()), 0, int64(small.Len())), func() {}, nil
	} else if err != nil {
		return nil, nil, err
	}
	f, err := os.CreateTemp(o.lim.TempDir, "tocsin-zip-*")
	if err != nil {
		return nil, nil, fmt.Errorf("copy the zip archive to a temporary file: %w", err)
	}
	gone := os.Remove(f.Name()) == nil // the file lives until it is closed, also when we die; not on Windows
	done := func() {
		_ = f.Close() // nothing was promised of it
		if !gone {
			_ = os.Remove(f.Name())
		}
	}
	size, err := io.Copy(f, io.MultiReader(&small, io.LimitReader(r, o.lim.Spool-spoolInMemory+1)))
	switch {
	case err != nil:
		done()
		return nil, nil, fmt.Errorf("copy the zip archive to a temporary file: %w", err)
	case size > o.lim.Spool:
		done()
		return nil, nil, refuse("the zip archive is larger than %d bytes: send its members as gzip files", o.lim.Spool)
	}
	return io.NewSectionReader(f, 0, size), done, nil
}

// randomAccess returns what is left of r, where r is a file or something like it, else nil. An archive that came
// as a file is read where it lies.
func randomAccess(r io.Reader) *io.SectionReader {
	f, ok := r.(interface {
		io.ReaderAt
		io.Seeker
	})
	if !ok {
		return nil
	}
	from, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil // a pipe
	}
	to, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil
	}
	return io.NewSectionReader(f, from, to-from)
}

// unpacked reads out of a container within the limits, and turns its errors into sentences.
type unpacked struct {
	o      *opener
	r      io.Reader
	packed func() int64
	what   string
	n      int64
	err    error
}

func (u *unpacked) Read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	n, err := u.r.Read(p)
	u.n += int64(n)
	u.o.left -= int64(n)
	switch {
	case u.o.left < 0:
		u.err = refuse("%s", u.o.tooMuch())
	case u.n > ratioFloor && u.n/u.o.lim.Ratio > u.packed():
		u.err = refuse("the %s unpacks to more than %d times its size, as a bomb does: send the document plain", u.what, u.o.lim.Ratio)
	case err != nil && !errors.Is(err, io.EOF):
		u.err = packedError(u.what, u.n, err)
	default:
		return n, err
	}
	return n, u.err
}

func (o *opener) tooMuch() string {
	return fmt.Sprintf("the report unpacks to more than %d bytes: send it in several", o.lim.Bytes)
}

// packedError is the sentence for an error of gzip or zip after n unpacked bytes. An error of the reader below is
// passed on: it has its sentence.
func packedError(what string, n int64, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refuse("the %s ends early, after %d bytes of its content: ask the sender for the file again", what, n)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zip.ErrChecksum):
		return refuse("the %s fails its checksum after %d bytes of its content: ask the sender for the file again", what, n)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zip.ErrFormat), errors.As(err, &corrupt):
		return refuse("the %s is damaged after %d bytes of its content: ask the sender for the file again", what, n)
	case errors.Is(err, zip.ErrAlgorithm):
		return refuse("the %s is packed by a method that Tocsin does not know: pack it with deflate", what)
	}
	return err
}

// counter counts what was read of a container, up to HeadBytes of which may not have been used yet.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) count() int64 { return c.n }

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// boundedReaderAt fails after left bytes: archive/zip reads the whole list of members into memory.
type boundedReaderAt struct {
	r    io.ReaderAt
	left int64
}

var errBounded = errors.New("more is read than may be")

func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if b.left < 0 {
		return 0, errBounded
	}
	n, err := b.r.ReadAt(p, off)
	b.left -= int64(n)
	return n, err
}
