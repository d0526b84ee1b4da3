package console

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"tocsin/internal/api"
	"tocsin/internal/report"
)

// waitingView is a list of mails that are in no format.
type waitingView struct {
	Aside bool   // those that were set aside
	Apart string // those filed apart under this type
	Tabs  []tab
	Mails []mailLine
	Next  string // path of the next page
	First string // path of the first, where this is another
}

// tab leads to another list of the same page.
type tab struct {
	Title, Path string
	Here        bool
}

// mailLine is a mail in the list.
type mailLine struct {
	api.Mail
	Sure sureView
}

// Subject is what the line is called.
func (m *mailLine) Subject() string { return cmp.Or(m.Name, "(no subject)") }

// Author is who wrote it, as far as anybody says.
func (m *mailLine) Author() string { return cmp.Or(m.From, m.Reporter) }

// sureView says how sure it is who sent something.
type sureView struct {
	Word, Class string
	Sentence    string
}

// sureOf says it in words. signer is the domain whose signature was looked at.
func sureOf(found, signer string) sureView {
	shown, open := sureView{Word: "sender shown", Class: "well"}, sureView{Word: "sender not shown", Class: "waiting"}
	with := func(v sureView, sentence string) sureView {
		v.Sentence = sentence
		return v
	}
	switch report.Authenticity(found) {
	case report.Token:
		return with(shown, "the sender showed a secret that only they have")
	case report.Aligned:
		return with(shown, "a valid signature of the author's own domain, "+signer+", is on it")
	case report.Unaligned:
		return with(open, "a valid signature is on it, but of another domain, "+signer+": anybody may have written it")
	case report.Unsigned:
		return with(open, "no signature is on it: anybody may have written it")
	case report.Failed:
		return with(open, "no signature on it is valid: it was changed on its way, or anybody may have written it")
	case report.Unresolved:
		return with(open, "the key of its signature could not be asked for: anybody may have written it")
	}
	return sureView{Word: "not checked", Sentence: "the channel by which it came does not check who sends"}
}

// waiting lists the mails that wait for a person, oldest first.
func (v *visit) waiting() error {
	q := v.r.URL.Query()
	view := waitingView{Aside: q.Get("state") == "aside", Apart: q.Get("apart")}
	ask := url.Values{"limit": {"50"}}
	if view.Apart != "" {
		ask.Set("apart", view.Apart)
	}
	after := q.Get("after")
	if after != "" {
		ask.Set("after", after)
		view.First = waitingPath(view.Aside, view.Apart, "")
	}
	path := "/waiting"
	if view.Aside {
		path = "/aside"
	}
	var got api.MailPage
	if err := v.get(path+"?"+ask.Encode(), &got); err != nil {
		return err
	}
	for i := range got.Items {
		view.Mails = append(view.Mails, mailLine{got.Items[i], sureOf(got.Items[i].Authenticity, got.Items[i].Signer)})
	}
	if got.Next != "" {
		view.Next = waitingPath(view.Aside, view.Apart, got.Next)
	}
	view.tabs(got.Apart)
	return v.show("waiting", view)
}

// tabs are the lists that there are: what is filed apart only where there is some of it.
func (w *waitingView) tabs(apart map[string]int) {
	add := func(title, path string, here bool) { w.Tabs = append(w.Tabs, tab{title, path, here}) }
	add("Waiting", waitingPath(false, "", ""), !w.Aside && w.Apart == "")
	add("Set aside", waitingPath(true, "", ""), w.Aside && w.Apart == "")
	if w.Apart != "" && apart[w.Apart] == 0 {
		apart = maps.Clone(apart)
		if apart == nil {
			apart = map[string]int{}
		}
		apart[w.Apart] = 0
	}
	for _, typ := range slices.Sorted(maps.Keys(apart)) {
		title := "About " + typ
		if w.Aside {
			title = "Set aside, about " + typ
		}
		add(title+fmt.Sprintf(" (%d)", apart[typ]), waitingPath(w.Aside, typ, ""), w.Apart == typ)
	}
	add("Blocked senders", "/waiting/blocked", false)
}

// waitingPath is where a list of mails stands.
func waitingPath(aside bool, apart, after string) string {
	q := url.Values{}
	if aside {
		q.Set("state", "aside")
	}
	if apart != "" {
		q.Set("apart", apart)
	}
	if after != "" {
		q.Set("after", after)
	}
	if len(q) == 0 {
		return "/waiting"
	}
	return "/waiting?" + q.Encode()
}
