package console

import (
	"net/http"
	"net/url"
	"strings"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/evidence"
)

// logView is the head of the evidence log and, for whoever may see them, its entries.
type logView struct {
	Head    api.LogHead
	Shown   bool // the visitor may see entries
	Kind    inputView
	Entries []api.LogEntry
	Next    string
	First   string
	Rare    bool // nothing of the kind is among those that were looked through, and there are older ones
}

// log shows it.
func (v *visit) log() error {
	view := logView{Shown: v.sees(access.Log, "entries")}
	if err := v.get("/log", &view.Head); err != nil {
		return err
	}
	if !view.Shown {
		return v.show("log", view)
	}
	q := v.r.URL.Query()
	kind, after := q.Get("kind"), q.Get("after")
	view.Kind = inputView{Name: "kind", Label: "Only of one kind", Value: kind, Groups: kindsOfEntries()}
	ask := url.Values{"limit": {"50"}}
	for name, value := range map[string]string{"kind": kind, "after": after} {
		if value != "" {
			ask.Set(name, value)
		}
	}
	var got struct {
		Items []api.LogEntry
		Next  string
	}
	err := v.get("/log/entries?"+ask.Encode(), &got)
	if wrong := faultsOf(err); wrong["kind"] != "" {
		view.Kind.Wrong = "there is no such kind: choose one of the list"
		return v.render("log", http.StatusUnprocessableEntity, view)
	}
	if err != nil {
		return err
	}
	view.Entries = got.Items
	here := url.Values{}
	if kind != "" {
		here.Set("kind", kind)
	}
	if after != "" {
		view.First = "/log?" + here.Encode()
	}
	if got.Next != "" {
		here.Set("after", got.Next)
		view.Next, view.Rare = "/log?"+here.Encode(), len(got.Items) == 0
	}
	return v.show("log", view)
}

func kindsOfEntries() []optionGroup {
	var all []option
	for _, k := range evidence.Kinds() {
		what := k.What()
		if i := strings.IndexAny(what, ":,"); i > 0 {
			what = what[:i]
		}
		all = append(all, option{string(k), string(k) + ": " + what})
	}
	return []optionGroup{{Options: append([]option{{"", "all"}}, all...)}}
}

// logEntryView is one entry with its proof.
type logEntryView struct {
	api.LogProof

	Script string // by which the proof is checked by hand
	Broken bool   // the path does not end where the checkpoint says
}

// logEntry shows one.
func (v *visit) logEntry() error {
	var got api.LogProof
	if err := v.get("/log/entries/"+url.PathEscape(v.r.PathValue("index")), &got); err != nil {
		return err
	}
	last := got.Leaf
	if n := len(got.Path); n > 0 {
		last = got.Path[n-1].Then
	}
	return v.show("logentry", logEntryView{LogProof: got, Script: byHand(&got), Broken: last != got.Root})
}

// byHand is the proof as commands of a shell, with openssl and what every system has.
func byHand(p *api.LogProof) string {
	var b strings.Builder
	b.WriteString("# the leaf: SHA-256 over a zero byte and the entry\n")
	b.WriteString("printf '\\0%s' '" + strings.ReplaceAll(p.Entry.Raw, "'", `'\''`) + "' | openssl dgst -sha256 -binary > hash\n")
	for i, s := range p.Path {
		if i == 0 {
			b.WriteString("# each step: SHA-256 over a one byte, what stands on the left, what stands on the right\n")
		}
		other := "printf %s " + s.Hash + " | base64 -d"
		if s.Left {
			b.WriteString("(printf '\\001'; " + other + "; cat hash) | openssl dgst -sha256 -binary > next && mv next hash\n")
		} else {
			b.WriteString("(printf '\\001'; cat hash; " + other + ") | openssl dgst -sha256 -binary > next && mv next hash\n")
		}
	}
	b.WriteString("base64 hash # the third line of the checkpoint: " + p.Root + "\n")
	return b.String()
}

// checkpoint is the signed text, as a file to keep.
func (v *visit) checkpoint() error {
	var head api.LogHead
	if err := v.get("/log", &head); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="checkpoint-`+v.c.opt.Now().UTC().Format("2006-01-02")+`"`)
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write([]byte(head.Checkpoint)) // the visitor may be gone
	return nil
}
