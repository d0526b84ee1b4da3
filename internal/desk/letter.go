package desk

import (
	"fmt"

	"tocsin/internal/report"
)

// BlockedReason is why a letter is set aside whose author a person has blocked.
const BlockedReason = "a person here wants nothing more from this author: nothing of it is read"

// put notes what becomes of a mail in no format. In a report of several mails one that waits goes before one that is
// set aside.
func (w *work) put(l *report.Letter, m *report.Mail) error {
	if w.original.err != nil { // a mail that our own disk cut short is no letter
		return w.original.err
	}
	if l.State == report.StateWaiting && m != nil && m.From != "" {
		blocked, err := w.desk.Store.Blocked(w.ctx, m.From)
		if err != nil {
			return fmt.Errorf("ask whether an author is blocked: %w", err)
		}
		if blocked {
			l = &report.Letter{State: report.StateAside, Reason: BlockedReason}
		}
	}
	if w.letter == nil || w.letter.State == report.StateAside && l.State == report.StateWaiting {
		w.letter, w.result.Letter = l, l.State
	}
	if w.done > 0 {
		return nil
	}
	if err := w.at(1); err != nil {
		return err
	}
	// Nothing of it is taken, so a replay by a program that knows its format takes all of it.
	w.build.refusals = append(w.build.refusals, Refusal{
		Document: w.document, Rest: w.document == 0, Letter: true, Reason: l.Reason,
	})
	return nil
}
