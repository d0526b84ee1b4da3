package resolver

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/internal/line"
)

// FuzzDecode: whatever a system answers, it is a fault in one sentence, or sessions that keep the room's rules.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range txtar.Parse(b).Files {
			if part.Name == "answer.json" {
				f.Add(part.Data, uint16(0))
				f.Add(part.Data, uint16(40000))
			}
		}
	}
	q := question{addr: netip.MustParseAddr("198.51.100.7"), from: 1772532000, to: 1772532003}
	const now = 1772539200
	f.Fuzz(func(t *testing.T, text []byte, port uint16) {
		q.port = port
		s, err := decode(text, q, now)
		if err != nil {
			if bad, ok := errors.AsType[*Fault](err); !ok || bad.Reason == "" || len(bad.Reason) > 200 || !utf8.ValidString(bad.Reason) {
				t.Fatalf("%T %q", err, err)
			}
			return
		}
		if len(s.names) != len(s.sessions) || s.known.Deleted && len(s.sessions) > 0 {
			t.Fatalf("%+v", s)
		}
		for i, x := range s.sessions {
			r := line.Record{Action: line.Start, Range: x.Range, Held: line.Held{Line: "x"}, At: line.Moment{Earliest: 1, Latest: 1}}
			if err := r.Validate(); err != nil || !x.Range.Prefix.Contains(q.addr) || !x.Range.Has(port, "") || s.names[i] == "" {
				t.Fatalf("%+v: %v", x, err)
			}
			if x.Possible.Empty() || !x.Certain.Empty() && (x.Certain.And(x.Possible) != x.Certain || x.Certain.To > now || s.known.Gap) {
				t.Fatalf("%+v %+v", x, s.known)
			}
		}
	})
}

// TestOffset: by what a Date can say of a clock, in whole seconds.
func TestOffset(t *testing.T) {
	at := func(s int64) string {
		return "Tue, 03 Mar 2026 10:00:" + string([]byte{byte('0' + s/10), byte('0' + s%10)}) + " GMT"
	}
	for _, c := range []struct{ said, began, ended, want int64 }{
		{10, 10, 10, 0},
		{9, 10, 10, 0}, // written a second before
		{11, 10, 10, 0},
		{12, 10, 10, 3},
		{8, 10, 10, 2},
		{8, 10, 12, 4}, // it took its time
		{12, 10, 12, 0},
		{15, 10, 12, 6},
	} {
		if got := offset(at(c.said), unix(c.began), unix(c.ended)); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	for _, none := range []string{"", "yesterday"} {
		if got := offset(none, unix(10), unix(10)); got != 0 {
			t.Errorf("%q: %d", none, got)
		}
	}
}

func unix(second int64) time.Time { return time.Unix(1772532000+second, 0) }
