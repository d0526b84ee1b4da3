package console

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

//go:embed *.html
var templates embed.FS

//go:embed assets
var assets embed.FS

// pages are all templates: each page with the layout and the parts that pages share.
type pages struct{ all map[string]*template.Template }

// shared are templates that are no page.
var shared = []string{"layout.html", "parts.html"}

func parsePages() (*pages, error) {
	files, err := templates.ReadDir(".")
	if err != nil {
		return nil, err
	}
	p := &pages{map[string]*template.Template{}}
	for _, f := range files {
		if f.Name() == shared[0] || f.Name() == shared[1] {
			continue
		}
		t, err := template.New(shared[0]).Funcs(functions).Option("missingkey=zero").ParseFS(templates, append(shared, f.Name())...)
		if err != nil {
			return nil, fmt.Errorf("read page %s: %w", f.Name(), err)
		}
		p.all[strings.TrimSuffix(f.Name(), path.Ext(f.Name()))] = t
	}
	return p, nil
}

// whole is what a template is given.
type whole struct {
	Frame *frame
	View  any
}

// execute writes a page into its frame.
func (p *pages) execute(w io.Writer, page string, f *frame, view any) error {
	t, ok := p.all[page]
	if !ok {
		return fmt.Errorf("there is no page %s", page)
	}
	return t.Execute(w, whole{f, view})
}

// functions are what templates can call beside the methods of their views. Times are shown in the zone of whoever reads
// them, with UTC on hover: {{template "time" (when $ .At)}}.
var functions = template.FuncMap{
	"when":    func(p whole, t time.Time) timeView { return timeOf(t, p.Frame.zone, "2 Jan 2006 15:04") },
	"day":     func(p whole, t time.Time) timeView { return timeOf(t, p.Frame.zone, "2 Jan 2006") },
	"ago":     func(p whole, t time.Time) timeView { return agoOf(t, p.Frame.zone, p.Frame.now) },
	"counted": func(n any, thing string) string { return report.Counted(reflect.ValueOf(n).Int(), thing) },
	"pair":    func(a, b any) struct{ A, B any } { return struct{ A, B any }{a, b} },
	"cut":     cut,
	"brief":   brief,
	"inc":     func(n int) int { return n + 1 },
	"may":     func(p whole, a, r string) bool { return p.Frame.Caller.May(access.Action(a), access.Record(r)) },
}

// brief is a value of a table's cell: of a long hash, what tells it from others.
func brief(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return s[:12] + "…"
}

// longest is how many bytes of one value a page shows.
const longest = 4000

// cut shortens a value that would bury the page, and says so.
func cut(s string) string {
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + fmt.Sprintf("… (%d bytes in all: the original has them)", len(s))
}

// timeView is a time on a page.
type timeView struct {
	Text    string
	UTC     string // RFC 3339
	Missing bool
}

func timeOf(t time.Time, zone *time.Location, layout string) timeView {
	if t.IsZero() {
		return timeView{Missing: true}
	}
	return timeView{Text: t.In(zone).Format(layout), UTC: t.UTC().Format(time.RFC3339)}
}

// agoOf says how long ago something was: what is long ago by its day.
func agoOf(t time.Time, zone *time.Location, now time.Time) timeView {
	v := timeOf(t, zone, "2 Jan 2006")
	if d := now.Sub(t); !v.Missing && d > -time.Minute && d < 14*24*time.Hour {
		v.Text = Ago(d)
	}
	return v
}

// Ago says a span of time as people do.
func Ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return report.Counted(int64(d/time.Minute), "minute") + " ago"
	case d < 48*time.Hour:
		return report.Counted(int64(d/time.Hour), "hour") + " ago"
	}
	return report.Counted(int64(d/(24*time.Hour)), "day") + " ago"
}

// asset serves the stylesheet, the script and the picture of the site.
func (v *visit) asset() error {
	name := v.r.PathValue("name")
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return v.nothing()
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	v.w.Header().Set("Content-Type", kinds[path.Ext(name)])
	v.w.Header().Set("Cache-Control", "max-age=300")
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write(b)
	return nil
}
