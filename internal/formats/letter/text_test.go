package letter_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tocsin/internal/formats/letter"
)

func read(t testing.TB, mail string) letter.Reading {
	t.Helper()
	got, err := letter.Text(strings.NewReader(mail))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestText(t *testing.T) {
	for name, c := range map[string]struct {
		mail string
		want []string // number, type, text
	}{
		"plain":                      {"From: a@example.net\n\nDear desk,\r\nyour host attacks us.\n", []string{"1 text/plain Dear desk,\nyour host attacks us.\n"}},
		"latin 1, quoted":            {"From: a\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\ngr=FC=DFe", []string{"1 text/plain grüße"}},
		"called ASCII, is UTF-8":     {"From: a\nContent-Type: text/plain; charset=us-ascii\n\ngrüße", []string{"1 text/plain grüße"}},
		"called nothing, is Latin 1": {"From: a\n\ngr\xfc\xdfe", []string{"1 text/plain grüße"}},
		"called UTF-8, is broken":    {"From: a\nContent-Type: text/plain; charset=utf-8\n\ngr\xfc\xdfe", []string{"1 text/plain gr\ufffde"}},
		"Shift JIS":                  {"From: a\nContent-Type: text/plain; charset=shift_jis\n\n\x83A\x83^\x83b\x83N", []string{"1 text/plain アタック"}},
		"unknown charset":            {"From: a\nContent-Type: text/plain; charset=x-klingon\n\nabc", []string{"1 text/plain abc", "fault part 1 is in the charset x-klingon, which nobody knows: what is not ASCII in it may be wrong"}},
		"control letters and bidi":   {"From: a\n\na\x1b[31mb\u202ec\u200bd\x00e\u00a0f", []string{`1 text/plain a\u001b[31mb\u202ec\u200bd\u0000e f`}},
		"an image and a forwarded mail": {
			"From: a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee below\n--b\nContent-Type: image/png; name=x.png\n\n...\n--b\nContent-Type: message/rfc822\n\n" +
				"Received: from x (198.51.100.99)\nFrom: c@example.org\nSubject: =?utf-8?q?h=C3=B6re?=\n\ninner\n--b--",
			[]string{"1 text/plain see below", "2 image/png ", "3/0 message/rfc822 Subject: =?utf-8?q?h=C3=B6re?=", "3/1 text/plain inner"},
		},
		"a log by name":                 {"From: a\nContent-Type: application/octet-stream; name=auth.log\nContent-Transfer-Encoding: base64\n\nYWJj", []string{"1 application/octet-stream abc"}},
		"boundary that is never closed": {"From: a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext", []string{"1 text/plain text", "fault the mail ends inside of a part: ask the sender for it again"}},
		"html": {
			"From: a\nContent-Type: text/html\n\n<html><head><title>no</title><style>.x{display:none}</style></head><body><p>one <b>two</b><br>three&amp;lt;</p>" +
				"<script>bad()</script><!-- c --><a href=\"http://evil.example.net/x\">http://good.example.org/</a><p class=x>secret</p><div style='font-size:0px'>zero <i>too</i></div>" +
				"<span style=\"color:#FFF\">white</span><div style=\"background:#000\"><span style=\"color:#fff\">on black</span></div><img alt='a picture' src=http://track.example.com/></body></html>",
			[]string{"1 text/html one two\nthree&lt;\nhttp://good.example.org/ <http://evil.example.net/x>\n[hidden: secret\nzero too\nwhite]\non black\n[a picture]"},
		},
		"pre": {"From: a\nContent-Type: text/html\n\n<pre>a  b\n c</pre>", []string{"1 text/html a  b\n c"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(t, c.mail)
			var got []string
			for _, p := range r.Parts {
				got = append(got, p.Number+" "+p.Type+" "+p.Text)
			}
			for _, f := range r.Faults {
				got = append(got, "fault "+f)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestTextHead: what stands above the text, and whether it may be answered.
func TestTextHead(t *testing.T) {
	got := read(t, "From: =?utf-8?q?J=C3=BCrgen?= <J@Example.net>\nTo: abuse@example.org\nReply-To: x@example.com\nMessage-ID: <2@example.net>\n"+
		"References: <1@example.net>\nSubject: a\u202e\n b\nDate: Mon, 2 Mar 2026 01:02:03 +0100\n\nx").Head
	want := letter.Head{
		From: "Jürgen <J@Example.net>", ReplyTo: "x@example.com", To: "abuse@example.org", Date: "Mon, 2 Mar 2026 01:02:03 +0100",
		Subject: `a\u202e b`, MessageID: "2@example.net", Address: "j@example.net", References: "<1@example.net> <2@example.net>",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for head, loop := range map[string]bool{
		"From: ann@example.net": false, "From: no-reply@example.net": true, "From: donotreply@example.net": true, "To: x": true,
		"From: MAILER-DAEMON@example.net": true, "From: list-bounces@example.net": true, "From: bounce+123@example.net": true,
		"From: ann@example.net\nReturn-Path: <>": true, "From: ann@example.net\nAuto-Submitted: auto-replied": true,
		"From: fail2ban@example.net\nAuto-Submitted: auto-generated": false, "From: noreen@example.net": false,
	} {
		if got := read(t, head+"\nX-A: b\n\nx").Head.Loop; (got != "") != loop {
			t.Errorf("%q: %q", head, got)
		}
	}
}

// hostile are mails that are made to cost much; BenchmarkTextHostile says what each costs.
func hostile(t testing.TB) map[string]string {
	t.Helper()
	return map[string]string{
		"long":             "From: a\n\n" + strings.Repeat("x", 40<<20),
		"addresses":        "From: a\n\n" + strings.Repeat("1.2.3.4 ", 1<<20),
		"other addresses":  "From: a\n\n" + numbered("198.18.%d.%d ", 100_000),
		"colons":           "From: a\n\n" + strings.Repeat(":", 4<<20),
		"digits":           "From: a\n\n" + strings.Repeat("1.", 4<<20),
		"labels":           "From: a\n\n" + strings.Repeat("a.", 4<<20) + "com",
		"deep html":        "From: a\nContent-Type: text/html\n\n" + strings.Repeat("<div style='color:white'><a href=x>", 200_000),
		"ends":             "From: a\nContent-Type: text/html\n\n" + strings.Repeat("<a>", 300) + strings.Repeat("</div></b>", 200_000),
		"rules":            "From: a\nContent-Type: text/html\n\n<style>" + numbered(".a%d%d{display:none}", 100_000) + "</style>x",
		"an open tag":      "From: a\nContent-Type: text/html\n\n<a href='" + strings.Repeat("x", 4<<20),
		"control letters":  "From: a\n\n" + strings.Repeat("\x00", 4<<20),
		"mails in mails":   strings.Repeat("From: a\nContent-Type: message/rfc822\n\n", 100_000),
		"parts":            "From: a\nContent-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 100_000),
		"boundaries":       numbered("Content-Type: multipart/mixed; boundary=b%d%d\n\n--b%[1]d%[2]d\n", 5_000),
		"one long header":  "From: a\nX: " + strings.Repeat("y", 8<<20) + "\n\nx",
		"bomb":             string(bomb(t)),
		"nothing":          "",
		"a header only":    "From: a",
		"broken base64":    "From: a\nContent-Transfer-Encoding: base64\n\n%%%%",
		"cut in a charset": "From: a\nContent-Type: text/plain; charset=utf-16\n\na",
		"defanged":         "From: a\n\n" + strings.Repeat("[.]", 1<<20),
	}
}

func BenchmarkTextHostile(b *testing.B) {
	for name, mail := range hostile(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(mail)))
			for b.Loop() {
				letter.Suggest(read(b, mail).Parts)
			}
		})
	}
}

// TestTextHostile: what is made to hurt costs little, and what can be read is read.
func TestTextHostile(t *testing.T) {
	many := "From: a@example.net\n" + strings.Repeat("X-A: 198.51.100.1\n", 10_000) + "\nattack from 203.0.113.9"
	if got := read(t, many); len(got.Parts) != 1 || got.Parts[0].Text != "attack from 203.0.113.9" {
		t.Errorf("10,000 headers: %+v", got)
	}
	if got := letter.Suggest(read(t, many).Parts); len(got) != 1 || got[0].Value != "203.0.113.9" {
		t.Errorf("10,000 headers: %+v", got)
	}
	for name, mail := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			got := read(t, mail)
			all := letter.Suggest(got.Parts)
			n := 0
			for _, p := range got.Parts {
				n += len(p.Text)
			}
			if n > 8<<20 || len(all) > letter.MaxSuggestions || len(got.Parts) > 1000 {
				t.Errorf("%d bytes, %d parts, %d suggestions", n, len(got.Parts), len(all))
			}
		})
	}
	if _, err := letter.Text(iotest.ErrReader(errors.New("input/output error"))); err == nil {
		t.Error("an original that cannot be read is read")
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i/256%256, i%256)
	}
	return b.String()
}

// bomb is a mail that is gzip data of 200 MiB.
func bomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, "From: a\n\n"); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range 200 {
		if _, err := z.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSuggest(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string // kind value port proto role note
	}{
		"prose":                        {"Your host 198.51.100.7 scanned us.", []string{"addr 198.51.100.7 for documentation (RFC 5737)"}},
		"end of a line":                {"It was 8.8.4.4.", []string{"addr 8.8.4.4"}},
		"defanged":                     {"198[.]51[.]100[.]7 and 8(.)8(.)8[.]8, hxxps://evil[.]example[.]com/a?b=c.", []string{"addr 198.51.100.7 for documentation (RFC 5737)", "addr 8.8.8.8", "url https://evil.example.com/a?b=c", "domain evil.example.com"}},
		"IPv6":                         {"from [2001:db8::1]:4444, 2001:DB8:0:0:0:0:0:2 and fe80::1; 12:30:45, aa:bb:cc:dd:ee:ff, std::cout", []string{"addr 2001:db8::1 4444 for documentation (RFC 3849)", "addr 2001:db8::2 for documentation (RFC 3849)", "addr fe80::1 of one link only (RFC 4291)"}},
		"prefixes":                     {"all of 203.0.113.77/24 and 2001:db8::/48", []string{"prefix 203.0.113.0/24 for documentation (RFC 5737)", "prefix 2001:db8::/48 for documentation (RFC 3849)"}},
		"no addresses":                 {"version 1.2.3.4.5, v1.2.3.4, 300.1.1.1, 1.2.3.04, 198-51-100-7.dyn, OID 1.3.6.1.4.1", nil},
		"a name with an address in it": {"7.100.51.198.dyn.example.net", []string{"domain 7.100.51.198.dyn.example.net"}},
		"ports": {
			"8.8.8.8:53, 8.8.8.9 port 4444, 9.9.9.9 source port: 1025/udp", []string{"addr 8.8.8.8 53", "addr 8.8.8.9 4444", "port 4444 4444", "addr 9.9.9.9 1025 udp", "port 1025 1025 udp source"},
		},
		"iptables": {"SRC=8.8.8.8 DST=10.1.2.3 PROTO=TCP SPT=1025 DPT=22", []string{"addr 8.8.8.8 source", "addr 10.1.2.3 target private (RFC 1918)", "port 1025 1025 source", "port 22 22 target"}},
		"tcpdump":  {"IP 8.8.8.8.53 > 9.9.9.9.1025: UDP", []string{"addr 8.8.8.8 53", "addr 9.9.9.9 1025"}},
		"times": {
			"2026-03-01T02:10:00Z; 2026-03-01 02:10:00; 2026-03-01 02:10:00.5 +0100; 01/Mar/2026:02:10:00 -0500",
			[]string{"time 2026-03-01T02:10:00Z", "time 2026-03-01T02:10:00 no zone", "time 2026-03-01T01:10:00.5Z", "time 2026-03-01T07:10:00Z"},
		},
		"more times": {
			"Sun, 01 Mar 2026 02:10:00 +0000 (UTC), Mar  1 02:10:00 host sshd: x, 13.03.2026 14:15 CET, Sun Mar  1 02:10:00 2026",
			[]string{"time 2026-03-01T02:10:00Z", "time --03-01T02:10:00 no year; no zone", "time 2026-03-13T13:15:00Z", "time 2026-03-01T02:10:00 no zone"},
		},
		"unclear times": {"03/04/2026 02:10:00 PM; 13/04/2026 01:00; 04/13/2026 02:10:00 GMT, timestamp=1772331000", []string{
			"time 03/04/2026 02:10:00 PM day or month may stand first; no zone", "time 2026-04-13T01:00:00 no zone", "time 2026-04-13T02:10:00Z", "time 2026-03-01T02:10:00Z",
		}},
		"no times": {"99:99:99, 2026-02-30 01:00:00, 2026-13-01 01:00:00, 1:2", nil},
		"domains":  {"see www.Example.COM, auth.log, setup.py, ann@example.net, e.g. this, /var/www/example.net/x, co.uk", []string{"domain www.example.com"}},
		"URL in brackets": {"(http://198.51.100.7:8080/x(1)) <https://example.org>", []string{
			"url http://198.51.100.7:8080/x(1)", "addr 198.51.100.7 8080 for documentation (RFC 5737)", "url https://example.org", "domain example.org",
		}},
		"letters of no width are shown": {`8.8.\u200b8.8`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, s := range letter.Suggest([]letter.Part{{Number: "1", Text: c.text}}) {
				line := string(s.Kind) + " " + s.Value
				for _, w := range []string{fmt.Sprint(s.Port), s.Proto, s.Role, s.Note} {
					if w != "" && w != "0" {
						line += " " + w
					}
				}
				got = append(got, line)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestSuggestPlaces: each thing once, where it stands first, and whether a person could see it.
func TestSuggestPlaces(t *testing.T) {
	r := read(t, "Received: from x (192.0.2.1)\nFrom: a@example.net\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nGrüße\nürgent: 198[.]51.100.7 again 198.51.100.7\n"+
		"--b\nContent-Type: text/html\n\n<p>198.51.100.7</p><p style=display:none>203.0.113.5 &amp; x</p><p>203.0.113.6\n--b--")
	got := letter.Suggest(r.Parts)
	want := []letter.Suggestion{
		{Kind: "addr", Value: "198.51.100.7", Note: "for documentation (RFC 5737)", Count: 3, Place: letter.Place{
			Part: "1", Line: 2, Column: 9, Width: 14, Context: "ürgent: 198[.]51.100.7 again 198.51.100.7",
		}},
		{Kind: "addr", Value: "203.0.113.5", Note: "for documentation (RFC 5737)", Count: 1, Place: letter.Place{
			Part: "2", Line: 2, Column: 10, Width: 11, Context: "[hidden: 203.0.113.5 & x]", Hidden: true,
		}},
		{Kind: "addr", Value: "203.0.113.6", Note: "for documentation (RFC 5737)", Count: 1, Place: letter.Place{
			Part: "2", Line: 3, Column: 1, Width: 11, Context: "203.0.113.6",
		}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestSuggestFinds: an address that stands in prose, defanged or not, is found where it stands.
func TestSuggestFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var raw [4]byte
		copy(raw[:], rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address"))
		addr := netip.AddrFrom4(raw)
		before := rapid.StringMatching(`[a-zäß ,;(]{0,20}[ (,;]`).Draw(t, "before")
		after := rapid.StringMatching(`([ ),;.!?]( [a-zäß ,]{0,20})?)?`).Draw(t, "after")
		shown := strings.ReplaceAll(addr.String(), ".", rapid.SampledFrom([]string{".", "[.]", "(.)", "[dot]"}).Draw(t, "dot"))
		text := "first line\n" + before + shown + after
		var found []letter.Suggestion
		for _, s := range letter.Suggest([]letter.Part{{Number: "1", Text: text}}) {
			if s.Kind == letter.KindAddr {
				found = append(found, s)
			}
		}
		if len(found) != 1 || found[0].Value != addr.String() || found[0].Line != 2 || found[0].Column != len([]rune(before))+1 {
			t.Fatalf("%q: %+v", text, found)
		}
	})
}

// FuzzText: whatever the mail, what is shown can be printed, and each suggestion stands where it says.
func FuzzText(f *testing.F) {
	f.Add([]byte("From: a\nContent-Type: text/html\n\n<p style=display:none>198[.]51.100.7:22 at 2026-03-01 02:10:00 +0100<a href=hxxp://x.example.com>"))
	f.Add([]byte("From: a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-16\n\n\x00a\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\n[2001:db8::1]:80\n--b--"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := letter.Text(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string][]string{}
		for _, p := range r.Parts {
			for _, c := range p.Text {
				if c != '\n' && c != '\t' && !unicode.IsPrint(c) {
					t.Fatalf("%q is shown", c)
				}
			}
			for _, h := range p.Hidden {
				if h[0] < 0 || h[1] < h[0] || h[1] > len(p.Text) || !strings.HasPrefix(p.Text[h[0]:h[1]], "[hidden: ") {
					t.Fatalf("hidden %v of %q", h, p.Text)
				}
			}
			texts[p.Number] = strings.Split(p.Text, "\n")
		}
		for _, s := range letter.Suggest(r.Parts) {
			lines := texts[s.Part]
			if s.Line < 1 || s.Line > len(lines) || s.Column < 1 || s.Width < 1 || s.Column+s.Width > len([]rune(lines[s.Line-1]))+1 || !strings.Contains(lines[s.Line-1], s.Context) || s.Count < 1 {
				t.Fatalf("%+v is not in %q", s, lines)
			}
		}
	})
}
