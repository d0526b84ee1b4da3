package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Kind is what sort of act an entry is.
type Kind string

// kinds are all of them. A new one is a line here: older programs refuse to write it, and show it all the same.
var kinds = []struct {
	kind Kind
	what string
}{
	{"chunk", "work by the machine: one entry for a chunk of a report, with the hash of its verdicts"},
	{"question", "a person asked which line held an address"},
	{"reveal", "a person was shown who a line belongs to"},
	{"notice", "something was said to somebody"},
	{"measure", "a block was put up, changed or taken down"},
	{"release", "something that was held back was shown, or handed over"},
	{"deletion", "something came to its end date: what kind, and how many"},
	{"config", "the configuration was changed"},
	{"role", "a person was given a role, or lost it"},
	{"person", "a person was invited, changed or left, or came in by other than their usual way"},
	{"token", "a token of a program was made or ended"},
	{"hold", "a legal hold began or ended"},
	{"oversight", "what the oversight body did, or was told"},
	{"approval", "a second person decided on another's question"},
}

// Kinds returns every kind, in the order in which they are listed to people.
func Kinds() []Kind {
	all := make([]Kind, len(kinds))
	for i := range kinds {
		all[i] = kinds[i].kind
	}
	return all
}

// What says in half a sentence what a kind is, "" of one that is not known.
func (k Kind) What() string {
	for i := range kinds {
		if kinds[i].kind == k {
			return kinds[i].what
		}
	}
	return ""
}

// Field is one thing that an entry says. The name is a word in small letters, the value a number, a time (RFC 3339), an
// id, a hash in hex, or a word of a fixed list: never text that a person wrote.
type Field struct{ Name, Value string }

// Entry is one act. It holds structure and hashes, no personal data: the log keeps everything for ever. Who acted is a
// role or a random handle. What could be guessed, an address above all, stands in it as a commitment (see Commit).
type Entry struct {
	ID      report.ID
	At      time.Time // UTC, whole milliseconds
	Kind    Kind
	By      string  // a role (node, desk, oversight) or a person's random handle
	Subject string  // what it is about: an id, a random handle, a commitment; may be empty
	Fields  []Field // in the order in which they were given
}

// entryVersion is the version of the encoding. A later one reads the earlier ones: entries are never written anew.
const entryVersion = 1

// Limits of an entry. The whole is limited by MaxEntry.
const (
	maxWord   = 64
	maxValue  = 8192
	maxFields = 64
)

// Validate says all that is wrong with an entry. It does not find every person's name; it does refuse what looks like an
// address or a sentence, so that a slip of a programmer does not end in a log that cannot forget.
func (e *Entry) Validate() error {
	var errs []error
	bad := func(field, rule string) {
		errs = append(errs, &report.FieldError{Field: field, Rule: fmt.Sprintf("%s of an entry of the evidence log %s", field, rule)})
	}
	if e.ID.IsZero() {
		bad("id", "must be set")
	}
	if y := e.At.UTC().Year(); e.At.IsZero() || y < 1970 || y > 9999 {
		bad("at", "must be a time from 1970 on")
	}
	if e.Kind.What() == "" {
		bad("kind", "must be one of those that the log knows")
	}
	if !isWord(e.By) || personal(e.By) {
		bad("by", "must be a role or a random handle, in small letters, digits and -_.:/")
	}
	if e.Subject != "" && (!isValue(e.Subject) || personal(e.Subject)) {
		bad("subject", "must be an id, a random handle or a hash")
	}
	if len(e.Fields) > maxFields {
		bad("fields", fmt.Sprintf("must be %d at most", maxFields))
	}
	for i, f := range e.Fields[:min(len(e.Fields), maxFields)] {
		switch {
		case !isWord(f.Name):
			bad("fields", "must have names in small letters, digits and -_.:/")
		case slices.ContainsFunc(e.Fields[:i], func(g Field) bool { return g.Name == f.Name }):
			bad(f.Name, "must stand there once")
		case !isValue(f.Value):
			bad(f.Name, fmt.Sprintf("must be up to %d printable ASCII characters without spaces, quotes and <>&@\\", maxValue))
		case personal(f.Value):
			bad(f.Name, "must not be an address: put a commitment there, and the address beside its salt")
		}
	}
	return errors.Join(errs...)
}

func isWord(s string) bool {
	return s != "" && len(s) <= maxWord && s[0] >= 'a' && s[0] <= 'z' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:/", r)
	})
}

// isValue reports whether s can stand in JSON as it is, and is no prose.
func isValue(s string) bool {
	return len(s) <= maxValue && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("\"\\<>&@", r)
	})
}

// personal reports whether s is an address, with a port or without.
func personal(s string) bool {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	if _, err := netip.ParseAddrPort(s); err == nil {
		return true
	}
	p, err := netip.ParsePrefix(s)
	return err == nil && p.IsSingleIP()
}

// Encode writes the entry in its one form: a line of JSON without a line end, members in a fixed order.
func (e *Entry) Encode() ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	b := e.encode()
	if len(b) > MaxEntry {
		return nil, fmt.Errorf("an entry of the evidence log has at most %d bytes, this one has %d", MaxEntry, len(b))
	}
	return b, nil
}

// encode needs no escapes: nothing that is valid has a character that JSON escapes.
func (e *Entry) encode() []byte {
	b := fmt.Appendf(nil, `{"v":%d,"id":"%s","at":"%s","kind":"%s","by":"%s"`, entryVersion, e.ID, e.At.UTC().Format(entryTime), e.Kind, e.By)
	if e.Subject != "" {
		b = fmt.Appendf(b, `,"subject":"%s"`, e.Subject)
	}
	for i, f := range e.Fields {
		open := ","
		if i == 0 {
			open = `,"fields":{`
		}
		b = fmt.Appendf(b, `%s"%s":"%s"`, open, f.Name, f.Value)
	}
	if len(e.Fields) > 0 {
		b = append(b, '}')
	}
	return append(b, '}')
}

const entryTime = "2006-01-02T15:04:05.000Z"

// DecodeEntry reads what Encode writes, and nothing else: an entry has one form, so that its hash is the act's.
func DecodeEntry(raw []byte) (Entry, error) {
	if len(raw) > MaxEntry {
		return Entry{}, fmt.Errorf("it has %d bytes, and an entry at most %d", len(raw), MaxEntry)
	}
	var wire struct {
		Version int       `json:"v"`
		ID      report.ID `json:"id"`
		At      string    `json:"at"`
		Kind    Kind      `json:"kind"`
		By      string    `json:"by"`
		Subject string    `json:"subject"`
		Fields  fields    `json:"fields"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&wire); err != nil {
		return Entry{}, fmt.Errorf("it is no entry: %w", err)
	}
	if wire.Version != entryVersion {
		return Entry{}, fmt.Errorf("it is of version %d, and this program reads version %d: use a newer one", wire.Version, entryVersion)
	}
	at, err := time.Parse(entryTime, wire.At)
	if err != nil {
		return Entry{}, errors.New("its time is not one")
	}
	e := Entry{ID: wire.ID, At: at, Kind: wire.Kind, By: wire.By, Subject: wire.Subject, Fields: wire.Fields}
	if err := e.Validate(); err != nil {
		return Entry{}, err
	}
	if !bytes.Equal(e.encode(), raw) {
		return Entry{}, errors.New("it is not written in the form that entries have")
	}
	return e, nil
}

// fields is an object of texts whose order counts.
type fields []Field

// UnmarshalJSON implements json.Unmarshaler.
func (f *fields) UnmarshalJSON(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("fields is not an object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		value, err := dec.Token()
		if err != nil {
			return err
		}
		n, isName := name.(string)
		v, isText := value.(string)
		if !isName || !isText {
			return errors.New("a field is not a text")
		}
		if len(*f) >= maxFields {
			return fmt.Errorf("there are more than %d fields", maxFields)
		}
		*f = append(*f, Field{n, v})
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
