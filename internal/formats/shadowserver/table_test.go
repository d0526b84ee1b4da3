package shadowserver

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/corpustest"
)

// The tests of this file are inside the package because they compare and write its private table.

var update = flag.Bool("update", false, "write types.txt anew from the corpus's intelmq.json")

// current are the roles that most types give to a column; the table names the exceptions.
var current = []string{
	"timestamp time", "severity severity", "ip addr", "src_ip addr", "port port", "src_port port",
	"protocol proto", "asn asn", "src_asn asn", "geo cc", "src_geo cc", "dst_ip target-addr",
	"dst_port target-port", "tag cve", "infection name",
}

// together are columns that often come together.
var together = map[string]string{
	"scan": "timestamp severity ip protocol port hostname tag asn geo region city naics hostname_source sector",
	"src": "timestamp severity protocol src_ip src_port src_asn src_geo src_region src_city src_hostname src_naics " +
		"src_sector device_vendor device_type device_model family",
	"dst":     "dst_ip dst_port dst_asn dst_geo dst_region dst_city dst_hostname dst_naics dst_sector",
	"referer": "http_referer_ip http_referer_asn http_referer_geo http_referer_region http_referer_city",
	"event":   "public_source application version event_id",
	"device":  "device_vendor device_type device_model",
	"cert": "cert_expiration_date cert_issue_date cert_length cert_serial_number cipher_suite " +
		"md5_fingerprint sha1_fingerprint sha256_fingerprint sha512_fingerprint key_algorithm signature_algorithm",
	"issuer": "issuer_business_category issuer_common_name issuer_country issuer_email_address issuer_given_name " +
		"issuer_locality_name issuer_organization_name issuer_organization_unit_name issuer_postal_code " +
		"issuer_serial_number issuer_state_or_province_name issuer_street_address issuer_surname",
	"subject": "subject_business_category subject_common_name subject_country subject_email_address " +
		"subject_given_name subject_locality_name subject_organization_name subject_organization_unit_name " +
		"subject_postal_code subject_serial_number subject_state_or_province_name subject_street_address " +
		"subject_surname",
}

func TestTable(t *testing.T) {
	want := official(t)
	if *update {
		writeTable(t, want)
	}
	text, err := os.ReadFile("types.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseTable(string(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := cmp.Options{
		cmp.AllowUnexported(reportType{}, meaning{}, column{}),
		cmpopts.SortSlices(func(a, b column) bool { return a.name < b.name }),
		cmpopts.SortSlices(func(a, b *reportType) bool { return a.file < b.file }),
	}
	if diff := cmp.Diff(want, got.types, opts); diff != "" {
		t.Errorf("types.txt differs from intelmq.json; go test -run TestTable -update writes it (-want +got):\n%s", diff)
	}
	if len(want) < 170 {
		t.Errorf("the official file has %d types, 170 were expected", len(want))
	}
	for _, x := range want {
		if x.title == "" && x.file != "special" {
			t.Logf("%s has no mail subject", x.file)
		}
	}
}

func TestOlderNamesPointSomewhere(t *testing.T) {
	own := compiled()
	files := map[string]bool{}
	for _, x := range own.facts.types {
		files[x.file] = true
	}
	for _, n := range own.older.names {
		if !files[n[1]] {
			t.Errorf("name %q stands for %q, which is no type", n[0], n[1])
		}
	}
	for file := range own.older.earlier {
		if !files[file] {
			t.Errorf("earlier %q is no type", file)
		}
	}
	for _, a := range own.older.add {
		if !files[a.file] {
			t.Errorf("add %q is no type", a.file)
		}
	}
}

// official reads the types from the corpus, with the mail subjects of Shadowserver's list.
func official(t *testing.T) []*reportType {
	t.Helper()
	f, err := os.Open(corpustest.Dir(t, "shadowserver_schema", "report_schema", "intelmq.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	types, err := readOfficial(f)
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(corpustest.Dir(t, "shadowserver_schema", "report_schema", "types.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\| (\w+) \| \[([^\]]+)\]`).FindAllStringSubmatch(string(list), -1) {
		for _, x := range types {
			if x.file == m[1] {
				x.title = m[2]
			}
		}
	}
	return types
}

func writeTable(t *testing.T, types []*reportType) {
	t.Helper()
	var b strings.Builder
	b.WriteString("# What Shadowserver's report types are and what their columns say: the facts of intelmq.json of\n" +
		"# 2026-03-24 in our own form. Written by go test -run TestTable -update; the statements are in text.go.\n\n")
	for _, r := range current {
		fmt.Fprintf(&b, "role %s\n", r)
	}
	b.WriteByte('\n')
	for _, g := range sortedKeys(together) {
		fmt.Fprintf(&b, "group %s %s\n", g, together[g])
	}
	b.WriteByte('\n')
	all, err := parseTable(b.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	all.types = types
	groups := map[string][]string{}
	for g, words := range together {
		groups[g] = strings.Fields(words)
	}
	for _, x := range types {
		all.appendType(&b, x, groups)
	}
	text := b.String()
	if err := os.WriteFile("types.txt", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
