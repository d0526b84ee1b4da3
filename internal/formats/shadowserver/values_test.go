package shadowserver_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/formats/shadowserver"
)

// TestOddValues reads what rows have had in columns that fill a member, and what they might.
func TestOddValues(t *testing.T) {
	const ip, port, at = "198.51.100.7", "23", "2026-03-01 02:10:00"
	for _, c := range []struct {
		column, value string
		want          string // address, port and time of the event, or part of the reason
		kept          bool   // whether the value is in the details as well
	}{
		{"ip", "2001:DB8:0::1", "2001:db8::1 23 02:10:00", false},
		{"ip", "::ffff:198.51.100.9", "198.51.100.9 23 02:10:00", true},
		{"ip", " 198.51.100.9 ", "198.51.100.9 23 02:10:00", true},
		{"ip", "198.51.100.9/32", "198.51.100.9 23 02:10:00", true},
		{"ip", "2001:db8::1/128", "2001:db8::1 23 02:10:00", true},
		{"ip", "198.51.100.0/24", "198.51.100.0/24 is a network", false},
		{"ip", "2001:db8::/64", "2001:db8::/64 is a network", false},
		{"ip", "198.51.100.7:23", `"198.51.100.7:23" is not an IP address`, false},
		{"ip", "[2001:db8::1]:23", `"[2001:db8::1]:23" is not an IP address`, false},
		{"ip", "198.51.100.007", `"198.51.100.007" is not an IP address`, false},
		{"ip", "fe80::1%eth0", "has a zone", false},
		{"ip", "", "names no address, domain or URL", false},

		{"port", "", "198.51.100.7 0 02:10:00", false},
		{"port", "0", "198.51.100.7 0 02:10:00", true},
		{"port", "023", "198.51.100.7 23 02:10:00", true},
		{"port", " 23", "198.51.100.7 23 02:10:00", true},
		{"port", "65535", "198.51.100.7 65535 02:10:00", false},
		{"port", "65536", `"65536" is no port`, false},
		{"port", "+23", `"+23" is no port`, false},

		{"timestamp", "2026-03-01T02:10:00Z", "198.51.100.7 23 02:10:00", false},
		{"timestamp", "2026-03-01 02:10:00 UTC", "198.51.100.7 23 02:10:00", false},
		{"timestamp", "2026-03-01 03:10:00+01:00", "198.51.100.7 23 02:10:00", false},
		{"timestamp", "2026-03-01 03:10:00+01", "198.51.100.7 23 02:10:00", false},
		{"timestamp", "2026-03-01T03:10:00+0100", "198.51.100.7 23 02:10:00", false},
		{"timestamp", "2026-03-01 01:10:00 -0100", "198.51.100.7 23 02:10:00", false},
		{"timestamp", " 2026-03-01 02:10:00", "198.51.100.7 23 02:10:00", true},
		{"timestamp", "2026-03-01 02:10:00 CET", "is no time", false}, // which CET is not for certain
		{"timestamp", "2026-02-30 02:10:00", "is no time", false},
		{"timestamp", "2026-03-01 24:00:00", "is no time", false},
		{"timestamp", "1772331000", "is no time", false},
		{"timestamp", "", `no time in column "timestamp"`, false},
	} {
		row := map[string]string{"ip": ip, "port": port, "timestamp": at}
		row[c.column] = c.value
		text := "timestamp,ip,protocol,port,hostname,tag,asn,geo,region,city\n" + fmt.Sprintf("%s,%s,tcp,%s,,,64500,GB,,\n", row["timestamp"], row["ip"], row["port"])
		got, kept := "", ""
		for ev, err := range (shadowserver.Tables{}).Parse(document("2026-03-01-scan_telnet-examplenet.csv", text)) {
			if err != nil {
				got = err.Error()
				continue
			}
			got = fmt.Sprint(ev.Subject.Addr, ev.Subject.Port, ev.From.Format(" 15:04:05"))
			kept = strings.Clone(ev.Detail(c.column))
		}
		if !strings.Contains(got, c.want) || (kept == c.value && kept != "") != c.kept {
			t.Errorf("%s %q: %s, in details %q; want %s, %t", c.column, c.value, got, kept, c.want, c.kept)
		}
	}
}

// TestColumnsInAnyOrder reads a report whose columns are turned round, in capitals, and with more between them.
func TestColumnsInAnyOrder(t *testing.T) {
	names := strings.Split(strings.ReplaceAll(strings.TrimSpace(telnetHeader), `"`, ""), ",")
	values := strings.Split(strings.TrimSpace(telnetRow), ",")
	want, _ := parse(t, shadowserver.Tables{}, "x.csv", "", telnetHeader+telnetRow)
	for _, name := range []string{"x.csv", "2026-03-01-scan_telnet-examplenet.csv"} {
		n, v := slices.Clone(names), slices.Clone(values)
		slices.Reverse(n)
		slices.Reverse(v)
		n, v = slices.Insert(n, 5, "new_thing"), slices.Insert(v, 5, `"a, ""b""`+"\r\n"+`c"`)
		got, bad := parse(t, shadowserver.Tables{}, name, "", strings.ToUpper(strings.Join(n, ","))+"\n"+strings.Join(v, ",")+"\n")
		if len(got) != 1 || len(bad) != 0 {
			t.Errorf("%s: %d events, %v", name, len(got), bad)
			continue
		}
		w, g := want[0], got[0]
		if g.Kind != w.Kind || g.Tag() != w.Tag() || g.Subject != w.Subject || !g.From.Equal(w.From) || g.Severity != w.Severity {
			t.Errorf("%s: %+v, want %+v", name, g, w)
		}
		if d := g.Detail("NEW_THING"); d != "a, \"b\"\r\nc" || len(g.Details) != len(w.Details)+1 {
			t.Errorf("%s: %q, %d details, want %d", name, d, len(g.Details), len(w.Details)+1)
		}
	}
}

// TestSinkhole: who is whose target differs between the reports, and so does the URL's scheme.
func TestSinkhole(t *testing.T) {
	const header = "timestamp,protocol,src_ip,src_port,src_asn,src_geo,dst_ip,dst_port,dst_asn,dst_geo,application,infection,http_host,http_url,http_referer_ip,http_referer_asn,http_referer_geo\n"
	const row = "2026-03-01 02:10:00,tcp,198.51.100.7,40000,64500,GB,203.0.113.9,443,64501,US,%s,mirai,sink.example,GET /x?y HTTP/1.1,192.0.2.5,64502,DE\n"
	for _, c := range []struct{ name, app, addr, url string }{
		{"2026-03-01-event4_sinkhole_http-a.csv", "https", "198.51.100.7:40000", "https://sink.example/x?y"},
		{"2026-03-01-event4_sinkhole_http-a.csv", "http", "198.51.100.7:40000", "http://sink.example/x?y"},
		{"2026-03-01-event4_sinkhole_http-a.csv", "", "198.51.100.7:40000", "http://sink.example/x?y"},
		{"2026-03-01-event4_sinkhole_http_referer-a.csv", "https", "192.0.2.5:0", "https://sink.example/x?y"},
	} {
		events, bad := parse(t, shadowserver.Tables{}, c.name, "", header+fmt.Sprintf(row, c.app))
		if len(events) != 1 || len(bad) != 0 {
			t.Fatalf("%s: %d events, %v", c.name, len(events), bad)
		}
		e := events[0]
		if got := fmt.Sprintf("%s:%d", e.Subject.Addr, e.Subject.Port); got != c.addr || e.Target.URL != c.url ||
			e.Target.Addr.String() != "203.0.113.9" || e.Target.Port != 443 {
			t.Errorf("%s: %s, %+v; want %s, %s", c.name, got, e.Target, c.addr, c.url)
		}
	}
}
