package mail_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"tocsin/internal/intake"
	"tocsin/internal/intake/intaketest"
	"tocsin/internal/intake/mail"
	"tocsin/internal/report"
)

// zone is a name server: TXT records by name. A record of "!" fails for the moment.
type zone map[string]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	switch txt, ok := z[name]; {
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	case txt == "!":
		return nil, &net.DNSError{Err: "timeout", Name: name, IsTimeout: true}
	default:
		return []string{txt}, nil
	}
}

// signer signs for one domain.
type signer struct {
	domain string
	key    ed25519.PrivateKey
}

func newSigner(t testing.TB, domain string, z zone) *signer {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	z["s._domainkey."+domain] = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub)
	return &signer{domain, key}
}

func (s *signer) sign(t testing.TB, body string, change ...func(*dkim.SignOptions)) string {
	t.Helper()
	opt := &dkim.SignOptions{
		Domain: s.domain, Selector: "s", Signer: s.key, HeaderCanonicalization: "relaxed", BodyCanonicalization: "relaxed",
		HeaderKeys: []string{"From", "To", "Subject", "Date", "Message-ID"},
	}
	for _, c := range change {
		c(opt)
	}
	var out bytes.Buffer
	if err := dkim.Sign(&out, strings.NewReader(body), opt); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const fromTrusted = "From: Reports <reports@trusted.example>\r\n"

func letter(from string) string {
	return from + "To: abuse@isp.example\r\nSubject: attack from 198.51.100.7\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\n" +
		"Message-ID: <1@trusted.example>\r\n\r\nSee the log.\r\n"
}

func config() (intake.Mail, []intake.Source) {
	return intake.Mail{TrustedAuthserv: []string{"mx.isp.example"}}, []intake.Source{
		{Name: "trusted", TLP: new(report.TLPAmber), From: []string{"trusted.example"}, Formats: []string{"xarf"}},
		{Name: "plain", From: []string{"monitor@plain.example"}, Unsigned: true},
	}
}

// desk accepts mails into memory.
func desk(z zone) (*mail.Desk, *intaketest.Stream) {
	cfg, sources := config()
	kept := &intaketest.Stream{}
	door := intake.NewDoor(intake.NewSources(sources), kept, func(string, io.Reader) string { return "xarf" }, slog.New(slog.DiscardHandler))
	return mail.New(cfg, door, z, slog.New(slog.DiscardHandler)), kept
}

func accept(t testing.TB, d *mail.Desk, body string) report.Report {
	t.Helper()
	r, err := d.Accept(t.Context(), mail.Envelope{Channel: "smtp"}, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r.Report
}

// TestWhoSentIt holds genuine mails and forged ones to whom they speak for.
func TestWhoSentIt(t *testing.T) {
	z := zone{}
	trusted, other := newSigner(t, "trusted.example", z), newSigner(t, "other.example", z)
	sub, suffix := newSigner(t, "mail.trusted.example", z), newSigner(t, "nottrusted.example", z)
	gone := newSigner(t, "gone.example", z)
	delete(z, "s._domainkey.gone.example")
	late := newSigner(t, "late.example", z)
	z["s._domainkey.late.example"] = "!"
	genuine := trusted.sign(t, letter(fromTrusted))
	const trustedWord = "Authentication-Results: mx.isp.example; dkim=pass header.d=trusted.example\r\n"

	for name, c := range map[string]struct {
		body     string
		want     report.Authenticity
		reporter string
	}{
		"signed":                                {genuine, report.Aligned, "trusted"},
		"signed by a host of the domain":        {sub.sign(t, letter(fromTrusted)), report.Aligned, "trusted"},
		"signed for a host of the domain":       {trusted.sign(t, letter("From: x@noc.trusted.example\r\n")), report.Aligned, "trusted"},
		"signed by both":                        {other.sign(t, genuine), report.Aligned, "trusted"},
		"proven, but no source":                 {other.sign(t, letter("From: x@other.example\r\n")), report.Aligned, mail.Unlisted},
		"not signed":                            {letter(fromTrusted), report.Unsigned, mail.Unproven},
		"not signed, and need not be":           {letter("From: monitor@plain.example\r\n"), report.Unsigned, "plain"},
		"another of that domain, not signed":    {letter("From: other@plain.example\r\n"), report.Unsigned, mail.Unproven},
		"signed by another":                     {other.sign(t, letter(fromTrusted)), report.Unaligned, mail.Unproven},
		"signed by one that ends alike":         {suffix.sign(t, letter(fromTrusted)), report.Unaligned, mail.Unproven},
		"need not be signed, but is by another": {other.sign(t, letter("From: monitor@plain.example\r\n")), report.Unaligned, mail.Unproven},
		"text changed":                          {strings.Replace(genuine, "See the log", "See my log", 1), report.Failed, mail.Unproven},
		"subject changed":                       {strings.Replace(genuine, "198.51.100.7", "198.51.100.8", 1), report.Failed, mail.Unproven},
		"subject not signed":                    {trusted.sign(t, letter(fromTrusted), func(o *dkim.SignOptions) { o.HeaderKeys = []string{"From", "Date"} }), report.Unaligned, mail.Unproven},
		"a second From above":                   {"From: boss@other.example\r\n" + genuine, report.Unaligned, mail.Unproven},
		"a second From, of the other":           {fromTrusted + other.sign(t, letter("From: x@other.example\r\n")), report.Unaligned, mail.Unproven},
		"a From with a blank before the colon":  {"From : boss@other.example\r\n" + genuine, report.Unaligned, mail.Unproven},
		"two authors":                           {trusted.sign(t, letter("From: a@trusted.example, b@other.example\r\nSender: a@trusted.example\r\n")), report.Unaligned, mail.Unproven},
		"a name that looks like an address":     {other.sign(t, letter("From: \"reports@trusted.example\" <x@other.example>\r\n")), report.Aligned, mail.Unlisted},
		"an encoded name":                       {other.sign(t, letter("From: =?utf-8?q?reports=40trusted=2Eexample?= <x@other.example>\r\n")), report.Aligned, mail.Unlisted},
		"an address in a comment":               {other.sign(t, letter("From: x@other.example (reports@trusted.example)\r\n")), report.Aligned, mail.Unlisted},
		"a group":                               {other.sign(t, letter("From: reports@trusted.example:x@other.example;\r\n")), report.Unaligned, mail.Unproven},
		"Sender alone":                          {trusted.sign(t, letter("From: x@other.example\r\nSender: reports@trusted.example\r\n")), report.Unaligned, mail.Unproven},
		"no From":                               {letter(""), report.Unsigned, mail.Unproven},
		"a letter that looks alike":             {other.sign(t, letter("From: reports@tru\u0455ted.example\r\n")), report.Unaligned, mail.Unproven},
		"a carriage return in a line":           {trusted.sign(t, letter("X-Note: a\rFrom: boss@other.example\r\n"+fromTrusted)), report.Unaligned, mail.Unproven},
		"a NUL":                                 {trusted.sign(t, letter("X-Note: a\x00b\r\n"+fromTrusted)), report.Unaligned, mail.Unproven},
		"no such key":                           {gone.sign(t, letter("From: x@gone.example\r\n")), report.Failed, mail.Unproven},
		"name server does not answer":           {late.sign(t, letter("From: x@late.example\r\n")), report.Unresolved, mail.Unproven},
		"expired":                               {trusted.sign(t, letter(fromTrusted), func(o *dkim.SignOptions) { o.Expiration = time.Now().Add(-time.Hour) }), report.Failed, mail.Unproven},
		"part of the text":                      {strings.Replace(genuine, "v=1;", "v=1; l=5;", 1) + "and more\r\n", report.Failed, mail.Unproven},
		"100 signatures":                        {strings.Repeat("DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=s; h=from; bh=; b=\r\n", 100) + genuine, report.Failed, mail.Unproven},
		"a signature of nothing":                {"DKIM-Signature: x\r\n" + letter(fromTrusted), report.Failed, mail.Unproven},
		"our mail server's word":                {trustedWord + letter(fromTrusted), report.Aligned, "trusted"},
		"our mail server's word on another":     {strings.Replace(trustedWord, "d=trusted", "d=other", 1) + letter(fromTrusted), report.Unsigned, mail.Unproven},
		"another mail server's word":            {strings.Replace(trustedWord, "mx.isp", "mx.other", 1) + letter(fromTrusted), report.Unsigned, mail.Unproven},
		"an older word below":                   {strings.Replace(trustedWord, "pass", "fail", 1) + trustedWord + letter(fromTrusted), report.Unsigned, mail.Unproven},
		"a word within a comment":               {"Authentication-Results: mx.isp.example; dkim=fail (bad; dkim=pass header.d=trusted.example)\r\n" + letter(fromTrusted), report.Unsigned, mail.Unproven},
		"a word within a reason":                {"Authentication-Results: mx.isp.example; dkim=fail reason=\"x; dkim=pass header.d=trusted.example\"\r\n" + letter(fromTrusted), report.Unsigned, mail.Unproven},
		"a comment without end":                 {"Authentication-Results: mx.isp.example; dkim=pass header.d=trusted.example (\r\n" + letter(fromTrusted), report.Unsigned, mail.Unproven},
		"forwarded as a file":                   {other.sign(t, "From: x@other.example\r\nSubject: fwd\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\nContent-Type: message/rfc822\r\n\r\n"+genuine), report.Aligned, mail.Unlisted},
		"header without end":                    {fromTrusted + strings.Repeat("X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n", 30_000), report.Unchecked, mail.Unproven},
		"nothing":                               {"", report.Unsigned, mail.Unproven},
	} {
		t.Run(name, func(t *testing.T) {
			d, kept := desk(z)
			got := accept(t, d, c.body)
			if got.Authenticity != c.want || got.Reporter != c.reporter {
				t.Errorf("%q, reporter %s; want %q, %s", got.Authenticity, got.Reporter, c.want, c.reporter)
			}
			if want := report.TLPAmber; (got.TLP == want) != (c.reporter == "trusted") {
				t.Errorf("label %s", got.TLP)
			}
			if k := kept.Kept(); len(k) != 1 || string(k[0].Bytes) != c.body {
				t.Error("the mail is not kept byte for byte")
			}
		})
	}
}

// TestWeakKeys: signatures that RFC 8301 forbids prove nothing.
func TestWeakKeys(t *testing.T) {
	for bits, want := range map[int]report.Authenticity{1024: report.Aligned, 2048: report.Aligned} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		z := zone{"s._domainkey.trusted.example": "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(pub)}
		var out bytes.Buffer
		if err := dkim.Sign(&out, strings.NewReader(letter(fromTrusted)), &dkim.SignOptions{Domain: "trusted.example", Selector: "s", Signer: key}); err != nil {
			t.Fatal(err)
		}
		d, _ := desk(z)
		if got := accept(t, d, out.String()); got.Authenticity != want {
			t.Errorf("%d bits: %s, want %s", bits, got.Authenticity, want)
		}
		d, _ = desk(z)
		if got := accept(t, d, strings.Replace(out.String(), "rsa-sha256", "rsa-sha1", 1)); got.Authenticity != report.Failed {
			t.Errorf("SHA-1: %s", got.Authenticity)
		}
	}
}

// TestIdentity: the same mail is one however it travelled, and no other is the same.
func TestIdentity(t *testing.T) {
	d, _ := desk(zone{})
	base := letter(fromTrusted)
	want := accept(t, d, base).Identity
	if want == [32]byte{} {
		t.Fatal("it has no identity")
	}
	for name, c := range map[string]struct {
		body string
		same bool
	}{
		"trace fields":     {"Return-Path: <a@b.example>\r\nDelivered-To: abuse@isp.example\r\nReceived: from x\r\n\tby y; Sun, 01 Mar 2026 12:00:01 +0000\r\nX-Spam-Score: 1\r\n" + base, true},
		"LF":               {strings.ReplaceAll(base, "\r\n", "\n"), true},
		"empty lines":      {base + "\r\n\r\n", true},
		"folded":           {strings.Replace(base, "attack from", "attack\r\n from", 1), true},
		"other text":       {strings.Replace(base, "log", "logs", 1), false},
		"other subject":    {strings.Replace(base, "attack", "attacks", 1), false},
		"other date":       {strings.Replace(base, "12:00:00", "12:00:01", 1), false},
		"other author":     {strings.Replace(base, "reports@", "report@", 1), false},
		"other id":         {strings.Replace(base, "<1@", "<2@", 1), false},
		"other type":       {"Content-Type: text/html\r\n" + base, false},
		"a line more":      {strings.Replace(base, "\r\n\r\n", "\r\n\r\n\r\n", 1), false},
		"without last end": {strings.TrimSuffix(base, "\r\n"), true},
	} {
		if got := accept(t, d, c.body).Identity; (got == want) != c.same {
			t.Errorf("%s: the same is %v, want %v", name, got == want, c.same)
		}
	}
	for _, missing := range []string{"Message-ID: <1@trusted.example>\r\n", "Date: Sun, 01 Mar 2026 12:00:00 +0000\r\n"} {
		if got := accept(t, d, strings.Replace(base, missing, "", 1)).Identity; got != [32]byte{} {
			t.Errorf("without %.10s it has an identity", missing)
		}
	}
	long := "\r\n" + strings.Repeat("x", 200_000) + "\r\n"
	a, b := accept(t, d, base+long), accept(t, d, base+strings.TrimSuffix(long, "x\r\n")+"y\r\n")
	if a.Identity == b.Identity {
		t.Error("long lines that differ at their end are the same")
	}
}

// TestChannelOfOneSource: where the operator gives a channel's mails of a format to a source, that counts.
func TestChannelOfOneSource(t *testing.T) {
	kept := &intaketest.Stream{}
	sources := intake.NewSources([]intake.Source{{Name: "loop", Formats: []string{"xarf"}, Channel: "smtp"}, {Name: "any", Formats: []string{"xarf"}}})
	door := intake.NewDoor(sources, kept, func(string, io.Reader) string { return "xarf" }, slog.New(slog.DiscardHandler))
	d := mail.New(intake.Mail{}, door, zone{}, slog.New(slog.DiscardHandler))
	if got := accept(t, d, letter(fromTrusted)); got.Reporter != "loop" {
		t.Errorf("reporter %s", got.Reporter)
	}
	r, err := d.Accept(t.Context(), mail.Envelope{Channel: "imap"}, strings.NewReader(letter(fromTrusted)))
	if err != nil || r.Report.Reporter != mail.Unproven {
		t.Errorf("on another channel: reporter %s, %v", r.Report.Reporter, err)
	}
	r, err = d.Accept(t.Context(), mail.Envelope{Channel: "imap", Reporter: "box"}, strings.NewReader(letter(fromTrusted)))
	if err != nil || r.Report.Reporter != "box" || r.Report.Authenticity != report.Unsigned {
		t.Errorf("a mailbox of one source: %+v, %v", r.Report, err)
	}
}

// broken is a mail whose bytes cannot be read to their end.
type broken struct{ *strings.Reader }

var errDisk = errors.New("the disk says no")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p[:min(len(p), 64)])
	if errors.Is(err, io.EOF) {
		err = errDisk
	}
	return n, err
}

// TestUnreadable: a mail that cannot be read is not taken, and nothing is said about its author.
func TestUnreadable(t *testing.T) {
	z := zone{}
	for _, body := range []string{letter(fromTrusted), newSigner(t, "trusted.example", z).sign(t, letter(fromTrusted))} {
		d, kept := desk(z)
		if _, err := d.Accept(t.Context(), mail.Envelope{Channel: "smtp"}, broken{strings.NewReader(body)}); !errors.Is(err, errDisk) {
			t.Errorf("it says %v", err)
		}
		if len(kept.Kept()) != 0 {
			t.Error("it was kept")
		}
	}
}

// TestKeysAreAskedForOnce: answers are remembered, failures are not.
func TestKeysAreAskedForOnce(t *testing.T) {
	z := zone{}
	body := newSigner(t, "trusted.example", z).sign(t, letter(fromTrusted))
	c := &counting{zone: z}
	cfg, sources := config()
	door := intake.NewDoor(intake.NewSources(sources), &intaketest.Stream{}, func(string, io.Reader) string { return "" }, slog.New(slog.DiscardHandler))
	d := mail.New(cfg, door, c, slog.New(slog.DiscardHandler))
	record := z["s._domainkey.trusted.example"]
	z["s._domainkey.trusted.example"] = "!"
	accept(t, d, body)
	z["s._domainkey.trusted.example"] = record
	for range 3 {
		if got := accept(t, d, body); got.Authenticity != report.Aligned {
			t.Errorf("%s", got.Authenticity)
		}
	}
	if c.asked != 2 {
		t.Errorf("asked %d times, want once in vain and once more", c.asked)
	}
}

type counting struct {
	zone
	asked int
}

func (c *counting) LookupTXT(ctx context.Context, name string) ([]string, error) {
	c.asked++
	return c.zone.LookupTXT(ctx, name)
}

// FuzzAccept: no mail breaks the check, and none without a signature is proven.
func FuzzAccept(f *testing.F) {
	z := zone{}
	s := newSigner(f, "trusted.example", z)
	f.Add(letter(fromTrusted))
	f.Add(s.sign(f, letter(fromTrusted)))
	f.Add("Authentication-Results: mx.isp.example; dkim=pass (\\\n" + letter(fromTrusted))
	f.Fuzz(func(t *testing.T, body string) {
		d, _ := desk(zone{})
		got := accept(t, d, body)
		if got.Authenticity == report.Aligned && !strings.Contains(strings.ToLower(body), "authentication-results") {
			t.Errorf("proven without a key: %q", body)
		}
	})
}

func BenchmarkAccept(b *testing.B) {
	z := zone{}
	s := newSigner(b, "trusted.example", z)
	text := letter(fromTrusted) + strings.Repeat("A line of a log that is about as long as such lines are.\r\n", 100)
	for name, body := range map[string]string{"unsigned": text, "signed": s.sign(b, text)} {
		b.Run(fmt.Sprintf("%s-%dKiB", name, len(body)>>10), func(b *testing.B) {
			d, _ := desk(z)
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				accept(b, d, body)
			}
		})
	}
}
