// Package imap takes mails from mailboxes (RFC 9051, RFC 3501). A mail is fetched without marking it as read, handed to
// the mail desk, and only when its report is worked moved to another folder: to done, or to waiting as long as the
// report waits for a person. Nothing is ever deleted.
//
// Whatever is cut, killed or repeated: a mail lies in its folder until its report is durable, and one that is taken a
// second time is the same report (report.Report.Identity). So nothing is written down here.
package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/intake"
	"tocsin/internal/intake/mail"
	"tocsin/internal/report"
)

// Accepter keeps mails: the mail desk.
type Accepter interface {
	// Accept takes one mail in. The receipt means that it is durable, and says whether the same mail was here before.
	// An error promises nothing; trying again is harmless.
	Accept(ctx context.Context, e mail.Envelope, r io.ReadSeeker) (intake.Receipt, error)
}

// State says where a report stands: report.StateReceived where nothing is known of it yet.
type State func(ctx context.Context, id report.ID) (report.State, error)

// Paces are how long things are waited for. The zero value means the defaults.
type Paces struct {
	Retry   time.Duration // after the first failure, doubled up to 5m: 1s
	Refused time.Duration // after the server refused user or password, so that it locks nobody out: 15m
	Settle  time.Duration // for reports to be worked, before other mails are looked for: 5s
}

func (p Paces) withDefaults() Paces {
	for _, f := range []struct {
		v  *time.Duration
		to time.Duration
	}{{&p.Retry, time.Second}, {&p.Refused, 15 * time.Minute}, {&p.Settle, 5 * time.Second}} {
		if *f.v == 0 {
			*f.v = f.to
		}
	}
	return p
}

// Mailboxes are the mailboxes of a node.
type Mailboxes struct{ boxes []*box }

// spooled is the pattern of the files in which mails lie on their way.
const spooled = "mail-*"

// New makes the mailboxes of a valid and complete config. Nobody is connected to before Run. What a crash left in spool
// is removed.
func New(cfg []intake.Mailbox, desk Accepter, state State, spool string, pace Paces, log *slog.Logger, reg prometheus.Registerer) (*Mailboxes, error) {
	m := &Mailboxes{}
	if len(cfg) == 0 {
		return m, nil
	}
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for mails: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(spool, spooled))
	for _, f := range left {
		err = errors.Join(err, os.Remove(f))
	}
	if err != nil {
		return nil, fmt.Errorf("remove what was left of mails on their way: %w", err)
	}
	counts := newMetrics(reg)
	for _, c := range cfg {
		m.boxes = append(m.boxes, &box{
			cfg: c, desk: desk, state: state, spool: spool, pace: pace.withDefaults(),
			log: log.With("mailbox", c.Name), count: counts.of(c.Name),
		})
	}
	return m, nil
}

// Run takes mails from every mailbox until ctx ends. What is wrong with one of them stops none.
func (m *Mailboxes) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, b := range m.boxes {
		wg.Go(func() { b.run(ctx) })
	}
	wg.Wait()
	return nil
}

// box is one mailbox.
type box struct {
	cfg   intake.Mailbox
	desk  Accepter
	state State
	spool string
	pace  Paces
	log   *slog.Logger
	count counts
	held
}

// held is what is known of the folder's mails, for as long as the program runs: a connection that is cut again and again
// does not take the same mails again and again.
type held struct {
	validity uint32            // of the folder: numbers of mails mean something under it alone
	pending  map[imap.UID]note // taken, and not moved yet
	left     map[imap.UID]bool // too large

	underWait   uint32            // validity of the waiting folder
	waiting     map[imap.UID]note // in it
	leftWaiting map[imap.UID]bool
}

// note is the report that a mail is.
type note struct{ id report.ID }

// run connects again and again. The log hears once of an outage, and once of its end.
func (b *box) run(ctx context.Context) {
	down := ""
	wait := b.pace.Retry
	for ctx.Err() == nil {
		err := b.session(ctx, func() {
			b.count.connected.Set(1)
			wait = b.pace.Retry
			if down != "" {
				b.log.Info("the mailbox is read again")
			}
			down = ""
		})
		b.count.connected.Set(0)
		if ctx.Err() != nil {
			return
		}
		pause := wait
		if errors.Is(err, errRefused) {
			b.count.refused.Set(1)
			b.count.failLogin.Inc()
			pause = b.pace.Refused
		} else {
			b.count.failConnection.Inc()
		}
		if said := said(err); said != down {
			b.log.Warn("the mailbox cannot be read, trying again", "err", said)
			down = said
		}
		wait = min(2*wait, 5*time.Minute)
		rest(ctx, pause/2+rand.N(pause)) //nolint:gosec // so that nodes do not come back all at once
	}
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
