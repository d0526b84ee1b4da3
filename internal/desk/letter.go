package desk

import (
	"encoding/json"
	"fmt"

	"tocsin/internal/formats/letter"
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
	if err := w.readLetter(m); err != nil {
		return err
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

// readLetter reads the text of a letter, once for the report, so that a person can be shown it without the original:
// beside a running node nothing but the database can be read.
func (w *work) readLetter(m *report.Mail) error {
	if w.reading != nil {
		return nil
	}
	original, err := w.desk.Originals.Original(w.ctx, w.report.ID)
	if err != nil {
		return err
	}
	defer original.Close()
	text, err := letter.Text(original)
	if err != nil {
		return fmt.Errorf("read a letter: %w", err)
	}
	if m != nil && w.desk.About != nil {
		w.letter.Apart = w.desk.About(m, &text)
	}
	w.reading, err = EncodeReading(&text)
	return err
}

// EncodeReading packs what can be read of a letter for the store.
func EncodeReading(r *letter.Reading) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode a letter: %w", err)
	}
	return compress(b)
}

// DecodeReading reads what EncodeReading packed; nothing is nil.
func DecodeReading(b []byte) (*letter.Reading, error) {
	if len(b) == 0 {
		return nil, nil //nolint:nilnil // what is past its end date is no error
	}
	raw, err := Decompress(b)
	if err != nil {
		return nil, err
	}
	r := &letter.Reading{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("decode a letter: %w", err)
	}
	return r, nil
}
