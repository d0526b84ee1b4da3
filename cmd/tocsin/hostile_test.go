package main_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// A Shadowserver report that says what these tests need and no more. All times are in 2024, which no clock is behind.
const (
	telnetName   = "2024-03-01-scan_telnet-examplenet-asn64500.csv"
	telnetHeader = `"timestamp","severity","ip","protocol","port","hostname","tag","asn","geo","region","city","naics","hostname_source","sector","banner"` + "\n"
)

// row is one row of the report, about the n-th of many addresses.
func row(n int) string {
	return rowOf("2024-03-01 02:10:00", fmt.Sprintf("198.51.%d.%d", 100+n/250%50, n%250+1))
}

func rowOf(at, addr string) string {
	return fmt.Sprintf(`"%s","medium","%s","tcp",23,,"telnet",64500,"GB",,,0,,,"login:"`+"\n", at, addr)
}

func rows(n int) string {
	var b strings.Builder
	b.WriteString(telnetHeader)
	for i := range n {
		b.WriteString(row(i))
	}
	return b.String()
}

// file makes a file by writing it, however large.
func file(t *testing.T, path string, write func(w io.Writer) error) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	b := bufio.NewWriterSize(f, 1<<20)
	if err := write(b); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// repeat writes n bytes of a pattern.
func repeat(w io.Writer, pattern string, n int64) error {
	block := []byte(strings.Repeat(pattern, (1<<16)/len(pattern)+1))
	for n > 0 {
		k := min(n, int64(len(block)))
		if _, err := w.Write(block[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func gzipped(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts { // one member each, RFC 1952 §2.2
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, p)
		_ = z.Close()
	}
	return b.String()
}

// ungzip reads gzip data as far as it goes.
func ungzip(packed string) string {
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		return ""
	}
	var b strings.Builder
	_, _ = io.Copy(&b, z)
	return b.String()
}

// bomb writes gzip data of begin and then n zeros. Members that are alike cost the bomber nothing, nor us.
func bomb(begin string, n int64) func(io.Writer) error {
	return func(w io.Writer) error {
		if begin != "" {
			if err := text(gzipped(begin))(w); err != nil {
				return err
			}
		}
		const piece = 64 << 20
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if err := errors.Join(repeat(z, "\x00", piece), z.Close()); err != nil {
			return err
		}
		member := b.String()
		for ; n > 0; n -= piece {
			if err := text(member)(w); err != nil {
				return err
			}
		}
		return nil
	}
}

// deflated is a deflate stream (RFC 1951) of begin and n zeros: a block of zeros, byte-aligned, as often as needed.
func deflated(begin string, n int64) []byte {
	const piece = 64 << 20
	block := func(write func(w io.Writer) error) []byte {
		var b bytes.Buffer
		z, err := flate.NewWriter(&b, flate.BestCompression)
		if err == nil {
			err = write(z)
		}
		if err == nil {
			err = z.Flush()
		}
		if err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	zeros := block(func(w io.Writer) error { return repeat(w, "\x00", piece) })
	out := append(block(text(begin)), bytes.Repeat(zeros, int(n/piece))...)
	return append(out, 1, 0, 0, 0xff, 0xff) // RFC 1951 §3.2.4: the last block, of nothing
}

// member is one member of a zip archive. Raw is packed already.
type member struct {
	name   string
	text   string
	raw    []byte
	size   uint64
	method uint16
	flags  uint16
}

func zipped(members ...member) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		if m.raw != nil {
			h := &zip.FileHeader{Name: m.name, Method: m.method, Flags: m.flags}
			h.CompressedSize64, h.UncompressedSize64 = uint64(len(m.raw)), m.size
			w, err := z.CreateRaw(h)
			if err == nil {
				_, err = w.Write(m.raw)
			}
			if err != nil {
				panic(err)
			}
			continue
		}
		w, err := z.Create(m.name)
		if err == nil {
			_, err = io.WriteString(w, m.text)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

const complaintHead = "From: feedback@fbl.example.net\r\nTo: abuse@example.com\r\nSubject: Abuse report\r\n" +
	"Date: Fri, 01 Mar 2024 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"

const complaintParts = "Content-Type: multipart/report; report-type=feedback-report; boundary=\"=_b\"\r\n\r\n" +
	"--=_b\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n" +
	"--=_b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: ExampleFBL/1.0\r\nVersion: 1\r\n" +
	"Arrival-Date: Fri, 01 Mar 2024 09:10:14 +0000\r\nSource-IP: 198.51.100.7\r\n\r\n" +
	"--=_b\r\nContent-Type: message/rfc822\r\n\r\nReceived: from mail.example.com (mail.example.com [198.51.100.7])\r\n" +
	" by mx.example.net; Fri, 01 Mar 2024 09:10:14 +0000\r\nFrom: news@example.com\r\nSubject: Earn money\r\n\r\n"

// complaint writes an ARF mail that quotes a mail of n bytes of a pattern.
func complaint(pattern string, n int64) func(io.Writer) error {
	return func(w io.Writer) error {
		if err := text(complaintHead + complaintParts)(w); err != nil {
			return err
		}
		if err := repeat(w, pattern, n); err != nil {
			return err
		}
		return text("\r\n--=_b--\r\n")(w)
	}
}

// attachment writes a mail that carries a good report and a huge file of nobody's format.
func attachment(n int64) func(io.Writer) error {
	return func(w io.Writer) error {
		if err := text(complaintHead + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/csv; name=\"" + telnetName +
			"\"\r\nContent-Disposition: attachment; filename=\"" + telnetName + "\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte(rows(3))) +
			"\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=disk.img\r\n" +
			"Content-Transfer-Encoding: base64\r\n\r\n")(w); err != nil {
			return err
		}
		if err := repeat(w, strings.Repeat("QUFB", 19)+"\r\n", n); err != nil {
			return err
		}
		return text("\r\n--x--\r\n")(w)
	}
}

// nest makes a mail of multiparts inside multiparts, depth deep, around a good report.
func nest(depth int) string {
	var b strings.Builder
	b.WriteString(complaintHead)
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("Content-Type: text/csv; name=\"" + telnetName + "\"\r\n\r\n" + rows(1))
	for i := depth - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "\r\n--b%d--\r\n", i)
	}
	return b.String()
}

// columns is n columns of a row, each made of its number.
func columns(n int, cell func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteByte(',')
		b.WriteString(cell(i))
	}
	return b.String()
}
