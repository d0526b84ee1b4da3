package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"golang.org/x/sync/errgroup"

	"tocsin/internal/intake"
	"tocsin/internal/intake/mail"
	"tocsin/internal/report"
)

const (
	atOnce  = 64 // mails fetched with one command, and made durable together
	keyword = imap.Flag("$TocsinTaken")
)

var errCut = errors.New("fetch a mail: the connection was cut in the middle of it")

// session is one connection.
type session struct {
	*box
	c     *imapclient.Client
	news  chan struct{}
	moves bool // the server knows MOVE (RFC 6851)
}

// session reads the mailbox until the connection ends.
func (b *box) session(ctx context.Context, up func()) error {
	s := &session{box: b, news: make(chan struct{}, 1)}
	c, err := b.connect(ctx, s.news)
	if err != nil {
		return err
	}
	s.c = c
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	defer c.Close()
	if err := s.open(); err != nil {
		return err
	}
	up()
	for ctx.Err() == nil {
		if err := s.round(ctx); err != nil {
			return err
		}
		if err := s.idle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// open makes the folders and finds out what the server can do.
func (s *session) open() error {
	for _, f := range [...]*string{&s.cfg.Done, &s.cfg.Waiting} {
		if err := s.make(*f); err != nil {
			return err
		}
	}
	data, err := s.choose(s.cfg.Folder)
	if err != nil {
		return err
	}
	s.moves = s.c.Caps().Has(imap.CapMove)
	if !s.moves && !slices.Contains(data.PermanentFlags, imap.FlagWildcard) && !slices.Contains(data.PermanentFlags, keyword) {
		return errors.New("the server can neither move mails (RFC 6851) nor keep marks of ours on them: use a server that can, or forward the mailbox by SMTP")
	}
	return nil
}

// make makes a folder where it is missing.
func (s *session) make(folder string) error {
	list, err := s.c.List("", folder, nil).Collect()
	if err != nil {
		return fmt.Errorf("look for the folder %s: %w", folder, err)
	}
	if len(list) > 0 {
		return nil
	}
	err = s.c.Create(folder, nil).Wait()
	if answer, ok := errors.AsType[*imap.Error](err); ok && answer.Code == imap.ResponseCodeAlreadyExists {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the folder %s: %w", folder, err)
	}
	return nil
}

// choose selects a folder.
func (s *session) choose(folder string) (*imap.SelectData, error) {
	data, err := s.c.Select(folder, nil).Wait()
	if err != nil {
		return nil, fmt.Errorf("open the folder %s: %w", folder, err)
	}
	switch {
	case folder == s.cfg.Folder && (data.UIDValidity != s.validity || s.pending == nil):
		s.validity = data.UIDValidity
		s.pending, s.left = map[imap.UID]note{}, map[imap.UID]bool{}
	case folder == s.cfg.Waiting && (data.UIDValidity != s.underWait || s.waiting == nil):
		s.underWait = data.UIDValidity
		s.waiting, s.leftWaiting = map[imap.UID]note{}, map[imap.UID]bool{}
	}
	return data, nil
}

// round takes every mail that there is, and moves those whose reports are worked.
func (s *session) round(ctx context.Context) error {
	if err := s.review(ctx); err != nil {
		return err
	}
	for {
		fresh, err := s.fresh()
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(fresh, atOnce) {
			got, err := s.take(ctx, chunk, s.left)
			maps.Copy(s.pending, got)
			if err != nil {
				return err
			}
		}
		if err := s.settle(ctx); err != nil {
			return err
		}
		s.count.pending.Set(float64(len(s.pending)))
		s.count.left.Set(float64(len(s.left)))
		s.count.success.SetToCurrentTime()
		if len(fresh) == 0 && len(s.pending) == 0 {
			return nil
		}
	}
}

// fresh lists the mails that are neither taken nor left, oldest first.
func (s *session) fresh() ([]imap.UID, error) {
	criteria := &imap.SearchCriteria{}
	if !s.moves {
		criteria.NotFlag = []imap.Flag{keyword}
	}
	found, err := s.c.UIDSearch(criteria, nil).Wait()
	if err != nil {
		return nil, fmt.Errorf("list the mails: %w", err)
	}
	var fresh []imap.UID
	for _, u := range found.AllUIDs() {
		if _, taken := s.pending[u]; !taken && !s.left[u] {
			fresh = append(fresh, u)
		}
	}
	slices.Sort(fresh)
	return fresh, nil
}

// take makes mails of the chosen folder durable; those that are too large are added to left. Also
// with an error it returns those that are.
func (s *session) take(ctx context.Context, uids []imap.UID, left map[imap.UID]bool) (map[imap.UID]note, error) {
	uids, err := s.fitting(uids, left)
	if err != nil || len(uids) == 0 {
		return nil, err
	}
	var mu sync.Mutex
	got := map[imap.UID]note{}
	g, accepting := errgroup.WithContext(ctx)
	cmd := s.c.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{
		UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}, // RFC 9051 §6.4.5: PEEK leaves \Seen alone
	})
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		u, f, err := s.spoolMail(msg)
		if err != nil {
			if !errors.Is(err, errCut) { // there is nothing more to read, and the library would race for it
				_ = cmd.Close() // the first error says it
			}
			return got, errors.Join(err, g.Wait())
		}
		if f == nil {
			continue // it went meanwhile
		}
		g.Go(func() error {
			defer f.Close()
			receipt, err := s.desk.Accept(accepting, mail.Envelope{Channel: intake.ChannelIMAP, Reporter: s.cfg.Reporter}, f)
			if err != nil {
				s.count.failMail.Inc()
				return fmt.Errorf("keep a mail: %w", err)
			}
			if receipt.Duplicate {
				s.count.duplicate.Inc()
			} else {
				s.count.fresh.Inc()
			}
			mu.Lock()
			defer mu.Unlock()
			got[u] = note{receipt.Report.ID}
			return nil
		})
	}
	err = cmd.Close()
	if acceptErr := g.Wait(); acceptErr != nil {
		return got, acceptErr
	}
	if err != nil {
		return got, fmt.Errorf("fetch mails: %w", err)
	}
	return got, nil
}

// fitting leaves out the mails that are too large, and says so once.
func (s *session) fitting(uids []imap.UID, left map[imap.UID]bool) ([]imap.UID, error) {
	all, err := s.c.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, RFC822Size: true}).Collect()
	if err != nil {
		return nil, fmt.Errorf("ask for the sizes of mails: %w", err)
	}
	var fit []imap.UID
	for _, m := range all {
		if m.RFC822Size > s.cfg.MaxBytes {
			left[m.UID] = true
			s.log.Warn("a mail is larger than intake.imap's max_bytes and stays where it is: raise max_bytes, or file it by hand",
				"uid", uint32(m.UID), "bytes", m.RFC822Size)
			continue
		}
		fit = append(fit, m.UID)
	}
	return fit, nil
}

// spoolMail writes one mail to a file that has no name any more.
func (s *session) spoolMail(msg *imapclient.FetchMessageData) (u imap.UID, f *os.File, err error) {
	defer func() {
		if err != nil && f != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	for item := msg.Next(); item != nil; item = msg.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			u = item.UID
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue
			}
			if f, err = os.CreateTemp(s.spool, spooled); err != nil {
				return 0, nil, fmt.Errorf("keep a mail on its way: %w", err)
			}
			if err = os.Remove(f.Name()); err != nil {
				return 0, f, fmt.Errorf("keep a mail on its way: %w", err)
			}
			if err = store(f, item.Literal); err != nil {
				return 0, f, err
			}
		}
	}
	if f != nil && u == 0 {
		return 0, f, errors.New("fetch a mail: the server does not say which one it sent")
	}
	return u, f, nil
}

// store writes a mail to a file. The mail is read to its end whatever happens, and not beyond: the library reads on from
// the same connection meanwhile.
func store(f *os.File, literal imap.LiteralReader) error {
	in := &counted{r: literal}
	_, err := io.Copy(f, in)
	if err != nil && !in.ended {
		_, _ = io.Copy(io.Discard, in) // the file could not be written; what is left of the mail is in the way
	}
	switch {
	case in.n != literal.Size():
		return errCut
	case err != nil:
		return fmt.Errorf("keep a mail on its way: %w", err)
	}
	return nil
}

// counted counts what is read, and knows when there is no more.
type counted struct {
	r     io.Reader
	n     int64
	ended bool
}

// Read reads.
func (c *counted) Read(p []byte) (int, error) {
	if c.ended {
		return 0, io.EOF
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.ended = err != nil
	return n, err
}

// settle waits a little for the reports of pending mails to be worked, and moves those mails.
func (s *session) settle(ctx context.Context) error {
	end := time.Now().Add(s.pace.Settle)
	for pause := 10 * time.Millisecond; len(s.pending) > 0; pause = min(2*pause, time.Second) {
		done, waits, err := s.worked(ctx, s.pending)
		if err != nil {
			return err
		}
		if err := s.move(done, s.cfg.Done, s.count.done.Add); err != nil {
			return err
		}
		if err := s.move(waits, s.cfg.Waiting, s.count.waits.Add); err != nil {
			return err
		}
		for _, u := range slices.Concat(done, waits) {
			delete(s.pending, u)
		}
		if time.Now().After(end) {
			return nil
		}
		if len(s.pending) > 0 {
			rest(ctx, pause)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// worked says which mails' reports are dealt with, and which wait for a person.
func (s *session) worked(ctx context.Context, mails map[imap.UID]note) (done, waits []imap.UID, err error) {
	for u, n := range mails {
		switch state, err := s.state(ctx, n.id); {
		case err != nil:
			return nil, nil, fmt.Errorf("look where a report stands: %w", err)
		case state == report.StateWaiting:
			waits = append(waits, u)
		case state != report.StateReceived && state != report.StateWorking:
			done = append(done, u)
		}
	}
	return done, waits, nil
}

// move brings mails of the chosen folder to another one.
func (s *session) move(uids []imap.UID, folder string, count func(float64)) error {
	if len(uids) == 0 {
		return nil
	}
	set := imap.UIDSetNum(uids...)
	err := s.bring(set, folder)
	if answer, ok := errors.AsType[*imap.Error](err); ok && answer.Code == imap.ResponseCodeTryCreate { // somebody removed it
		if err = s.make(folder); err == nil {
			err = s.bring(set, folder)
		}
	}
	if err != nil {
		s.count.failMove.Inc()
		return fmt.Errorf("move mails to the folder %s: %w", folder, err)
	}
	count(float64(len(uids)))
	return nil
}

// bring moves mails. Where the server cannot, it copies them and marks those that stay: the library's own way out would
// delete them.
func (s *session) bring(set imap.UIDSet, folder string) error {
	if s.moves {
		_, err := s.c.Move(set, folder).Wait()
		return err
	}
	if _, err := s.c.Copy(set, folder).Wait(); err != nil {
		return err
	}
	return s.c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{keyword}}, nil).Close()
}

// review looks through the waiting folder: mails that waited and wait no more go to done. Which report a mail there is
// is found by taking it again.
func (s *session) review(ctx context.Context) (err error) {
	if !s.moves {
		return nil // they lie in the folder as well, marked: nothing there tells when they were dealt with
	}
	if _, err := s.choose(s.cfg.Waiting); err != nil {
		return err
	}
	found, err := s.c.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
	if err != nil {
		return fmt.Errorf("list the mails that wait: %w", err)
	}
	now := map[imap.UID]note{}
	var unknown []imap.UID
	for _, u := range found.AllUIDs() {
		if n, ok := s.waiting[u]; ok {
			now[u] = n
		} else if !s.leftWaiting[u] {
			unknown = append(unknown, u)
		}
	}
	for chunk := range slices.Chunk(unknown, atOnce) {
		got, err := s.take(ctx, chunk, s.leftWaiting)
		maps.Copy(s.waiting, got)
		maps.Copy(now, got)
		if err != nil {
			return err
		}
	}
	done, _, err := s.worked(ctx, now)
	if err != nil {
		return err
	}
	if err := s.move(done, s.cfg.Done, s.count.done.Add); err != nil {
		return err
	}
	for _, u := range done {
		delete(now, u)
	}
	s.waiting = now
	s.count.waiting.Set(float64(len(now)))
	_, err = s.choose(s.cfg.Folder)
	return err
}

// idle waits for news of the folder (RFC 2177), or for the next look.
func (s *session) idle(ctx context.Context) error {
	timer := time.NewTimer(s.cfg.Poll)
	defer timer.Stop()
	if !s.c.Caps().Has(imap.CapIdle) {
		select {
		case <-timer.C:
		case <-s.c.Closed():
		case <-ctx.Done():
		}
		return s.c.Noop().Wait()
	}
	cmd, err := s.c.Idle()
	if err != nil {
		return fmt.Errorf("wait for mails: %w", err)
	}
	select {
	case <-s.news:
	case <-timer.C:
	case <-s.c.Closed():
	case <-ctx.Done():
	}
	if err := cmd.Close(); err != nil {
		return fmt.Errorf("wait for mails: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("wait for mails: %w", err)
	}
	return nil
}
