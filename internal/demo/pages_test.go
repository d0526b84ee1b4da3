package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/internal/app"
	"tocsin/internal/browsertest"
	"tocsin/internal/demo"
	"tocsin/internal/world"
)

// screenshots is where a picture of each page lies after the test, for people to look at.
const screenshots = "../../build/screenshots"

// serve plays a small demo and serves it to browsers; it returns where.
func serve(t *testing.T) string {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	var errOut bytes.Buffer
	s, err := demo.Play(t.Context(), world.Small(), &errOut)
	if err != nil {
		t.Fatal(err)
	}
	port, err := app.OpenPort(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.App().ListenOn(port)
	s.App().ShowAs(s.Actors())
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.App().Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + port.Addr().String()
}

// looks are the ways in which each page is looked at.
var looks = []struct {
	name   string
	scheme browsertest.Scheme
	screen browsertest.Screen
}{
	{"light", browsertest.Light, browsertest.Desktop},
	{"dark", browsertest.Dark, browsertest.Desktop},
	{"phone", browsertest.Light, browsertest.Phone},
	{"phone-dark", browsertest.Dark, browsertest.Phone},
}

// TestPages visits every page of the menu as every role, and what the first row of its list leads to. Each page is looked
// at in all ways by the first role that has it: axe-core finds nothing, nothing reaches beyond the screen, and a picture
// of it is kept.
func TestPages(t *testing.T) {
	base := serve(t)
	b := browsertest.Open(t)
	looked := map[string]bool{}
	for _, actor := range demo.Actors() {
		p := b.Isolated(t, base+"/")
		p.Eval(t, "document.getElementById('actor').value = '"+actor.Caller.Name+"'")
		p.Follow(t, "text=Switch")
		if who := said(t, p, "document.getElementById('actor').value"); who != actor.Caller.Name {
			t.Fatalf("switched to %s, and is %s", actor.Caller.Name, who)
		}
		for path := range strings.FieldsSeq(said(t, p, "[...document.querySelectorAll('.menu a')].map(a => a.getAttribute('href')).join(' ') + ' /rules /account'")) {
			p.Visit(t, base+path)
			if code := p.Status(t); code != 200 {
				t.Errorf("%s: %s is answered %d", actor.About, path, code)
			}
			name := strings.Trim(strings.ReplaceAll(path, "/", "-"), "-")
			if name == "" {
				name = "today-" + string(actor.Caller.Roles[0]) // each has another
			}
			look(t, p, looked, name)
			if first := said(t, p, "document.querySelector('[data-list] a[href]')?.getAttribute('href') ?? ''"); path != "/" && strings.HasPrefix(first, path+"/") {
				p.Visit(t, base+first)
				if code := p.Status(t); code != 200 {
					t.Errorf("%s: %s is answered %d", actor.About, first, code)
				}
				look(t, p, looked, name+"-one")
			}
		}
	}
	if len(looked) < 5 {
		t.Errorf("only %d pages were looked at", len(looked))
	}
}

// look looks at the page that p shows, once.
func look(t *testing.T, p *browsertest.Page, looked map[string]bool, name string) {
	t.Helper()
	if looked[name] {
		return
	}
	looked[name] = true
	for _, l := range looks {
		p.Emulate(t, l.scheme, l.screen)
		p.Axe(t)
		if wide := said(t, p, "String(document.documentElement.scrollWidth - document.documentElement.clientWidth)"); wide != "0" {
			t.Errorf("%s, %s: the page is %s pixels wider than the screen", name, l.name, wide)
		}
		p.Screenshot(t, filepath.Join(screenshots, name+"-"+l.name+".png"))
	}
	p.Emulate(t, looks[0].scheme, looks[0].screen)
}

// said is the text that an expression gives.
func said(t *testing.T, p *browsertest.Page, expression string) (text string) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.Eval(t, expression)), &text); err != nil {
		t.Fatal(err)
	}
	return text
}
