package resolver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/line"
)

// wire is an answer as it is written; docs/lines/http.md says what it means.
type wire struct {
	Complete   *bool          `json:"complete"`
	KeptSince  *string        `json:"kept_since"`
	KnownUntil *string        `json:"known_until"`
	Sessions   *[]wireSession `json:"sessions"`
}

type wireSession struct {
	Line     string    `json:"line"` // personal
	Address  string    `json:"address"`
	Protocol string    `json:"protocol"`
	Ports    *[]int    `json:"ports"`
	Certain  *wireSpan `json:"certain"`
	Possible *wireSpan `json:"possible"`
}

type wireSpan struct {
	From *string `json:"from"`
	To   *string `json:"to"`
}

// keys are all that an answer may have.
var keys = []string{
	"complete", "kept_since", "known_until", "sessions", "line", "address", "protocol", "ports", "certain", "possible", "from", "to",
}

// said is an answer with the names of its lines, which nobody keeps: one for each session.
type said struct {
	answer
	names []string
}

const (
	maxSessions = 5000
	maxLine     = 1024 // bytes of a name
	maxProtocol = 16
	maxDepth    = 8
)

// decode reads the answer to a question that was put at a moment. It is taken whole or not at all, and its fault is one
// sentence without anything personal. Of what is later than the moment nothing is certain, whatever the answer says.
func decode(text []byte, q question, now int64) (*said, error) {
	if !utf8.Valid(text) {
		return nil, fault("its answer is not UTF-8 (RFC 8259 §8.1)")
	}
	if err := exact(text); err != nil {
		return nil, err
	}
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		if bad, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fault("its answer has %s where something else belongs: docs/lines/http.md says what %s is", kind(bad.Value), cmp.Or(bad.Field, "it"))
		}
		return nil, fault("its answer is no JSON")
	}
	switch {
	case w.Complete == nil:
		return nil, fault("its answer does not say whether it is complete")
	case w.KnownUntil == nil:
		return nil, fault("its answer does not say known_until: up to when your records have come in")
	case w.Sessions == nil:
		return nil, fault("its answer has no sessions: where there are none it says []")
	case len(*w.Sessions) > maxSessions:
		return nil, fault("its answer has more than %d sessions", maxSessions)
	}
	asked := line.Span{From: q.from, To: q.to}
	out := &said{}
	until, err := time.Parse(time.RFC3339, *w.KnownUntil)
	if err != nil {
		return nil, fault("known_until of its answer is no time with a zone: write 2026-03-03T10:00:00Z")
	}
	known := min(now, until.Unix())
	if w.KeptSince != nil {
		at, err := time.Parse(time.RFC3339, *w.KeptSince)
		if err != nil {
			return nil, fault("kept_since of its answer is no time with a zone: write 2026-03-03T10:00:00Z")
		}
		out.known.Deleted = asked.From < at.Unix()
	}
	out.known.Ahead, out.known.Gap = asked.To > known, !*w.Complete
	for i := range *w.Sessions {
		s, err := (*w.Sessions)[i].session(q, known)
		if err != nil {
			return nil, fault("session %d of its answer %s", i+1, err)
		}
		if out.known.Gap { // somebody else may be missing in the list
			s.Certain = line.Span{}
		}
		if s.Possible.Meets(asked) && !out.known.Deleted {
			out.sessions, out.names = append(out.sessions, s), append(out.names, (*w.Sessions)[i].Line)
		}
	}
	return out, nil
}

// session reads one session. The error goes on where "session 1 of its answer" stops.
func (w *wireSession) session(q question, known int64) (line.Session, error) {
	var s line.Session
	switch {
	case w.Line == "":
		return s, errors.New("names no line")
	case len(w.Line) > maxLine:
		return s, errors.New("has a line whose name is longer than 1024 bytes")
	case strings.ContainsRune(w.Line, utf8.RuneError): // what half a character is read as: two names may be one then
		return s, errors.New("has a line whose name is damaged")
	}
	p, err := prefixOf(w.Address)
	if err != nil {
		return s, err
	}
	s.Range = line.Whole(p)
	if !p.Contains(q.addr) {
		return s, errors.New("is about another address than was asked about")
	}
	if s.Range.Proto = w.Protocol; !protocol(w.Protocol) {
		return s, errors.New("has a protocol that is none: write it in small letters, as tcp")
	}
	if w.Ports != nil {
		ports := *w.Ports
		switch {
		case len(ports) != 2:
			return s, errors.New("has ports that are no pair of the first and the last")
		case min(ports[0], ports[1]) < 0 || max(ports[0], ports[1]) > math.MaxUint16:
			return s, errors.New("has a port that is not within 0 to 65535")
		case ports[1] < ports[0]:
			return s, errors.New("has ports of which the last is below the first")
		}
		s.Range.Lo, s.Range.Hi = uint16(ports[0]), uint16(ports[1])
	}
	if !s.Range.Has(q.port, "") {
		return s, errors.New("is about other ports than was asked about")
	}
	return s, w.spans(&s, known)
}

// spans reads what is possible and what is certain, in whole seconds: certain is no wider than it was said, possible no
// narrower.
func (w *wireSession) spans(s *line.Session, known int64) error {
	if w.Certain == nil && w.Possible == nil {
		return errors.New("has neither a certain nor a possible time")
	}
	if w.Possible != nil {
		from, to, err := w.Possible.times("possible")
		if err != nil {
			return err
		}
		s.Possible = line.Span{From: line.Ever, To: line.Never}
		if !from.IsZero() {
			s.Possible.From = from.Unix()
		}
		if !to.IsZero() {
			s.Possible.To = up(to)
		}
	}
	if w.Certain == nil {
		return nil
	}
	from, to, err := w.Certain.times("certain")
	if err != nil {
		return err
	}
	if from.IsZero() {
		return errors.New("has a certain time that does not say from when on")
	}
	s.Certain = line.Span{From: up(from), To: known}
	wide := line.Span{From: from.Unix(), To: line.Never}
	if !to.IsZero() {
		s.Certain.To = min(known, to.Unix())
		wide.To = up(to)
	}
	if w.Possible == nil {
		s.Possible = wide
	} else if wide.From < s.Possible.From || wide.To > s.Possible.To {
		return errors.New("is certain of a time that it says is not possible")
	}
	return nil
}

// times are the ends of a span; zero where they are left out.
func (w *wireSpan) times(name string) (from, to time.Time, err error) {
	if w.From != nil {
		if from, err = time.Parse(time.RFC3339, *w.From); err != nil || from.IsZero() {
			return from, to, errors.New("has a " + name + " from that is no time with a zone: write 2026-03-03T10:00:00Z")
		}
	}
	if w.To != nil {
		if to, err = time.Parse(time.RFC3339, *w.To); err != nil || to.IsZero() {
			return from, to, errors.New("has a " + name + " to that is no time with a zone: write 2026-03-03T10:00:00Z")
		}
	}
	if w.From != nil && w.To != nil && !to.After(from) {
		return from, to, errors.New("ends before it begins: its " + name + " to is not behind its from")
	}
	return from, to, nil
}

// up is the first whole second that is not before a time.
func up(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

func prefixOf(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p != p.Masked() || p.Bits() == 0 || p.Addr().Is4In6() {
		return p, errors.New("has an address that is neither one nor a network")
	}
	return p, nil
}

func protocol(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(name) <= maxProtocol
}

// exact holds an answer to what encoding/json lets pass: names in another case, names that stand twice, names that
// nobody knows, null, and something behind the end. A name that is misspelt was meant to say something, and ports that are null
// would be all ports.
func exact(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := value(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fault("its answer has something behind its end")
	}
	return nil
}

func value(dec *json.Decoder, depth int) error {
	broken := fault("its answer is no JSON")
	t, err := dec.Token()
	if err != nil {
		return broken
	}
	if t == nil {
		return fault("its answer says null: leave out what is not known")
	}
	if t != json.Delim('{') && t != json.Delim('[') {
		return nil
	}
	if depth >= maxDepth {
		return fault("its answer has parts within parts, more than %d", maxDepth)
	}
	var names []string
	for dec.More() {
		if t == json.Delim('{') {
			k, err := dec.Token()
			name, ok := k.(string)
			switch {
			case err != nil || !ok:
				return broken
			case !slices.Contains(keys, name):
				return fault("its answer has a key that docs/lines/http.md does not name")
			case slices.Contains(names, name):
				return fault("its answer says %s twice", name)
			}
			names = append(names, name)
		}
		if err := value(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return broken
	}
	return nil
}

// kind is what encoding/json calls a kind of value; a number comes with its digits, which are left out.
func kind(v string) string {
	first, _, _ := strings.Cut(v, " ")
	switch first {
	case "number":
		return "a number"
	case "string":
		return "a text"
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	}
	return "an object"
}
