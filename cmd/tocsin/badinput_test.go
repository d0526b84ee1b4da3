package main_test

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tocsin/internal/formats"
	"tocsin/internal/report"
)

// The memory that any one document may cost.
const (
	parseMiB  = 200
	importMiB = 300
)

// hostile is one bad document, and what is to be said of it.
type hostile struct {
	name   string
	file   string // the document's file name; the telnet report's where empty
	write  func(w io.Writer) error
	events int64
	bad    []bad
}

// bad is one sentence about a row, or about the document where the row is 0.
type bad struct {
	inside string // path below the file, for what stands in a container
	row    int64
	reason string // the whole sentence
}

// printed is the row that parse prints: where a document breaks off, the one that could not be read any more.
func (b *bad) printed() int64 {
	var last int64
	if _, err := fmt.Sscanf(b.reason, "the document breaks off after row %d:", &last); err == nil {
		return last + 1
	}
	return b.row
}

const (
	sendAgain = ": ask the sender for the file again"
	giantText = "the row is longer than 1 MiB: a quote is not closed or the row is not a report's"
	notText   = `column "banner" holds a NUL byte or bytes that are not UTF-8`
	bombText  = " unpacks to more than 300 times its size, as a bomb does: send the document plain"
)

// unknownText names every format that is listed.
var unknownText = "the document is of no format that Tocsin knows (" + formats.Tables{}.Names() +
	"): name its format if it is one of them, or keep it until its format is added"

func hostiles() []hostile {
	all := append(damaged(), bombs()...)
	all = append(all, strange()...)
	all = append(all, values()...)
	return append(all, mails()...)
}

// damaged are containers that are cut, locked, or packed in odd ways.
func damaged() []hostile {
	packed := gzipped(rows(2000))
	cut := packed[:len(packed)*2/3]
	whole, size := beforeCut(cut)
	nested := rows(2)
	for range 9 {
		nested = gzipped(nested)
	}
	return []hostile{
		{"truncated gzip", telnetName + ".gz", text(cut), whole, []bad{
			{"/" + telnetName, 0, fmt.Sprintf("the document breaks off after row %d: the gzip data ends early, after %d bytes of its content%s", whole, size, sendAgain)},
		}},
		{"gzip without an end", telnetName + ".gz", text(packed[:len(packed)-8]), 2000, []bad{
			{"/" + telnetName, 0, fmt.Sprintf("the document breaks off after row 2000: the gzip data ends early, after %d bytes of its content%s", len(rows(2000)), sendAgain)},
		}},
		{"gzip with a wrong checksum", telnetName + ".gz", text(packed[:len(packed)-8] + "\x00\x00\x00\x00" + packed[len(packed)-4:]), 2000, []bad{
			{"/" + telnetName, 0, fmt.Sprintf("the document breaks off after row 2000: the gzip data fails its checksum after %d bytes of its content%s", len(rows(2000)), sendAgain)},
		}},
		{"gzip header alone", telnetName + ".gz", text(packed[:5]), 0, []bad{{"", 0, "the gzip data ends early, after 0 bytes of its content" + sendAgain}}},
		{"gzip of gzip of gzip", telnetName + ".gz", text(nested), 0, []bad{{"/" + telnetName + strings.Repeat("/content", 8), 0, "the report is packed more than 8 times over: send the document itself"}}},
		{"encrypted zip member", "week.zip", text(zipped(member{name: telnetName, raw: []byte("0123456789abcdef"), size: 4, method: 8, flags: 1},
			member{name: telnetName, text: rows(2)})), 2, []bad{{"/" + telnetName, 0, "the zip member is encrypted: ask the sender for it without a password"}}},
		{"zip member packed otherwise", "week.zip", text(zipped(member{name: "a.csv", raw: []byte("0123456789abcdef"), size: 4, method: 99},
			member{name: telnetName, text: rows(2)})), 2, []bad{{"/a.csv", 0, "the zip member is packed by a method that Tocsin does not know: pack it with deflate"}}},
		{"zip that climbs out", "week.zip", text(zipped(member{name: "../../../../etc/" + telnetName, text: rows(2)},
			member{name: `..\..\C:\windows\` + telnetName, text: telnetHeader + row(7)}, member{name: "/etc/passwd", text: "root:x:0:0\n"},
			member{name: "../\x1b[31mred\x00\n\xff.txt", text: "prose"})), 3, []bad{
			{"/etc/passwd", 0, unknownText}, {"/[31mred.txt", 0, unknownText},
		}},
		{"zip cut short", "week.zip", text(zipped(member{name: telnetName, text: rows(200)})[:400]), 0, []bad{{"", 0, "the zip archive is damaged after 0 bytes of its content" + sendAgain}}},
		{"zip of nothing", "week.zip", text(zipped()), 0, []bad{{"", 0, "the zip archive holds no file: ask the sender for it again"}}},
	}
}

// beforeCut is how many rows stand whole in gzip data that ends early, and how many bytes can be read.
func beforeCut(packed string) (whole int64, size int) {
	text := ungzip(packed)
	return int64(strings.Count(text, "\n")) - 1, len(text)
}

func bombs() []hostile {
	zeros := sized(1<<30, 10<<30)
	var layer []member
	var nested []bad
	for i := range 4 {
		name := fmt.Sprintf("bomb%d.zip", i)
		inner := zipped(member{name: telnetName, raw: deflated(telnetHeader+row(3*i)+row(3*i+1)+row(3*i+2)+"\n", 256<<20), size: 256 << 20, method: 8})
		layer = append(layer, member{name: name, text: inner})
		nested = append(nested, bad{"/bombs.zip/" + name + "/" + telnetName, 4, giantText},
			bad{"/bombs.zip/" + name + "/" + telnetName, 0, "the document breaks off after row 4: the zip member" + bombText})
	}
	return []hostile{
		{"gzip bomb", telnetName + ".gz", bomb(rows(3)+"\n", zeros), 3, []bad{{"/" + telnetName, 4, giantText}, {"/" + telnetName, 0, "the document breaks off after row 4: the gzip data" + bombText}}},
		{"gzip bomb of nothing known", "bomb.gz", bomb("", zeros), 0, []bad{{"/bomb", 0, unknownText}}},
		{"zip bomb", "bomb.zip", text(zipped(member{name: telnetName, raw: deflated(rows(3)+"\n", zeros), size: uint64(zeros), method: 8},
			member{name: "2024-03-02-scan_telnet.csv", text: telnetHeader + row(3) + row(4)})), 5, []bad{
			{"/" + telnetName, 4, giantText}, {"/" + telnetName, 0, "the document breaks off after row 4: the zip member" + bombText},
		}},
		{"zip bombs in zips in gzip", "bombs.zip.gz", text(gzipped(zipped(layer...))), 4 * 3, nested},
	}
}

// strange are documents of strange shape.
func strange() []hostile {
	wide := func(i int) string { return "w" + strconv.Itoa(i) }
	giant := sized(100<<20, 1<<30)
	return []hostile{
		{
			"row of 10,000 columns", "", text(telnetHeader + row(0) + strings.TrimSuffix(row(1), "\n") + columns(10_000, wide) + "\n" + row(2)), 2,
			[]bad{{"", 2, "the row has more than 1000 columns, the header 15"}},
		},
		{
			"header of 10,000 columns", "", text(strings.TrimSuffix(telnetHeader, "\n") + columns(10_000, wide) + "\n" + row(1)), 0,
			[]bad{{"", 0, "the header row has more than 1000 columns"}},
		},
		{
			"NUL bytes", "", text(telnetHeader + row(0) + strings.Replace(row(1), "login:", "lo\x00gin", 1) + row(2) + "\x00\x00\x00\n" + row(3)), 3,
			[]bad{{"", 2, notText}, {"", 4, "the row has 1 column, the header 15"}},
		},
		{"invalid UTF-8", "", text(telnetHeader + row(0) + strings.Replace(row(1), "login:", "\xff\xfe\xc3(", 1) + row(2)), 2, []bad{{"", 2, notText}}},
		{"CRLF", "", text(strings.ReplaceAll(rows(3), "\n", "\r\n")), 3, nil},
		{"byte order mark", "", text("\ufeff" + rows(3)), 3, nil},
		{"byte order mark and CRLF, no last line end", "", text("\ufeff" + strings.TrimSuffix(strings.ReplaceAll(rows(3), "\n", "\r\n"), "\r\n")), 3, nil},
		{"a row without an end", "", func(w io.Writer) error {
			if err := text(rows(3))(w); err != nil {
				return err
			}
			return repeat(w, "a", giant)
		}, 3, []bad{{"", 4, giantText}}},
		{"a long row between good ones", "", func(w io.Writer) error {
			if err := text(rows(3))(w); err != nil {
				return err
			}
			if err := repeat(w, "a,", giant); err != nil {
				return err
			}
			return text("\n" + row(3))(w)
		}, 4, []bad{{"", 4, giantText}}},
		{"a quote that is not closed", "", text(rows(2) + `"2024-03-01 02:10:00","medium","198.51.100.9` + "\n" + row(3) + row(4)), 4, []bad{{"", 3, "the row runs on into the next lines and has too many columns: a quote is not closed"}}},
		{
			"a quote that is not closed in a large report", "", text(rows(2) + `"open` + "\n" + strings.TrimPrefix(rows(10_000), telnetHeader)[2*len(row(0)):]), 2 + 9998,
			[]bad{{"", 3, "the row runs on into the next lines and has too many columns: a quote is not closed"}},
		},
		{"empty file", "", text(""), 0, []bad{{"", 0, "the document is empty"}}},
		{"unknown format", "letter.txt", text("Dear abuse desk,\nsomebody is wrong on the Internet.\n"), 0, []bad{{"", 0, unknownText}}},
		{"random bytes", "noise.bin", text("\x00\xff\x17\x80" + strings.Repeat("\xde\xad\xbe\xef", 5000)), 0, []bad{{"", 0, unknownText}}},
		{
			"JSON 10,000 levels deep", "deep.json", text(`{"xarf_version":"4.2.0","a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}"), 0,
			[]bad{{"", 1, "objects and lists stand inside each other more than 64 deep"}},
		},
		{
			"JSON 10,000 levels deep that names no version", "deep.json", text(strings.Repeat(`{"a":[`, 5000) + strings.Repeat("]}", 5000)), 0,
			[]bad{{"", 0, "objects and lists stand inside each other more than 64 deep"}},
		},
		{"JSON that opens for ever", "deep.json", func(w io.Writer) error {
			if err := text(`{"xarf_version":"4.2.0","a":`)(w); err != nil {
				return err
			}
			return repeat(w, `{"a":`, sized(16<<20, 1<<30))
		}, 0, []bad{{"", 1, "objects and lists stand inside each other more than 64 deep"}}},
		{
			"JSON list with bad ones among good", "list.json", text("[" + login("198.51.100.7") + `,{"xarf_version":"4.2.0"},` + login("999.1.1.1") + "," + login("198.51.100.8") + "]"), 2,
			[]bad{
				{"", 2, "category is missing; type is missing; reporter is missing; timestamp is missing; source_identifier is missing"},
				{"", 3, `source_identifier "999.1.1.1" is not an IP address`},
			},
		},
	}
}

// login is a report of XARF v4 about one address.
func login(addr string) string {
	return `{"xarf_version":"4.2.0","report_id":"0195a000-0000-4000-8000-000000000001","timestamp":"2024-03-01T02:10:00Z",` +
		`"reporter":{"org":"Example Honeypots","contact":"abuse@honeypots.example","domain":"honeypots.example"},` +
		`"sender":{"org":"Example Honeypots","contact":"abuse@honeypots.example","domain":"honeypots.example"},` +
		`"source_identifier":"` + addr + `","source_port":45621,"category":"connection","type":"login_attack","evidence_source":"honeypot",` +
		`"destination_ip":"203.0.113.9","destination_port":22,"protocol":"tcp","first_seen":"2024-03-01T02:00:00Z"}`
}

// values are rows of good shape that say what cannot be.
func values() []hostile {
	one := func(at, addr string) func(io.Writer) error { return text(rows(1) + rowOf(at, addr) + row(1)) }
	const at = "2024-03-01 02:10:00"
	return []hostile{
		{"1970", "", one("1970-01-01 00:00:00", "198.51.100.7"), 2, []bad{{"", 2, "the time 1970-01-01T00:00:00Z is before 1995: check the sender's clock"}}},
		{"2100", "", one("2100-01-01 00:00:00", "198.51.100.7"), 2, []bad{{"", 2, "the time 2100-01-01T00:00:00Z is more than a day in the future: check the sender's clock"}}},
		{"0.0.0.0", "", one(at, "0.0.0.0"), 2, []bad{{"", 2, "0.0.0.0 is no host: it means any address"}}},
		{"127.0.0.1", "", one(at, "127.0.0.1"), 2, []bad{{"", 2, "127.0.0.1 is every host's own loopback address"}}},
		{"::ffff:a.b.c.d", "", one(at, "::ffff:203.0.113.200"), 3, nil},
		{"::ffff:127.0.0.1", "", one(at, "::ffff:127.0.0.1"), 2, []bad{{"", 2, "127.0.0.1 is every host's own loopback address"}}},
		{"999.1.1.1", "", one(at, "999.1.1.1"), 2, []bad{{"", 2, `"999.1.1.1" is not an IP address`}}},
		{"no time", "", one("yesterday", "198.51.100.7"), 2, []bad{{"", 2, `"yesterday" is no time: write 2006-01-02 15:04:05, in UTC`}}},
		{"no address", "", one(at, ""), 2, []bad{{"", 2, "the row names no address, domain or URL"}}},
		{"an address that would be a terminal's command", "", one(at, "\x1b]0;owned\x07\x1b[2J"), 2, []bad{{"", 2, `"\x1b]0;owned\a\x1b[2J" is not an IP address`}}},
	}
}

func mails() []hostile {
	huge := sized(64<<20, 2<<30)
	return []hostile{
		{"mail that quotes 2 GiB", "complaint.eml", complaint("Buy now. \r\n", huge), 1, nil},
		{"mail that quotes 2 GiB of zeros", "complaint.eml", complaint("\x00", huge), 1, nil},
		{"mail with a file of 2 GiB", "report.eml", attachment(huge), 3, []bad{{"/disk.img", 0, unknownText}}},
		{"mail cut in its quoted part", "complaint.eml", text(complaintHead + complaintParts + "Buy"), 1, nil},
		{"mail header of 64 MiB", "report.eml", func(w io.Writer) error {
			if err := text("From: a@example.net\r\nSubject: ")(w); err != nil {
				return err
			}
			return repeat(w, "aaaaaaa\r\n ", 64<<20)
		}, 0, []bad{{"", 0, "a header of the mail is longer than 1048576 bytes: send the attachment alone"}}},
		{"MIME tree 200 deep", "deep.eml", text(nest(200)), 0, []bad{{"", 0, "the mail's parts are nested more than 50 deep: send the attachment alone"}}},
		{"MIME of 2000 parts", "wide.eml", text(complaintHead + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/csv; name=" + telnetName + "\r\n\r\n" + rows(1) +
			strings.Repeat("\r\n--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n", 2000) + "\r\n--x--\r\n"), 1, []bad{{"", 0, "the mail has more than 1000 parts: send its attachments one by one"}}},
	}
}

// TestBadInput: each bad document gets its sentences, and everything else goes on.
func TestBadInput(t *testing.T) {
	p := buildProgram(t)
	good := filepath.Join(t.TempDir(), "2024-03-03-scan_telnet.csv")
	file(t, good, text(telnetHeader+rowOf("2024-03-03 01:00:00", "203.0.113.77")+rowOf("2024-03-03 01:00:00", "203.0.113.78")))
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			if h.file == "" {
				h.file = telnetName
			}
			dir := t.TempDir()
			path := filepath.Join(dir, h.file)
			file(t, path, h.write)
			h.parsed(t, p.run(t, "parse", path), path)
			h.imported(t, p, filepath.Join(dir, "data"), path, good)
		})
	}
}

// parsed checks `tocsin parse`.
func (h *hostile) parsed(t *testing.T, r result, path string) {
	t.Helper()
	r.under(t, parseMiB)
	r.ends(t, h.code())
	if n := int64(strings.Count(r.out, "\n")); n != h.events {
		t.Errorf("parse prints %d events, want %d: %.3000s", n, h.events, r.out)
	}
	var want strings.Builder
	for _, b := range h.bad {
		fmt.Fprintf(&want, "%s%s:%d: %s\n", path, b.inside, b.printed(), b.reason)
	}
	if r.errs != want.String() {
		t.Errorf("parse says\n%.5000s\nwant\n%s", r.errs, want.String())
	}
}

// code is how a command ends that met the document.
func (h *hostile) code() int {
	if len(h.bad) > 0 {
		return 1
	}
	return 0
}

// imported checks `tocsin import` of the document beside a good one, the quarantine, a second import and a replay.
func (h *hostile) imported(t *testing.T, p program, data, path, good string) {
	t.Helper()
	r := p.run(t, "import", "--json", "--data", data, path, good)
	r.under(t, importMiB)
	r.ends(t, h.code())
	refused := int64(len(h.bad))
	if got, want := r.summary(t), (summary{Reports: 2, Events: h.events + 2, Rejected: refused}); got != want {
		t.Errorf("import counts %+v, want %+v", got, want)
	}
	h.listed(t, p, data)
	before, events := p.incidents(t, data)
	if events != h.events+2 {
		t.Errorf("the incidents have %d events, want %d", events, h.events+2)
	}

	r = p.run(t, "import", "--json", "--data", data, path, good)
	r.ends(t, 0)
	if got, want := r.summary(t), (summary{Reports: 2, Duplicates: 2}); got != want {
		t.Errorf("a second import counts %+v, want %+v", got, want)
	}
	if refused > 0 {
		r = p.run(t, "quarantine", "replay", "--all", "--data", data) // the original is there, and says what it said
		r.under(t, importMiB)
		r.ends(t, 1)
		if want := fmt.Sprintf("1 report replayed: 0 events, 0 repeats, %d still refused\n", refused); r.out != want {
			t.Errorf("replay says %q, want %q", r.out, want)
		}
		h.listed(t, p, data)
	}
	if after, _ := p.incidents(t, data); after != before {
		t.Errorf("a second import and a replay change the incidents from\n%s\nto\n%s", before, after)
	}
}

// listed checks what the quarantine says.
func (h *hostile) listed(t *testing.T, p program, data string) {
	t.Helper()
	all := p.quarantine(t, data)
	if len(h.bad) == 0 {
		if len(all) != 0 {
			t.Errorf("the quarantine holds %v", all)
		}
		return
	}
	k, ok := all[h.file]
	if !ok || len(all) != 1 {
		t.Fatalf("the quarantine holds %v, want %q alone", all, h.file)
	}
	state := report.StateWorked
	if h.events == 0 {
		state = report.StateQuarantined
	}
	if k.State != state || k.Refused != int64(len(h.bad)) || k.Events != h.events {
		t.Errorf("the quarantine says %+v", k)
	}
	var got, want []string
	for _, r := range k.Refusals {
		got = append(got, fmt.Sprintf("%d: %s", r.Row, r.Reason))
	}
	for _, b := range h.bad {
		want = append(want, fmt.Sprintf("%d: %s", b.row, b.reason))
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("the quarantine's reasons are\n%s\nwant\n%s", g, w)
	}
}
