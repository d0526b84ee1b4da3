package world_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"tocsin/internal/formats"
	"tocsin/internal/report"
	"tocsin/internal/world"
)

// TestMailboxIsRead holds every kind of mail to what the reader of reports makes of it.
func TestMailboxIsRead(t *testing.T) {
	kinds := map[string]bool{}
	for m := range world.Mailbox(7, 200) {
		kinds[m.Kind] = true
		if fate, events := readMail(t, m.Body); fate != m.Fate || events != m.Events {
			t.Errorf("%s: %s with %d events, want %s with %d\n%.1500s", m.Kind, fate, events, m.Fate, m.Events, m.Body)
		}
	}
	if len(kinds) != 20 {
		t.Errorf("%d kinds of mails, want 20", len(kinds))
	}
}

func readMail(t *testing.T, body []byte) (fate world.Fate, events int) {
	t.Helper()
	doc := report.Document{
		Name: "m.eml", Reader: bytes.NewReader(body), Received: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
	}
	var tables formats.Tables
	for member, err := range tables.Open(doc, formats.Limits{TempDir: t.TempDir()}) {
		if l, ok := errors.AsType[*report.Letter](err); ok {
			fate = world.FateWaiting
			if l.State == report.StateAside {
				fate = world.FateAside
			}
			continue
		}
		if err != nil {
			fate = world.FateQuarantined
			continue
		}
		for _, err := range tables.ParseAs(member.Format.Name, member.Document) {
			if err != nil {
				fate = world.FateQuarantined
				continue
			}
			fate = world.FateParsed
			events++
		}
	}
	return fate, events
}

// TestMailboxRepeats: the same seed gives the same mails, and what repeats another differs in trace headers alone.
func TestMailboxRepeats(t *testing.T) {
	var all []world.Mail
	repeats := 0
	for m := range world.Mailbox(7, 300) {
		if m.Repeat >= 0 {
			repeats++
			if was := all[m.Repeat]; was.Repeat >= 0 || !bytes.HasSuffix(m.Body, was.Body) || len(m.Body) == len(was.Body) || was.Kind != m.Kind {
				t.Errorf("mail %d does not repeat mail %d", len(all), m.Repeat)
			}
		}
		all = append(all, m)
	}
	if repeats < 3 {
		t.Errorf("%d repeats", repeats)
	}
	i := 0
	for m := range world.Mailbox(7, 300) {
		if !bytes.Equal(m.Body, all[i].Body) {
			t.Errorf("mail %d is not the same the second time", i)
		}
		i++
	}
}
