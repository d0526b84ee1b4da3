package kea_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line/kea"
	"tocsin/internal/line/lease"
	"tocsin/internal/report"
)

const (
	head4 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
	head6 = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id\n"
)

// read writes each record and refusal as a line.
func read(t testing.TB, f *kea.Files, text string) (out []string) {
	t.Helper()
	for r, err := range f.Read(strings.NewReader(text)) {
		var row *report.RowError
		switch {
		case errors.As(err, &row):
			out = append(out, fmt.Sprintf("row %d: %s", row.Row, row.Reason))
			continue
		case err != nil:
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d %s%s %s at %d until %d", r.Action, r.Range.Realm, r.Range.Prefix, r.Held.Line, r.At.Earliest, r.Until.Earliest))
		if err := r.Validate(); err != nil {
			t.Errorf("%v", err)
		}
	}
	return out
}

func TestRead(t *testing.T) {
	context := `{ "ISC": { "relay-agent-info": { "sub-options": "0x0103617a310202ff01" } } }`
	before := `{ "ISC": { "relay-agent-info": "0x0103617a31" } }`
	six := `{ "ISC": { "relay-info": [ { "hop": 1, "options": "0x001200020b0b" }, { "hop": 0, "options": "0x001200020a0a0025000300ff01" } ] } }`
	esc := func(s string) string { return strings.ReplaceAll(s, ",", "&#x2c") }
	for name, c := range map[string]struct {
		files kea.Files
		text  string
		want  []string
	}{
		"leased, renewed, run out, given back, declined, for ever": {kea.Files{Realm: "cgn "}, head4 +
			"10.0.0.7,AA:BB:cc:00:00:01,01:aa,3600,1772535600,1,0,0,host&#x2cname,0,,0\n" +
			"10.0.0.7,aa:bb:cc:00:00:01,,3600,1772537400,1,0,0,,0,,0\n" +
			"10.0.0.7,aa:bb:cc:00:00:01,,3600,1772537400,1,0,0,,2,,0\n" +
			"10.0.0.8,aa:bb:cc:00:00:02,,0,1772530000,1,0,0,,0,,0\n" +
			"10.0.0.9,,,86400,1772616400,1,0,0,,1,,0\n" +
			"10.0.0.10,aa:bb:cc:00:00:03,,4294967295,6067497295,1,0,0,,0,,0\n", []string{
			"2 cgn 10.0.0.7/32 aa:bb:cc:00:00:01 at 1772532000 until 1772535600", "2 cgn 10.0.0.7/32 aa:bb:cc:00:00:01 at 1772533800 until 1772537400",
			"3 cgn 10.0.0.7/32 aa:bb:cc:00:00:01 at 1772537400 until 0", "3 cgn 10.0.0.8/32 aa:bb:cc:00:00:02 at 1772530000 until 0",
			"3 cgn 10.0.0.9/32  at 1772530000 until 0", "2 cgn 10.0.0.10/32 aa:bb:cc:00:00:03 at 1772530000 until 0",
		}},
		"addresses and prefixes of IPv6": {kea.Files{Identity: lease.Client}, head6 +
			"2001:db8:7::1,00:03:00:01:AA,3600,1772535600,1,1800,0,5,128,0,0,,,0,,,,0\n2001:db8:7:100::,00:03:00:01:aa,3600,1772535600,1,1800,2,5,56,0,0,,,0,,,,0\n", []string{
			"2 2001:db8:7::1/128 00:03:00:01:aa at 1772532000 until 1772535600", "2 2001:db8:7:100::/56 00:03:00:01:aa at 1772532000 until 1772535600",
		}},
		"the port of the relay": {kea.Files{Identity: lease.Circuit}, head4 +
			"10.0.0.7,aa,,60,1000,1,0,0,,0," + esc(context) + ",0\n10.0.0.7,aa,,60,1000,1,0,0,,0," + esc(before) + ",0\n10.0.0.7,aa,,60,1000,1,0,0,,0,,0\n", []string{
			"2 10.0.0.7/32 617a31 at 940 until 1000", "2 10.0.0.7/32 617a31 at 940 until 1000",
			"row 3: the lease has no circuit identity, which names the line: see whether Kea keeps it (store-extended-info)",
		}},
		"its remote id": {kea.Files{Identity: lease.Remote}, head4 + "10.0.0.7,aa,,60,1000,1,0,0,,0," + esc(context) + ",0\n", []string{"2 10.0.0.7/32 ff01 at 940 until 1000"}},
		"the relay next to the client": {kea.Files{Identity: lease.Circuit}, head6 + "2001:db8:7::1,00,60,1000,1,30,0,5,128,0,0,,,0," + esc(six) + ",,,0\n", []string{
			"2 2001:db8:7::1/128 0a0a at 940 until 1000",
		}},
		"two rows run together, and one with another's rest": {kea.Files{}, head4 + "10.0.0.7,aa:bb:cc:00:00:01,,3600,17710.0.0.8,aa:bb:cc:00:00:02,,3600,1772535600,1,0,0,,0,,0\n" +
			"10.0.0.9,aa:bb:cc:00:00aa:bb:cc:00:00:03,,3600,1772535600,1,0,0,,0,,0\n10.0.0.9,aa:bb:cc:00:00:03,,3600,177253\x00\x00\x00,1,0,0,,0,,0\n", []string{
			"row 1: the row has 16 columns, and the header 12: a part of it is missing, or two rows are run together",
			"row 2: hwaddr is none: the row is damaged, or made of two", "row 3: the row has zero bytes in it, as a crash leaves them",
		}},
		"bad rows cost themselves, and half a row waits": {kea.Files{}, head4 +
			"10.0.0.300,aa,,60,1000,1,0,0,,0,,0\n10.0.0.7,aa,,x,1000,1,0,0,,0,,0\n10.0.0.7,aa,,60,-1,1,0,0,,0,,0\n10.0.0.7,aa,,60,1000,1,0,0,,9,,0\n10.0.0.7,,,60,1000,1,0,0,,0,,0\n10.0.0.7\n\n" +
			"10.0.0.7,aa,,60,1000,1,0,0,,0,,0\n10.0.0.7,aa,,60,10", []string{
			"row 1: address is none", "row 2: valid_lifetime is no number of seconds", "row 3: expire is no time in seconds",
			`row 4: state "9" is none that Kea knows: a newer Kea may have written it`,
			"row 5: the lease has no hardware identity, which names the line: see whether Kea keeps it (store-extended-info)",
			"row 6: the row has 1 columns, and the header 12: a part of it is missing, or two rows are run together", "2 10.0.0.7/32 aa at 940 until 1000",
		}},
		"no lease file":     {kea.Files{}, "a,b\n1,2\n", []string{"row 0: the header has no column address: it is no lease file of Kea"}},
		"a row without end": {kea.Files{}, head4 + strings.Repeat("x", 300_000), []string{"row 1: the row is longer than 256 KiB, and nothing can be read behind it"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, read(t, &c.files, c.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(head4+"10.0.0.7,aa,,60,1000,1,0,0,,0,{ \"ISC\": { \"relay-agent-info\": \"0x0103617a31\" } },0\n", "circuit")
	f.Fuzz(func(t *testing.T, text, identity string) {
		for r, err := range (&kea.Files{Identity: lease.Identity(identity)}).Read(strings.NewReader(text)) {
			if err == nil && r.Validate() != nil {
				t.Errorf("%+v: %v", r, r.Validate())
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	text := head4 + strings.Repeat("10.0.0.7,aa:bb:cc:00:00:01,01:aa:bb:cc:00:00:01,3600,1772535600,1,0,0,host,0,,0\n", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for range (&kea.Files{}).Read(strings.NewReader(text)) {
			continue
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "leases/s")
}
