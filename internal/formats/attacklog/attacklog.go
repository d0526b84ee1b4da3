// Package attacklog reads logs that are given as evidence of attacks: lines of mail, web, login and other servers, of
// firewalls and of the honeypot cowrie. Each line that shows an attempt is one event, numbered by its line; what the
// lines look like is in tocsin/internal/formats/internal/logline.
package attacklog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"tocsin/internal/formats/internal/logline"
	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// Spec names the specification that this package follows.
const Spec = "Lines of server logs that show an attack: docs/formats/attacklog.md"

// Detect reports whether head is that of a log: no mail, and at least half of its lines begin like lines of a log, one
// of them at least showing an attack. Text that quotes some lines of a log is no log.
func Detect(_ report.Document, head []byte) bool {
	if mail.Looks(head) {
		return false
	}
	s := logline.Scanner{}
	lines, logs, hits := 0, 0, 0
	for line := range bytes.Lines(head) {
		text := strings.TrimSpace(string(line))
		if text == "" || comment(text) {
			continue
		}
		if lines++; lines > 500 {
			break
		}
		_, ok, err := s.Line(text)
		switch {
		case ok || err != nil:
			hits++
			logs++
		case logline.IsLog(text):
			logs++
		}
	}
	return hits > 0 && 2*logs >= lines
}

// comment reports whether a line is the writer's note and not the log's.
func comment(line string) bool { return line[0] == '#' }

// Parse yields an event for each line that shows an attack. Times without a year or a zone are filled in by the rule
// of docs/formats/attacklog.md; the event says so.
func Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		rule := ruleOf(doc)
		s := logline.Scanner{}
		br := bufio.NewReaderSize(doc.Reader, logline.MaxBytes)
		told := false
		for row := int64(1); ; row++ {
			line, err := readLine(br)
			if err != nil && !errors.Is(err, io.EOF) {
				return // the reader's error is the caller's to tell
			}
			if len(line) > 0 && !comment(line) {
				h, ok, bad := s.Line(line)
				switch {
				case bad != nil:
					told = true
					if !yield(report.Event{}, &report.RowError{Row: row, Reason: bad.Error()}) {
						return
					}
				case ok:
					told = true
					e := h.Event(rule, line)
					e.Format, e.Row = "attacklog", row
					if !yield(e, nil) {
						return
					}
				}
			}
			if err != nil {
				break
			}
		}
		if !told {
			yield(report.Event{}, &report.RowError{Reason: "no line of the log shows an attack that Tocsin knows: send the lines as the server wrote them"})
		}
	}
}

// readLine returns the next line without its end. Of a line that is longer than the buffer the beginning is returned.
func readLine(br *bufio.Reader) (string, error) {
	frag, err := br.ReadSlice('\n')
	line := string(bytes.TrimRight(frag, "\r\n"))
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = br.ReadSlice('\n')
	}
	return strings.TrimSpace(line), err
}

// ruleOf is how times are filled in: by the date of the mail that carried the log, else by when it came in.
func ruleOf(doc report.Document) logline.Rule {
	if !doc.Sent.IsZero() {
		_, east := doc.Sent.Zone()
		return logline.Rule{Ref: doc.Sent, East: time.Duration(east) * time.Second, From: "the mail's date"}
	}
	return logline.Rule{Ref: doc.Received, From: "when the report came in"}
}
