package shadowserver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/shadowserver"
	"tocsin/internal/report"
)

const telnetHeader = `"timestamp","severity","ip","protocol","port","hostname","tag","asn","geo","region","city",` +
	`"naics","hostname_source","sector","banner"` + "\n"

const telnetRow = `"2026-03-01 02:10:00",medium,198.51.100.7,tcp,23,host.example,telnet,64500,GB,Region,City,0,ptr,,login:` + "\n"

func document(name, text string) report.Document {
	return report.Document{Reader: strings.NewReader(text), Name: name}
}

// parse returns the events, kept, and the reasons of the bad rows.
func parse(t *testing.T, tables shadowserver.Tables, name, subject, text string) (events []report.Event, bad []*report.RowError) {
	t.Helper()
	doc := report.Document{Reader: strings.NewReader(text), Name: name, Subject: subject}
	for ev, err := range tables.Parse(doc) {
		if err != nil {
			e, ok := errors.AsType[*report.RowError](err)
			if !ok {
				t.Fatalf("%T: %v", err, err)
			}
			bad = append(bad, e)
			continue
		}
		var kept report.Event
		if err := json.Unmarshal(ev.AppendJSON(nil), &kept); err != nil {
			t.Fatal(err)
		}
		events = append(events, kept)
	}
	return events, bad
}

func TestTypeByNameOrHeader(t *testing.T) {
	smtp := "timestamp,severity,ip,protocol,port,tag,asn,geo,region,city\n" +
		"2026-03-01 02:10:00,medium,198.51.100.7,tcp,25,smtp,64500,GB,,\n"
	for _, c := range []struct{ name, subject, text, feed, kind, tag string }{
		{"2026-03-01-scan_telnet-examplenet-asn64500.csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"week.zip/2026-03-01-scan6_telnet-123-examplenet.csv.gz", "", telnetHeader + telnetRow, "scan6_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"shadowserver_2015-01-01-scan_smtp-sample-asn.csv.zip", "", smtp, "scan_smtp", "other/other", "open-smtp"},
		{"scan_telnet-examplenet.csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"2024-03-01-scan_telnet-example-as64500.csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"2024-03-01-scan_telnet-example-asn.csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"2024-03-01-SCAN6_TELNET-EXAMPLE-ASN.CSV", "", telnetHeader + telnetRow, "scan6_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"2024-03-01-scan_telnet-123-example-asn-delayed (1).csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"2024-03-01-scan_telnet (1).csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"scan_telnet(12).csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"Accessible-Telnet (2).csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"isp.example-2024-03-01-scan_telnet-asn.csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"mail.eml/2024-03-01-scan_telnet-example-asn.ZIP/report.csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"2024-03-01-scan_telnet-asn.zip/2024-03-01-scan6_telnet-asn.csv", "", telnetHeader + telnetRow, "scan6_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"2024-03-01-scan_nosuchthing-asn.zip/report.csv", "", smtp, "shadowserver", "other/undetermined", "smtp"},
		{"2024-03-01-scan_telnet-folder/report.csv", "", telnetHeader + telnetRow, "shadowserver", "vulnerable/vulnerable-system", "open-telnet"},
		{"Accessible-Telnet.csv", "", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"attachment.csv", "[Examplia] Shadowserver Accessible Telnet Service Report: 2026-03-01", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"", "Shadowserver Examplia Open Telnet, Accessible Telnet Service Report: 2026-03-01", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		{"", "[SAMPLE] Shadowserver scan_telnet-sample Report: 2026-03-01", telnetHeader + telnetRow, "scan_telnet", "vulnerable/vulnerable-system", "open-telnet"},
		// Two types share this header and tag: what both are.
		{"input.csv", "", telnetHeader + telnetRow, "shadowserver", "vulnerable/vulnerable-system", "open-telnet"},
		{"2026-03-01-scan_nosuchthing-examplenet.csv", "", smtp, "shadowserver", "other/undetermined", "smtp"},
	} {
		events, bad := parse(t, shadowserver.Tables{}, c.name, c.subject, c.text)
		if len(events) != 1 || len(bad) != 0 {
			t.Errorf("%s%s: %d events, bad rows %v", c.name, c.subject, len(events), bad)
			continue
		}
		if e := events[0]; e.Feed != c.feed || e.Kind.String() != c.kind || e.Tag() != c.tag {
			t.Errorf("%s%s: %s %s %s, want %s %s %s", c.name, c.subject, e.Feed, e.Kind, e.Tag(), c.feed, c.kind, c.tag)
		}
	}
}

// official is the form of intelmq.json, read here a second time and without the package's code.
type official map[string]struct {
	File     string            `json:"file_name"`
	Constant map[string]string `json:"constant_fields"`
	Required [][]any           `json:"required_fields"`
	Optional [][]any           `json:"optional_fields"`
}

// TestEveryHeader reads a row of every official type under a name that says nothing: a type with a header of its
// own is found, and one that shares it gets the feed "shadowserver" and a meaning that no type of the header denies.
func TestEveryHeader(t *testing.T) {
	b, err := os.ReadFile(corpustest.Dir(t, "shadowserver_schema", "report_schema", "intelmq.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all official
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "_meta")
	byHeader := map[string][]string{}
	for key, x := range all {
		header := strings.Join(columnsOf(x.Required, x.Optional), ",")
		byHeader[header] = append(byHeader[header], key)
	}
	shared := 0
	for header, keys := range byHeader {
		row := make([]string, 0, 100)
		for c := range strings.SplitSeq(header, ",") {
			row = append(row, map[string]string{
				"timestamp": "2026-03-01 02:10:00", "ip": "198.51.100.7", "src_ip": "198.51.100.7", "http_referer_ip": "198.51.100.7",
				"email": "user@isp.example", "website": "victim.example", "request": "host.example",
			}[c])
		}
		events, bad := parse(t, shadowserver.Tables{}, "input.csv", "", header+"\n"+strings.Join(row, ",")+"\n")
		if len(events) != 1 {
			t.Errorf("%v: %d events, bad rows %v", keys, len(events), bad)
			continue
		}
		if len(keys) == 1 {
			if events[0].Feed != all[keys[0]].File {
				t.Errorf("feed %s, want %s", events[0].Feed, all[keys[0]].File)
			}
			continue
		}
		shared += len(keys)
		if events[0].Feed != "shadowserver" {
			t.Errorf("%v: feed %s, though several types fit", keys, events[0].Feed)
		}
		for _, k := range keys { // the least specific of several is "other" wherever one of them is
			class := all[k].Constant["classification.taxonomy"]
			if class == "other" && events[0].Kind.Class != "other" {
				t.Errorf("%v: %s is more specific than %s", keys, events[0].Kind, k)
			}
		}
	}
	if shared != 108 {
		t.Errorf("%d types share their header, 108 were expected", shared)
	}
}

func columnsOf(lists ...[][]any) []string {
	seen := map[string]bool{}
	var cols []string
	for _, fields := range lists {
		for _, f := range fields {
			if c := f[1].(string); !seen[c] {
				seen[c] = true
				cols = append(cols, c)
			}
		}
	}
	slices.Sort(cols) // one order for types with the same columns
	return cols
}

func TestTagTellsTypesApart(t *testing.T) {
	header := `timestamp,severity,ip,protocol,port,hostname,tag,asn,geo,region,city,naics,hostname_source,sector` + "\n"
	row := `2026-03-01 02:10:00,high,198.51.100.7,tcp,1080,,TAG,64500,GB,,,,,` + "\n"
	text := header + strings.ReplaceAll(row, "TAG", "socks4") + strings.ReplaceAll(row, "TAG", "cisco-smart-install") +
		strings.ReplaceAll(row, "TAG", "socks;cve-2024-1234")
	events, bad := parse(t, shadowserver.Tables{}, "input.csv", "", text)
	if len(events) != 3 || len(bad) > 0 {
		t.Fatalf("%d events, %v", len(events), bad)
	}
	for i, want := range []string{"shadowserver socks4", "scan_cisco_smart_install accessible-cisco-smart-install", "scan_socks open-socks cve-2024-1234"} {
		if got := events[i].Feed + " " + strings.Join(events[i].Tags, " "); got != want {
			t.Errorf("row %d: %s, want %s", i+1, got, want)
		}
	}
}

// TestDetectCorpus takes each report of the corpus for one, and nothing that is none.
func TestDetectCorpus(t *testing.T) {
	tables := shadowserver.Tables{}
	for _, e := range corpustest.Entries(t, "shadowserver") {
		if !strings.HasSuffix(e.Expected, ".json") && !strings.HasSuffix(e.Path, ".csv") {
			continue
		}
		head := head(t, corpustest.Dir(t, strings.Split(e.Path, "/")...))
		want := !bytes.HasPrefix(head, []byte("bad_data"))
		if got := tables.Detect(report.Document{Name: filepath.Base(e.Path)}, head); got != want {
			t.Errorf("%s: Detect says %v", e.Path, got)
		}
		if got := tables.Detect(report.Document{Name: "input.csv"}, head); got != want {
			t.Logf("%s without its name: Detect says %v", e.Path, got)
		}
	}
}

func TestDetectNothingElse(t *testing.T) {
	tables := shadowserver.Tables{}
	files := 0
	root := corpustest.Dir(t)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), "shadowserver") {
				return filepath.SkipDir
			}
			return nil
		}
		files++
		if tables.Detect(report.Document{Name: d.Name()}, head(t, path)) {
			t.Errorf("%s is taken for a Shadowserver report", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 1000 {
		t.Errorf("only %d files seen", files)
	}
	for _, text := range []string{
		"", "\n\n", "{}", `{"timestamp":"2026-03-01"}`, "timestamp\n", "timestamp,value\n1,2\n",
		"From: a@example.net\nTo: b@example.net\n\ntext", "timestamp,ip,port\n", `"timestamp`,
	} {
		for _, name := range []string{"", "input.csv", "2026-03-01-example.csv"} {
			if tables.Detect(report.Document{Name: name}, []byte(text)) {
				t.Errorf("%q named %q is taken for a Shadowserver report", text, name)
			}
		}
	}
}

func head(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
