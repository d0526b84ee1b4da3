package evidence_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/evidence"
	"tocsin/internal/report"
)

func act() evidence.Entry {
	at := time.Date(2026, 3, 1, 2, 10, 0, 123e6, time.UTC)
	return evidence.Entry{
		ID: report.ID{1, 2, 15: 3}, At: at, Kind: "reveal", By: "desk:4f1a", Subject: "9c2e77",
		Fields: []evidence.Field{{Name: "reason", Value: evidence.Commit(evidence.Salt{1}, []byte("why")).String()}, {Name: "budget", Value: "3"}},
	}
}

// TestEntry: an entry has one form, and that is read and nothing else.
func TestEntry(t *testing.T) {
	e := act()
	raw, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"id":"01020000-0000-0000-0000-000000000003","at":"2026-03-01T02:10:00.123Z","kind":"reveal","by":"desk:4f1a",` +
		`"subject":"9c2e77","fields":{"reason":"` + e.Fields[0].Value + `","budget":"3"}}`
	if string(raw) != want {
		t.Errorf("encoded as\n%s\nwant\n%s", raw, want)
	}
	again, err := evidence.DecodeEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, again); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	for _, change := range [][2]string{
		{`{"v":1`, `{"v":2`},
		{`{"v":1`, `{ "v":1`},
		{`"v":1,`, ``},
		{`"budget":"3"`, `"reason":"3"`},
		{`"budget":"3"`, `"budget":3`},
		{`"by":`, `"BY":`},
		{`"by":"desk:4f1a"`, `"by":"desk:4f1a","by":"desk:4f1a"`},
		{`}}`, `}}x`},
		{`}}`, `},"more":1}`},
		{`.123Z`, `Z`},
		{`"reveal"`, `"tea"`},
		{`9c2e77`, `192.0.2.1`},
		{`"3"`, `"\u0033"`},
		{`"fields":{`, `"fields":[`},
	} {
		bad := strings.Replace(string(raw), change[0], change[1], 1)
		if _, err := evidence.DecodeEntry([]byte(bad)); err == nil || bad == string(raw) {
			t.Errorf("read %s", bad)
		}
	}
}

// TestEntryRefuses: what the log could never forget does not get into it.
func TestEntryRefuses(t *testing.T) {
	for name, change := range map[string]func(e *evidence.Entry){
		"id":      func(e *evidence.Entry) { e.ID = report.ID{} },
		"at":      func(e *evidence.Entry) { e.At = time.Time{} },
		"kind":    func(e *evidence.Entry) { e.Kind = "tea" },
		"by":      func(e *evidence.Entry) { e.By = "Ann Example" },
		"subject": func(e *evidence.Entry) { e.Subject = "2001:db8::7" },
		"line":    func(e *evidence.Entry) { e.Fields[0] = evidence.Field{Name: "line", Value: "198.51.100.7:443"} },
		"mail":    func(e *evidence.Entry) { e.Fields[0] = evidence.Field{Name: "mail", Value: "ann@example.net"} },
		"reason":  func(e *evidence.Entry) { e.Fields[0].Value = "she asked me to" },
		"budget":  func(e *evidence.Entry) { e.Fields[1].Value = "192.0.2.1/32" },
		"fields":  func(e *evidence.Entry) { e.Fields = make([]evidence.Field, 65) },
	} {
		e := act()
		change(&e)
		_, err := e.Encode()
		fault, ok := errors.AsType[*report.FieldError](err)
		if !ok || fault.Field != name || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := act()
	e.Fields = nil
	for i := range 64 {
		e.Fields = append(e.Fields, evidence.Field{Name: fmt.Sprintf("f%d", i), Value: strings.Repeat("a", 1200)})
	}
	if _, err := e.Encode(); err == nil {
		t.Error("an entry of 70,000 bytes")
	}
	if len(evidence.Kinds()) != 14 {
		t.Errorf("%d kinds", len(evidence.Kinds()))
	}
}

func FuzzEntry(f *testing.F) {
	e := act()
	raw, err := e.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"v":1,"fields":{"a":"b","a":"c"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := evidence.DecodeEntry(raw)
		if err != nil {
			return
		}
		again, err := e.Encode()
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%q is read, and written as %q (%v)", raw, again, err)
		}
	})
}

// TestCommit: a commitment opens to its value and salt alone, says nothing twice, and is the same for ever.
func TestCommit(t *testing.T) {
	salt, other := evidence.NewSalt(), evidence.NewSalt()
	value := []byte("192.0.2.1")
	c := evidence.Commit(salt, value)
	if !c.Opens(salt, value) || c.Opens(other, value) || c.Opens(salt, []byte("192.0.2.2")) {
		t.Error("it opens to the wrong thing, or not to the right one")
	}
	if evidence.Commit(other, value) == c || salt == other || salt == (evidence.Salt{}) {
		t.Error("two salts make one commitment")
	}
	if got := fmt.Sprintf("%v %+v %#v %s", salt, salt, salt, salt); got != "salt salt salt salt" {
		t.Errorf("a salt is printed as %s", got)
	}
	if again, err := evidence.ParseCommitment(c.String()); err != nil || again != c {
		t.Errorf("%s is read as %s, %v", c, again, err)
	}
	for _, bad := range []string{"", "00", strings.ToUpper(c.String()) + "F", c.String() + "0"} {
		if _, err := evidence.ParseCommitment(bad); err == nil {
			t.Errorf("read %q", bad)
		}
	}
	const want = "e4af5a5543e5f504907843544d8ec8ca5541a716b9c299f3f5d43d23ea9766de" // as another program computes it
	if got := evidence.Commit(evidence.Salt{1}, value).String(); got != want {
		t.Errorf("the commitments of older logs would not open any more: %s, want %s", got, want)
	}
}
