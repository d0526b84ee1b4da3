package store_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/netip"
	"testing"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/formats"
	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/world"
)

type benchOriginals map[report.ID]world.BenchFile

func (o benchOriginals) Original(_ context.Context, id report.ID) (io.ReadCloser, error) {
	var b bytes.Buffer
	_, err := o[id].WriteTo(&b)
	return io.NopCloser(&b), err
}

type elsewhere struct{}

var far = report.Holder{ASN: 64500}

func (elsewhere) Whose(netip.Addr, uint32) *report.Holder { return &far }

func (elsewhere) WhosePrefix(netip.Prefix, uint32) *report.Holder { return &far }

// BenchmarkDesk parses, folds and stores reports in SQLite, without the stream.
func BenchmarkDesk(b *testing.B) {
	in := world.Bench(1, world.BenchSize{Rows: 1_000_000})
	for b.Loop() {
		db := openBench(b)
		originals := benchOriginals{}
		var reports []report.Report
		for _, f := range in.Files {
			r := report.Report{ID: report.NewID(f.Received), Channel: "bench", Reporter: f.Reporter, ReceivedAt: f.Received, Name: f.Name}
			copy(r.SHA256[:], f.Name)
			originals[r.ID] = f
			reports = append(reports, r)
		}
		d := &desk.Desk{
			Open: func(doc report.Document, _ string) iter.Seq2[desk.Document, error] {
				return func(yield func(desk.Document, error) bool) {
					yield(desk.Document{Name: doc.Name, Format: "shadowserver", Events: formats.Tables{}.Parse(doc)}, nil)
				}
			},
			Originals: originals, Networks: func() desk.Networks { return elsewhere{} }, Store: db, Incidents: incident.Defaults(), SpoolDir: b.TempDir(),
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = d.Run(ctx) }()
		begin := time.Now()
		work := make(chan report.Report)
		errs := make(chan error, 8)
		var events [8]int64
		for i := range 8 {
			go func() {
				for r := range work {
					res, err := d.Work(ctx, r, 0)
					if err != nil {
						errs <- err
						return
					}
					events[i] += res.Events
				}
				errs <- nil
			}()
		}
		for _, r := range reports {
			work <- r
		}
		close(work)
		for range 8 {
			if err := <-errs; err != nil {
				b.Fatal(err)
			}
		}
		var n int64
		for _, e := range events {
			n += e
		}
		b.ReportMetric(float64(n)/time.Since(begin).Seconds(), "events/s")
		cancel()
		<-done
	}
}
