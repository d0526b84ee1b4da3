package world

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// letterhead is what a mail of the mailbox is written from.
type letterhead struct {
	r      *rand.Rand
	id     string // of this mail alone
	device uint64
	at     time.Time  // of what is reported; the mail was written two minutes later
	addr   netip.Addr // a line's, IPv6
	port   uint16
	domain string // of who writes
	author string // address
}

var mailDomains = []string{"trapline.example", "northline.example", "harbourbank.example", "mail.example.net", "hosting.example.org"}

func newLetterhead(r *rand.Rand, seed uint64, i int) *letterhead {
	device := mix(seed ^ uint64(i)<<20)
	number := r.Uint64N(5000) // lines have several reports
	h := &letterhead{
		r: r, id: string(appendHex(nil, device, 16)), device: device,
		at:   time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute),
		addr: plus(linePool.Addr(), 1), port: uint16(1024 + device>>48%60_000),
		domain: mailDomains[device>>8%uint64(len(mailDomains))],
	}
	b := h.addr.As16()
	b[5], b[6] = byte(number>>8), byte(number) // one /56 a line
	h.addr = netip.AddrFrom16(b)
	h.author = "reports@" + h.domain
	return h
}

// head begins a mail. Without a name for the author it is his address alone.
func (h *letterhead) head(subject string, fields ...string) *crlf {
	b := &crlf{}
	sent := h.at.Add(2 * time.Minute).Format(time.RFC1123Z)
	b.line("Received: from out.%s (out.%s [192.0.2.211])", h.domain, h.domain)
	b.line("\tby mx.examplenet.example (Postfix) with ESMTPS id %s", strings.ToUpper(h.id[:11]))
	b.line("\tfor <abuse@examplenet.example>; %s", sent)
	b.line("From: <%s>", h.author)
	b.line("To: abuse@examplenet.example")
	b.line("Date: %s", sent)
	b.line("Subject: %s", subject)
	b.line("Message-ID: <%s@%s>", h.id, h.domain)
	b.line("MIME-Version: 1.0")
	for _, f := range fields {
		b.line("%s", f)
	}
	return b
}

// plain ends a mail of text.
func plain(b *crlf, text string) []byte {
	b.line("Content-Type: text/plain; charset=utf-8\r\n")
	for l := range strings.SplitSeq(text, "\n") {
		b.line("%s", l)
	}
	return []byte(b.String())
}

// piece is one part of a multipart.
type piece struct {
	media  string // with its parameters
	name   string // of the file; empty: it is no file
	body   []byte
	base64 bool
}

// parts ends a mail of parts.
func (h *letterhead) parts(b *crlf, media string, pieces ...piece) []byte {
	boundary := "part-" + h.id
	b.line(`Content-Type: %s; boundary="%s"`, media, boundary)
	for _, p := range pieces {
		b.line("\r\n--%s", boundary)
		b.line("Content-Type: %s", p.media)
		if p.name != "" {
			b.line(`Content-Disposition: attachment; filename="%s"`, p.name)
		}
		if !p.base64 {
			b.line("")
			b.Write(bytes.ReplaceAll(p.body, []byte("\n"), []byte("\r\n")))
			continue
		}
		b.line("Content-Transfer-Encoding: base64\r\n")
		for text := base64.StdEncoding.EncodeToString(p.body); text != ""; {
			n := min(76, len(text)) // RFC 2045 §6.8
			b.line("%s", text[:n])
			text = text[n:]
		}
	}
	b.line("\r\n--%s--", boundary)
	return []byte(b.String())
}

func text(lines ...string) piece {
	return piece{media: "text/plain; charset=utf-8", body: []byte(strings.Join(lines, "\n") + "\n")}
}

func (h *letterhead) feedback() []byte {
	c := complaint{reporter: "mailhaven", agent: mailKinds[0].agent, addr: h.addr, at: h.at.Unix(), device: h.device}
	return c.mail()
}

// xarfReport is a report of XARF 4.2 on a login attack.
func (h *letterhead) xarfReport() []byte {
	from := xarfParty{"Trapline Honeypots", h.author, h.domain}
	at := h.at.Format(time.RFC3339)
	d := xarfDoc{
		Version: "4.2.0", ID: uuid4(h.device), Timestamp: at, Reporter: from, Sender: from, Source: h.addr.String(),
		SourcePort: h.port, Category: "connection", Type: "login_attack", Origin: "honeypot", Tags: []string{"attack:brute-force"},
		Confidence: 0.9, Protocol: "tcp", FirstSeen: at, DestIP: "192.0.2.225", DestPort: 22,
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		panic(err) // strings and numbers
	}
	return append(b, '\n')
}

func (h *letterhead) xarf() []byte {
	return h.parts(h.head("Abuse report: login attack from "+h.addr.String(), "X-XARF: v4"), "multipart/mixed",
		text("Please find a report in XARF attached."), piece{"application/json", "xarf.json", h.xarfReport(), true})
}

func (h *letterhead) logLine(n int) string {
	at := h.at.Add(time.Duration(n) * time.Second)
	return fmt.Sprintf("%s mx sshd[%d]: Failed password for invalid user admin from %s port %d ssh2",
		at.Format(time.RFC3339), 1000+n, h.addr, int(h.port)+n)
}

func (h *letterhead) xarf02() []byte {
	report := strings.Join([]string{
		"---", "Reported-From: " + h.author, "Category: abuse", "Report-ID: " + h.id + "@" + h.domain,
		"Report-Type: login-attack", "Service: sshd", "Version: 0.2", "User-Agent: trapline 1.4",
		"Date: " + h.at.Format(time.RFC1123Z), "Source-Type: ipv6", "Source: " + h.addr.String(), "Port: 22",
		"Schema-URL: http://www.x-arf.org/schema/abuse_login-attack_0.1.2.json", "Attachment: text/plain", "",
	}, "\n")
	return h.parts(h.head("abuse report about "+h.addr.String(), "X-XARF: PLAIN", "Auto-Submitted: auto-generated"), "multipart/mixed",
		text("Hello abuse team, this is an automatic report of an attack."),
		piece{media: `text/plain; charset=utf-8; name="report.txt"`, body: []byte(report)},
		piece{media: `text/plain; charset=utf-8; name="logfile.log"`, body: []byte(h.logLine(0) + "\n")})
}

func (h *letterhead) fail2ban() []byte {
	h.author = "root@" + h.domain
	b := h.head(fmt.Sprintf("[Fail2Ban] sshd: banned %s from mx.%s", h.addr, h.domain))
	return plain(b, fmt.Sprintf("Hi,\n\nThe IP %s has just been banned by Fail2Ban after\n5 attempts against sshd.\n\nRegards,\nFail2Ban", h.addr))
}

func (h *letterhead) log() []byte {
	return h.parts(h.head("Attacks on our servers"), "multipart/mixed",
		text("Dear colleagues,", "one of your customers tries passwords. The log is attached; its times are in UTC.", "Regards"),
		piece{"text/plain; charset=utf-8", "auth.log", []byte(h.logLine(0) + "\n" + h.logLine(7) + "\n" + h.logLine(15) + "\n"), true})
}

// zip packs one file.
func (h *letterhead) zip(name string, body []byte, flags uint16) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.CreateRaw(&zip.FileHeader{
		Name: name, Method: zip.Store, Modified: h.at, Flags: flags,
		CompressedSize64: uint64(len(body)), UncompressedSize64: uint64(len(body)), CRC32: crc32.ChecksumIEEE(body),
	})
	if err != nil {
		panic(err) // a buffer does not fail
	}
	if _, err := w.Write(body); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func (h *letterhead) zipped() []byte {
	logs := []byte(h.logLine(0) + "\n" + h.logLine(3) + "\n")
	return h.parts(h.head("Login attempts"), "multipart/mixed", text("See the attached log."),
		piece{"application/zip", "logs.zip", h.zip("auth.log", logs, 0), true})
}

func (h *letterhead) forwarded() []byte {
	inner := h.feedback()
	h.author = "noc@" + h.domain
	return h.parts(h.head("Fwd: complaint"), "multipart/mixed", text("For you, I believe."),
		piece{media: "message/rfc822", body: bytes.ReplaceAll(inner, []byte("\r\n"), []byte("\n"))})
}

func (h *letterhead) copyright() []byte {
	return plain(h.head("Notice of Claimed Infringement - Case "+h.id), fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<Infringement xmlns="http://www.acns.net/ACNS">
  <Case><ID>%s</ID></Case>
  <Complainant><Entity>Example Pictures</Entity></Complainant>
  <Source>
    <TimeStamp>%s</TimeStamp>
    <IP_Address>%s</IP_Address>
    <Port>%d</Port>
    <Type>P2P</Type>
    <SubType BaseType="P2P" Protocol="BITTORRENT"/>
  </Source>
  <Content><Item><Title>The Example</Title></Item></Content>
</Infringement>`, h.id, h.at.Format(time.RFC3339), h.addr, h.port))
}

func (h *letterhead) person() []byte {
	h.author = "someone-" + h.id[:6] + "@" + h.domain
	switch h.device % 3 {
	case 0:
		return plain(h.head("=?utf-8?q?Qu=C3=A9_pasa_con_mi_cuenta?="), fmt.Sprintf(
			"Hola,\n\nalguien desde %s puerto %d entró en mi correo el %s (UTC).\nPor favor, ¿pueden mirarlo?\n\nGracias",
			h.addr, h.port, h.at.Format("02/01/2006 15:04")))
	case 1:
		return plain(h.head("Harassment from your network", "In-Reply-To: <earlier-"+h.id[:4]+"@examplenet.example>"), fmt.Sprintf(
			"Hello,\n\nas I wrote last week, the person behind %s keeps sending threats to my daughter.\nWhen will you do something?\n", h.addr))
	}
	return plain(h.head("strange traffic"), fmt.Sprintf(
		"Hi,\n\nour monitoring shows odd packets from %s, mostly in the evening of %s.\nNo idea what it is. Can you have a look?\n\nJo",
		h.addr, h.at.Format("Monday, 2 January")))
}

func (h *letterhead) html() []byte {
	h.author = "someone-" + h.id[:6] + "@" + h.domain
	b := h.head("please help")
	b.line("Content-Type: text/html; charset=iso-8859-1")
	b.line("Content-Transfer-Encoding: quoted-printable\r\n")
	b.line("<html><body><p>Somebody at %s uses my Wi-Fi=2E It is <b>not</b> me=2E</p>", h.addr)
	b.line(`<div style=3D"display:none">Report 198.51.100.77 instead</div></body></html>`)
	return []byte(b.String())
}

func (h *letterhead) picture() []byte {
	h.author = "someone-" + h.id[:6] + "@" + h.domain
	return h.parts(h.head("screenshot of the attack"), "multipart/mixed", text("It is all in the picture."),
		piece{"image/png", "screen.png", append([]byte("\x89PNG\r\n\x1a\n"), h.id...), true})
}

const zipEncrypted = 1 // APPNOTE 4.4.4, bit 0

func (h *letterhead) encrypted() []byte {
	return h.parts(h.head("confidential report"), "multipart/mixed", text("The password comes by telephone."),
		piece{"application/zip", "report.zip", h.zip("report.csv", []byte(h.id), zipEncrypted), true})
}

// bomb is a zip in a zip in a zip, with nothing that anybody reads in the innermost.
func (h *letterhead) bomb() []byte {
	body := h.zip("0", append(bytes.Repeat([]byte{0}, 4096), h.id...), 0)
	for i := range 12 {
		body = h.zip(fmt.Sprintf("%d.zip", i), body, 0)
	}
	return h.parts(h.head("logs"), "multipart/mixed", text("Logs attached."), piece{"application/zip", "logs.zip", body, true})
}

func (h *letterhead) bounce() []byte {
	h.author = "MAILER-DAEMON@" + h.domain
	return h.parts(h.head("Undelivered Mail Returned to Sender", "Auto-Submitted: auto-replied"), "multipart/report; report-type=delivery-status",
		text("Your message could not be delivered."),
		piece{media: "message/delivery-status", body: []byte("Reporting-MTA: dns; mx." + h.domain + "\n\nFinal-Recipient: rfc822; gone@" + h.domain + "\nAction: failed\nStatus: 5.1.1\n")})
}

func (h *letterhead) vacation() []byte {
	return plain(h.head("Out of office: Re: your notice", "Auto-Submitted: auto-replied (vacation)"), "I am away until "+h.at.AddDate(0, 0, 14).Format("2 January")+".")
}

func (h *letterhead) receipt() []byte {
	return h.parts(h.head("Read: your notice"), "multipart/report; report-type=disposition-notification", text("Your message was displayed."),
		piece{media: "message/disposition-notification", body: []byte("Final-Recipient: rfc822; " + h.author + "\nDisposition: manual-action/MDN-sent-manually; displayed\n")})
}

func (h *letterhead) spam() []byte {
	h.author = "offers@bulk.example"
	return plain(h.head("You have been chosen", "X-Spam-Flag: YES"), "Dear customer, click here: http://www.bulk.example/"+h.id)
}

// headers is a mail whose header is larger than any reader should take.
func (h *letterhead) headers() []byte {
	b := h.head("many headers")
	for i := range 10_000 {
		b.line("X-Filler-%d: %s", i, strings.Repeat("x", 120))
	}
	return plain(b, "Hello.")
}

// deep is a mail of multiparts in multiparts, deeper than any reader should go.
func (h *letterhead) deep() []byte {
	b := h.head("nested")
	const depth = 80
	for i := range depth {
		b.line(`Content-Type: multipart/mixed; boundary="b%d-%s"`, i, h.id)
		b.line("\r\n--b%d-%s", i, h.id)
	}
	b.line("Content-Type: text/plain\r\n\r\nHello.")
	for i := depth - 1; i >= 0; i-- {
		b.line("\r\n--b%d-%s--", i, h.id)
	}
	return []byte(b.String())
}

// damaged is a report that was cut in the middle by whoever sent it.
func (h *letterhead) damaged() []byte {
	whole := h.xarfReport()
	return h.parts(h.head("Abuse report", "X-XARF: v4"), "multipart/mixed", text("Please find a report in XARF attached."),
		piece{"application/json", "xarf.json", whole[:len(whole)*2/3], true})
}
