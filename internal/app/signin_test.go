package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/app"
	"tocsin/internal/browsertest"
	"tocsin/internal/evidence"
)

// screenshots is where a picture of each page lies after the test, for people to look at.
const screenshots = "../../build/screenshots/sign-in"

// console is a node that people sign in to.
type console struct {
	*running
	base  string
	first string // the first admin's link
	log   *logged
	data  string
}

// people serves a node to browsers. A passkey needs a name, so that it is at localhost.
func people(t *testing.T, change func(origin string, cfg *app.Config)) *console {
	t.Helper()
	port, err := app.OpenPort(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, number, _ := strings.Cut(port.Addr().String(), ":")
	c := &console{base: "http://localhost:" + number, log: &logged{}, data: t.TempDir()}
	cfg := servedConfig(c.data)
	cfg.Access.Origin = c.base
	if change != nil {
		change(c.base, &cfg)
	}
	log, err := app.NewLog(c.log, "info")
	if err != nil {
		t.Fatal(err)
	}
	a := openLog(t, cfg, time.Now, log)
	a.ListenOn(port)
	if c.first, err = a.FirstLink(t.Context()); err != nil || !strings.HasPrefix(c.first, c.base+"/first/") {
		t.Fatalf("the link of the first admin is %q, %v", c.first, err)
	}
	c.running = run(t, a)
	return c
}

// TestSignIn shares one browser among stories of people who come in.
func TestSignIn(t *testing.T) {
	b := browsertest.Open(t)
	for _, story := range []struct {
		name string
		tell func(t *testing.T, b *browsertest.Browser)
	}{
		{"passkey", byPasskey},
		{"password", byPassword},
		{"organisation", byOrganisation},
		{"without-script", withoutScript},
	} {
		t.Run(story.name, func(t *testing.T) { story.tell(t, b) })
	}
}

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

// look looks at the page that p shows in all ways.
func look(t *testing.T, p *browsertest.Page, name string) {
	t.Helper()
	for _, l := range looks {
		p.Emulate(t, l.scheme, l.screen)
		p.Axe(t)
		if wide := p.Eval(t, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide != "0" {
			t.Errorf("%s, %s: the page is %s pixels wider than the screen", name, l.name, wide)
		}
		p.Screenshot(t, filepath.Join(screenshots, name+"-"+l.name+".png"))
	}
	p.Emulate(t, looks[0].scheme, looks[0].screen)
}

// byPasskey: the first admin comes in by the link of the start and a passkey, and again by the passkey. They invite
// somebody, who comes in by a password, does what their role may, and is out as soon as they have left.
func byPasskey(t *testing.T, b *browsertest.Browser) {
	c := people(t, nil)
	ended := false
	defer func() {
		if !ended {
			c.end(t)
		}
	}()
	p := b.Isolated(t, c.base+"/people")
	p.WaitForAddress(t, "/signin?next=%2Fpeople")
	if p.Has(t, ".menu") {
		t.Error("nobody is signed in, and there is a menu")
	}
	look(t, p, "signin")
	keys := p.Authenticator(t)
	p.Visit(t, c.first)
	look(t, p, "first")
	p.Expect("status of 422")
	p.Fill(t, "#login", "Ada Admin")
	p.Fill(t, "#name", "Ada Admin")
	p.Follow(t, "text=Go on")
	p.WaitForText(t, "#login-wrong", "such as a mail address")
	p.Fill(t, "#login", "Ada@Example.net")
	p.Follow(t, "text=Go on")
	p.WaitForAddress(t, "/invite/")
	p.WaitForText(t, ".lead", "ada@example.net")
	look(t, p, "invite")
	p.Follow(t, "text=Make a passkey")
	p.WaitForAddress(t, "/account")
	if n := keys.Passkeys(t); n != 1 {
		t.Errorf("there are %d passkeys", n)
	}
	if menu := p.Texts(t, ".menu a"); !slices.Contains(menu, "People") || slices.Contains(menu, "Incidents") {
		t.Errorf("an admin's menu is %v", menu)
	}
	if got := p.Text(t, ".who"); !strings.HasSuffix(got, "ada@example.net") {
		t.Errorf("the header says %q", got)
	}
	if again := plainGet(t, nil, c.first); again.StatusCode != http.StatusNotFound {
		t.Errorf("the first admin's link is answered %d after it was used", again.StatusCode)
	}
	if link, err := c.FirstLink(t.Context()); err != nil || link != "" {
		t.Errorf("there is an admin, and another link %q, %v", link, err)
	}

	p.Follow(t, "text=Sign out")
	p.WaitForAddress(t, "/signin")
	p.Visit(t, c.base+"/people")
	p.WaitForAddress(t, "/signin?next=%2Fpeople")
	p.Follow(t, "text=Sign in with a passkey")
	p.WaitForAddress(t, "/people")
	look(t, p, "people-first")

	p.Fill(t, "#invite ~ form #login", "dana@example.net")
	p.Fill(t, "#invite ~ form #name", "Dana <b>Desk</b>")
	p.Click(t, "#invite ~ form [name=role][value=desk]")
	p.Follow(t, "text=Invite")
	link := p.Text(t, "pre.secret")
	look(t, p, "people-invited")
	dana := b.Isolated(t, link)
	dana.WaitForText(t, "h1", "Welcome, Dana <b>Desk</b>")
	dana.Expect("status of 422")
	dana.Fill(t, "#password", "dana@example.net")
	dana.Follow(t, "text=Set the password")
	dana.WaitForText(t, "#password-wrong", "login or name")
	dana.Fill(t, "#password", "glove vivid harbour mint")
	dana.Follow(t, "text=Set the password")
	dana.WaitForAddress(t, "/account")
	if menu := dana.Texts(t, ".menu a"); slices.Contains(menu, "People") || !slices.Contains(menu, "Incidents") {
		t.Errorf("a desk person's menu is %v", menu)
	}
	dana.Expect("status of 403")
	dana.Visit(t, c.base+"/people")
	if dana.Status(t) != http.StatusForbidden {
		t.Errorf("the people are shown to the desk: %d", dana.Status(t))
	}
	dana.Visit(t, c.base+"/incidents")

	p.Visit(t, c.base+"/people")
	p.Follow(t, "text=Dana <b>Desk</b>")
	look(t, p, "person")
	p.Click(t, "text=Let them in no more")
	p.Follow(t, "text=Yes, they have left")
	p.WaitForText(t, ".state", "left")
	dana.Visit(t, c.base+"/incidents")
	dana.WaitForAddress(t, "/signin?next=%2Fincidents")
	dana.Fill(t, "#login", "dana@example.net")
	dana.Fill(t, "#password", "glove vivid harbour mint")
	dana.Follow(t, "text=Sign in")
	dana.WaitForText(t, "[role=alert]", "does not let anybody in")

	p.Expect("status of 409")
	p.Visit(t, c.base+"/people")
	p.Follow(t, "text=Ada Admin")
	p.Click(t, "text=Let yourself in no more")
	p.Follow(t, "text=Yes, I have left")
	p.WaitForText(t, "[role=alert]", "last admin")
	look(t, p, "person-wrong")

	p.Visit(t, c.base+"/people")
	p.Click(t, "text=Add an organisation")
	p.Fill(t, "#party-name", "Police of Example")
	p.Fill(t, "#party-id", "police")
	p.Follow(t, "text=Add")
	p.WaitForText(t, "#parties ~ ul", "Police of Example")
	p.Fill(t, "#invite ~ form #login", "olga@example.org")
	p.Fill(t, "#invite ~ form #name", "Olga Officer")
	p.Fill(t, "#party", "Police of Example")
	p.Click(t, "#invite ~ form [name=role][value=desk]")
	p.Follow(t, "text=Invite")
	p.WaitForText(t, "#roles-wrong", "cannot be desk")
	look(t, p, "people")

	ended = true
	c.end(t)
	checkLogged(t, c)
}

// checkLogged: what was done with people is in the log, and names nobody.
func checkLogged(t *testing.T, c *console) {
	t.Helper()
	all, raw := entries(t, c.data)
	notes := map[string]int{}
	for i := range all {
		if k := all[i].Kind; k == evidence.Kind("person") || k == "role" || k == "token" {
			notes[string(k)+" "+fieldOf(&all[i], "note")]++
		}
	}
	for _, want := range []string{"role first-admin", "person invited", "role roles", "person left"} {
		if notes[want] == 0 {
			t.Errorf("%s is not in the log: %v", want, notes)
		}
	}
	for _, word := range []string{"ada", "dana", "example.net", "Desk"} {
		if strings.Contains(raw, word) {
			t.Errorf("the log says %q", word)
		}
		if strings.Contains(strings.ToLower(c.log.String()), word+"@") {
			t.Errorf("the node's own log says %q", word)
		}
	}
	if token := strings.TrimPrefix(c.first, c.base+"/first/"); strings.Contains(c.log.String(), token) {
		t.Error("the node's own log has the link of the first admin")
	}
}

// jar is a browser without a window: it keeps cookies, and follows no redirect.
func jar(t *testing.T) *http.Client {
	t.Helper()
	j, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: j, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// told is what a node answered.
type told struct {
	StatusCode int
	Header     http.Header
	body       string
	cookies    []*http.Cookie
}

// cookie is what a browser is to keep under a name; nil where it is nothing.
func (a told) cookie(name string) *http.Cookie {
	for _, c := range a.cookies {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func plainGet(t *testing.T, with *http.Client, at string) told {
	t.Helper()
	return plain(t, with, http.MethodGet, at, nil, nil)
}

// plain makes one request.
func plain(t *testing.T, with *http.Client, method, at string, form url.Values, header http.Header) told {
	t.Helper()
	if with == nil {
		with = jar(t)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	for name := range header {
		r.Header.Set(name, header.Get(name))
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := with.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return told{res.StatusCode, res.Header, string(text), res.Cookies()}
}

const goodPassword = "glove vivid harbour mint"

// asAdmin makes the first admin, ada, with a password, in a browser without a window.
func (c *console) asAdmin(t *testing.T) *http.Client {
	t.Helper()
	ada := jar(t)
	if res := plain(t, ada, "POST", c.first, url.Values{"login": {"ada@example.net"}, "name": {"Ada Admin"}}, nil); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("the claim is answered %d: %s", res.StatusCode, res.body)
	}
	link := strings.Replace(c.first, "/first/", "/invite/", 1)
	if res := plain(t, ada, "POST", link+"/password", url.Values{"password": {goodPassword}}, nil); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("the password is answered %d: %s", res.StatusCode, res.body)
	}
	return ada
}

// byPassword: password, recovery codes, tokens and sessions, as their owner works them; and what others try.
func byPassword(t *testing.T, b *browsertest.Browser) {
	c := people(t, nil)
	defer c.end(t)
	c.asAdmin(t)
	p := b.Isolated(t, c.base+"/account")
	p.Expect("status of 422")
	p.Fill(t, "#login", "ada@example.net")
	p.Fill(t, "#password", "glove vivid harbour mind")
	p.Follow(t, "text=Sign in")
	p.WaitForText(t, "[role=alert]", "does not let anybody in")
	look(t, p, "signin-wrong")
	p.Fill(t, "#password", goodPassword)
	p.Follow(t, "text=Sign in")
	p.WaitForAddress(t, "/account")

	p.Follow(t, "text=Make recovery codes")
	codes := p.Texts(t, ".codes code")
	if len(codes) != 10 {
		t.Fatalf("there are %d codes", len(codes))
	}
	look(t, p, "account-codes")
	p.Click(t, "text=Make a token")
	p.Fill(t, "#token-name", "monitoring")
	p.Click(t, "[name=scope][value='figure:see']")
	p.Follow(t, "text=Make it")
	token := p.Text(t, "pre.secret")
	look(t, p, "account")
	if code, _ := c.call(t, "GET", "/figures?days=7", token); code != http.StatusOK {
		t.Errorf("the token is answered %d", code)
	}
	for _, other := range []string{"/people", "/account", "/tokens"} {
		if code, _ := c.call(t, "GET", other, token); code != http.StatusForbidden {
			t.Errorf("the token reads %s: %d", other, code)
		}
	}
	p.Visit(t, c.base+"/tokens")
	look(t, p, "tokens")
	p.Follow(t, "text=End")
	if code, _ := c.call(t, "GET", "/figures?days=7", token); code != http.StatusUnauthorized {
		t.Errorf("the token that was ended is answered %d", code)
	}

	p.Visit(t, c.base+"/account")
	p.Follow(t, "text=End all others") // the one that asAdmin began
	if n := len(p.Texts(t, "#sessions ~ .scroll tbody tr")); n != 1 {
		t.Errorf("there are %d sessions", n)
	}
	p.Fill(t, "#zone", "Europe/Nowhere")
	p.Follow(t, "text=Save")
	p.WaitForText(t, "#zone-wrong", "Europe/Warsaw")
	p.Fill(t, "#zone", "Asia/Tokyo")
	p.Follow(t, "text=Save")
	p.WaitForAddress(t, "/account")

	// A code lets in once, and then asks for a new way to sign in.
	p.Follow(t, "text=Sign out")
	p.Click(t, "text=None of these works any more")
	p.Fill(t, "#code-login", "ada@example.net")
	p.Fill(t, "#code", strings.ToUpper(codes[3]))
	p.Follow(t, "text=Use the code")
	p.WaitForText(t, "[role=status]", "You came in by a recovery code")
	look(t, p, "account-recovered")
	p.Fill(t, "#password", "sparrow lemon bridge tin")
	p.Follow(t, "text=Change the password")
	p.WaitForAddress(t, "/account")
	if p.Has(t, "[role=status]") {
		t.Error("there is a new password, and the page still asks for one")
	}
	again := plain(t, nil, "POST", c.base+"/signin/code", url.Values{"login": {"ada@example.net"}, "code": {codes[3]}}, nil)
	if again.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a code that was used is answered %d", again.StatusCode)
	}
	p.Follow(t, "text=Sign out")

	// Whoever tries out passwords has to wait, and a browser that ada knows does not.
	stranger := jar(t)
	wrong := url.Values{"login": {"ada@example.net"}, "password": {"not the one that it is"}}
	var last told
	for range 12 {
		last = plain(t, stranger, "POST", c.base+"/signin/password", wrong, nil)
	}
	if last.StatusCode != http.StatusTooManyRequests || last.Header.Get("Retry-After") == "" {
		t.Errorf("the twelfth attempt is answered %d", last.StatusCode)
	}
	q := b.Isolated(t, c.base+"/signin")
	q.Expect("status of 429")
	q.Fill(t, "#login", "ada@example.net")
	q.Fill(t, "#password", "sparrow lemon bridge tin")
	q.Follow(t, "text=Sign in")
	q.WaitForText(t, "[role=alert]", "oo many attempts from here have failed: try again in ")
	look(t, q, "signin-wait")
	p.Fill(t, "#login", "ada@example.net")
	p.Fill(t, "#password", "sparrow lemon bridge tin")
	p.Follow(t, "text=Sign in")
	p.WaitForText(t, ".who", "ada@example.net")
}

// call asks the API with a token.
func (c *console) call(t *testing.T, method, path, token string) (int, string) {
	t.Helper()
	res := plain(t, nil, method, c.base+"/api/v1"+path, nil, http.Header{"Authorization": {"Bearer " + token}})
	return res.StatusCode, res.body
}

// withoutScript: a browser without scripts comes in by a password, and does what is to be done.
func withoutScript(t *testing.T, b *browsertest.Browser) {
	c := people(t, nil)
	defer c.end(t)
	p := b.Isolated(t, c.base+"/rules")
	p.Scripts(t, false)
	p.Visit(t, c.first)
	p.Fill(t, "#login", "ada@example.net")
	p.Fill(t, "#name", "Ada Admin")
	p.Follow(t, "text=Go on")
	if p.Has(t, "text=Make a passkey") {
		t.Error("without scripts there is a passkey to be made")
	}
	p.Fill(t, "#password", goodPassword)
	p.Follow(t, "text=Set the password")
	p.WaitForAddress(t, "/account")
	p.Follow(t, "text=Sign out")
	p.Visit(t, c.base+"/account")
	p.Screenshot(t, filepath.Join(screenshots, "signin-without-script.png")) // axe-core is a script, too
	p.Fill(t, "#login", "ada@example.net")
	p.Fill(t, "#password", goodPassword)
	p.Follow(t, "text=Sign in")
	p.WaitForAddress(t, "/account")
}

// byOrganisation: an OpenID Provider vouches for its people, and its groups are their roles.
func byOrganisation(t *testing.T, b *browsertest.Browser) {
	c := people(t, func(origin string, cfg *app.Config) {
		issuer, id, secret := browsertest.OIDC(t, origin+access.OpenIDPath+"staff", []browsertest.Person{
			{Login: "dana", Password: "pear", Email: "dana@example.net", Name: "Dana Desk", Groups: []string{"abuse-team", "canteen"}},
			{Login: "noel", Password: "plum", Email: "noel@example.net", Name: "Noel Nobody", Groups: []string{"canteen"}},
		})
		file := filepath.Join(cfg.Data, "staff.secret")
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.Access.OpenID = []access.Issuer{{
			Name: "staff", Issuer: issuer, ClientID: id, ClientSecretFile: file, Scopes: []string{"profile", "email", "groups"},
			Roles: map[string][]access.Role{"abuse-team": {access.Desk}},
		}}
	})
	defer c.end(t)
	at := func(p *browsertest.Page, login, password string) {
		p.Visit(t, c.base+"/incidents")
		p.WaitForAddress(t, "/signin")
		p.Follow(t, "text=Sign in with staff")
		p.WaitForAddress(t, "/sign-in/")
		p.Fill(t, "[name=login]", login)
		p.Fill(t, "[name=password]", password)
		p.Follow(t, "text=Sign in")
	}
	dana := b.Isolated(t, c.base+"/signin")
	look(t, dana, "signin-organisation")
	at(dana, "dana", "pear")
	dana.WaitForAddress(t, c.base+"/incidents")
	if menu := dana.Texts(t, ".menu a"); !slices.Contains(menu, "Incidents") || slices.Contains(menu, "People") {
		t.Errorf("the menu of somebody who is desk by their group is %v", menu)
	}
	dana.Visit(t, c.base+"/account")
	dana.WaitForText(t, "main", "vouches for you")
	noel := b.Isolated(t, c.base+"/signin")
	noel.Expect("status of 403")
	at(noel, "noel", "plum")
	noel.WaitForText(t, "[role=alert]", "canteen")
	look(t, noel, "signin-no-group")
	if strings.Contains(c.log.String(), "canteen") || strings.Contains(c.log.String(), "noel") {
		t.Error("the node's own log says who was not let in")
	}
	// What another site began, or another browser, leads nowhere.
	res := plain(t, nil, "GET", c.base+access.OpenIDPath+"staff/begin", nil, http.Header{"Sec-Fetch-Site": {"cross-site"}})
	if res.Header.Get("Location") != "/signin" {
		t.Errorf("another site sends people to %s", res.Header.Get("Location"))
	}
	res = plainGet(t, nil, c.base+access.OpenIDPath+"staff?state=x&code=y")
	if res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a code that nobody asked for is answered %d", res.StatusCode)
	}
	res = plainGet(t, nil, c.base+access.OpenIDPath+"none/begin")
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("an organisation that there is not is answered %d", res.StatusCode)
	}
}

// TestSessions: what a browser had before somebody signs in lets nobody in after; signing out ends what it had; other
// sites can neither sign in nor out; and cookies are kept from scripts and from other sites.
func TestSessions(t *testing.T) {
	c := people(t, nil)
	defer c.end(t)
	ada := c.asAdmin(t)
	home, err := url.Parse(c.base)
	if err != nil {
		t.Fatal(err)
	}
	at := func(secret string) int {
		return plain(t, nil, "GET", c.base+"/account", nil, http.Header{"Cookie": {"tocsin=" + secret}}).StatusCode
	}
	session := func(of *http.Client) string {
		for _, cookie := range of.Jar.Cookies(home) {
			if cookie.Name == "tocsin" {
				return cookie.Value
			}
		}
		return ""
	}
	first := session(ada)
	if at(first) != http.StatusOK {
		t.Fatal("ada is not in")
	}

	// Somebody gives a browser a session of their choice, and one of their own: neither is the one that ada then has.
	for _, planted := range []string{"chosen-by-somebody-else", first} {
		victim := jar(t)
		victim.Jar.SetCookies(home, []*http.Cookie{{Name: "tocsin", Value: planted, Path: "/"}})
		res := plain(t, victim, "POST", c.base+"/signin/password", url.Values{"login": {"ada@example.net"}, "password": {goodPassword}, "next": {"//evil.example"}}, nil)
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" {
			t.Fatalf("signing in is answered %d to %s", res.StatusCode, res.Header.Get("Location"))
		}
		cookie := res.cookie("tocsin")
		if cookie == nil || cookie.Value == planted || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
			t.Errorf("the cookie is %v", cookie)
		}
		if at(planted) == http.StatusOK {
			t.Error("a session that was there before lets somebody in")
		}
		if at(cookie.Value) != http.StatusOK {
			t.Error("the new session does not")
		}
		ada = victim
	}

	// Other sites.
	mine := session(ada)
	for _, path := range []string{"/signout", "/signin/password", "/account/codes", "/people", "/account/passkeys/begin"} {
		for _, site := range []string{"cross-site", "same-site"} {
			res := plain(t, ada, "POST", c.base+path, url.Values{"login": {"ada@example.net"}, "password": {goodPassword}}, http.Header{"Sec-Fetch-Site": {site}})
			if res.StatusCode != http.StatusForbidden || len(res.cookies) > 0 {
				t.Errorf("%s from a %s is answered %d", path, site, res.StatusCode)
			}
		}
		res := plain(t, ada, "POST", c.base+path, url.Values{}, http.Header{"Origin": {"https://evil.example"}})
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s from another origin is answered %d", path, res.StatusCode)
		}
	}
	if at(mine) != http.StatusOK {
		t.Error("another site signed ada out")
	}
	if res := plain(t, ada, "GET", c.base+"/signout", nil, nil); res.StatusCode == http.StatusSeeOther && at(mine) != http.StatusOK {
		t.Error("a link signs people out")
	}
	res := plain(t, ada, "POST", c.base+"/signout", url.Values{}, nil)
	if cookie := res.cookie("tocsin"); cookie == nil || cookie.MaxAge >= 0 {
		t.Errorf("after signing out the cookie is %v", cookie)
	}
	if at(mine) == http.StatusOK {
		t.Error("signing out does not end the session")
	}
}

// TestOwnOnly: nobody reads or ends what is another's by its id, and a token makes no token.
func TestOwnOnly(t *testing.T) {
	c := people(t, nil)
	defer c.end(t)
	ada := c.asAdmin(t)
	res := plain(t, ada, "POST", c.base+"/people", url.Values{"login": {"dana@example.net"}, "name": {"Dana"}, "party": {"own"}, "role": {"desk"}}, nil)
	text := res.body
	_, link, _ := strings.Cut(text, `<pre class="secret">`)
	link, _, _ = strings.Cut(link, "<")
	if !strings.HasPrefix(link, c.base+"/invite/") {
		t.Fatalf("%d: the link is %q", res.StatusCode, link)
	}
	dana := jar(t)
	if res := plain(t, dana, "POST", link+"/password", url.Values{"password": {goodPassword}}, nil); res.StatusCode != http.StatusSeeOther {
		t.Fatal(res.StatusCode)
	}
	tokenOf := func(who *http.Client, scopes ...string) string {
		res := plain(t, who, "POST", c.base+"/account/tokens", url.Values{"name": {"one"}, "days": {"7"}, "scope": scopes}, nil)
		_, secret, _ := strings.Cut(res.body, `<pre class="secret">`)
		secret, _, _ = strings.Cut(secret, "<")
		if !access.IsToken(access.Secret(secret)) {
			t.Fatalf("%d: the token is %q", res.StatusCode, secret)
		}
		return secret
	}
	adas, danas := tokenOf(ada, "see", "change"), tokenOf(dana, "see", "change")
	var account struct {
		Sessions, Tokens []struct{ ID string }
	}
	if _, body := c.call(t, "GET", "/account", adas); json.Unmarshal([]byte(body), &account) != nil || len(account.Sessions) != 1 || len(account.Tokens) != 1 {
		t.Fatalf("ada's account is %s", body)
	}
	for _, try := range []string{"/account/sessions/" + account.Sessions[0].ID, "/account/tokens/" + account.Tokens[0].ID} {
		if code, _ := c.call(t, "DELETE", try, danas); code != http.StatusNotFound {
			t.Errorf("dana ends ada's %s: %d", try, code)
		}
	}
	if code, _ := c.call(t, "DELETE", "/tokens/"+account.Tokens[0].ID, danas); code != http.StatusForbidden {
		t.Errorf("dana ends ada's token: %d", code)
	}
	for _, form := range []string{"/account/sessions/end", "/account/tokens/end"} {
		plain(t, dana, "POST", c.base+form, url.Values{"id": {account.Sessions[0].ID}}, nil)
		plain(t, dana, "POST", c.base+form, url.Values{"id": {account.Tokens[0].ID}}, nil)
	}
	if code, _ := c.call(t, "GET", "/account", adas); code != http.StatusOK {
		t.Errorf("ada's token is answered %d", code)
	}
	r := http.Header{"Authorization": {"Bearer " + danas}, "Content-Type": {"application/json"}}
	body := fmt.Sprintf(`{"name":"wider","scopes":["reveal"],"until":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
	req, err := http.NewRequestWithContext(t.Context(), "POST", c.base+"/api/v1/account/tokens", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = r
	got, err := ask(req)
	if err != nil || got.status != http.StatusConflict {
		t.Errorf("a token makes a token: %d %s %v", got.status, got.body, err)
	}
}
