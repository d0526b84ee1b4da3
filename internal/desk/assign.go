package desk

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/formats/letter"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// Person is the format of events that a person made of a letter, and the name of their feed.
const Person = "person"

// MaxAssigned is how many events a person can make of one report in one go. More than that is a list, for which
// there are formats.
const MaxAssigned = 1000

// ErrNotWaiting says that a report waits for nobody: somebody was faster, or it is no letter.
var ErrNotWaiting = errors.New("this report does not wait for a person")

// ErrNoReport says that no report has the id.
var ErrNoReport = errors.New("no such report")

// Letter is a report that is a mail in no format, as a person deals with it.
type Letter struct {
	report.Report
	Generation int         // that was worked last
	Reason     string      // why it waits or was set aside; personal
	Apart      report.Kind // the kind under which it is filed apart; zero: with the rest
	Sender     string      // author; personal
	Thread     report.ID   // oldest report of its thread; zero where it has none
	Events     int64
}

// Shelf is a list of letters: those in a state, report.StateWaiting or report.StateAside, that are filed apart under a
// kind. The zero Kind is the shelf of all the rest.
type Shelf struct {
	State report.State
	Apart report.Kind
}

// Opened is a letter with all that a person needs to deal with it.
type Opened struct {
	Letter
	Reading     *letter.Reading // nil where it is past its end date, as the original is
	Suggestions []letter.Suggestion
	Thread      []Letter    // all of its thread, itself included, oldest first
	Assignment  *Assignment // what a person said of it; nil when nobody has
}

// Blocked is an author of whom a person wants nothing more.
type Blocked struct {
	Sender string // an address, or "@domain"; personal
	At     time.Time
	Who    string
}

// Assigner keeps what people say of reports.
type Assigner interface {
	// Assign stores, in one transaction, what a person said of a report that waits: the chunk, what it touches, and
	// that the report is worked. again is true, and nothing changes, when the same was said of it before. Else a report
	// that does not wait any more, or of which another generation was worked meanwhile, is ErrNotWaiting.
	Assign(ctx context.Context, c *Chunk, a Assignment) (again bool, err error)
}

// Assignment is who said what of a report.
type Assignment struct {
	Digest   [sha256.Size]byte // of what was said: equal when it is the same
	Who      string            // name of a token, or of the account that ran the command
	At       time.Time
	Incident report.ID // the incident that the report was merged into; zero where it has its own events
}

// Assigned is what became of an Assign or a Merge.
type Assigned struct {
	Events  int  // without repeats
	Repeats int  // equal to another of the same request
	Again   bool // asked for before: nothing changed
}

// Assign makes events of a report that waits, as a person read it. They are held to the rules of any event; the error
// joins a *report.FieldError for each fault of each, and then nothing is stored. The same request twice is one.
func (d *Desk) Assign(ctx context.Context, l *Letter, events []report.Event, who string, now time.Time) (Assigned, error) {
	if len(events) == 0 || len(events) > MaxAssigned {
		return Assigned{}, &report.FieldError{Field: "events", Rule: fmt.Sprintf("give 1 to %d events", MaxAssigned)}
	}
	for i := range events {
		e := &events[i]
		e.Format, e.Feed, e.Row, e.Subject.Addr, e.Target.Addr = Person, "", int64(i+1), e.Subject.Addr.Unmap(), e.Target.Addr.Unmap()
	}
	if err := Faults(events, l.ReceivedAt); err != nil {
		return Assigned{}, err
	}
	networks := d.Networks()
	b := newBuilder(&d.Incidents)
	return d.assign(ctx, l, b, events, Assignment{Who: who, At: now}, func(e *report.Event) (end, error) {
		return d.responsible(ctx, b, networks, e)
	})
}

// Faults is all that is wrong with events of a report that came in at a time, joined, each a *report.FieldError.
func Faults(events []report.Event, received time.Time) error {
	var faults []error
	for i := range events {
		faults = append(faults, placed(fmt.Sprintf("events[%d]", i), events[i].Validate(received))...)
	}
	return errors.Join(faults...)
}

// placed says of each fault which event has it.
func placed(where string, err error) []error {
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for i, one := range all {
		if f, ok := errors.AsType[*report.FieldError](one); ok {
			all[i] = &report.FieldError{Field: where + "." + f.Field, Rule: f.Rule}
		}
	}
	return all
}

// Merge says that a report that waits is about an incident that there is. Each time in at becomes an event of the
// incident's own subject and kind, so that it counts there; without any, the report is only linked to the incident. A
// time so far from the incident that it would begin another episode is refused.
func (d *Desk) Merge(ctx context.Context, l *Letter, in *incident.Incident, at []time.Time, who string, now time.Time) (Assigned, error) {
	if len(at) > MaxAssigned {
		return Assigned{}, &report.FieldError{Field: "at", Rule: fmt.Sprintf("give at most %d times", MaxAssigned)}
	}
	events, faults := make([]report.Event, len(at)), []error(nil)
	for i, t := range at {
		events[i] = report.Event{Format: Person, Row: int64(i + 1), From: t.UTC(), Kind: in.Kind, Subject: subjectOf(in.Subject)}
		if in.Tag != "" {
			events[i].Tags = []string{in.Tag}
		}
		where := fmt.Sprintf("at[%d]", i)
		faults = append(faults, placed(where, events[i].Validate(l.ReceivedAt))...)
		if w := d.Incidents.Window(in.Kind); t.Before(in.FirstSeen.Add(-w)) || t.After(in.LastSeen.Add(w)) {
			faults = append(faults, &report.FieldError{Field: where, Rule: fmt.Sprintf(
				"%s is more than %s from the incident (%s to %s), so it would be another one: make an event of it",
				t.UTC().Format(time.RFC3339), w, in.FirstSeen.Format(time.RFC3339), in.LastSeen.Format(time.RFC3339))})
		}
	}
	if len(at) > 0 && in.Party.IsLine() {
		faults = []error{&report.FieldError{Field: "at", Rule: "the incident is a line's, which has many addresses: leave the times out to link the report, or make events of it"}}
	}
	if err := errors.Join(faults...); err != nil {
		return Assigned{}, err
	}
	a := Assignment{Who: who, At: now, Incident: in.ID}
	return d.assign(ctx, l, newBuilder(&d.Incidents), events, a, func(*report.Event) (end, error) { return end{party: in.Party}, nil })
}

// subjectOf undoes report.Subject.String.
func subjectOf(s string) report.Subject {
	if a, err := netip.ParseAddr(s); err == nil {
		return report.Subject{Addr: a}
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return report.Subject{Prefix: p}
	}
	if n, ok := strings.CutPrefix(s, "AS"); ok {
		if asn, err := strconv.ParseUint(n, 10, 32); err == nil {
			return report.Subject{ASN: uint32(asn)}
		}
	}
	if report.ValidDomain(s) {
		return report.Subject{Domain: s}
	}
	return report.Subject{URL: s}
}

func (d *Desk) assign(ctx context.Context, l *Letter, b *builder, events []report.Event, a Assignment, whose func(*report.Event) (end, error)) (Assigned, error) {
	ids, err := d.Store.Names(ctx, l.Reporter, Person)
	if err != nil {
		return Assigned{}, fmt.Errorf("assign report %s: %w", l.ID, err)
	}
	digest := sha256.New()
	digest.Write(a.Incident[:])
	seen := map[string]bool{}
	for i := range events {
		e := &events[i]
		b.row(e.Row)
		off := len(b.arena)
		line, content := e.AppendLine(b.arena)
		b.arena = append(line, '\n')
		text := string(line[content:])
		var size [8]byte
		digest.Write(binary.BigEndian.AppendUint64(size[:0], uint64(len(text))))
		digest.Write([]byte(text))
		if seen[text] {
			b.arena = b.arena[:off]
			b.repeats++
			continue
		}
		seen[text] = true
		p, err := whose(e)
		if err != nil {
			return Assigned{}, fmt.Errorf("assign report %s: %w", l.ID, err)
		}
		b.add(e, off, p, ids[1])
	}
	a.Digest = [sha256.Size]byte(digest.Sum(nil))
	c := &Chunk{
		Report: l.Report, Generation: l.Generation + 1, Seq: seqOf(0, 1), Name: l.Name, Format: Person, Final: true,
	}
	if err := b.finish(c, ids[0]); err != nil {
		return Assigned{}, err
	}
	for i := range c.Newest {
		// What people write by chance does not show that others have gone quiet, so the feed moves no incident on. It
		// only notes that it delivered.
		c.Newest[i].Micros = 0
	}
	again, err := d.Assigns.Assign(ctx, c, a)
	if err != nil {
		return Assigned{}, fmt.Errorf("assign report %s: %w", l.ID, err)
	}
	return Assigned{Events: c.Events, Repeats: c.Repeats, Again: again}, nil
}

// Sent counts what came from an author.
type Sent struct {
	Reports int64 `json:"reports" doc:"all reports that came as mails of this author"`
	Waiting int64 `json:"waiting" doc:"of these, waiting for a person"`
	Aside   int64 `json:"set_aside" doc:"of these, set aside"`
}

// Reason makes one printable line of what a person gives as a reason.
func Reason(s string) (string, error) {
	s = strings.TrimSpace(report.CleanName(s))
	if s == "" {
		return "", &report.FieldError{Field: "reason", Rule: "say why, in a sentence: whoever looks for the report later will ask"}
	}
	return s, nil
}

// Sender reads whom a person wants to block: an address, or a whole domain as "@example.net".
func Sender(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	local, domain, ok := strings.Cut(s, "@")
	if !ok || !report.ValidDomain(domain) || !strings.Contains(domain, ".") || len(local) > 64 || s != report.CleanName(s) || strings.ContainsAny(local, " \t<>,;") {
		return "", &report.FieldError{Field: "sender", Rule: "write an address, ann@example.net, or all of a domain, @example.net"}
	}
	return s, nil
}
