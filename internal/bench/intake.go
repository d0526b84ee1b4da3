package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sync/errgroup"

	"tocsin/internal/app"
	"tocsin/internal/report"
	"tocsin/internal/world"
)

// IntakeOptions says what to measure of a mailbox.
type IntakeOptions struct {
	Mails      int
	Dir        string // empty: a temporary one that is removed
	Senders    int    // connections at once; 0 is 16
	CPUProfile string // file for a profile of it; empty for none
	Progress   func(sent, all int64)
}

// IntakeResult is what was measured.
type IntakeResult struct {
	MailsPerSecond    float64 `json:"mails_per_second"`
	CPUSecondsPerMail float64 `json:"cpu_seconds_per_mail"` // the senders' included
	PeakRSSMiB        float64 `json:"peak_rss_mib"`
	Mails             int     `json:"mails"`
	Parsed            int64   `json:"parsed"`
	Waiting           int64   `json:"waiting"`
	SetAside          int64   `json:"set_aside"`
	Quarantined       int64   `json:"quarantined"`
	Duplicates        int64   `json:"duplicates"`
	Seconds           float64 `json:"seconds"`
	CPUs              int     `json:"cpus"`
}

// Intake sends a mailbox of mixed mails to a node by LMTP, over a socket of this machine, and measures until the last of
// them is worked: accepted durably, parsed, attributed and committed, or set before a person, set aside, or quarantined.
func Intake(ctx context.Context, opt IntakeOptions) (IntakeResult, error) {
	dir, cleanup, err := workDir(opt.Dir)
	if err != nil {
		return IntakeResult{}, err
	}
	defer cleanup()
	if opt.Senders == 0 {
		opt.Senders = 20
	}
	cfg := app.Defaults(filepath.Join(dir, "data"))
	cfg.Listen = "off"
	cfg.Intake.SMTP.Socket = filepath.Join(dir, "mail.sock")
	cfg.Intake.SMTP.Recipients = []string{"abuse@examplenet.example"}
	a, err := app.New(ctx, cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), time.Now)
	if err != nil {
		return IntakeResult{}, err
	}
	running, stop := context.WithCancel(ctx)
	g, running := errgroup.WithContext(running)
	g.Go(func() error { return a.Run(running) })
	debug.FreeOSMemory()
	res, err := measureIntake(running, a, cfg.Intake.SMTP.Socket, opt)
	stop()
	if err := errors.Join(err, g.Wait(), a.Close()); err != nil {
		return IntakeResult{}, err
	}
	if sum := res.Parsed + res.Waiting + res.SetAside + res.Quarantined + res.Duplicates; sum != int64(opt.Mails) {
		return IntakeResult{}, fmt.Errorf("%d of %d mails ended somewhere: the figures would mean nothing", sum, opt.Mails)
	}
	return res, nil
}

func measureIntake(ctx context.Context, a *app.App, socket string, opt IntakeOptions) (IntakeResult, error) {
	if err := await(ctx, func() (bool, error) { _, err := os.Stat(socket); return err == nil, nil }); err != nil {
		return IntakeResult{}, err
	}
	stop, err := profile(opt.CPUProfile)
	if err != nil {
		return IntakeResult{}, err
	}
	defer stop()
	begin, cpu := time.Now(), cpuTime()
	repeats, err := deliver(ctx, socket, opt)
	if err != nil {
		return IntakeResult{}, err
	}
	if err := await(ctx, func() (bool, error) { n, err := a.Behind(ctx); return n == 0, err }); err != nil {
		return IntakeResult{}, err
	}
	took := time.Since(begin)
	states, err := a.Store().States(ctx)
	if err != nil {
		return IntakeResult{}, err
	}
	return IntakeResult{
		MailsPerSecond: float64(opt.Mails) / took.Seconds(), CPUSecondsPerMail: (cpuTime() - cpu).Seconds() / float64(opt.Mails),
		PeakRSSMiB: peakRSS(), Mails: opt.Mails, Parsed: states[report.StateWorked], Waiting: states[report.StateWaiting],
		SetAside: states[report.StateAside], Quarantined: states[report.StateQuarantined], Duplicates: repeats,
		Seconds: took.Seconds(), CPUs: runtime.GOMAXPROCS(0),
	}, nil
}

// await looks again and again until a condition holds.
func await(ctx context.Context, ok func() (bool, error)) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := ok(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// deliver sends the mails over several connections, and returns how many of them repeat another one.
func deliver(ctx context.Context, socket string, opt IntakeOptions) (repeats int64, err error) {
	g, ctx := errgroup.WithContext(ctx)
	mails := make(chan world.Mail, opt.Senders)
	g.Go(func() error {
		defer close(mails)
		sent := int64(0)
		for m := range world.Mailbox(seed, opt.Mails) {
			if m.Repeat >= 0 {
				repeats++
			}
			select {
			case mails <- m:
			case <-ctx.Done():
				return nil
			}
			if sent++; opt.Progress != nil {
				opt.Progress(sent, int64(opt.Mails))
			}
		}
		return nil
	})
	for range opt.Senders {
		g.Go(func() error { return send(ctx, socket, mails) })
	}
	err = g.Wait()
	return repeats, err
}

// send is one connection.
func send(ctx context.Context, socket string, mails <-chan world.Mail) error {
	raw, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("connect to the node: %w", err)
	}
	c := smtp.NewClientLMTP(raw)
	defer c.Close()
	if err := c.Hello("mx.examplenet.example"); err != nil {
		return fmt.Errorf("greet the node: %w", err)
	}
	for m := range mails {
		if err := sendOne(c, m); err != nil {
			return fmt.Errorf("send a mail: %w", err)
		}
	}
	return c.Quit()
}

func sendOne(c *smtp.Client, m world.Mail) error {
	if err := c.Mail(m.From, nil); err != nil {
		return err
	}
	if err := c.Rcpt("abuse@examplenet.example", nil); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.Body); err != nil {
		return err
	}
	return w.Close()
}
