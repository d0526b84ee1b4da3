package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

// visit is one request for a page, and who makes it.
type visit struct {
	c      *Console
	w      http.ResponseWriter
	r      *http.Request
	route  route
	caller access.Caller // the zero value where nobody has signed in

	session access.Session // of the caller; zero in a demo
}

func (v *visit) do() {
	if err := v.route.do(v); err != nil {
		v.fault(err)
	}
}

// ctx is the request's.
func (v *visit) ctx() context.Context { return v.r.Context() }

// get asks the API, as the visitor.
func (v *visit) get(path string, out any) error { return v.c.api.Get(v.ctx(), path, out) }

// post has the API do something, as the visitor.
func (v *visit) post(path string, in, out any) error { return v.c.api.Post(v.ctx(), path, in, out) }

// postOnce does the same once, however often it is sent with the same key.
func (v *visit) postOnce(path, key string, in, out any) error {
	once := api.Client{HTTP: v.c.api.HTTP, Header: http.Header{"Idempotency-Key": {key}}}
	return once.Post(v.ctx(), path, in, out)
}

// pathPart makes one part of a path of what a visitor gave.
func pathPart(s string) string { return url.PathEscape(s) }

// may reports whether the visitor may do something with a record: for what a page offers, not for what it does.
func (v *visit) may(a access.Action, r access.Record) bool { return v.caller.May(a, r) }

// render writes a page. Nothing is sent before the whole of it is made.
func (v *visit) render(page string, status int, view any) error {
	var b bytes.Buffer
	if err := v.c.pages.execute(&b, page, v.frame(), view); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(visible(b.Bytes())) // the visitor may be gone
	return nil
}

// visible writes what has no shape of its own as \u and its number: control characters, marks that turn the direction of
// writing, letters of no width. Reports can hold them, and with them a page would not say what stands there. Templates have
// none.
func visible(page []byte) []byte {
	var out []byte // nil while nothing had to be written otherwise
	kept := 0
	for i := 0; i < len(page); {
		r, size := rune(page[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(page[i:])
		}
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) {
			out = append(out, page[kept:i]...)
			out = fmt.Appendf(out, "\\u%04x", r)
			kept = i + size
		}
		i += size
	}
	if out == nil {
		return page
	}
	return append(out, page[kept:]...)
}

// show renders a page that was found.
func (v *visit) show(page string, view any) error { return v.render(page, http.StatusOK, view) }

// goTo sends the visitor on after a form. path is one of ours: what a visitor gives goes through here.
func (v *visit) goTo(path string) error {
	http.Redirect(v.w, v.r, here(path), http.StatusSeeOther)
	return nil
}

// here keeps a path to this site: of anything else it makes the first page. A path may not begin with two slashes, nor
// have a backslash, which browsers read as one (open redirect).
func here(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(path, "//") ||
		strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

// fault shows what went wrong as a page: what the API says of it, or that it is our fault.
func (v *visit) fault(err error) {
	said, ok := errors.AsType[*api.Declined](err)
	if !ok || said.Status >= http.StatusInternalServerError {
		v.c.opt.Log.Error("a page could not be shown", "route", v.route.pattern, "error", err)
		if !ok {
			said = &api.Declined{Status: http.StatusInternalServerError, Detail: "something went wrong here: try again in a minute; the node's log says more"}
		}
	}
	if err := v.render("fault", said.Status, faultView{said.Status, http.StatusText(said.Status), said.Error()}); err != nil {
		v.c.opt.Log.Error("a page of a fault could not be shown", "error", err)
		http.Error(v.w, said.Error(), said.Status)
	}
}

type faultView struct {
	Status int
	Title  string
	Detail string
}

// nothing is where there is no page.
func (v *visit) nothing() error {
	_ = v.come(v.ctx()) // the page says the same to everybody
	return &api.Declined{Status: http.StatusNotFound, Detail: "there is no such page"}
}

// signIn has the visitor sign in, and come back to the page that they wanted.
func (v *visit) signIn(why error) {
	if !errors.Is(why, access.ErrSession) {
		v.fault(why)
		return
	}
	to := "/signin"
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
		to += "?" + url.Values{"next": {v.r.URL.RequestURI()}}.Encode()
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}

// live hands on the stream of changes: the API's, for this visitor.
func (v *visit) live() error {
	r := v.r.Clone(v.ctx())
	r.URL.Path, r.RequestURI = api.Prefix+"/changes", ""
	v.c.opt.API.ServeHTTP(v.w, r)
	return nil
}
