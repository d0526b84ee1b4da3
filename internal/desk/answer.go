package desk

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Answer is what whoever sent a report is told of it: that it came, what was read of it, and what was missing so that no
// more could be done. It names no line and no address. Memory does not grow with the report.
type Answer struct {
	Report     report.ID    `json:"report"`
	Name       string       `json:"name,omitempty"` // as the sender named it; personal
	ReceivedAt time.Time    `json:"received_at"`
	State      report.State `json:"state"`
	Events     int64        `json:"events"`
	Repeats    int64        `json:"repeats"`
	Refused    int64        `json:"refused"`
	Lacking    []Lack       `json:"lacking"` // events of which nobody can say whose line it was, the most first
	Wrong      []Lack       `json:"wrong"`   // rows that could not be read, the most first; groups above maxLacks are one
}

// Lack is a reason, and the rows that it holds for.
type Lack struct {
	Reason string           `json:"reason"`
	State  report.LineState `json:"state,omitempty"`
	Need   report.Need      `json:"need,omitempty"`
	Lines  int              `json:"lines,omitempty"` // the most that it could be, for a row
	Rows   int64            `json:"rows"`
	First  []Place          `json:"first"` // of these rows
}

// Place is a row of a document in a report.
type Place struct {
	Document int   `json:"document,omitempty"` // 0 is the first, or the only one
	Row      int64 `json:"row"`
}

const (
	maxFirst = 20
	maxLacks = 50 // reasons: those of rows may have words of the report in them
)

// Add adds an event of which nobody can say whose line it was.
func (a *Answer) Add(u *Unattributed) {
	l := lack(&a.Lacking, u.Reason)
	l.State, l.Need, l.Lines = u.State, u.Need, max(l.Lines, u.Lines)
	l.row(u.Document, u.Row)
}

// AddRefusal adds a row that could not be read.
func (a *Answer) AddRefusal(r *Refusal) { lack(&a.Wrong, r.Reason).row(r.Document, r.Row) }

func lack(all *[]Lack, reason string) *Lack {
	for i := range *all {
		if (*all)[i].Reason == reason {
			return &(*all)[i]
		}
	}
	if len(*all) == maxLacks {
		(*all)[maxLacks-1].Reason = "other reasons"
		return &(*all)[maxLacks-1]
	}
	*all = append(*all, Lack{Reason: reason, First: []Place{}})
	return &(*all)[len(*all)-1]
}

func (l *Lack) row(document int, row int64) {
	l.Rows++
	if len(l.First) < maxFirst {
		l.First = append(l.First, Place{document, row})
	}
}

// Sort puts the reasons in order.
func (a *Answer) Sort() {
	for _, all := range [][]Lack{a.Lacking, a.Wrong} {
		slices.SortStableFunc(all, func(x, y Lack) int { return cmp.Compare(y.Rows, x.Rows) })
	}
}

// asks is what a sender can do about it next time.
var asks = map[report.Need]string{
	report.NeedPort:     "Please send the source port of each event, with its time and zone: behind an address that many lines share, nothing else names one (RFC 6302).",
	report.NeedTime:     "Please send times as exactly as you have them, with the zone, from a clock that is kept right.",
	report.NeedProtocol: "Please send the protocol, tcp or udp.",
	report.NeedZone:     "Please send times in UTC.",
}

// Sentence says why, and how many it could have been.
func (l *Lack) Sentence() string {
	if l.Lines > 1 {
		if rest, ok := strings.CutPrefix(l.Reason, "many lines "); ok {
			return fmt.Sprintf("%d lines %s", l.Lines, rest)
		}
	}
	return l.Reason
}

// Text is the answer for people.
func (a *Answer) Text() string {
	var b strings.Builder
	name := ""
	if a.Name != "" {
		name = " (" + report.Printable(a.Name) + ")"
	}
	fmt.Fprintf(&b, "Your report%s came in on %s UTC and was %s. Our reference: %s\n", name, a.ReceivedAt.UTC().Format("2 January 2006, 15:04"), stateWord(a.State), a.Report)
	fmt.Fprintf(&b, "%s read, %s, %d refused.\n", report.Counted(a.Events, "event"), report.Counted(a.Repeats, "repeat"), a.Refused)
	b.WriteString(section("\nOf these events nobody can say which subscriber line it was:\n", a.Lacking))
	var said []report.Need
	for i := range a.Lacking {
		n := a.Lacking[i].Need
		if text, ok := asks[n]; ok && !slices.Contains(said, n) {
			said = append(said, n)
			fmt.Fprintf(&b, "%s\n", text)
		}
	}
	b.WriteString(section("\nThese rows could not be read:\n", a.Wrong))
	return b.String()
}

func stateWord(s report.State) string {
	switch s {
	case report.StateWorked:
		return "worked"
	case report.StateQuarantined:
		return "put aside because nothing in it could be read"
	case report.StateWaiting:
		return "given to a person, who will read it"
	case report.StateDropped, report.StateAside:
		return "set aside"
	}
	return "taken in, and is being worked"
}

func section(title string, all []Lack) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(title)
	for i := range all {
		l := &all[i]
		state := ""
		if l.State != "" {
			state = string(l.State) + ": "
		}
		fmt.Fprintf(&b, "  %s%s\n    %s\n", state, l.Sentence(), places(l))
	}
	return b.String()
}

// places names rows.
func places(l *Lack) string {
	words := make([]string, len(l.First))
	for i, p := range l.First {
		words[i] = fmt.Sprint(p.Row)
		if p.Row == 0 {
			words[i] = "all"
		}
		if p.Document > 0 {
			words[i] += fmt.Sprintf(" of part %d", p.Document+1)
		}
	}
	more := ""
	if n := l.Rows - int64(len(l.First)); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	if l.Rows == 1 {
		return "row " + words[0]
	}
	return "rows " + strings.Join(words, ", ") + more
}
