package formats_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/formats"
	"tocsin/internal/report"
)

// lines is a format for these tests: the word "lines", then a domain a line. "claimed mail" is a mail that is a
// document as a whole.
func lines() []formats.Format {
	return []formats.Format{
		{Name: "lines", Detect: func(_ report.Document, head []byte) bool {
			return bytes.HasPrefix(head, []byte("lines\n")) || bytes.HasPrefix(head, []byte("lines\r\n"))
		}, Parse: parseLines},
		{Name: "mails", Detect: func(_ report.Document, head []byte) bool {
			return bytes.HasPrefix(head, []byte("X-Claimed: yes"))
		}, Parse: func(report.Document) iter.Seq2[report.Event, error] {
			return func(func(report.Event, error) bool) {}
		}},
	}
}

func parseLines(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		br := bufio.NewReader(doc.Reader)
		for row := int64(0); ; row++ {
			line, err := br.ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				yield(report.Event{}, &report.RowError{Row: row, Reason: err.Error()})
				return
			}
			if line = strings.TrimSpace(line); row > 0 && line != "" && !yield(report.Event{
				Row: row, Kind: report.Undetermined, From: received, Subject: report.Subject{Domain: line},
			}, nil) {
				return
			}
			if err != nil {
				return
			}
		}
	}
}

// opened tells what Open yields, a line each: "INDEX NAME [SUBJECT] format: domains" or "INDEX NAME: error".
func opened(t testing.TB, doc report.Document) []string {
	t.Helper()
	doc.Received = received
	var all []string
	last := -1
	for m, err := range formats.OpenWith(lines(), doc, formats.Limits{}) {
		if err == nil && m.Index <= last {
			t.Fatalf("index %d comes after %d", m.Index, last)
		}
		last = max(last, m.Index)
		if l, ok := errors.AsType[*report.Letter](err); ok {
			all = append(all, fmt.Sprintf("%d %s %s: %s", m.Index, m.Name, l.State, l.Reason))
			continue
		}
		if err != nil {
			all = append(all, fmt.Sprintf("%d %s: %s", m.Index, m.Name, checkRowError(t, err).Reason))
			continue
		}
		var got []string
		for e, err := range m.Events() {
			if err != nil {
				got = append(got, fmt.Sprintf("# %d: %s", checkRowError(t, err).Row, err))
			} else {
				got = append(got, e.Subject.Domain)
			}
		}
		subject := ""
		if m.Subject != "" {
			subject = " [" + m.Subject + "]"
		}
		all = append(all, fmt.Sprintf("%d %s%s %s: %s", m.Index, m.Name, subject, m.Format.Name, strings.Join(got, " ")))
	}
	return all
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

// zipped packs names and contents in turn.
func zipped(pairs ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		f, _ := w.Create(pairs[i])
		io.WriteString(f, pairs[i+1])
	}
	w.Close()
	return b.String()
}

// in64 is text in base64, in lines of 76.
func in64(text string) string {
	s := base64.StdEncoding.EncodeToString([]byte(text))
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s + "\r\n"
}

func quoted(text string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

const two = "lines\na.example\nb.example\n"

// mixed is a mail of parts, each a header without Content-, an empty line and a body.
func mixed(parts ...string) string {
	b := "From: feed@example.net\r\nTo: abuse@example.com\r\nSubject: daily\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\npreamble\r\n"
	for _, p := range parts {
		b += "--=_b\r\nContent-" + p + "\r\n"
	}
	return b + "--=_b--\r\nepilogue\r\n"
}

// nested is a mail to put into a mail.
func nested(mail string) string { return strings.ReplaceAll(mail, "=_b", "=_c") }

const prose = "Type: text/plain\r\n\r\nDear desk, see the file.\r\n"

func TestOpen(t *testing.T) {
	file := "Type: application/octet-stream; name=week.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	for _, c := range []struct {
		name, input string
		want        []string
	}{
		{"plain", two, []string{"0 in lines: a.example b.example"}},
		{"gzip", gzipped(two), []string{"1 in/content lines: a.example b.example"}},
		{"gzip, two members", gzipped(two) + gzipped("c.example\n"), []string{"1 in/content lines: a.example b.example c.example"}},
		{"gzip in gzip", gzipped(gzipped(two)), []string{"2 in/content/content lines: a.example b.example"}},
		{"zip", zipped("x/one.csv", two, "two.csv", "lines\nc.example\n"), []string{
			"1 in/x/one.csv lines: a.example b.example", "2 in/two.csv lines: c.example",
		}},
		{"zip, partly unknown", zipped("a", "what", "b", two, "c", "", "d/", ""), []string{
			"1 in/a: the document is of no format that Tocsin knows (arf, xarf, shadowserver, list): name its format if it is one of them, or keep it until its format is added",
			"2 in/b lines: a.example b.example", "3 in/c: the document is empty",
		}},
		{"zip, hostile names", zipped(`..\..\etc\passwd`, two, "/abs/\x1b[31mred", two, "__MACOSX/x", "junk"), []string{
			"1 in/etc/passwd lines: a.example b.example", "2 in/abs/[31mred lines: a.example b.example",
		}},
		{"zip without members", zipped(), []string{"0 in: the zip archive holds no file: ask the sender for it again"}},
		{"zip in zip, stored gzip", zipped("in.zip", zipped("x.csv.gz", gzipped(two))), []string{
			"3 in/in.zip/x.csv.gz/x.csv lines: a.example b.example",
		}},
		{"mail, zip attached", mixed(prose, file+in64(zipped("scan.csv", two))), []string{
			"3 in/week.zip/scan.csv [daily] lines: a.example b.example",
		}},
		{"mail, quoted-printable", mixed("Type: text/csv\r\nContent-Transfer-Encoding: quoted-printable\r\n" +
			"Content-Disposition: attachment; filename*0*=UTF-8''%C3%BCber; filename*1=.csv\r\n\r\n" + quoted(two)), []string{
			"1 in/über.csv [daily] lines: a.example b.example",
		}},
		{"mail, name by RFC 2047", mixed("Type: text/csv; name=\"=?UTF-8?Q?=C3=BCber.csv?=\"\r\n\r\n" + two), []string{
			"1 in/über.csv [daily] lines: a.example b.example",
		}},
		{"mail, body itself", "From: a@example.net\nTo: b@example.com\nSubject: =?utf-8?B?w7xiZXI=?=\n\n" + two, []string{
			"1 in/part-1 [über] lines: a.example b.example",
		}},
		{"mail of an mbox, LF", "From a@example.net Mon Mar  2 00:00:00 2026\nFrom: a@example.net\nTo: b\n\n" + two, []string{
			"1 in/part-1 lines: a.example b.example",
		}},
		{"mail, CR only", strings.ReplaceAll(strings.ReplaceAll(mixed(prose, "Type: text/csv\r\n\r\n"+two), "\r\n", "\n"), "\n", "\r"), []string{
			"2 in/part-2 [daily] lines: a.example b.example",
		}},
		{"mail in a mail", mixed("Type: message/rfc822\r\n\r\n" + nested(mixed("Type: text/csv\r\n\r\n"+two))), []string{
			"2 in/part-1/part-1 [daily] lines: a.example b.example",
		}},
		{"claimed mail in a mail", mixed("Type: message/rfc822\r\n\r\nX-Claimed: yes\r\nTo: a\r\nFrom: b\r\n\r\n" + two), []string{
			"1 in/part-1 [daily] mails: ",
		}},
		{"claimed mail", "X-Claimed: yes\r\n" + mixed("Type: text/csv\r\n\r\n"+two), []string{"0 in mails: "}},
		{"evidence is not opened", mixed("Type: text/csv\r\n\r\n"+two, "Type: message/rfc822\r\n\r\n"+nested(mixed("Type: text/csv\r\n\r\n"+two)),
			"Type: application/octet-stream\r\n\r\n"+nested(mixed("Type: text/csv\r\n\r\n"+two)), "Type: text/csv\r\n\r\n"+two), []string{
			"1 in/part-1 [daily] lines: a.example b.example", "4 in/part-4 [daily] lines: a.example b.example",
		}},
		{"several mails forwarded", mixed("Type: message/rfc822\r\n\r\nX-Claimed: yes\r\nTo: a\r\nFrom: b\r\n\r\n",
			"Type: message/rfc822\r\n\r\nX-Claimed: yes\r\nTo: a\r\nFrom: b\r\n\r\n"), []string{
			"1 in/part-1 [daily] mails: ", "2 in/part-2 [daily] mails: ",
		}},
		{"mail with nothing known", mixed(prose, "Type: text/html\r\n\r\n<p>see above</p>\r\n", "Type: image/png\r\n\r\n\x89PNG\r\n"), []string{
			"0 in waiting: the mail is in no format that Tocsin knows: read it, and make events of what it says",
		}},
		{"mail with only an unknown file", mixed(prose, "Type: application/pdf; name=a.pdf\r\n\r\n%PDF-1.4\r\n"), []string{
			"0 in waiting: nothing in the mail is in a format that Tocsin knows; of what hangs on it, in/a.pdf says: the document is a PDF, which Tocsin does not open: send one of the formats arf, xarf, shadowserver, list, plain, as gzip or as zip",
		}},
		{"mails in a zip", zipped("1.eml", mixed(prose), "2.eml", mixed("Type: text/csv\r\n\r\n"+two)), []string{
			"1 in/1.eml waiting: the mail is in no format that Tocsin knows: read it, and make events of what it says",
			"4 in/2.eml/part-1 [daily] lines: a.example b.example",
		}},
		{"a bounce of a report of ours", "Auto-Submitted: auto-replied\r\n" + mixed("Type: text/csv\r\n\r\n"+two), []string{
			"0 in set-aside: a machine answers a mail of ours (an auto-reply): nothing is reported",
		}},
		{"spam", "X-Spam-Flag: YES\r\n" + mixed(prose), []string{
			"0 in set-aside: our mail server marked the mail as spam (X-Spam-Flag), and it is in no format that Tocsin knows",
		}},
		{"a report about spam", "X-Spam-Flag: YES\r\n" + mixed("Type: text/csv\r\n\r\n"+two), []string{
			"1 in/part-1 [daily] lines: a.example b.example",
		}},
		{"the envelope of an XARF report", mixed(prose, "Type: message/feedback-report\r\n\r\nFeedback-Type: xarf\r\n\r\n", "Type: text/csv\r\n\r\n"+two), []string{
			"3 in/part-3 [daily] lines: a.example b.example",
		}},
		{"a text in HTML", mixed("Type: text/html\r\n\r\n<p>lines<br>a.example<br>b.example"), []string{
			"1 in/part-1 [daily] lines: a.example b.example",
		}},
		{"a text in HTML that says what the plain one has said", mixed("Type: text/plain\r\n\r\n"+two, "Type: text/html\r\n\r\n<p>lines<br>a.example"), []string{
			"1 in/part-1 [daily] lines: a.example b.example",
		}},
		{"a text in HTML of which some is hidden", mixed("Type: text/html\r\n\r\n<p>lines<br>a.example<br><i style='display:none'>b.example</i>"), []string{
			"0 in waiting: the mail is in no format that Tocsin knows: read it, and make events of what it says",
		}},
		{"mail with an unknown file beside", mixed("Type: application/pdf; name=a.pdf\r\n\r\n%PDF-1.4\r\n", "Type: text/csv\r\n\r\n"+two), []string{
			"1 in/a.pdf: the document is a PDF, which Tocsin does not open: send one of the formats arf, xarf, shadowserver, list, plain, as gzip or as zip",
			"2 in/part-2 [daily] lines: a.example b.example",
		}},
		{"nested multipart, inner not closed", mixed("Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\ntext\r\n--i\r\n"+
			"Content-Type: text/csv\r\n\r\n"+two, "Type: text/csv\r\n\r\n"+two), []string{
			"2 in/part-1.2 [daily] lines: a.example b.example", "3 in/part-2 [daily] lines: a.example b.example",
		}},
		{"multipart without its boundary", "From: a\nTo: b\nContent-Type: multipart/mixed\n\n--x\nContent-Type: text/csv\n\n" + two + "--x--\n", []string{
			"1 in/part-1 lines: a.example b.example",
		}},
		{"mail cut behind its table", strings.TrimSuffix(mixed("Type: text/csv\r\n\r\n"+two, prose), "--=_b--\r\nepilogue\r\n"), []string{
			"1 in/part-1 [daily] lines: a.example b.example", "0 in: the mail ends inside of a part: ask the sender for it again",
		}},
		{"mail cut in its table", mixed("Type: text/csv\r\n\r\n" + two)[:len(mixed("Type: text/csv\r\n\r\n"+two))-30], []string{
			"1 in/part-1 [daily] lines: a.example # 2: the mail ends inside of a part: ask the sender for it again",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := func(r io.Reader) report.Document {
				return report.Document{Reader: r, Name: "in", Received: received}
			}
			for i := range c.want { // the message names the formats of the table that is open
				c.want[i] = strings.ReplaceAll(c.want[i], "arf, xarf, shadowserver, list", formats.Tables{}.Names())
			}
			if diff := cmp.Diff(c.want, opened(t, doc(strings.NewReader(c.input)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			slow := opened(t, doc(iotest.OneByteReader(strings.NewReader(c.input))))
			if diff := cmp.Diff(c.want, slow); diff != "" {
				t.Errorf("a byte at a time (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenGzipName(t *testing.T) {
	got := opened(t, report.Document{Reader: strings.NewReader(gzipped(two)), Name: "mail/scan_telnet.csv.gz"})
	if len(got) != 1 || !strings.HasPrefix(got[0], "1 mail/scan_telnet.csv.gz/scan_telnet.csv ") {
		t.Errorf("got %q", got)
	}
}

// many is a document of n rows that packs badly, so that a cut in the middle leaves rows before it.
func many(n int) string {
	var b strings.Builder
	b.WriteString("lines\n")
	x := uint64(1)
	random := func() uint64 {
		x = x*6364136223846793005 + 1442695040888963407
		return x
	}
	for range n {
		fmt.Fprintf(&b, "h%x.h%x.h%x.example\n", random(), random(), random())
	}
	return b.String()
}

func TestOpenDamaged(t *testing.T) {
	whole := gzipped(many(10000))
	archive := zipped("a.csv", many(10000), "b.csv", two)
	flip := func(s string, i int) string {
		b := []byte(s)
		b[i] ^= 0xff
		return string(b)
	}
	for _, c := range []struct {
		name, input, want string
		rows              int // at least, before the error
		members           int
	}{
		{"truncated gzip", whole[:len(whole)/2], "gzip data ends early, after ", 3000, 1},
		{"gzip without its trailer", whole[:len(whole)-4], "gzip data ends early, after ", 10000, 1},
		{"gzip with a wrong checksum", flip(whole, len(whole)-6), "gzip data fails its checksum", 10000, 1},
		{"gzip, damaged", flip(whole, len(whole)/2), "gzip data ", 3000, 1},
		{"gzip header only", whole[:5], "gzip data ends early, after 0 bytes", 0, 1},
		{"something after gzip", whole + "junk junk junk", "gzip data is damaged after ", 10000, 1},
		{"zip member with a wrong checksum", flip(archive, 200), "zip member ", 0, 2},
		{"truncated zip", archive[:len(archive)-30], "zip archive is damaged", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, members, said := 0, 0, ""
			for m, err := range formats.OpenWith(lines(), report.Document{Reader: strings.NewReader(c.input), Received: received}, formats.Limits{}) {
				members++
				if err != nil {
					said += err.Error()
					continue
				}
				for _, err := range m.Events() {
					if err != nil {
						said += err.Error()
					} else if said == "" {
						rows++
					}
				}
			}
			if !strings.Contains(said, c.want) || strings.Count(said, "ask the sender for the file again") != 1 {
				t.Errorf("said %q, want once %q", said, c.want)
			}
			if rows < c.rows || members != c.members {
				t.Errorf("%d rows before the error in %d members, want %d in %d", rows, members, c.rows, c.members)
			}
		})
	}
}

func TestOpenEncryptedZip(t *testing.T) {
	b := []byte(zipped("secret.csv", two, "open.csv", two))
	b[bytes.Index(b, []byte("PK\x01\x02"))+8] |= 1 // APPNOTE.TXT §4.4.4: general purpose bit 0
	got := opened(t, report.Document{Reader: bytes.NewReader(b), Name: "in"})
	want := "1 in/secret.csv: the zip member is encrypted: ask the sender for it without a password"
	if len(got) != 2 || got[0] != want || !strings.HasPrefix(got[1], "2 in/open.csv lines:") {
		t.Errorf("got %q", got)
	}
}

// deepMail is a tree of n multiparts.
func deepMail(n int) string {
	var b strings.Builder
	b.WriteString("From: a@example.net\r\nTo: b@example.com\r\n")
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("Content-Type: text/csv\r\n\r\n" + two)
	for i := n - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "\r\n--b%d--\r\n", i)
	}
	return b.String()
}

func TestOpenLimits(t *testing.T) {
	matryoshka := two
	for range 20 {
		matryoshka = gzipped(matryoshka)
	}
	var parts []string
	for range 50 {
		parts = append(parts, prose)
	}
	blank := strings.Repeat(strings.Repeat(" ", 1<<16)+"\n", 40<<4)
	bomb := gzipped(two + blank)
	for _, c := range []struct {
		name, input string
		lim         formats.Limits
		want        string
	}{
		{"gzip bomb", bomb, formats.Limits{}, "gzip data unpacks to more than 300 times its size"},
		{"zip bomb", zipped("b.csv", two+blank), formats.Limits{}, "zip member unpacks to more than 300 times its size"},
		{"bomb in a zip in a mail", mixed("Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			in64(zipped("b.gz", bomb))), formats.Limits{}, "gzip data unpacks to more than 300 times its size"},
		{"bytes in all", zipped("a", two, "b", two, "c", two), formats.Limits{Bytes: 40}, "unpacks to more than 40 bytes: send it in several"},
		{"twenty times gzip", matryoshka, formats.Limits{}, "packed more than 8 times over"},
		{"members", zipped("a", two, "b", two, "c", two), formats.Limits{Members: 3}, "more than 3 members"},
		{"MIME tree 200 deep", deepMail(200), formats.Limits{}, "nested more than 50 deep"},
		{"parts", mixed(parts...), formats.Limits{MIMEParts: 20}, "more than 20 parts"},
		{"header", "From: a@example.net\r\nTo: b@example.com\r\n" + strings.Repeat("X-Long: y\r\n", 200000) + "\r\n", formats.Limits{}, "longer than 1048576 bytes"},
		{"header line", "From: a@example.net\r\nTo: b@example.com\r\nX: " + strings.Repeat("y", 3<<20) + "\r\n\r\n", formats.Limits{}, "longer than 1048576 bytes"},
		{"part header", mixed("Type: text/csv\r\n" + strings.Repeat(" y\r\n", 1000000) + "\r\n" + two), formats.Limits{}, "longer than 1048576 bytes"},
		{"spool", zipped("a", many(100000)), formats.Limits{Spool: 2 << 20}, "larger than 2097152 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := iotest.DataErrReader(strings.NewReader(c.input)) // no io.ReaderAt
			said := ""
			for m, err := range formats.OpenWith(lines(), report.Document{Reader: in, Received: received}, c.lim) {
				if err != nil {
					said += checkRowError(t, err).Reason + "\n"
					continue
				}
				for _, err := range m.Events() {
					if err != nil {
						said += err.Error() + "\n"
					}
				}
			}
			if strings.Count(said, c.want) == 0 {
				t.Errorf("said %q, want %q", said, c.want)
			}
		})
	}
	if got := opened(t, report.Document{Reader: strings.NewReader(deepMail(49)), Name: "in"}); len(got) != 1 ||
		!strings.HasSuffix(got[0], "lines: a.example b.example") {
		t.Errorf("a mail 49 deep: %q", got)
	}
}

// TestOpenSpools: an archive that came as a stream leaves no file behind, also when the consumer stops.
func TestOpenSpools(t *testing.T) {
	archive := zipped("a", many(100000), "b", two)
	if len(archive) < 2<<20 {
		t.Fatalf("the archive has only %d bytes", len(archive))
	}
	for _, stop := range []bool{false, true} {
		dir := t.TempDir()
		n := 0
		doc := report.Document{Reader: iotest.DataErrReader(strings.NewReader(archive)), Received: received}
		for m, err := range formats.OpenWith(lines(), doc, formats.Limits{TempDir: dir}) {
			if err != nil {
				t.Fatal(err)
			}
			for range m.Events() {
				n++
			}
			if stop {
				break
			}
		}
		if want := map[bool]int{false: 100002, true: 100000}[stop]; n != want {
			t.Errorf("%d rows, want %d", n, want)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("stopped %v: %v is left behind", stop, left)
		}
	}
	doc := report.Document{Reader: iotest.DataErrReader(strings.NewReader(archive))}
	for _, err := range formats.OpenWith(lines(), doc, formats.Limits{TempDir: filepath.Join(t.TempDir(), "absent")}) {
		var row *report.RowError
		if !errors.Is(err, formats.ErrSpool) || errors.As(err, &row) {
			t.Errorf("without a folder to copy to: %v", err)
		}
	}
}

// TestOpenFile: an archive that is a file is read in place.
func TestOpenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "week.zip")
	if err := os.WriteFile(path, []byte(zipped("a", many(100000), "b", two)), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for m, err := range formats.OpenWith(lines(), report.Document{Reader: f, Received: received}, formats.Limits{Spool: 1, TempDir: "absent"}) {
		if err != nil {
			t.Fatal(err)
		}
		for range m.Events() {
			n++
		}
	}
	if n != 100002 {
		t.Errorf("%d rows", n)
	}
}

// repeating is n bytes of a text over and over.
type repeating struct {
	text string
	n    int64
}

func (r *repeating) Read(p []byte) (int, error) {
	if r.n <= 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.n)], r.text)
	r.n -= int64(n)
	return n, nil
}

// TestOpenHugeMail reads a mail of 2 GiB: what it allocates does not depend on the size.
func TestOpenHugeMail(t *testing.T) {
	line := strings.Repeat("QUJD", 19) + "\r\n"
	for _, c := range []struct {
		name, header, text string
		size               int64
	}{
		{"prose", "Type: text/plain\r\n\r\n", line, 2 << 30},
		{"image in base64", "Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n", line, 256 << 20},
		{"one line", "Type: image/png\r\n\r\n", "x", 256 << 20},
	} {
		head, tail, _ := strings.Cut(mixed(c.header+"HERE", "Type: text/csv\r\n\r\n"+two), "HERE")
		in := io.MultiReader(strings.NewReader(head), &repeating{strings.Repeat(c.text, 64<<10/len(c.text)), c.size}, strings.NewReader(tail))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := opened(t, report.Document{Reader: in, Name: "in"})
		runtime.ReadMemStats(&after)
		if diff := cmp.Diff([]string{"2 in/part-2 [daily] lines: a.example b.example"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
			t.Errorf("%s: %d bytes were allocated", c.name, grown)
		}
	}
}

func TestOpenAs(t *testing.T) {
	var tables formats.Tables
	doc := report.Document{Reader: strings.NewReader(gzipped("whatever\n")), Name: "in", Received: received}
	n := 0
	for m, err := range tables.OpenAs("shadowserver", doc, formats.Limits{}) {
		if n++; err != nil || m.Format.Name != "shadowserver" || m.Index != 1 {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if n != 1 {
		t.Errorf("%d members, want 1", n)
	}
	for m, err := range tables.OpenAs("nosuch", doc, formats.Limits{}) {
		if err == nil || m.Reader != nil {
			t.Errorf("%+v, %v", m, err)
		}
	}
}
