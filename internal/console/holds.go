package console

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

// holdsView is the holds in force, and the form of a new one.
type holdsView struct {
	Holds   []api.HoldEntry
	About   bool // the visitor sees about which address
	Changes bool // the visitor may make and lift
	Done    string
	Wrong   bool // what was typed has to be mended
	Other   string

	Request, Addr, Port, Proto, From, To, Until inputView
}

// holds lists them.
func (v *visit) holds() error { return v.holdsPage(http.StatusOK, nil) }

func (v *visit) holdsPage(status int, wrong map[string]string) error {
	view := holdsView{About: v.sees(access.Hold, "about"), Changes: v.may(access.Change, access.Hold), Wrong: len(wrong) > 0}
	if done := v.r.URL.Query().Get("done"); done == "made" || done == "lifted" {
		view.Done = done
	}
	var got struct{ Items []api.HoldEntry }
	if err := v.get("/holds", &got); err != nil {
		return err
	}
	view.Holds = got.Items
	zone := zoneOf(&v.caller).String()
	in := func(name, label, hint string) inputView {
		return inputView{Name: name, Label: label, Value: v.r.PostFormValue(name), Hint: hint, Wrong: wrong[name]}
	}
	view.Request, view.Addr = in("request", "Request", "its number, as the authority gives it"), in("addr", "Address", "one of ours")
	view.Port, view.Proto = in("port", "Port", "empty: all"), in("proto", "Protocol", "tcp or udp; empty: all")
	view.From = in("from", "From", "2026-03-01 02:00 ("+zone+"), or with its zone: 2026-03-01T02:00:00Z")
	view.To, view.Until = in("to", "To", "31 days later at most, and in the past"), in("until", "Hold it until", "a year at most: it ends by itself then")
	for _, must := range []*inputView{&view.Request, &view.Addr, &view.From, &view.To, &view.Until} {
		must.Required = true
	}
	view.Port.Mode = "numeric"
	view.Other = otherFaults(wrong, "request", "addr", "port", "proto", "from", "to", "until")
	return v.render("holds", status, view)
}

// hold makes one.
func (v *visit) hold() error {
	value := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	wrong := map[string]string{}
	body := map[string]any{"request": value("request"), "addr": value("addr"), "proto": value("proto")}
	if _, err := netip.ParseAddr(value("addr")); err != nil {
		wrong["addr"] = "write one address"
	}
	if text := value("port"); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			wrong["port"] = "write a number up to 65535"
		}
		body["port"] = port
	}
	for _, name := range []string{"from", "to", "until"} {
		t, why := instant(value(name), zoneOf(&v.caller))
		if why != "" {
			wrong[name] = why
		}
		body[name] = t.UTC().Format(time.RFC3339)
	}
	if len(wrong) == 0 {
		err := v.post("/holds", body, nil)
		if wrong = faultsOf(err); len(wrong) == 0 {
			if err != nil {
				return err
			}
			return v.goTo("/holds?done=made")
		}
	}
	return v.holdsPage(http.StatusUnprocessableEntity, wrong)
}

// instant reads a time that somebody typed, in their zone where it names none. why says what is wrong with it.
func instant(text string, zone *time.Location) (t time.Time, why string) {
	if t, ok := zoned(text); ok {
		return t, ""
	}
	for _, layout := range [...]string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly} {
		t, err := time.ParseInLocation(layout, text, zone)
		switch {
		case err != nil:
			continue
		case t.Format(layout) != text:
			return t, "the clocks skipped this hour: write it with its zone, as 2026-03-01T02:10:00Z"
		case t.Add(time.Hour).Format(layout) == text && layout != time.DateOnly, t.Add(-time.Hour).Format(layout) == text && layout != time.DateOnly:
			return t, "in this zone that hour comes twice: write it with its zone, as 2026-03-01T02:10:00Z"
		}
		return t, ""
	}
	return t, "no time: write 2026-03-01 02:10, or with its zone: 2026-03-01T02:10:00Z"
}

// lift ends one before its time.
func (v *visit) lift() error {
	if err := v.post("/holds/"+url.PathEscape(v.r.PathValue("id"))+"/lift", nil, nil); err != nil {
		return err
	}
	return v.goTo("/holds?done=lifted")
}
