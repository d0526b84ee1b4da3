package smtp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/intake"
	"tocsin/internal/intake/mail"
	"tocsin/internal/intake/smtp"
	"tocsin/internal/report"
)

// sink keeps nothing: what is left is the cost of the protocol.
type sink struct{}

func (sink) Accept(_ context.Context, _ mail.Envelope, r io.ReadSeeker) (intake.Receipt, error) {
	_, err := io.Copy(io.Discard, r)
	return intake.Receipt{Report: report.Report{ID: report.ID{1}}}, err
}

// BenchmarkLMTP is one mail of 15 KB by DATA on a connection that stays open, as Postfix sends them: one connection a
// processor, commands pipelined.
func BenchmarkLMTP(b *testing.B) {
	cfg := intake.Config{SMTP: intake.SMTP{LMTP: []string{"127.0.0.1:0"}, Recipients: []string{abuse}}}.WithDefaults()
	s, err := smtp.New(b.Context(), cfg.SMTP, sink{}, filepath.Join(b.TempDir(), "spool"), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	text := strings.Repeat("Failed password for root from 198.51.100.7 port 40312 ssh2 ..\r\n", 15_000/63)
	mail := "MAIL FROM:<ann@example.org>\r\nRCPT TO:<" + abuse + ">\r\nDATA\r\n"
	body := "From: ann@example.org\r\nSubject: attack\r\n\r\n" + text + ".\r\n"
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", s.Addresses()[0].String())
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		if err := heard(r, "220"); err != nil {
			b.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "LHLO mail.example.org\r\n")
		err = heard(r, "250")
		for err == nil && pb.Next() {
			_, _ = io.WriteString(conn, mail)
			for _, want := range []string{"250", "250", "354"} {
				if err == nil {
					err = heard(r, want)
				}
			}
			_, _ = io.WriteString(conn, body)
			if err == nil {
				err = heard(r, "250")
			}
		}
		if err != nil {
			b.Error(err)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

// heard reads one reply to its last line.
func heard(r *bufio.Reader, want string) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, want) {
			return fmt.Errorf("heard %q, want %s", line, want)
		}
		if len(line) > 3 && line[3] == ' ' {
			return nil
		}
	}
}
