package stream_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"tocsin/internal/report"
	"tocsin/internal/stream"
)

// BenchmarkAccept says how many small reports are made durable in a second, one sender and several at once.
func BenchmarkAccept(b *testing.B) {
	for _, senders := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprint("1KiB/senders=", senders), func(b *testing.B) {
			s := opened(b)
			var n atomic.Uint64
			var wg sync.WaitGroup
			todo := make(chan struct{})
			for range senders {
				wg.Go(func() {
					doc := body(1024, 1)
					for range todo {
						binary.BigEndian.PutUint64(doc, n.Add(1))
						if _, _, err := s.Accept(b.Context(), from("a"), bytes.NewReader(doc)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for b.Loop() {
				todo <- struct{}{}
			}
			close(todo)
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
		})
	}
	b.Run("duplicate", func(b *testing.B) {
		s := opened(b)
		doc := body(1024, 1)
		for b.Loop() {
			if _, _, err := s.Accept(b.Context(), from("a"), bytes.NewReader(doc)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

const large = 256 << 20

// repeated is an endless file of one byte, so that what is measured is our memory and not the input's.
type repeated byte

func (r repeated) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

// BenchmarkAcceptLarge says how fast a large body is made durable: with a second reading for its hash (a file) and
// without (a stream).
func BenchmarkAcceptLarge(b *testing.B) {
	for _, seek := range []bool{true, false} {
		b.Run(fmt.Sprint("seek=", seek), func(b *testing.B) {
			s := opened(b)
			b.SetBytes(large)
			var n byte
			for b.Loop() {
				n++
				var r io.Reader = io.NewSectionReader(repeated(n), 0, large)
				if !seek {
					r = io.MultiReader(r)
				}
				if _, _, err := s.Accept(b.Context(), from("a"), r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(peakMiB(b), "rss-MiB")
		})
	}
}

// BenchmarkOriginal says how fast originals are read back, hash checked.
func BenchmarkOriginal(b *testing.B) {
	for _, size := range []int{1024, large} {
		b.Run(fmt.Sprint("bytes=", size), func(b *testing.B) {
			s := opened(b)
			rep, _, err := s.Accept(b.Context(), from("a"), io.NewSectionReader(repeated(1), 0, int64(size)))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				r, err := s.Original(b.Context(), rep.ID)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}

// BenchmarkWork says how many items are handed out and taken off the queue in a second.
func BenchmarkWork(b *testing.B) {
	s := opened(b)
	var reps []report.Report
	for i := range 200 {
		rep, _, err := s.Accept(b.Context(), from(fmt.Sprint(i)), bytes.NewReader(nil))
		if err != nil {
			b.Fatal(err)
		}
		reps = append(reps, rep)
	}
	nothing := func(context.Context, stream.Item) error { return nil }
	if err := s.Drain(b.Context(), nothing); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		for _, rep := range reps {
			if err := s.Requeue(b.Context(), rep, 1); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		if err := s.Drain(b.Context(), nothing); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(reps))/b.Elapsed().Seconds(), "items/s")
}

// peakMiB is the process's largest resident set so far (Linux).
func peakMiB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kib float64
	if _, after, ok := bytes.Cut(status, []byte("VmHWM:")); ok {
		fmt.Sscan(string(after), &kib)
	}
	return kib / 1024
}
