package resolver_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/internal/line"
	"tocsin/internal/line/resolver"
)

// numbers gives lines their numbers.
type numbers struct {
	mu    sync.Mutex
	names []string
	fail  error
}

func (n *numbers) Numbers(_ context.Context, names []string) ([]line.ID, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return nil, n.fail
	}
	var ids []line.ID
	for _, name := range names {
		at := slices.Index(n.names, name)
		if at < 0 {
			at = len(n.names)
			n.names = append(n.names, name)
		}
		ids = append(ids, line.ID(at+1))
	}
	return ids, nil
}

func (n *numbers) name(id line.ID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[id-1]
}

// now is when all questions of a test with a real server are put.
var now = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// world is a resolver and the system that it asks, over TLS on loopback.
type world struct {
	*resolver.Resolver
	numbers numbers
	server  *httptest.Server
	log     bytes.Buffer
}

func options(url string) resolver.Options {
	return resolver.Options{
		Name: "crm", URL: url, Token: "s3cret", Timeout: time.Second, Cache: time.Minute, Concurrent: 4, Failures: 3, Pause: 30 * time.Second,
		Keep: 180 * 24 * time.Hour,
	}
}

func newWorld(t testing.TB, answer http.HandlerFunc, change ...func(*resolver.Options)) *world {
	t.Helper()
	w := &world{}
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		out.Header().Set("Date", now.Format(http.TimeFormat))
		answer(out, in)
	}))
	w.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	w.server.EnableHTTP2 = true
	w.server.StartTLS()
	opts := options(w.server.URL + "/lines")
	opts.Roots = x509.NewCertPool()
	opts.Roots.AddCert(w.server.Certificate())
	for _, c := range change {
		c(&opts)
	}
	w.Resolver = resolver.New(opts, &w.numbers, func() time.Time { return now }, slog.New(slog.NewTextHandler(&w.log, nil)))
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		w.server.Close()
		for _, personal := range []string{"s3cret", "198.51.100.7", "A-1", w.server.Listener.Addr().String()} {
			if strings.Contains(w.log.String()+w.Health().Fault, personal) {
				t.Errorf("the log or the fault says %q:\n%s%s", personal, w.log.String(), w.Health().Fault)
			}
		}
	})
	return w
}

// always answers the same.
func always(text string) http.HandlerFunc {
	return func(out http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(out, text) }
}

type lister interface {
	Each(ctx context.Context, a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) (line.Knowledge, error)
}

// list is what a resolver says, a session a line, and what it does not know.
func list(t testing.TB, r lister, name func(line.ID) string, addr string, port uint16, proto string, q line.Span) string {
	t.Helper()
	var b strings.Builder
	k, err := r.Each(t.Context(), line.Address{Addr: netip.MustParseAddr(addr)}, port, proto, q, func(s line.Session) {
		fmt.Fprintf(&b, "%s %s", name(s.Holder.Line), s.Range.Prefix)
		if s.Range.Lo != 0 || s.Range.Hi != 65535 {
			fmt.Fprintf(&b, " %d-%d", s.Range.Lo, s.Range.Hi)
		}
		if s.Range.Proto != "" {
			fmt.Fprintf(&b, " %s", s.Range.Proto)
		}
		fmt.Fprintf(&b, ", possible %s", span(s.Possible))
		if !s.Certain.Empty() {
			fmt.Fprintf(&b, ", certain %s", span(s.Certain))
		}
		b.WriteString("\n")
	})
	if err != nil {
		t.Fatal(err)
	}
	for word, is := range map[string]bool{"deleted": k.Deleted, "gap": k.Gap, "ahead": k.Ahead, "silent": k.Silent} {
		if is {
			fmt.Fprintf(&b, "%s\n", word)
		}
	}
	return b.String()
}

func span(s line.Span) string {
	end := func(at int64) string {
		if at == line.Ever || at == line.Never {
			return "?"
		}
		return time.Unix(at, 0).UTC().Format("15:04:05")
	}
	return end(s.From) + " to " + end(s.To)
}

func (w *world) list(t testing.TB, addr string, port uint16, q line.Span) string {
	t.Helper()
	return list(t, w, w.numbers.name, addr, port, "", q)
}

// ten is three seconds of the morning.
var ten = line.Span{From: now.Unix() - 7200, To: now.Unix() - 7197}

// TestAnswers are cases in testdata: a question, the system's answer, and what is made of it.
func TestAnswers(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]string{}
			for _, f := range a.Files {
				parts[f.Name] = string(f.Data)
			}
			var addr, from, to string
			var port uint16
			if _, err := fmt.Sscan(parts["question"], &addr, &port, &from, &to); err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, always(parts["answer.json"]))
			got := w.list(t, addr, port, line.Span{From: at(t, from), To: at(t, to)})
			if f := w.Health().Fault; f != "" {
				got += f + "\n"
			}
			if diff := gocmp.Diff(parts["want"], got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", a.Comment, diff)
			}
		})
	}
}

func at(t testing.TB, clock string) int64 {
	t.Helper()
	when, err := time.Parse(time.DateTime, "2026-03-03 "+clock)
	if err != nil {
		t.Fatal(err)
	}
	return when.Unix()
}

// one is an answer with one session that has these fields.
func one(fields string) string {
	return `{"complete":true,"known_until":"2026-03-03T11:59:00Z","sessions":[{` + fields + `}]}`
}

const good = `"line":"A-1","address":"198.51.100.7","certain":{"from":"2026-03-03T09:00:00Z","to":"2026-03-03T11:00:00Z"}`

// TestQuestion: what is asked, by POST, in the body and nowhere else.
func TestQuestion(t *testing.T) {
	type seen struct{ method, url, body, token, kind string }
	var got []seen
	var mu sync.Mutex
	w := newWorld(t, func(out http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		got = append(got, seen{in.Method, in.URL.String(), string(body), in.Header.Get("Authorization"), in.Header.Get("Content-Type")})
		mu.Unlock()
		always(one(good))(out, in)
	})
	w.list(t, "198.51.100.7", 0, ten)
	w.list(t, "198.51.100.7", 40000, ten)
	want := []seen{
		{"POST", "/lines", `{"address":"198.51.100.7","from":"2026-03-03T10:00:00Z","to":"2026-03-03T10:00:03Z"}`, "Bearer s3cret", "application/json"},
		{"POST", "/lines", `{"address":"198.51.100.7","port":40000,"from":"2026-03-03T10:00:00Z","to":"2026-03-03T10:00:03Z"}`, "Bearer s3cret", "application/json"},
	}
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFaults: each way to answer badly is one sentence, and silence.
func TestFaults(t *testing.T) {
	with := func(from, to string) string { return one(strings.Replace(good, from, to, 1)) }
	for _, c := range []struct{ name, answer, want string }{
		{"garbage", "<html>oops</html>", "its answer is no JSON"},
		{"nothing", "", "its answer is no JSON"},
		{"half", one(good)[:50], "its answer is no JSON"},
		{"a list", "[]", "its answer has a list where something else belongs: docs/lines/http.md says what it is"},
		{"more behind it", one(good) + "{}", "its answer has something behind its end"},
		{"unknown key", with(`"certain"`, `"surely"`), "its answer has a key that docs/lines/http.md does not name"},
		{"another case", with(`"line"`, `"Line"`), "its answer has a key that docs/lines/http.md does not name"},
		{"twice", with(`"line":"A-1"`, `"line":"A-1","line":"B-1"`), "its answer says line twice"},
		{"null ports", with(`"line"`, `"ports":null,"line"`), "its answer says null: leave out what is not known"},
		{"deep", strings.Repeat("[", 9) + strings.Repeat("]", 9), "its answer has parts within parts, more than 8"},
		{"Latin-1", with("A-1", "A-\xe9"), "its answer is not UTF-8 (RFC 8259 §8.1)"},
		{"half a character", with("A-1", `A-\ud800`), "session 1 of its answer has a line whose name is damaged"},
		{"not complete, nor incomplete", `{"known_until":"2026-03-03T11:59:00Z","sessions":[]}`, "its answer does not say whether it is complete"},
		{"no known_until", `{"complete":true,"sessions":[]}`, "its answer does not say known_until: up to when your records have come in"},
		{"no sessions", `{"complete":true,"known_until":"2026-03-03T11:59:00Z"}`, "its answer has no sessions: where there are none it says []"},
		{"no zone in known_until", `{"complete":true,"known_until":"2026-03-03 11:59:00","sessions":[]}`, "known_until of its answer is no time with a zone: write 2026-03-03T10:00:00Z"},
		{"no zone in kept_since", `{"complete":true,"kept_since":"2026-03-03","known_until":"2026-03-03T11:59:00Z","sessions":[]}`, "kept_since of its answer is no time with a zone: write 2026-03-03T10:00:00Z"},
		{"no zone in a session", with("11:00:00Z", "11:00:00"), "session 1 of its answer has a certain to that is no time with a zone: write 2026-03-03T10:00:00Z"},
		{"a number for a time", with(`"2026-03-03T09:00:00Z"`, "1772528400"), "its answer has a number where something else belongs: docs/lines/http.md says what sessions.certain.from is"},
		{"stop before start", with("11:00:00Z", "08:00:00Z"), "session 1 of its answer ends before it begins: its certain to is not behind its from"},
		{"no time at all", with("11:00:00Z", "09:00:00Z"), "session 1 of its answer ends before it begins: its certain to is not behind its from"},
		{"no start", with(`"from":"2026-03-03T09:00:00Z",`, ""), "session 1 of its answer has a certain time that does not say from when on"},
		{"neither certain nor possible", one(`"line":"A-1","address":"198.51.100.7"`), "session 1 of its answer has neither a certain nor a possible time"},
		{"more certain than possible", with(`"certain"`, `"possible":{"from":"2026-03-03T09:30:00Z"},"certain"`), "session 1 of its answer is certain of a time that it says is not possible"},
		{"possible ends before it begins", with(`"certain"`, `"possible":{"from":"2026-03-03T09:30:00Z","to":"2026-03-03T09:00:00Z"},"certain"`), "session 1 of its answer ends before it begins: its possible to is not behind its from"},
		{"no line", with("A-1", ""), "session 1 of its answer names no line"},
		{"a long line", with("A-1", strings.Repeat("A-1", 400)), "session 1 of its answer has a line whose name is longer than 1024 bytes"},
		{"another address", with("198.51.100.7", "198.51.100.8"), "session 1 of its answer is about another address than was asked about"},
		{"no address", with("198.51.100.7", "198.51.100.700"), "session 1 of its answer has an address that is neither one nor a network"},
		{"bits behind the network", with("198.51.100.7", "198.51.100.7/24"), "session 1 of its answer has an address that is neither one nor a network"},
		{"the Internet", with("198.51.100.7", "0.0.0.0/0"), "session 1 of its answer has an address that is neither one nor a network"},
		{"port 70000", with(`"line"`, `"ports":[1024,70000],"line"`), "session 1 of its answer has a port that is not within 0 to 65535"},
		{"port -1", with(`"line"`, `"ports":[-1,70],"line"`), "session 1 of its answer has a port that is not within 0 to 65535"},
		{"ports the wrong way", with(`"line"`, `"ports":[50000,40000],"line"`), "session 1 of its answer has ports of which the last is below the first"},
		{"one port", with(`"line"`, `"ports":[40000],"line"`), "session 1 of its answer has ports that are no pair of the first and the last"},
		{"a port that is none", with(`"line"`, `"ports":["a",2],"line"`), "its answer has a text where something else belongs: docs/lines/http.md says what sessions.ports is"},
		{"other ports", with(`"line"`, `"ports":[1024,2047],"line"`), "session 1 of its answer is about other ports than was asked about"},
		{"shouting", with(`"line"`, `"protocol":"TCP","line"`), "session 1 of its answer has a protocol that is none: write it in small letters, as tcp"},
		{"too many", `{"complete":true,"known_until":"2026-03-03T11:59:00Z","sessions":[` + strings.Repeat("{"+good+"},", 5000) + "{" + good + "}]}", "its answer has more than 5000 sessions"},
		{"too large", `{"complete":true,"known_until":"2026-03-03T11:59:00Z","sessions":[` + strings.Repeat(" ", 1<<20) + "]}", "its answer is larger than 1 MiB: leave out sessions that have nothing of the time asked about"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, always(c.answer))
			if got := w.list(t, "198.51.100.7", 40000, ten); got != "silent\n" {
				t.Errorf("%s: want silence", got)
			}
			if h := w.Health(); h.Fault != c.want || h.Failed != 1 || h.Answered != 0 || !h.Latest.IsZero() {
				t.Errorf("%+v\nwant %s", h, c.want)
			}
		})
	}
}

// TestServers: what a server, or somebody who sits in its place, can do.
func TestServers(t *testing.T) {
	elsewhere := newWorld(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	code := func(n int) http.HandlerFunc {
		return func(out http.ResponseWriter, _ *http.Request) { out.WriteHeader(n) }
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		change func(*resolver.Options)
		want   string
	}{
		{"500", code(500), nil, "it answers with HTTP 500"},
		{"404", code(404), nil, "it answers with HTTP 404"},
		{"204", code(204), nil, "it answers with HTTP 204"},
		{"401", code(401), nil, "it lets us not in (HTTP 401): check the token"},
		{"redirect", func(out http.ResponseWriter, in *http.Request) {
			http.Redirect(out, in, elsewhere.server.URL, http.StatusTemporaryRedirect)
		}, nil, "it redirects to another address (HTTP 307): write that into the config if it is right"},
		{"slow", func(_ http.ResponseWriter, in *http.Request) {
			_, _ = io.ReadAll(in.Body) // without it the server does not notice that we hang up
			<-in.Context().Done()
		}, func(o *resolver.Options) { o.Timeout = 50 * time.Millisecond }, "it did not answer within 50ms"},
		{"slow in the middle", func(out http.ResponseWriter, in *http.Request) {
			_, _ = io.ReadAll(in.Body)
			_, _ = io.WriteString(out, `{"complete":`)
			_ = http.NewResponseController(out).Flush()
			<-in.Context().Done()
		}, func(o *resolver.Options) { o.Timeout = 50 * time.Millisecond }, "it did not answer within 50ms"},
		{"breaks off", func(out http.ResponseWriter, _ *http.Request) {
			out.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(out, `{"complete":`)
		}, nil, "it broke off before the end of its answer"},
		{"a stranger's certificate", always(one(good)), func(o *resolver.Options) { o.Roots = x509.NewCertPool() }, "it shows no certificate that can be trusted: name the authority in ca_file"},
		{"another's certificate", always(one(good)), func(o *resolver.Options) {
			o.URL = strings.Replace(o.URL, "127.0.0.1", "localhost", 1)
		}, "it shows no certificate that can be trusted: name the authority in ca_file"},
		{"a clock that is a day off", func(out http.ResponseWriter, in *http.Request) {
			out.Header().Set("Date", now.AddDate(0, 0, 2).Format(http.TimeFormat))
			always(one(good))(out, in)
		}, nil, "its clock is off by more than a day: set it by NTP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := c.change
			if change == nil {
				change = func(*resolver.Options) {}
			}
			w := newWorld(t, c.answer, change)
			if got := w.list(t, "198.51.100.7", 40000, ten); got != "silent\n" || w.Health().Fault != c.want {
				t.Errorf("%s%+v; want silence: %s", got, w.Health(), c.want)
			}
		})
	}
	w := newWorld(t, always(""))
	w.server.Close()
	if got := w.list(t, "198.51.100.7", 40000, ten); got != "silent\n" || !strings.HasPrefix(w.Health().Fault, "it cannot be reached, or broke off (") {
		t.Errorf("%s%+v", got, w.Health())
	}
}

// TestDatabase: that lines cannot be numbered is an error of ours: the same is asked again, and the system is well.
func TestDatabase(t *testing.T) {
	w := newWorld(t, always(one(good)))
	w.numbers.fail = errors.New("the database is away")
	ask := func() error {
		_, err := w.Each(t.Context(), line.Address{Addr: netip.MustParseAddr("198.51.100.7")}, 0, "", ten, func(line.Session) { t.Error("a line without a number") })
		return err
	}
	for range 5 {
		if err := ask(); !errors.Is(err, w.numbers.fail) {
			t.Errorf("%v", err)
		}
	}
	w.numbers.fail = nil
	if got := w.list(t, "198.51.100.7", 0, ten); got != "A-1 198.51.100.7/32, possible 09:00:00 to 11:00:00, certain 09:00:00 to 11:00:00\n" {
		t.Error(got)
	}
	if h := w.Health(); h.Fault != "" || h.Failed != 0 || h.Answered != 6 {
		t.Errorf("%+v", h)
	}
}

// TestWhatIsAsked: of what it cannot know it is not asked, and then it is not silent either.
func TestWhatIsAsked(t *testing.T) {
	w := newWorld(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }, func(o *resolver.Options) {
		o.Networks, o.Realm = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25")}, "cgn"
	})
	inside := line.Address{Addr: netip.MustParseAddr("198.51.100.7"), Realm: "cgn"}
	for _, c := range []struct {
		name string
		a    line.Address
		q    line.Span
		want line.Knowledge
	}{
		{"another realm", line.Address{Addr: inside.Addr}, ten, line.Knowledge{}},
		{"another network", line.Address{Addr: netip.MustParseAddr("198.51.100.207"), Realm: "cgn"}, ten, line.Knowledge{}},
		{"too long ago", inside, line.Span{From: ten.From - 180*24*3600, To: ten.To}, line.Knowledge{Deleted: true}},
		{"not yet", inside, line.Span{From: now.Unix() + 1, To: now.Unix() + 2}, line.Knowledge{Ahead: true}},
	} {
		got, err := w.Each(t.Context(), c.a, 0, "", c.q, func(line.Session) { t.Error("somebody is named") })
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

// TestClock: a clock that is off widens the question, and what is possible; and narrows what is certain.
func TestClock(t *testing.T) {
	for _, c := range []struct {
		name string
		off  time.Duration
		want string
		by   int64
	}{
		{"right", 0, "A-1 198.51.100.7/32, possible 09:00:00 to 11:00:00, certain 09:00:00 to 11:00:00\n", 0},
		{"a second", time.Second, "A-1 198.51.100.7/32, possible 09:00:00 to 11:00:00, certain 09:00:00 to 11:00:00\n", 0},
		{"ahead", time.Minute, "A-1 198.51.100.7/32, possible 08:58:59 to 11:01:01, certain 09:01:01 to 10:58:59\n", 61},
		{"behind", -time.Minute, "A-1 198.51.100.7/32, possible 08:59:00 to 11:01:00, certain 09:01:00 to 10:59:00\n", 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			var last map[string]string
			w := newWorld(t, func(out http.ResponseWriter, in *http.Request) {
				last = map[string]string{}
				if err := json.NewDecoder(in.Body).Decode(&last); err != nil {
					t.Error(err)
				}
				out.Header().Set("Date", now.Add(c.off).Format(http.TimeFormat))
				always(one(good))(out, in)
			})
			if got := w.list(t, "198.51.100.7", 0, ten); got != c.want {
				t.Errorf("%swant %s", got, c.want)
			}
			from := time.Unix(ten.From-c.by, 0).UTC().Format(time.RFC3339)
			if h := w.Health(); h.Clock != c.by || last["from"] != from {
				t.Errorf("%+v, %v; want %d", h, last, c.by)
			}
		})
	}
}

// TestProtocols: one answer serves the questions about each protocol, and no more.
func TestProtocols(t *testing.T) {
	w := newWorld(t, always(`{"complete":true,"known_until":"2026-03-03T11:59:00Z","sessions":[
		{"line":"A-1","address":"198.51.100.7","protocol":"tcp","ports":[40000,40000],"certain":{"from":"2026-03-03T09:00:00Z"}},
		{"line":"B-1","address":"198.51.100.7","protocol":"udp","ports":[40000,40000],"certain":{"from":"2026-03-03T09:00:00Z"}}]}`))
	const a = "A-1 198.51.100.7/32 40000-40000 tcp, possible 09:00:00 to ?, certain 09:00:00 to 11:59:00\n"
	const b = "B-1 198.51.100.7/32 40000-40000 udp, possible 09:00:00 to ?, certain 09:00:00 to 11:59:00\n"
	for proto, want := range map[string]string{"": a + b, "tcp": a, "udp": b, "icmp": ""} {
		if got := list(t, w, w.numbers.name, "198.51.100.7", 40000, proto, ten); got != want {
			t.Errorf("%q: %s", proto, got)
		}
	}
	if h := w.Health(); h.Answered != 1 || h.Cached != 3 {
		t.Errorf("%+v", h)
	}
}

// TestKept: nothing of an answer lies on the disk.
func TestKept(t *testing.T) {
	t.Chdir(t.TempDir())
	w := newWorld(t, always(one(good)))
	w.list(t, "198.51.100.7", 0, ten)
	if all, err := os.ReadDir("."); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

// BenchmarkEach: a question over TLS on loopback, each another address, and one that was just asked.
func BenchmarkEach(b *testing.B) {
	w := newWorld(b, func(out http.ResponseWriter, in *http.Request) {
		var q struct{ Address string }
		if err := json.NewDecoder(in.Body).Decode(&q); err != nil {
			b.Error(err)
		}
		_, _ = io.WriteString(out, one(strings.Replace(good, "198.51.100.7", q.Address, 1)))
	})
	ask := func(b *testing.B, i int) {
		b.Helper()
		n := 0
		a := line.Address{Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})}
		q := line.Span{From: ten.From + int64(i>>8), To: ten.To + int64(i>>8)}
		if k, err := w.Each(b.Context(), a, 0, "", q, func(line.Session) { n++ }); err != nil || k.Silent || n != 1 {
			b.Fatal(n, k, err, w.Health().Fault)
		}
	}
	i := 0
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			i++
			ask(b, i)
		}
	})
	b.Run("new_parallel", func(b *testing.B) {
		var mu sync.Mutex
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				mu.Lock()
				i++
				mine := i
				mu.Unlock()
				ask(b, mine)
			}
		})
	})
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			ask(b, i)
		}
	})
}
