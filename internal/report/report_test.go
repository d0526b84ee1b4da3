package report_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/report"
)

func telnet() report.Event {
	return report.Event{
		Format: "shadowserver", Feed: "scan_telnet", Row: 2,
		Kind: report.Kind{Class: "vulnerable", Type: "vulnerable-system"},
		Tags: []string{"open-telnet", "cve-2020-10188"},
		From: time.Date(2026, 3, 1, 2, 10, 0, 0, time.UTC),
		Subject: report.Subject{
			Addr: netip.MustParseAddr("198.51.100.7"), Port: 23, Proto: "tcp", ASN: 64500, CC: "GB",
		},
		Target:   report.Target{Addr: netip.MustParseAddr("203.0.113.9"), Port: 443},
		Severity: report.SeverityMedium,
		Details:  []report.Detail{{"banner", "login:"}},
	}
}

// TestEventJSON holds the contract of DESIGN.md §6, byte for byte.
func TestEventJSON(t *testing.T) {
	want := `{"format":"shadowserver","feed":"scan_telnet","row":2,` +
		`"class":"vulnerable","type":"vulnerable-system","tag":"open-telnet","tags":["open-telnet","cve-2020-10188"],` +
		`"from":"2026-03-01T02:10:00Z",` +
		`"subject":{"addr":"198.51.100.7","port":23,"proto":"tcp","asn":64500,"cc":"GB"},` +
		`"target":{"addr":"203.0.113.9","port":443},` +
		`"severity":"medium","details":{"banner":"login:"}}`
	e := telnet()
	if got := string(e.AppendJSON(nil)); got != want {
		t.Errorf("AppendJSON:\n got %s\nwant %s", got, want)
	}
	var back report.Event
	if err := json.Unmarshal([]byte(want), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, back, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("read back (-wrote +read):\n%s", diff)
	}
}

func TestHostileTextIsStillJSON(t *testing.T) {
	e := telnet()
	e.Details = []report.Detail{{"a\"b\\", "\x00\x1f\n\r\t\"\\ \xff\xfe é \u2028 \xe2\x80"}}
	b := e.AppendJSON(nil)
	var back report.Event
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if got, want := back.Details[0].Value, "\x00\x1f\n\r\t\"\\ \ufffd\ufffd é \u2028 \ufffd\ufffd"; got != want {
		t.Errorf("value %q, want %q", got, want)
	}
	if back.Details[0].Name != "a\"b\\" {
		t.Errorf("name %q", back.Details[0].Name)
	}
}

func TestValidateReportsEveryBrokenRule(t *testing.T) {
	received := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	cases := []struct {
		name   string
		change func(*report.Event)
		fields []string
	}{
		{"good", func(*report.Event) {}, nil},
		{"kind", func(e *report.Event) { e.Kind.Type = "spam" }, []string{"type"}},
		{"no time", func(e *report.Event) { e.From = time.Time{} }, []string{"from"}},
		{"1970", func(e *report.Event) { e.From = time.Unix(0, 0).UTC() }, []string{"from"}},
		{"2100", func(e *report.Event) { e.From = e.From.AddDate(74, 0, 0) }, []string{"from"}},
		{"period backwards", func(e *report.Event) { e.To = e.From }, []string{"to"}},
		{"nobody", func(e *report.Event) { e.Subject = report.Subject{} }, []string{"subject"}},
		{"network", func(e *report.Event) {
			e.Subject = report.Subject{Prefix: netip.MustParsePrefix("198.51.100.0/24")}
		}, nil},
		{"bogon", func(e *report.Event) { e.Subject = report.Subject{Prefix: netip.MustParsePrefix("0.0.0.0/8")} }, nil},
		{"autonomous system", func(e *report.Event) { e.Subject = report.Subject{ASN: 64500} }, nil},
		{"network and address", func(e *report.Event) { e.Subject.Prefix = netip.MustParsePrefix("198.51.100.0/24") }, []string{"subject.prefix"}},
		{"host bits", func(e *report.Event) {
			e.Subject = report.Subject{Prefix: netip.MustParsePrefix("198.51.100.7/24")}
		}, []string{"subject.prefix"}},
		{"everything", func(e *report.Event) { e.Subject = report.Subject{Prefix: netip.MustParsePrefix("::/0")} }, []string{"subject.prefix"}},
		{"multicast network", func(e *report.Event) {
			e.Subject = report.Subject{Prefix: netip.MustParsePrefix("224.0.0.0/4")}
		}, []string{"subject.prefix"}},
		{"any address", func(e *report.Event) { e.Subject.Addr = netip.IPv4Unspecified() }, []string{"subject.addr"}},
		{"loopback", func(e *report.Event) { e.Subject.Addr = netip.MustParseAddr("127.0.0.1") }, []string{"subject.addr"}},
		{"multicast", func(e *report.Event) { e.Subject.Addr = netip.MustParseAddr("ff02::1") }, []string{"subject.addr"}},
		{"domain", func(e *report.Event) { e.Subject.Domain = "not a domain" }, []string{"subject.domain"}},
		{"domain not UTF-8", func(e *report.Event) { e.Subject.Domain = "\xd4.example" }, []string{"subject.domain"}},
		{"country", func(e *report.Event) { e.Subject.CC = "gb" }, []string{"subject.cc"}},
		{"NUL", func(e *report.Event) { e.Details[0].Value = "a\x00" }, []string{"details"}},
		{"not UTF-8", func(e *report.Event) { e.Details[0].Value = "\xff" }, []string{"details"}},
		{"severity", func(e *report.Event) { e.Severity = "info" }, []string{"severity"}},
		{"several", func(e *report.Event) {
			e.Kind = report.Kind{}
			e.From = time.Time{}
			e.Subject = report.Subject{}
			e.Severity = "bad"
		}, []string{"type", "from", "subject", "severity"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := telnet()
			c.change(&e)
			var fields []string
			if err := e.Validate(received); err != nil {
				for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
					var f *report.FieldError
					if !errors.As(one, &f) {
						t.Fatalf("%T is no *FieldError", one)
					}
					fields = append(fields, f.Field)
				}
			}
			if diff := cmp.Diff(c.fields, fields); diff != "" {
				t.Errorf("broken fields (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNetworksAndSystems: a whole network and an AS number are subjects with a JSON and a word of their own.
func TestNetworksAndSystems(t *testing.T) {
	for in, want := range map[string]string{
		"198.51.100.7/24": "198.51.100.0/24", "::ffff:198.51.100.0/120": "198.51.100.0/24", "2001:DB8::/32": "2001:db8::/32",
		"198.51.100.0": "", "198.51.100.0/33": "", "": "",
	} {
		p, err := report.ParsePrefix(in)
		if (err != nil) != (want == "") || err == nil && p.String() != want {
			t.Errorf("ParsePrefix(%q) = %v, %v; want %q", in, p, err, want)
		}
	}
	for _, c := range []struct {
		subject    report.Subject
		word, json string
	}{
		{report.Subject{Prefix: netip.MustParsePrefix("198.51.100.0/24"), ASN: 64500}, "198.51.100.0/24", `{"subject":{"prefix":"198.51.100.0/24","asn":64500}}`},
		{report.Subject{ASN: 64500}, "AS64500", `{"subject":{"asn":64500}}`},
		{report.Subject{Domain: "www.example.com", ASN: 64500}, "www.example.com", `{"subject":{"domain":"www.example.com","asn":64500}}`},
	} {
		e := report.Event{Subject: c.subject}
		b := e.AppendJSON(nil)
		var back report.Event
		if err := json.Unmarshal(b, &back); err != nil || back.Subject != c.subject || string(b) != c.json || c.subject.String() != c.word {
			t.Errorf("%+v: %s, %q, read back %+v, %v", c.subject, b, c.subject.String(), back.Subject, err)
		}
	}
}

func TestParseAddr(t *testing.T) {
	for in, want := range map[string]string{
		"198.51.100.7": "198.51.100.7", "::ffff:198.51.100.7": "198.51.100.7", "2001:DB8::1": "2001:db8::1",
		"999.1.1.1": "", "198.51.100.07": "", "fe80::1%eth0": "", "": "", "198.51.100.7 ": "",
	} {
		a, err := report.ParseAddr(in)
		if (err != nil) != (want == "") || err == nil && a.String() != want {
			t.Errorf("ParseAddr(%q) = %v, %v; want %q", in, a, err, want)
		}
	}
}

func TestKindOf(t *testing.T) {
	for in, want := range map[string]string{
		"infected-system": "malicious-code/infected-system", "blacklist": "other/other", "": "other/undetermined",
		"vulnerable service": "vulnerable/vulnerable-system", "Brute-Force": "intrusion-attempts/brute-force",
		"gibberish": "other/undetermined",
	} {
		if got := report.KindOf(in); got.String() != want || !got.Valid() {
			t.Errorf("KindOf(%q) = %s (valid %v), want %s", in, got, got.Valid(), want)
		}
	}
	if n := len(report.Kinds()); n != 39 {
		t.Errorf("RSIT 1003 has 39 types, the table %d", n)
	}
}

func TestZeroTLPIsRed(t *testing.T) {
	var l report.TLP
	if l.String() != "red" {
		t.Errorf("the zero label is %s", l)
	}
	for _, in := range []string{"TLP:AMBER+STRICT", "amber+strict"} {
		if err := l.UnmarshalText([]byte(in)); err != nil || l != report.TLPAmberStrict {
			t.Errorf("%s: %v, %v", in, l, err)
		}
	}
	if err := l.UnmarshalText([]byte("white")); err == nil {
		t.Error("TLP 1.0's white was taken for a TLP 2.0 label")
	}
}

func TestIDsSortByAge(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	a, b := report.NewID(at), report.NewID(at.Add(time.Millisecond))
	if a.String() >= b.String() {
		t.Errorf("%s is not before %s", a, b)
	}
	back, err := report.ParseID(a.String())
	if err != nil || back != a {
		t.Errorf("read back %v, %v", back, err)
	}
	if a.String()[14] != '7' {
		t.Errorf("%s is not version 7", a)
	}
}

func TestParty(t *testing.T) {
	for _, c := range []struct {
		h        report.Holder
		reported uint32
		want     report.Party
	}{
		{report.Holder{Own: true, ASN: 64500}, 64511, "own"},
		{report.Holder{Partner: "north", ASN: 64501}, 0, "partner:north"},
		{report.Holder{ASN: 64502}, 64511, "as:64502"},
		{report.Holder{}, 64511, "as:64511"},
		{report.Holder{}, 0, "unknown"},
	} {
		if got := c.h.Party(c.reported); got != c.want {
			t.Errorf("%+v reported %d: %s, want %s", c.h, c.reported, got, c.want)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e := telnet()
	var buf []byte
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}
