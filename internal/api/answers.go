package api

import (
	"embed"
	"fmt"
	"net/netip"
	"strings"
	"text/template"

	"tocsin/internal/access"
	"tocsin/internal/desk"
	"tocsin/internal/formats/letter"
	"tocsin/internal/report"
)

//go:embed answers/*.txt
var answerFiles embed.FS

// answerKind is one answer that a desk gives again and again.
type answerKind struct{ name, title string }

// answerKinds are the answers, in the order in which they are offered. Each is a file in answers/.
var answerKinds = []answerKind{
	{"port-and-time", "ask for the source port and the time with its zone"},
	{"logs", "ask for the log lines"},
	{"thanks", "say that we act"},
	{"not-ours", "say that it is not our network, and whose it is"},
}

// DrawnAnswer is what a person may send. Tocsin sends nothing.
type DrawnAnswer struct {
	To         string `access:"sender" json:"to"`
	Subject    string `access:"text" json:"subject"`
	InReplyTo  string `access:"text" json:"in_reply_to,omitempty" doc:"for the header In-Reply-To"`
	References string `access:"text" json:"references,omitempty" doc:"for the header References"`
	Text       string `access:"text" json:"text" doc:"what stands in [brackets] is for you to fill in"`
}

// Record is access.Shown's.
func (DrawnAnswer) Record() access.Record { return access.Letter }

// answers reads the templates once.
type answers struct{ all *template.Template }

func newAnswers() (*answers, error) {
	t, err := template.New("").Option("missingkey=error").ParseFS(answerFiles, "answers/*.txt")
	if err != nil {
		return nil, fmt.Errorf("read the answers: %w", err)
	}
	for _, k := range answerKinds {
		if t.Lookup(k.name+".txt") == nil {
			return nil, fmt.Errorf("there is no answer %s", k.name)
		}
	}
	return &answers{t}, nil
}

// unanswerable says why nobody should answer a letter; empty when one may.
func unanswerable(o *desk.Opened) string {
	switch {
	case o.State == report.StateAside:
		return "it is set aside: bring it back first, if it deserves an answer"
	case o.Reading == nil:
		return "its text is past its end date"
	}
	return o.Reading.Head.Loop
}

// render fills an answer in. addr is the address that it is about, and holder whose that is; zero where nobody says.
func (a *answers) render(kind string, o *desk.Opened, addr netip.Addr, holder report.Holder) (DrawnAnswer, error) {
	head := o.Reading.Head
	subject := head.Subject
	if !strings.HasPrefix(strings.ToLower(subject), "re:") {
		subject = strings.TrimSpace("Re: " + subject)
	}
	view := struct {
		Date, Reference, Addr, Holder, Abuse string
	}{Date: head.Date, Reference: o.ID.String(), Holder: holder.Org, Abuse: letter.Display(holder.Abuse)}
	if addr.IsValid() {
		view.Addr = addr.String()
	}
	var b strings.Builder
	if err := a.all.ExecuteTemplate(&b, kind+".txt", view); err != nil {
		return DrawnAnswer{}, fmt.Errorf("fill in the answer %s: %w", kind, err)
	}
	out := DrawnAnswer{To: head.Address, Subject: subject, References: head.References, Text: b.String()}
	if head.MessageID != "" {
		out.InReplyTo = "<" + head.MessageID + ">"
	}
	return out, nil
}

// onlyAddress is the one address that the letter speaks of; the zero Addr where there are several, or none: which of
// them it is about, a person has to say.
func onlyAddress(o *desk.Opened) netip.Addr {
	var only netip.Addr
	for _, s := range o.Suggestions {
		if s.Kind != letter.KindAddr || s.Hidden || s.Role == "target" {
			continue
		}
		a, err := netip.ParseAddr(s.Value)
		if err != nil || only.IsValid() && a != only {
			return netip.Addr{}
		}
		only = a
	}
	return only
}
