package console

import (
	"net/url"

	"tocsin/internal/api"
)

// partnersView is the other networks of the partnership.
type partnersView struct {
	Partners []api.Partner
	Next     string
	First    string
}

// partners lists them.
func (v *visit) partners() error {
	var view partnersView
	path := "/partners"
	if after := v.r.URL.Query().Get("after"); after != "" {
		path += "?" + url.Values{"after": {after}}.Encode()
		view.First = "/partners"
	}
	var got struct {
		Items []api.Partner
		Next  string
	}
	if err := v.get(path, &got); err != nil {
		return err
	}
	view.Partners = got.Items
	if got.Next != "" {
		view.Next = "/partners?" + url.Values{"after": {got.Next}}.Encode()
	}
	return v.show("partners", view)
}

// partner shows one.
func (v *visit) partner() error {
	var view api.Partner
	if err := v.get("/partners/"+url.PathEscape(v.r.PathValue("id")), &view); err != nil {
		return err
	}
	return v.show("partner", view)
}
