package shadowserver_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/shadowserver"
	"tocsin/internal/report"
)

const telnetName = "2026-03-01-scan_telnet-examplenet.csv"

// TestBytes has what a text file of cases cannot hold well.
func TestBytes(t *testing.T) {
	received := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, text string
		events     int
		bad        string // part of the reason of the bad row, "" for none
	}{
		{"CRLF and byte order mark", "\ufeff" + strings.ReplaceAll(telnetHeader+telnetRow+telnetRow, "\n", "\r\n"), 2, ""},
		{"CR", strings.ReplaceAll(telnetHeader+telnetRow+telnetRow, "\n", "\r"), 2, ""},
		{"CR and byte order mark", "\ufeff" + strings.ReplaceAll(telnetHeader+telnetRow+telnetRow, "\n", "\r"), 2, ""},
		{"CR and no line end", strings.TrimSuffix(strings.ReplaceAll(telnetHeader+telnetRow, "\n", "\r"), "\r"), 1, ""},
		{"CRCRLF", strings.ReplaceAll(telnetHeader+telnetRow+telnetRow, "\n", "\r\r\n"), 2, ""},
		{"CR after the header, LF after the rows", strings.Replace(telnetHeader, "\n", "\r", 1) + telnetRow + telnetRow, 2, ""},
		{"LF after the header, CR after the rows", telnetHeader + strings.ReplaceAll(telnetRow+telnetRow+telnetRow, "\n", "\r"), 3, ""},
		{"CR and one bad row", strings.ReplaceAll(telnetHeader+telnetRow+"x,y\n"+telnetRow, "\n", "\r"), 2, "the row has 2 columns, the header 15"},
		{"a header that CR ends", strings.ReplaceAll(telnetHeader, "\n", "\r"), 0, ""},
		{"one line that CR ends", "no,report\r", 0, "no column \"timestamp\""},
		{"CR only", "\r\r\r", 0, "is empty"},
		{"no line end", telnetHeader + strings.TrimSuffix(telnetRow, "\n"), 1, ""},
		{"NUL", telnetHeader + strings.Replace(telnetRow, "login:", "a\x00b", 1) + telnetRow, 1, "NUL"},
		{"not UTF-8", telnetHeader + strings.Replace(telnetRow, "login:", "a\xffb", 1) + telnetRow, 1, "UTF-8"},
		{"NUL in the address", telnetHeader + strings.Replace(telnetRow, "198.51.100.7", "198.51.100.7\x00", 1) + telnetRow, 1, "is not an IP address"},
		{"10,000 columns", telnetHeader + strings.Repeat("x,", 10_000) + "\n" + telnetRow, 1, "more than 1000 columns"},
		{"10,000 columns in the header", strings.Repeat("x,", 10_000) + "\n" + telnetRow, 0, "more than 1000 columns"},
		{"a row of 3 MiB", telnetHeader + strings.Replace(telnetRow, "login:", strings.Repeat("x", 3<<20), 1) + telnetRow, 1, "longer than 1 MiB"},
		{"a header of 3 MiB", strings.Repeat("x", 3<<20) + "\n" + telnetRow, 0, "longer than 1 MiB"},
		{"empty lines only", "\n\r\n\n", 0, "is empty"},
		{"UTF-16", "t\x00i\x00m\x00e\x00", 0, "no column \"timestamp\""},
	} {
		events, reasons := 0, ""
		doc := report.Document{Reader: strings.NewReader(c.text), Name: telnetName}
		for ev, err := range (shadowserver.Tables{}).Parse(doc) {
			if err == nil {
				err = ev.Validate(received)
			}
			if err != nil {
				reasons += err.Error()
				continue
			}
			events++
		}
		if events != c.events || (reasons == "") != (c.bad == "") || !strings.Contains(reasons, c.bad) {
			t.Errorf("%s: %d events, %.200q; want %d, %q", c.name, events, reasons, c.events, c.bad)
		}
	}
}

func TestTruncatedGzip(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, telnetHeader)
	for i := range 100_000 {
		io.WriteString(z, strings.Replace(telnetRow, "login:", fmt.Sprint("login ", i*7919%100_003), 1))
	}
	z.Close()
	r, err := gzip.NewReader(bytes.NewReader(b.Bytes()[:b.Len()/2]))
	if err != nil {
		t.Fatal(err)
	}
	events := int64(0)
	var last error
	for ev, err := range (shadowserver.Tables{}).Parse(report.Document{Reader: r, Name: telnetName}) {
		if err != nil {
			last = err
			continue
		}
		if events++; ev.Row != events {
			t.Fatalf("row %d is event %d", ev.Row, events)
		}
	}
	var bad *report.RowError
	if !errors.As(last, &bad) || bad.Row != 0 || !strings.Contains(bad.Reason, fmt.Sprintf("after row %d", events)) || events < 1000 {
		t.Errorf("%d events, then %v", events, last)
	}
}

func TestStopsWhenTold(t *testing.T) {
	r := strings.NewReader(telnetHeader + strings.Repeat(telnetRow, 100_000))
	for range (shadowserver.Tables{}).Parse(report.Document{Reader: r, Name: telnetName}) {
		break
	}
	if read := int(r.Size()) - r.Len(); read > 1<<20 {
		t.Errorf("%d bytes were read for one row", read)
	}
}

func load(t testing.TB, text string) shadowserver.Tables {
	t.Helper()
	tables, err := shadowserver.LoadTables(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// TestOfficialFileTakesOver reads the corpus with Shadowserver's own file and with the facts compiled in: the same
// file, so the same events.
func TestOfficialFileTakesOver(t *testing.T) {
	b, err := os.ReadFile(corpustest.Dir(t, "shadowserver_schema", "report_schema", "intelmq.json"))
	if err != nil {
		t.Fatal(err)
	}
	own, theirs := shadowserver.Tables{}, load(t, string(b))
	var wg sync.WaitGroup // tables are shared: the race detector looks on
	for _, e := range corpustest.Entries(t, "shadowserver") {
		wg.Go(func() {
			text, err := os.ReadFile(corpustest.Dir(t, strings.Split(e.Path, "/")...))
			if err != nil {
				t.Error(err)
				return
			}
			for _, name := range []string{e.Path, "x.csv"} {
				if diff := cmp.Diff(lines(own, name, text), lines(theirs, name, text)); diff != "" {
					t.Errorf("%s as %s (-compiled in +official):\n%s", e.Path, name, diff)
				}
			}
		})
	}
	wg.Wait()
}

func lines(tables shadowserver.Tables, name string, text []byte) []string {
	var out []string
	for ev, err := range tables.Parse(report.Document{Reader: bytes.NewReader(text), Name: name}) {
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		out = append(out, string(ev.AppendJSON(nil)))
	}
	return out
}

func TestNewTypeWithoutRelease(t *testing.T) {
	tables := load(t, `{"_meta":{"date_created":"2027-01-01T00:00:00Z"},
		"scan_newthing":{"feed_name":"Open-NewThing","file_name":"scan_newthing",
			"constant_fields":{"classification.taxonomy":"vulnerable","classification.type":"weak-crypto","classification.identifier":"open-newthing"},
			"required_fields":[["time.source","timestamp","add_UTC_to_timestamp"],["source.ip","newthing_ip","validate_ip"],["source.port","newthing_port"]],
			"optional_fields":[["extra.","newthing_version","validate_to_none"],["severity","severity"]]}}`)
	events, bad := parse(t, tables, "2027-01-01-scan_newthing-examplenet.csv", "",
		"timestamp,newthing_ip,newthing_port,newthing_version\n2026-03-01 02:10:00,198.51.100.7,4242,1.0\n")
	if len(bad) > 0 || len(events) != 1 {
		t.Fatalf("%v, %v", events, bad)
	}
	want := `{"format":"shadowserver","feed":"scan_newthing","row":1,"class":"vulnerable","type":"weak-crypto","tag":"open-newthing","tags":["open-newthing"],"from":"2026-03-01T02:10:00Z","subject":{"addr":"198.51.100.7","port":4242},"details":{"newthing_version":"1.0"}}`
	if got := string(events[0].AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// A type that the new file no longer has is read as one that is not known; a retired one as ever.
	events, _ = parse(t, tables, telnetName, "", telnetHeader+telnetRow)
	if len(events) != 1 || events[0].Kind != report.Undetermined {
		t.Errorf("scan_telnet without its entry: %v", events)
	}
	events, _ = parse(t, tables, "phish_url.csv", "", "timestamp,url,host,ip\n2022-02-01 08:00:07,https://a.example/,a.example,198.51.100.7\n")
	if len(events) != 1 || events[0].Kind.Type != "phishing" {
		t.Errorf("phish_url: %v", events)
	}
}

func TestBadOfficialFile(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "line 1, column 0: unexpected end of JSON input"},
		{"{\n  \"scan\": {\n  x", "line 3, column 3: invalid character 'x'"},
		{"[]", "array where an object of report types is expected"},
		{"{}", "it describes no report type"},
		{`{"_meta":{}}`, "it describes no report type"},
		{`{"a":{}}`, `report type "a": it has no file_name`},
		{`{"a":{"file_name":5}}`, `report type "a": file_name is a number`},
		{`{"a":{"file_name":"a"},"b":{"file_name":"a"}}`, `report type "b": file_name "a" is that of "a" already`},
		{`{"a":{"file_name":"a","optional_fields":[["x","y"],["x"]]}}`, `report type "a": optional_fields, entry 2: write [name, column]`},
		{`{"a":{"file_name":"a","required_fields":[["x",7]]}}`, `report type "a": required_fields, entry 1: part 2 is not a string`},
		{`{"a":{"file_name":"a","constant_fields":{"protocol.transport":"t c p"}}}`, `report type "a": protocol.transport "t c p"`},
		{strings.Repeat(" ", 33<<20), "larger than 32 MiB"},
		{strings.Repeat(`{"a":`, 20_000), "exceeded max depth"},
	} {
		_, err := shadowserver.LoadTables(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want %q", c.text, err, c.want)
		}
	}
}

// TestNothingIsLost reads rows of every official type with a value in each column: each value is found in the event.
func TestNothingIsLost(t *testing.T) {
	b, err := os.ReadFile(corpustest.Dir(t, "shadowserver_schema", "report_schema", "intelmq.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all official
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "_meta")
	usual := map[string]string{
		"timestamp": "2026-03-01 02:10:00", "ip": "198.51.100.7", "src_ip": "198.51.100.8",
		"http_referer_ip": "198.51.100.9", "dst_ip": "203.0.113.7", "port": "23", "src_port": "24", "dst_port": "25",
		"email": "user@isp.example", "website": "victim.example", "request": "host.example", "severity": "high",
	}
	for key, x := range all {
		cols := columnsOf(x.Required, x.Optional)
		row := make([]string, len(cols))
		for i, c := range cols {
			if row[i] = usual[c]; row[i] == "" {
				row[i] = fmt.Sprintf("Value %d", i)
			}
		}
		name := "2026-03-01-" + x.File + "-examplenet.csv"
		events, bad := parse(t, shadowserver.Tables{}, name, "", strings.Join(cols, ",")+"\n"+strings.Join(row, ",")+"\n")
		if len(events) != 1 {
			t.Errorf("%s: %v", key, bad)
			continue
		}
		line := string(events[0].AppendJSON(nil))
		for i, v := range row {
			if cols[i] == "timestamp" {
				v = "2026-03-01T02:10:00Z"
			}
			if !strings.Contains(line, v) {
				t.Errorf("%s: %s=%s is lost in %s", key, cols[i], v, line)
			}
		}
	}
}
