package syslog_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/linetest"
	"tocsin/internal/line/nat"
	"tocsin/internal/line/syslog"
)

// devices are messages of several vendors, with their headers.
var devices = map[string]string{
	"nfware":  "<134>1 2026-03-01T02:10:00Z nat1 nat - - - A VRF 0 INT 10.0.0.7 EXT 198.51.100.7:1024-1535",
	"juniper": `<14>1 2026-03-01T02:10:00.123Z srx RT_NAT - RT_SRC_NAT_PBA_ALLOC [junos@2636.1.1.1.2.40 internal-ip="10.0.0.7" block-used="1" block-max-per-host="4" block-port-low="2048" block-port-high="4095" reflexive-ip="198.51.100.7" nat-pool-name="p" logical-system-id="0" epoch-time-64="69a3a118"]`,
	"sixwind": `<30>Mar  1 02:10:00 vsr fp-cgnat[1]: USER 10.0.0.7 (matching rule 1): NEW BLOCK (pool "p", ip public 198.51.100.7, proto 6, port 1 - 512)`,
	"a10":     "<134>2026-03-01T02:10:04.87+00:00 thunder CEF:0|A10|CFW|6.0.0|CGN 106|Nat Port Batch Pool Allocated|5|proto=UDP src=10.0.0.7 sourceTranslatedAddress=198.51.100.7 sourceTranslatedPort=22016 cn3=22271 cn3Label=Last Nat Port",
	"vyatta":  "<141>Mar  1 02:10:00 vrouter dataplane[88]: CGNAT: PB_ALLOCATED subs-addr=10.0.0.7 policy=P1 pub-addr=198.51.100.7 pool=POOL1 port=1024-1535 start-time=1772331000000000",
	"cisco":   "<134>1 2026 Mar 1 02:10:02 cgse - - NAT44 - [UserbasedA - 10.0.0.7 Broadband - 198.51.100.7 - 2048 3071 - -]",
	"other":   "<34>1 2026-03-01T02:10:00Z nat1 sshd 12 - - Accepted publickey for root from 198.51.100.7 port 40312 ssh2",
}

// BenchmarkParse is a message's header and layout, on one core.
func BenchmarkParse(b *testing.B) {
	for name, text := range devices {
		b.Run(name, func(b *testing.B) {
			h, l := syslog.Header{}, nat.Logs{Realm: "cgn"}
			var records []line.Record
			b.ReportAllocs()
			for b.Loop() {
				m, err := h.Read(text, received)
				if err != nil {
					b.Fatal(err)
				}
				if records, err = l.Message(records[:0], m.Text, m.At, m.Host); err != nil || len(records) == 0 && name != "other" {
					b.Fatal(err, len(records))
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// nowhere is a log that keeps nothing.
type nowhere struct{ n uint64 }

func (n *nowhere) Append(context.Context, string, uint64, []byte) (uint64, error) {
	n.n++
	return n.n, nil
}

func (*nowhere) Delete(context.Context, string, []uint64) error { return nil }

func (*nowhere) After(context.Context, string, uint64) iter.Seq2[archive.Batch, error] {
	return func(func(archive.Batch, error) bool) {}
}

// BenchmarkTCP is messages from a sender on loopback to what the archive has taken, all in one process.
func BenchmarkTCP(b *testing.B) {
	now := time.Now()
	lines, err := archive.OpenLines(b.Context(), &linetest.Table{}, time.Now, archive.Keys{ID: "a"})
	if err != nil {
		b.Fatal(err)
	}
	source, err := archive.OpenSource(b.Context(), b.TempDir(), "cgn", line.Rules{}, lines, &nowhere{})
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close()
	cfg := syslog.Config{TCP: "127.0.0.1:0", From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Logs: nat.Logs{Realm: "cgn"}}
	kept, all := 0, make(chan struct{})
	s, err := syslog.Listen(cfg, nil, func(ctx context.Context, records []line.Record) error {
		if _, err := source.Tell(ctx, records); err != nil {
			return err
		}
		if kept += len(records); kept >= b.N {
			close(all)
		}
		return nil
	}, time.Now, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var texts []string
	for i := range 2000 {
		action := [2]string{"A", "D"}[i/1000]
		texts = append(texts, fmt.Sprintf("<134>1 %s nat1 nat - - - %s VRF 0 INT 10.0.%d.%d EXT 198.51.100.%d:%d-%d\n", now.UTC().Format(time.RFC3339), action, i%1000/250, i%250, i%1000/100, 1024+i%100*512, 1535+i%100*512))
	}
	c := dial(b, "tcp", s.Addrs()[0])
	b.ResetTimer()
	for i := 0; i < b.N; {
		from := i % 2000
		chunk := texts[from:min(from+50, 2000, from+b.N-i)]
		send(b, c, strings.Join(chunk, ""))
		i += len(chunk)
	}
	<-all
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.StopTimer()
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
