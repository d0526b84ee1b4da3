package formats

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"sync"

	"tocsin/internal/formats/internal/htmltext"
	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/formats/letter"
	"tocsin/internal/report"
)

// Limits bound what one report may unpack to. Each is an error of one sentence when it is exceeded; what was
// delivered before stays delivered. A zero field means its default.
type Limits struct {
	Bytes       int64  // unpacked from gzip and zip, all members and levels together; default 16 GiB
	Ratio       int64  // unpacked bytes to packed ones, once 32 MiB are unpacked; default 300, real reports stay under 60
	Spool       int64  // of one zip archive that did not come as a file and must be copied to one; default 2 GiB
	Depth       int    // containers inside containers; default 8
	Members     int    // containers, documents and other parts in all; default 10000
	MIMEDepth   int    // multiparts inside multiparts of one mail; default 50
	MIMEParts   int    // of one mail; default 1000
	HeaderBytes int    // of one header of a mail or of a part; default 1 MiB
	TempDir     string // for the copy of an archive; default the system's
}

const ratioFloor = 32 << 20 // a document that unpacks to less than this harms nobody, whatever its ratio

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	orInt64 := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orInt64(&l.Bytes, 16<<30)
	orInt64(&l.Ratio, 300)
	orInt64(&l.Spool, 2<<30)
	orInt(&l.Depth, 8)
	orInt(&l.Members, 10000)
	orInt(&l.MIMEDepth, 50)
	orInt(&l.MIMEParts, 1000)
	orInt(&l.HeaderBytes, 1<<20)
	return l
}

// Member is one document that Open found in a report, and the format that it is of.
type Member struct {
	report.Document // Reader is valid until the next step

	// Index numbers everything in the report in the order in which it stands: the report itself is 0, then each
	// container, document and other part, before what is inside of it. The same bytes give the same numbers, also
	// after a format has been added, so a replay can refer to them. No two members have the same, and there are
	// gaps. Documents come in rising order; the error of a container may come after what is inside of it.
	Index  int
	Format Format
}

// Events is Tables.Parse for a member, whose format is known.
func (m Member) Events() iter.Seq2[report.Event, error] { return m.Format.events(m.Document) }

// Open undoes gzip, zip and MIME and yields the documents inside, in the order in which they stand. The outermost
// thing that a format claims is a document: a mail in the format of RFC 5965 is one document, though it has parts.
//
// An error is a *report.RowError with Row 0, or a *report.Letter; the Member beside it says by Name and Index what cannot be opened,
// and has no Reader. Others go on. Errors of a container that show while its document is read (a gzip file that
// was cut) come out of the Reader, after all that stands before them.
//
// ErrSpool is the one error that is no RowError: it is about this machine, and nothing follows it.
//
// In a mail, text without a file name, images and signatures that no format claims are no errors beside something
// else. A mail in which nothing is claimed is a *report.Letter: it waits for a person. So is one that is no report at
// all, such as a bounce, whatever hangs on it: it is set aside. A mail inside of a mail that has itself brought a document is its
// evidence and is not opened: its content is the offender's, not the reporter's.
func (t Tables) Open(doc report.Document, lim Limits) iter.Seq2[Member, error] {
	return t.open(doc, lim, nil)
}

// OpenAs is Open where the caller names the format: what stands alone, is packed, or hangs on a mail as a file is
// taken to be of it, whatever it looks like.
func (t Tables) OpenAs(name string, doc report.Document, lim Limits) iter.Seq2[Member, error] {
	f, ok := t.Format(name)
	if !ok {
		return func(yield func(Member, error) bool) {
			doc.Reader = nil
			yield(Member{Document: doc}, t.notListed(name))
		}
	}
	return t.open(doc, lim, &f)
}

func (t Tables) open(doc report.Document, lim Limits, named *Format) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		o := &opener{tables: t, list: t.List(), named: named, lim: lim.withDefaults(), yield: yield}
		if named != nil {
			o.list = []Format{*named}
		}
		defer o.release()
		o.left = o.lim.Bytes
		o.open(node{Document: doc})
	}
}

// opener is one run of Open. Its methods return false when the run is to end.
type opener struct {
	tables Tables
	list   []Format
	named  *Format
	lim    Limits
	yield  func(Member, error) bool
	left   int64           // of lim.Bytes
	nodes  int             // numbered so far
	told   int             // members and errors yielded
	peeks  []*bufio.Reader // one a depth
	outer  int             // told when the mail in hand was begun that is in no other
	held   []held          // refusals of that mail
}

// peeks holds the readers of runs that ended: at thousands of small reports a second, new ones would be most of the
// garbage.
var peeks = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, HeadBytes) }}

// release gives back what the next run needs. Nobody reads a document after the run that yielded it.
func (o *opener) release() {
	for _, p := range o.peeks {
		p.Reset(nil)
		peeks.Put(p)
	}
	o.peeks = nil
}

// node is a container, a document or another part.
type node struct {
	report.Document
	index, depth int
	loose        bool         // no error when no format claims it
	inMail       bool         // part of a mail, however deep
	html         bool         // text for people that is written in HTML
	noMail       bool         // a mail here is evidence
	packed       func() int64 // bytes of it read
}

// inside makes the node for something inside of n.
func (n *node) inside(r io.Reader, name string) node {
	d := n.Document
	d.Reader = r
	if d.Name = name; n.Name != "" {
		d.Name = n.Name + "/" + name
	}
	return node{Document: d, depth: n.depth + 1, inMail: n.inMail, noMail: n.noMail}
}

func (o *opener) open(n node) bool {
	n.index = o.nodes
	if o.nodes++; o.nodes > o.lim.Members {
		o.refuse(n, refuse("the report has more than %d members: send it in several", o.lim.Members))
		return false
	}
	if n.depth > o.lim.Depth {
		return o.refuse(n, refuse("the report is packed more than %d times over: send the document itself", o.lim.Depth))
	}
	file := randomAccess(n.Reader)
	for len(o.peeks) <= n.depth {
		o.peeks = append(o.peeks, peeks.Get().(*bufio.Reader))
	}
	packed := &counter{r: n.Reader}
	n.Reader, n.packed = packed, packed.count
	doc, head, err := peek(n.Document, o.peeks[n.depth])
	n.Document = doc
	if err != nil {
		return n.loose || o.refuse(n, err)
	}
	switch {
	// No format is packed, and the name of an archive may be that of its document: ask none of them.
	case bytes.HasPrefix(head, []byte("\x1f\x8b\x08")): // RFC 1952 §2.3.1
		return o.gunzip(n)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return o.unzip(n, file)
	}
	isMail := mail.Looks(head)
	if isMail && n.noMail {
		return true
	}
	if isMail && !n.inMail {
		n.Mail = letter.Mail(mail.HeadHeader(head))
	}
	if n.html {
		return o.html(n)
	}
	if f, ok := claim(o.list, doc, head); ok {
		return o.member(n, f)
	}
	switch {
	case isMail && !n.loose:
		return o.mail(n)
	case n.loose:
		return true
	case o.named != nil:
		return o.member(n, *o.named)
	}
	return o.unclaimed(n, o.tables.unknown(head))
}

// maxHTML is how much of a text in HTML is read as a person would.
const maxHTML = 4 << 20

// html asks the formats about a text in HTML: as a person reads it, and then as it is. They are not asked where
// something in the mail was claimed before, as most mails say in HTML what their plain text has said; nor where a part of
// it is hidden from its reader: what a person cannot see is no report.
func (o *opener) html(n node) bool {
	if o.told > o.outer {
		return true
	}
	raw, err := io.ReadAll(io.LimitReader(n.Reader, maxHTML+1))
	if err != nil || len(raw) > maxHTML {
		return true // the mail's own reader says what is wrong with it, and a person reads what is too long
	}
	text, hidden := htmltext.Text(string(raw))
	if len(hidden) > 0 {
		return true
	}
	for _, as := range [][]byte{[]byte(text), raw} {
		n.Reader = bytes.NewReader(as)
		if f, ok := claim(o.list, n.Document, as[:min(len(as), HeadBytes)]); ok {
			return o.member(n, f)
		}
	}
	return true
}

func (o *opener) member(n node, f Format) bool {
	for _, h := range o.held {
		if !o.refuse(h.n, h.err) {
			return false
		}
	}
	o.held = nil
	o.told++
	return o.yield(Member{Document: n.Document, Index: n.index, Format: f}, nil)
}

func (o *opener) refuse(n node, err error) bool {
	o.told++
	n.Reader = nil
	if errors.Is(err, ErrSpool) {
		o.yield(Member{Document: n.Document, Index: n.index}, err)
		return false
	}
	return o.yield(Member{Document: n.Document, Index: n.index}, rowError(err))
}

// letter yields what a mail is that brings no document.
func (o *opener) letter(n node, l *report.Letter) bool {
	o.told++
	n.Reader = nil
	return o.yield(Member{Document: n.Document, Index: n.index}, l)
}

// unclaimed refuses what no format claims. In a mail that waits until a document is found: a mail without any is for
// a person, with all that hangs on it.
func (o *opener) unclaimed(n node, err error) bool {
	if !n.inMail || o.told > o.outer {
		return o.refuse(n, err)
	}
	n.Reader = nil
	o.held = append(o.held, held{n, err})
	return true
}

// held is a refusal held back.
type held struct {
	n   node
	err error
}

// mail opens the parts of a mail.
func (o *opener) mail(n node) bool {
	r, err := mail.NewReader(n.Reader, mail.Limits{
		HeaderBytes: o.lim.HeaderBytes, Depth: o.lim.MIMEDepth, Parts: o.lim.MIMEParts,
	})
	if err != nil {
		return o.refuse(n, err)
	}
	if s := report.CleanName(mail.Decode(r.Header().Get("Subject"))); s != "" {
		n.Subject = s
	}
	if at, ok := r.Header().Date(); ok {
		n.Sent = at
	}
	if !n.inMail {
		if aside := letter.Aside(r.Header()); aside != nil {
			return o.letter(n, aside)
		}
		o.outer, o.held = o.told, nil
	}
	direct := false // a document that was no mail stood in this one
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return o.refuse(n, err)
		}
		again, cut := o.part(n, p, &direct)
		if !again {
			return false
		}
		if cut {
			return true
		}
	}
	if n.inMail || o.told > o.outer {
		return true
	}
	reason := "the mail is in no format that Tocsin knows: read it, and make events of what it says"
	if len(o.held) > 0 {
		reason = fmt.Sprintf("nothing in the mail is in a format that Tocsin knows; of what hangs on it, %s says: %v",
			report.Printable(o.held[0].n.Name), o.held[0].err)
	}
	o.held = nil
	if spam := letter.Spam(r.Header()); spam != nil {
		return o.letter(n, spam)
	}
	return o.letter(n, &report.Letter{State: report.StateWaiting, Reason: reason})
}

// part opens one part of a mail. cut means that the mail could not be read on and that this has been said.
func (o *opener) part(n node, p *mail.Part, direct *bool) (again, cut bool) {
	name := p.FileName
	if name == "" {
		name = "part-" + p.Number
	}
	body := &stickyReader{r: p.Body}
	c := n.inside(body, name)
	c.loose, c.inMail = loose(p), true
	c.html = c.loose && p.Type == "text/html"
	nested := p.Type == "message/rfc822" || p.Type == "message/global"
	c.noMail = n.noMail || *direct
	if nested && c.noMail {
		o.nodes++ // numbered like any other
		return true, false
	}
	before := o.told
	again = o.open(c)
	if o.told > before && !nested {
		*direct = true
	}
	return again, body.err != nil && o.told > before
}

// loose reports whether a part needs no mention when no format claims it: what people and mail programs put beside
// a report.
func loose(p *mail.Part) bool {
	switch p.Type {
	case "text/plain", "text/html", "text/enriched", "text/richtext", "text/rtf", "text/calendar", "text/x-amp-html",
		"text/rfc822-headers", "message/delivery-status", "message/disposition-notification",
		"message/feedback-report": // the envelope of an XARF report
		switch strings.ToLower(path.Ext(p.FileName)) {
		case "", ".txt", ".log", ".htm", ".html", ".asc", ".sig", ".rtf", ".ics":
			return true
		}
		return false
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature",
		"application/pgp-keys":
		return true
	}
	top, _, _ := strings.Cut(p.Type, "/")
	return top == "image" || top == "audio" || top == "video" || top == "font"
}
