package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the event in the JSON of DESIGN.md §6, on one line without a newline, and returns the longer
// slice. Empty members are left out. It is written by hand because every event of every report passes through it.
func (e *Event) AppendJSON(b []byte) []byte {
	b, _ = e.AppendLine(b)
	return b
}

// AppendLine is AppendJSON that also says where in the longer slice the content begins: what follows format, feed and
// row. Two rows of one report with the same feed and content are repeats.
func (e *Event) AppendLine(b []byte) (line []byte, content int) {
	b = append(b, '{')
	b = appendText(b, "format", e.Format)
	b = appendText(b, "feed", e.Feed)
	if e.Row != 0 {
		b = append(appendName(b, "row"), strconv.FormatInt(e.Row, 10)...)
	}
	content = len(b)
	b = appendText(b, "class", string(e.Kind.Class))
	b = appendText(b, "type", string(e.Kind.Type))
	if len(e.Tags) > 0 {
		b = appendText(b, "tag", e.Tags[0])
		b = append(appendName(b, "tags"), '[')
		for i, t := range e.Tags {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, t)
		}
		b = append(b, ']')
	}
	b = appendTime(b, "from", e.From)
	b = appendTime(b, "to", e.To)
	b = e.Subject.append(b)
	b = e.Target.append(b)
	b = appendText(b, "severity", string(e.Severity))
	if len(e.Details) > 0 {
		b = append(appendName(b, "details"), '{')
		for i := range e.Details {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendQuoted(b, e.Details[i].Name), ':')
			b = appendQuoted(b, e.Details[i].Value)
		}
		b = append(b, '}')
	}
	return append(b, '}'), content
}

func (s *Subject) append(b []byte) []byte {
	if *s == (Subject{}) {
		return b
	}
	b = append(appendName(b, "subject"), '{')
	b = appendAddr(b, s.Addr)
	if s.Prefix.IsValid() {
		b = append(appendName(b, "prefix"), '"')
		b = append(s.Prefix.AppendTo(b), '"')
	}
	b = appendUint(b, "port", uint64(s.Port))
	b = appendText(b, "proto", s.Proto)
	b = appendText(b, "domain", s.Domain)
	b = appendText(b, "url", s.URL)
	b = appendUint(b, "asn", uint64(s.ASN))
	b = appendText(b, "cc", s.CC)
	return append(b, '}')
}

func (t *Target) append(b []byte) []byte {
	if *t == (Target{}) {
		return b
	}
	b = append(appendName(b, "target"), '{')
	b = appendAddr(b, t.Addr)
	b = appendUint(b, "port", uint64(t.Port))
	b = appendText(b, "domain", t.Domain)
	b = appendText(b, "url", t.URL)
	return append(b, '}')
}

func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func appendText(b []byte, name, v string) []byte {
	if v == "" {
		return b
	}
	return appendQuoted(appendName(b, name), v)
}

func appendUint(b []byte, name string, v uint64) []byte {
	if v == 0 {
		return b
	}
	return strconv.AppendUint(appendName(b, name), v, 10)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	b = append(appendName(b, "addr"), '"')
	return append(a.AppendTo(b), '"')
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(appendName(b, name), '"')
	return append(t.UTC().AppendFormat(b, time.RFC3339Nano), '"')
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes a JSON string (RFC 8259 §7). Bytes that are not UTF-8 become U+FFFD, so the line is always
// JSON; Validate refuses such values before they are stored.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// MarshalJSON implements json.Marshaler with AppendJSON.
func (e *Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// wireEvent is the JSON of DESIGN.md §6 for reading.
type wireEvent struct {
	Format  string    `json:"format"`
	Feed    string    `json:"feed"`
	Row     int64     `json:"row"`
	Class   Class     `json:"class"`
	Type    Type      `json:"type"`
	Tags    []string  `json:"tags"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Subject struct {
		Addr   netip.Addr   `json:"addr"`
		Prefix netip.Prefix `json:"prefix"`
		Port   uint16       `json:"port"`
		Proto  string       `json:"proto"`
		Domain string       `json:"domain"`
		URL    string       `json:"url"`
		ASN    uint32       `json:"asn"`
		CC     string       `json:"cc"`
	} `json:"subject"`
	Target struct {
		Addr   netip.Addr `json:"addr"`
		Port   uint16     `json:"port"`
		Domain string     `json:"domain"`
		URL    string     `json:"url"`
	} `json:"target"`
	Severity Severity        `json:"severity"`
	Details  json.RawMessage `json:"details"`
}

// UnmarshalJSON implements json.Unmarshaler for what AppendJSON writes; the order of details is kept.
func (e *Event) UnmarshalJSON(b []byte) error {
	var w wireEvent
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	details, err := readDetails(w.Details)
	if err != nil {
		return fmt.Errorf("read event details: %w", err)
	}
	*e = Event{
		Format: w.Format, Feed: w.Feed, Row: w.Row, Kind: Kind{w.Class, w.Type}, Tags: w.Tags,
		From: w.From, To: w.To, Subject: Subject(w.Subject), Target: Target(w.Target),
		Severity: w.Severity, Details: details,
	}
	return nil
}

func readDetails(raw json.RawMessage) ([]Detail, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var all []Detail
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var v string
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		all = append(all, Detail{name.(string), v})
	}
	return all, nil
}
