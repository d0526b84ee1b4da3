package console

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

// letterView is one mail that is in no format, and all that a person can do with it.
type letterView struct {
	api.OpenMail
	Sure    sureView
	Parts   []partView
	Cut     bool   // there is more text than is shown
	Done    string // what was just done
	Trouble string // what was not done, where no field is at fault

	Form   eventForm
	Merge  []inputView
	Turn   []inputView // to set it aside, or to bring it back
	Block  blockView
	Answer answerView

	Open string // which of the forms was sent, and stands open

	// Shared is the id of the form to which drawing up an answer and blocking belong: that of the events, so that what was
	// typed there stays, where there is one.
	Shared string
}

// blockView is what it takes to want nothing more from the author.
type blockView struct {
	Choices []option // the author, and all of their domain
	Chosen  string
	Wrong   string
	Tried   *api.BlockDone // what it would concern
}

// answerView is an answer to be drawn up, and the one that was.
type answerView struct {
	Template inputView
	Addr     inputView
	Drawn    *api.DrawnAnswer
}

// Waits reports whether the mail is to be dealt with.
func (l *letterView) Waits() bool { return l.State == "waiting" }

// Others are the other mails of its thread.
func (l *letterView) Others() []api.Mail {
	return slices.DeleteFunc(slices.Clone(l.InThread), func(m api.Mail) bool { return m.ID == l.ID })
}

// did are what a page says after an act: the words never come from the address.
var did = map[string]string{
	"events":   "Events were made of this mail.",
	"merged":   "This mail is now linked to the incident.",
	"aside":    "It is set aside.",
	"brought":  "It waits for a person again.",
	"again":    "It is being read again. If a format knows it now, it leaves this list.",
	"replayed": "It is being read again. What can be read now leaves the quarantine by itself.",
	"dropped":  "It is dropped. Its events stay.",
	"blocked":  "The sender is blocked: letters of theirs are set aside from now on.",
}

// letter shows one mail.
func (v *visit) letter() error {
	view, err := v.openLetter()
	if err != nil {
		return err
	}
	view.Done = did[v.r.URL.Query().Get("done")]
	return v.show("letter", view)
}

// letterBack leads to the mail whoever asks again for the page that a form was answered with.
func (v *visit) letterBack() error { return v.goTo("/waiting/" + url.PathEscape(v.r.PathValue("id"))) }

// openLetter asks for the mail that the path names, and begins its forms.
func (v *visit) openLetter() (*letterView, error) {
	view := &letterView{}
	if err := v.get("/waiting/"+url.PathEscape(v.r.PathValue("id")), &view.OpenMail); err != nil {
		return nil, err
	}
	view.Sure = sureOf(view.Authenticity, view.Signer)
	if view.Letter != nil {
		view.Parts, view.Cut = partsOf(view.Letter.Parts, view.Suggestions)
	}
	view.Form, view.Shared = firstForm(view.Suggestions), "more-form"
	if view.Waits() && v.may(access.Change, access.Letter) {
		view.Shared = "events-form"
	}
	if v.r.Method == http.MethodPost && v.r.PostFormValue("rows") != "" {
		view.Form = readForm(v.r)
	}
	view.mergeForm("", "", nil)
	view.reasonForm("", nil)
	view.answerForm("", "", nil)
	if from := view.From; strings.Contains(from, "@") {
		_, domain, _ := strings.Cut(from, "@")
		view.Block = blockView{Choices: []option{{from, from}, {"@" + domain, "everybody at " + domain}}, Chosen: from}
	}
	return view, nil
}

func (l *letterView) mergeForm(incident, at string, wrong map[string]string) {
	whens := make([]string, 0, len(wrong))
	for _, where := range slices.Sorted(maps.Keys(wrong)) {
		if strings.HasPrefix(where, "at") {
			whens = append(whens, wrong[where])
		}
	}
	l.Merge = []inputView{
		{Name: "incident", Label: "Incident", Value: incident, Wrong: wrong["incident"], Hint: "its id, as its page and its address have it", Required: true},
		{
			Name: "at", Label: "When it was seen again", Kind: "area", Value: at, Wrong: strings.Join(whens, "; "),
			Hint: "one time a line, with its zone: 2026-03-01T02:10:00Z. Each is another event of the incident; left empty, the mail is only linked to it",
		},
	}
}

func (l *letterView) reasonForm(reason string, wrong map[string]string) {
	l.Turn = []inputView{{
		Name: "reason", Label: "Why", Value: reason, Wrong: wrong["reason"], Hint: "a sentence for whoever looks for this mail later", Required: true,
	}}
}

func (l *letterView) answerForm(template, addr string, wrong map[string]string) {
	group := optionGroup{}
	for _, a := range l.Answers {
		group.Options = append(group.Options, option{a.Name, a.Title})
	}
	l.Answer.Template = inputView{Name: "template", Label: "Which answer", Value: template, Groups: []optionGroup{group}, Form: l.Shared}
	l.Answer.Addr = inputView{
		Name: "addr", Label: "About which address", Value: addr, Wrong: wrong["addr"], Hint: "left empty: the only one that the mail speaks of", Form: l.Shared,
	}
}

// act does something with a mail. Where the API finds fault with the form, the page is shown again with what was typed;
// where the mail cannot be worked any more, it says so above the mail as it is now.
func (v *visit) act(does func(path string) error, done, open string, again func(l *letterView, wrong map[string]string)) error {
	path := "/waiting/" + url.PathEscape(v.r.PathValue("id"))
	err := does(path)
	if err == nil {
		return v.goTo(path + "?done=" + done)
	}
	said, ok := errors.AsType[*api.Declined](err)
	if !ok || !said.Wrong() && said.Status != http.StatusConflict && said.Status != http.StatusGone {
		return err
	}
	view, lost := v.openLetter()
	if lost != nil {
		return lost
	}
	view.Open = open
	if !said.Wrong() {
		view.Trouble = said.Detail
	}
	again(view, faultsOf(err))
	return v.render("letter", said.Status, view)
}

// letterMerge says that a mail is about an incident.
func (v *visit) letterMerge() error {
	incident, at := strings.TrimSpace(v.r.FormValue("incident")), v.r.FormValue("at")
	// An address of an incident's page is as good as its id.
	incident = incident[strings.LastIndexByte(incident, '/')+1:]
	body := map[string]any{"incident": incident, "at": lines(at)}
	return v.act(func(path string) error { return v.post(path+"/merge", body, nil) }, "merged", "merge",
		func(l *letterView, wrong map[string]string) { l.mergeForm(incident, at, wrong) })
}

// lines are the lines of a text in which something stands.
func lines(text string) []string {
	all := []string{}
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			all = append(all, l)
		}
	}
	return all
}

// letterAside sets a mail aside.
func (v *visit) letterAside() error { return v.turn("/aside", "aside") }

// letterBring brings a mail back that was set aside.
func (v *visit) letterBring() error { return v.turn("/bring", "brought") }

func (v *visit) turn(to, done string) error {
	reason := v.r.FormValue("reason")
	return v.act(func(path string) error { return v.post(path+to, map[string]string{"reason": reason}, nil) }, done, "turn",
		func(l *letterView, wrong map[string]string) { l.reasonForm(reason, wrong) })
}

// letterAgain has a mail read again.
func (v *visit) letterAgain() error {
	return v.act(func(path string) error { return v.post(path+"/read-again", nil, nil) }, "again", "again", func(*letterView, map[string]string) {})
}

// letterBlock says what blocking the author would concern, and blocks them once that was seen.
func (v *visit) letterBlock() error {
	sender, try := v.r.FormValue("sender"), v.r.FormValue("do") != "block"
	var got api.BlockDone
	ask := func(string) error {
		return v.post("/blocked", map[string]any{"sender": sender, "try": try}, &got)
	}
	if !try {
		return v.act(ask, "blocked", "block", func(l *letterView, wrong map[string]string) { l.Block.Chosen, l.Block.Wrong = sender, wrong["sender"] })
	}
	err := ask("")
	wrong := faultsOf(err)
	if err != nil && wrong == nil {
		return err
	}
	view, err := v.openLetter()
	if err != nil {
		return err
	}
	view.Open, view.Block.Chosen, view.Block.Wrong = "block", sender, wrong["sender"]
	if wrong != nil {
		return v.render("letter", http.StatusUnprocessableEntity, view)
	}
	view.Block.Tried = &got
	return v.show("letter", view)
}

// letterAnswer draws up an answer, to be copied: nothing is sent.
func (v *visit) letterAnswer() error {
	template, addr := v.r.FormValue("template"), strings.TrimSpace(v.r.FormValue("addr"))
	var drawn api.DrawnAnswer
	id := url.PathEscape(v.r.PathValue("id"))
	err := v.post("/waiting/"+id+"/answers/"+url.PathEscape(template), map[string]string{"addr": addr}, &drawn)
	said, ok := errors.AsType[*api.Declined](err)
	if err != nil && (!ok || !said.Wrong() && said.Status != http.StatusConflict) {
		return err
	}
	view, lost := v.openLetter()
	if lost != nil {
		return lost
	}
	view.Open = "answer"
	view.answerForm(template, addr, faultsOf(err))
	if err != nil {
		if !said.Wrong() {
			view.Trouble = said.Detail
		}
		return v.render("letter", said.Status, view)
	}
	view.Answer.Drawn = &drawn
	return v.show("letter", view)
}

// letterEvents makes events of a mail, or shows the form again with another row.
func (v *visit) letterEvents() error {
	if err := v.r.ParseForm(); err != nil {
		return &api.Declined{Status: http.StatusRequestEntityTooLarge, Detail: "that is more than a form may hold: make events of a part of it, or hand the list in as a report"}
	}
	form := readForm(v.r)
	what, which, _ := strings.Cut(v.r.FormValue("do"), "-")
	if what != "make" {
		view, err := v.openLetter()
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(which)
		if err != nil {
			n = -1
		}
		form.change(what, n, view.Suggestions)
		view.Form, view.Open = form, "events"
		return v.show("letter", view)
	}
	events, at, wrong := form.events()
	if wrong != nil {
		view, err := v.openLetter()
		if err != nil {
			return err
		}
		view.Form, view.Open = form.wrong(wrong, nil), "events"
		return v.render("letter", http.StatusUnprocessableEntity, view)
	}
	return v.act(func(path string) error { return v.post(path+"/events", map[string]any{"events": events}, nil) }, "events", "events",
		func(l *letterView, wrong map[string]string) { l.Form = form.wrong(wrong, at) })
}

// Answerable are the answers that can be drawn up, if any.
func (l *letterView) Answerable() bool { return len(l.Answers) > 0 }

// Heading is what the mail is called.
func (l *letterView) Heading() string { return cmp.Or(l.Name, "(no subject)") }
