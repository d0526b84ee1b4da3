package shadowserver_test

import (
	"fmt"
	"strings"
	"testing"

	"tocsin/internal/formats/shadowserver"
	"tocsin/internal/report"
)

// typical is a report of rows with 30 columns, quoted like Shadowserver quotes.
func typical(rows int) string {
	var b strings.Builder
	b.WriteString(`"timestamp","severity","ip","protocol","port","hostname","tag","asn","geo","region","city","naics",` +
		`"hostname_source","sector","rdp_protocol","cert_length","subject_common_name","issuer_common_name",` +
		`"cert_issue_date","cert_expiration_date","sha1_fingerprint","cert_serial_number","ssl_version",` +
		`"signature_algorithm","key_algorithm","sha256_fingerprint","md5_fingerprint","bluekeep_vulnerable",` +
		`"bluekeep_vulnerable_text","jarm"` + "\n")
	for i := range rows {
		fmt.Fprintf(&b, `"2026-03-01 %02d:%02d:%02d","high","198.51.%d.%d","tcp",3389,"host-%d.example.net","rdp",64500,"GB",`+
			`"LONDON","LONDON",517312,"ptr","Communications, Service Provider, and Hosting Service","rdp",2048,"host-%d",`+
			`"host-%d","2025-10-14 01:02:03","2026-04-15 01:02:03","3F:2A:11:90:AA:BC:DE:01:23:45:67:89:AB:CD:EF:01:23:45:67:89",`+
			`"1A2B3C4D5E6F",2,"sha256WithRSAEncryption","rsaEncryption",,,"N",,`+"\n",
			i/3600%24, i/60%60, i%60, i>>8&255, i&255, i, i, i)
	}
	return b.String()
}

func BenchmarkParse(b *testing.B) {
	const rows = 20_000
	text := typical(rows)
	var doc report.Document
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		doc = report.Document{Reader: strings.NewReader(text), Name: "2026-03-01-scan_rdp-examplenet.csv"}
		n := 0
		for ev, err := range (shadowserver.Tables{}).Parse(doc) {
			if err != nil || !ev.Subject.Addr.IsValid() {
				b.Fatal(err)
			}
			n++
		}
		if n != rows {
			b.Fatalf("%d events", n)
		}
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}
