package browsertest_test

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/browsertest"
)

// site serves testdata, as strictly as our own pages are served, and pages that misbehave in one way each. Its address
// is one with localhost: passkeys need it.
func site(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir("testdata")))
	mux.HandleFunc("POST /said", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<!DOCTYPE html><title>Said</title><p id=said>%s, %s, %s", r.PostFormValue("name"), r.PostFormValue("kind"), r.PostFormValue("since"))
	})
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /refused", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<!DOCTYPE html><title>No</title><p>No")
	})
	mux.HandleFunc("GET /set", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "who", Value: r.FormValue("who"), Path: "/"})
	})
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if c, err := r.Cookie("who"); err == nil {
			who = c.Value
		}
		fmt.Fprintf(w, "<!DOCTYPE html><title>Who</title><p>%s", who)
	})
	for name, body := range wrong {
		mux.HandleFunc("GET /wrong/"+name, func(w http.ResponseWriter, _ *http.Request) {
			if strings.HasPrefix(name, "foreign") {
				w.Header().Set("Content-Security-Policy", "") // it is the request itself that has to be seen
			}
			fmt.Fprint(w, "<!DOCTYPE html><title>Wrong</title><p>Wrong</p>"+body)
		})
	}
	mux.HandleFunc("GET /throws.js", script(`throw new Error('it broke')`))
	mux.HandleFunc("GET /complains.js", script(`console.error('it is', {a: 1}, 'so')`))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "+
			"img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		if strings.HasPrefix(r.URL.Path, "/wrong") || r.Method == http.MethodPost || r.URL.Path == "/who" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

func script(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, text)
	}
}

// wrong are bodies of pages that do what no page of ours may, and under the same names in caught what is said of them.
var wrong = map[string]string{
	"throws":            `<script src="/throws.js"></script>`,
	"complains":         `<script src="/complains.js"></script>`,
	"inline-script":     `<script>document.title = 'x'</script>`,
	"inline-handler":    `<p onclick="1">x</p>`,
	"inline-style":      `<p style="color: red">x</p>`,
	"missing":           `<img src="/none.png" alt="">`,
	"foreign-image":     `<img src="http://192.0.2.7/pixel.png" alt="">`,
	"foreign-script":    `<script src="https://cdn.example/a.js"></script>`,
	"foreign-style":     `<style>@import "https://fonts.example/a.css"</style>`,
	"foreign-frame":     `<iframe src="https://frame.example/" title="x"></iframe>`,
	"foreign-fetch":     `<script>fetch('https://api.example/').catch(() => {})</script>`,
	"foreign-websocket": `<script>new WebSocket('wss://live.example/')</script>`,
	"foreign-beacon":    `<script>navigator.sendBeacon('https://count.example/')</script>`,
	"foreign-prefetch":  `<link rel="prefetch" href="https://next.example/">`,
	"refused-image":     `<img src="http://192.0.2.8/" alt="">`,
}

var caught = map[string]string{
	"throws":            "it broke",
	"complains":         "it is Object so",
	"inline-script":     "Executing inline script violates the following Content Security Policy",
	"inline-handler":    "Executing inline event handler violates the following Content Security Policy",
	"inline-style":      "Applying inline style violates the following Content Security Policy",
	"missing":           "status of 404",
	"foreign-image":     "a request to another host: http://192.0.2.7/pixel.png",
	"foreign-script":    "a request to another host: https://cdn.example/a.js",
	"foreign-style":     "a request to another host: https://fonts.example/a.css",
	"foreign-frame":     "a request to another host: https://frame.example/",
	"foreign-fetch":     "a request to another host: https://api.example/",
	"foreign-websocket": "a request to another host: wss://live.example/",
	"foreign-beacon":    "a request to another host: https://count.example/",
	"foreign-prefetch":  "a request to another host: https://next.example/",
	"refused-image":     "Loading the image 'http://192.0.2.8/' violates the following Content Security Policy",
}

// record is a test that goes on for real and remembers what failed it.
type record struct {
	testing.TB

	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

func (r *record) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *record) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *record) Skipf(format string, args ...any) {
	r.Errorf("skipped: "+format, args...)
	runtime.Goexit()
}

func (r *record) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// recorded runs a test with its clean-up and returns what failed it.
func recorded(t *testing.T, test func(t testing.TB)) []string {
	t.Helper()
	r := &record{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(r.cleanups) {
				f()
			}
		}()
		test(r)
	}()
	<-done
	return r.errors
}

// TestBrowser shares one browser: most of the time goes into starting it.
func TestBrowser(t *testing.T) {
	t.Parallel()
	b, at := browsertest.Open(t), site(t)
	for _, c := range []struct {
		name string
		test func(t *testing.T, b *browsertest.Browser, at string)
	}{
		{"page", testPage},
		{"cookies", testCookies},
		{"wrong", testWrong},
		{"axe", testAxe},
		{"passkey", testPasskey},
		{"screenshot", testScreenshot},
		{"oidc", testOIDC},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b, at) })
	}
}

// testPage walks through a page as a person does.
func testPage(t *testing.T, b *browsertest.Browser, at string) {
	p := b.Page(t, at+"/good.html")
	if got := p.Text(t, "h1"); got != "A good page" {
		t.Errorf("the heading is %q", got)
	}
	if p.Status(t) != http.StatusOK || !strings.HasSuffix(p.Address(t), "/good.html") {
		t.Errorf("%s came with %d", p.Address(t), p.Status(t))
	}
	p.Click(t, "#late") // which cannot be clicked at first
	p.WaitForText(t, "#clicked", "it was clicked")
	if !p.Has(t, "#make") || p.Has(t, "#none") {
		t.Error("what the page shows is not what it has")
	}
	p.WaitGone(t, "#none")
	if got := p.Eval(t, "Promise.resolve(challenge.length)"); got != "32" { // a variable of the page's
		t.Errorf("the page's variable is %s", got)
	}
	p.Fill(t, "[name=name]", "Ünïcode")
	p.Press(t, "!")
	p.Fill(t, "[name=kind]", "phishing")
	p.Fill(t, "[name=since]", "2026-05-04")
	p.Follow(t, "text=Say it")
	p.WaitForAddress(t, "/said")
	if got := p.Text(t, "#said"); got != "Ünïcode!, 2, 2026-05-04" {
		t.Errorf("what was filled in came as %q", got)
	}

	p.Expect("status of 403")
	p.Visit(t, at+"/refused")
	if got := p.Status(t); got != http.StatusForbidden {
		t.Errorf("the status is %d", got)
	}

	p.Scripts(t, false)
	p.Visit(t, at+"/good.html")
	if got := p.Text(t, "#script"); got != "without script" {
		t.Errorf("with its scripts off the page is %q", got)
	}
	p.Scripts(t, true)
	p.Zone(t, "Asia/Kathmandu")
	p.Visit(t, at+"/good.html")
	p.WaitForText(t, "#script", "with script")
	if got := p.Eval(t, "new Date(0).getTimezoneOffset()"); got != "-330" { // it was India's then
		t.Errorf("the offset is %s", got)
	}
}

// testCookies: tabs of a browser are one person's, isolated ones are others'.
func testCookies(t *testing.T, b *browsertest.Browser, at string) {
	b.Page(t, at+"/set?who=ada")
	bob := b.Isolated(t, at+"/set?who=bob")
	bob.Visit(t, at+"/who")
	ada, nobody := b.Page(t, at+"/who"), b.Isolated(t, at+"/who")
	got := []string{ada.Text(t, "p"), nobody.Text(t, "p"), bob.Text(t, "p")}
	if diff := cmp.Diff([]string{"ada", "nobody", "bob"}, got); diff != "" {
		t.Errorf("who is asked (-want +got):\n%s", diff)
	}
}

// testWrong: what a page may not do fails its test, and says what it was, unless the test expects it.
func testWrong(t *testing.T, b *browsertest.Browser, at string) {
	said := recorded(t, func(t testing.TB) {
		p := b.Page(t, at+"/good.html")
		for name := range wrong {
			p.Visit(t, at+"/wrong/"+name)
		}
	})
	for name := range wrong {
		if want := caught[name]; want == "" || !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("nothing is said of %s, which is %q", name, want)
		}
	}
	if t.Failed() {
		t.Logf("said was\n%s", strings.Join(said, "\n"))
	}
	said = recorded(t, func(t testing.TB) {
		p := b.Page(t, at+"/wrong/throws")
		p.Expect(caught["throws"])
		p.Expect("pigs that fly")
	})
	if diff := cmp.Diff([]string{`the page was expected to cause "pigs that fly" and did not`}, said); diff != "" {
		t.Errorf("where something is expected (-want +got):\n%s", diff)
	}
	if said := recorded(t, func(t testing.TB) { b.Page(t, at+"/good.html").WaitFor(t, "h1") }); len(said) > 0 {
		t.Errorf("of a good page: %q", said)
	}
}

// testAxe: a page that keeps the rules, in all its looks, and one that does not.
func testAxe(t *testing.T, b *browsertest.Browser, at string) {
	p := b.Page(t, at+"/good.html")
	for _, scheme := range []browsertest.Scheme{browsertest.Light, browsertest.Dark} {
		for _, screen := range []browsertest.Screen{browsertest.Desktop, browsertest.Phone} {
			p.Emulate(t, scheme, screen)
			if got := p.Axe(t); got != "" {
				t.Errorf("%s on a %s: %s", scheme, screen, got)
			}
		}
	}
	p.Emulate(t, browsertest.Light, browsertest.Desktop)
	p.Visit(t, at+"/bad.html")
	var got string
	said := recorded(t, func(t testing.TB) { got = p.Axe(t) })
	if len(said) != 1 || !strings.Contains(said[0], got) {
		t.Errorf("the test was failed with %q", said)
	}
	for _, want := range []string{
		"label (critical): Form elements must have labels\n  #nameless\n    <input id=\"nameless\">\n",
		"color-contrast (serious): ", "\n  .pale\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// testPasskey makes a passkey, uses it, and cannot once it is gone.
func testPasskey(t *testing.T, b *browsertest.Browser, at string) {
	p := b.Page(t, at+"/good.html")
	a := p.Authenticator(t)
	p.Click(t, "#make")
	p.WaitForText(t, "#passkey", "made ")
	made := strings.TrimPrefix(p.Text(t, "#passkey"), "made ")
	if n := a.Passkeys(t); n != 1 {
		t.Errorf("there are %d passkeys, want 1", n)
	}
	p.Visit(t, at+"/good.html") // it outlives the document
	p.Click(t, "#use")
	p.WaitForText(t, "#passkey", "used "+made)
	a.Remove(t)
	a = p.Authenticator(t)
	p.Click(t, "#use")
	p.WaitForText(t, "#passkey", "NotAllowedError")
	if n := a.Passkeys(t); n != 0 {
		t.Errorf("there are %d passkeys, want none", n)
	}
}

// testScreenshot: pictures have the size of the whole page, and light and dark differ.
func testScreenshot(t *testing.T, b *browsertest.Browser, at string) {
	p := b.Page(t, at+"/good.html")
	dir := filepath.Join(t.TempDir(), "new")
	for _, c := range []struct {
		scheme browsertest.Scheme
		screen browsertest.Screen
		width  int
		corner uint32
	}{
		{browsertest.Light, browsertest.Desktop, 1280, 0xffff},
		{browsertest.Dark, browsertest.Desktop, 1280, 0},
		{browsertest.Light, browsertest.Phone, 2 * 390, 0xffff},
		{browsertest.Dark, browsertest.Phone, 2 * 390, 0},
	} {
		p.Emulate(t, c.scheme, c.screen)
		name := filepath.Join(dir, string(c.scheme)+string(c.screen)+".png")
		p.Screenshot(t, name)
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		red, _, _, _ := picture.At(2, 2).RGBA()
		if size := picture.Bounds().Size(); size.X != c.width || size.Y < 1500 || red != c.corner {
			t.Errorf("%s on a %s is of %v and its corner of %x", c.scheme, c.screen, size, red)
		}
	}
	p.Print(t, filepath.Join(dir, "page.pdf"))
	if pdf, err := os.ReadFile(filepath.Join(dir, "page.pdf")); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
		t.Errorf("the page as printed: %.20q, %v", pdf, err)
	}
}
