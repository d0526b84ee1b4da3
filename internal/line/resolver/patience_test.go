package resolver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/resolver"
	"tocsin/internal/report"
)

// pipes is a listener in memory, so that time stands still while nobody waits for it.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.accept <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// system is what is asked, in a bubble of its own time.
type system struct {
	*resolver.Resolver
	numbers numbers
	asked   atomic.Int64 // questions that came
	at      atomic.Int64 // that are being answered
	most    atomic.Int64 // of these at the same time
	say     atomic.Pointer[func(out http.ResponseWriter, address string)]
	log     strings.Builder
}

func (s *system) says(answer func(out http.ResponseWriter, address string)) { s.say.Store(&answer) }

// fine answers that one line held the address since yesterday, and still does, after so long.
func fine(after time.Duration) func(http.ResponseWriter, string) {
	return func(out http.ResponseWriter, address string) {
		time.Sleep(after)
		_, _ = fmt.Fprintf(out, `{"complete":true,"known_until":%q,"sessions":[{"line":"of %s","address":%[2]q,"certain":{"from":%q}}]}`,
			time.Now().Format(time.RFC3339), address, time.Now().AddDate(0, 0, -1).Format(time.RFC3339))
	}
}

func broken(out http.ResponseWriter, _ string) { out.WriteHeader(http.StatusInternalServerError) }

func bubble(t *testing.T, change func(*resolver.Options), test func(t *testing.T, s *system)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &system{}
		listener := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{ReadHeaderTimeout: time.Hour, Handler: http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
			s.asked.Add(1)
			n := s.at.Add(1)
			defer s.at.Add(-1)
			for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
			}
			var q struct{ Address string }
			if err := json.NewDecoder(in.Body).Decode(&q); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, in.Body)
			(*s.say.Load())(out, q.Address)
		})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		opts := options("http://127.0.0.1/lines")
		opts.Dial = listener.dial
		if change != nil {
			change(&opts)
		}
		s.Resolver = resolver.New(opts, &s.numbers, time.Now, slog.New(slog.NewTextHandler(&s.log, nil)))
		s.says(fine(0))
		time.Sleep(time.Hour) // away from the beginning of time
		test(t, s)
		if err := errors.Join(s.Close(), server.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// ask says what is answered about one of many addresses, a minute ago.
func (s *system) ask(t *testing.T, n int) string {
	t.Helper()
	return s.askAt(t, n, time.Now().Add(-time.Minute))
}

func (s *system) askAt(t *testing.T, n int, when time.Time) string {
	t.Helper()
	named := 0
	k, err := s.Each(t.Context(), line.Address{Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(n)})}, 0, "", line.Span{From: when.Unix(), To: when.Unix() + 1}, func(line.Session) { named++ })
	switch {
	case err != nil:
		return err.Error()
	case k.Silent && named == 0:
		return "silent"
	case k == line.Knowledge{} && named == 1:
		return "named"
	}
	return fmt.Sprint(k, named)
}

func (s *system) want(t *testing.T, n int, want string) {
	t.Helper()
	if got := s.ask(t, n); got != want {
		t.Errorf("%s, want %s; %+v", got, want, s.Health())
	}
}

// TestBreaker: it opens, costs nothing while it is open, tries one question, opens again or closes.
func TestBreaker(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *system) {
		s.want(t, 0, "named")
		s.says(func(http.ResponseWriter, string) { time.Sleep(time.Minute) })
		began := time.Now()
		for n := range 3 {
			s.want(t, n+1, "silent")
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("three questions with a timeout of a second took %s", took)
		}
		if h := s.Health(); !h.Open || h.Fault != "it did not answer within 1s" {
			t.Errorf("%+v", h)
		}
		began = time.Now()
		for n := range 200 {
			s.want(t, n+4, "silent")
		}
		if took := time.Since(began); took != 0 || s.Health().Unasked != 200 || s.asked.Load() != 4 {
			t.Errorf("%s, %+v, %d asked: want it left alone", took, s.Health(), s.asked.Load())
		}
		time.Sleep(29 * time.Second)
		s.want(t, 5, "silent")
		if s.asked.Load() != 4 {
			t.Error("it was asked before the pause was over")
		}
		time.Sleep(time.Second)
		s.says(broken)
		s.want(t, 6, "silent") // the trial
		s.want(t, 7, "silent")
		if h := s.Health(); s.asked.Load() != 5 || !h.Open || h.Fault != "it answers with HTTP 500" {
			t.Errorf("%d asked, %+v: want one trial", s.asked.Load(), h)
		}
		time.Sleep(30 * time.Second)
		s.says(fine(500 * time.Millisecond))
		var g sync.WaitGroup
		var named, silent atomic.Int64
		for n := range 50 { // of many at once, one is the trial
			g.Go(func() {
				switch s.ask(t, n) {
				case "named":
					named.Add(1)
				case "silent":
					silent.Add(1)
				}
			})
		}
		g.Wait()
		if named.Load() != 1 || silent.Load() != 49 || s.asked.Load() != 6 {
			t.Errorf("%d named, %d silent, %d asked", named.Load(), silent.Load(), s.asked.Load())
		}
		s.want(t, 60, "named")
		if h := s.Health(); h.Open || h.Fault != "" {
			t.Errorf("%+v", h)
		}
		if said := s.log.String(); strings.Count(said, "left alone") != 1 || strings.Count(said, "answers again") != 1 || strings.Contains(said, "203.0.113") {
			t.Error(said)
		}
	})
}

// TestFailuresInARow: one that answers now and then is not left alone.
func TestFailuresInARow(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *system) {
		for n := range 30 {
			if n%3 == 2 {
				s.says(fine(0))
				s.want(t, n, "named")
			} else {
				s.says(broken)
				s.want(t, n, "silent")
			}
		}
		if h := s.Health(); h.Open || h.Unasked != 0 || h.Failed != 20 || h.Answered != 10 {
			t.Errorf("%+v", h)
		}
	})
}

// TestTrialLeft: whoever tried and did not wait for the answer leaves the trial to the next.
func TestTrialLeft(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *system) {
		s.says(broken)
		for n := range 3 {
			s.want(t, n, "silent")
		}
		time.Sleep(time.Minute)
		s.says(fine(900 * time.Millisecond))
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("the node stops"))
		defer cancel()
		_, err := s.Each(ctx, line.Address{Addr: netip.MustParseAddr("203.0.113.9")}, 0, "", line.Span{From: time.Now().Unix() - 60, To: time.Now().Unix() - 59}, func(line.Session) {})
		if err == nil || err.Error() != "the node stops" {
			t.Errorf("%v: who stops gets no answer, and none that says silent", err)
		}
		s.want(t, 9, "named")
		if h := s.Health(); h.Failed != 3 {
			t.Errorf("%+v: that somebody stopped is no failure of the system", h)
		}
	})
}

// TestConcurrent: no more questions at a time than it may get, and the same question once.
func TestConcurrent(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *system) {
		s.says(fine(100 * time.Millisecond))
		began := time.Now()
		var g sync.WaitGroup
		for n := range 200 {
			g.Go(func() { s.want(t, n%40, "named") })
		}
		g.Wait()
		if took := time.Since(began); s.asked.Load() != 40 || s.most.Load() != 4 || took != time.Second {
			t.Errorf("%d asked, %d at a time, %s; want 40, 4, 1s", s.asked.Load(), s.most.Load(), took)
		}
		if h := s.Health(); h.Answered != 40 || h.Cached != 160 {
			t.Errorf("%+v", h)
		}
	})
}

// TestLeaderLeaves: of those who wait for one answer, the one who asked may go.
func TestLeaderLeaves(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *system) {
		s.says(fine(800 * time.Millisecond))
		ctx, cancel := context.WithCancel(t.Context())
		a, q := line.Address{Addr: netip.MustParseAddr("203.0.113.9")}, line.Span{From: time.Now().Unix() - 60, To: time.Now().Unix() - 59}
		var g sync.WaitGroup
		g.Go(func() {
			if _, err := s.Each(ctx, a, 0, "", q, func(line.Session) {}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 3 {
			g.Go(func() {
				n := 0
				if k, err := s.Each(t.Context(), a, 0, "", q, func(line.Session) { n++ }); err != nil || k != (line.Knowledge{}) || n != 1 {
					t.Error(k, err, n)
				}
			})
		}
		synctest.Wait()
		cancel()
		g.Wait()
		if s.asked.Load() != 2 {
			t.Errorf("%d asked: want the first and one for those who waited", s.asked.Load())
		}
	})
}

// TestCache: the same question within the time is not put again, later it is; another never gets its answer.
func TestCache(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s *system) {
		when := time.Now().Add(-time.Hour)
		ask := func(n int, at time.Time) {
			t.Helper()
			if got := s.askAt(t, n, at); got != "named" {
				t.Error(got)
			}
		}
		asked := func(want int64) {
			t.Helper()
			if got := s.asked.Load(); got != want {
				t.Errorf("%d asked, want %d", got, want)
			}
		}
		ask(1, when)
		time.Sleep(59 * time.Second)
		ask(1, when)
		asked(1)
		ask(1, when.Add(time.Second))
		ask(2, when)
		asked(3)
		time.Sleep(time.Second)
		ask(1, when)
		asked(4)
		soon := time.Now() // not over yet: that is no answer for later
		if got := s.askAt(t, 3, soon); got != "{false false true false false} 1" {
			t.Error(got)
		}
		time.Sleep(time.Second)
		ask(3, soon)
		asked(6)
		s.says(broken)
		time.Sleep(time.Minute)
		if got := s.askAt(t, 1, when); got != "silent" {
			t.Errorf("%s: an answer was used that is too old", got)
		}
	})
	bubble(t, func(o *resolver.Options) { o.Cache = 0 }, func(t *testing.T, s *system) {
		for range 3 {
			s.want(t, 1, "named")
		}
		if s.asked.Load() != 3 {
			t.Error("without a cache nothing is kept")
		}
	})
}

// TestStale: an answer that was given while a session went on names nobody for what came after it. Every second from
// before the session's end to behind it is asked about, every second, with the cache full of what was true then.
func TestStale(t *testing.T) {
	bubble(t, func(o *resolver.Options) { o.Cache = time.Hour }, func(t *testing.T, s *system) {
		end := time.Now().Add(30 * time.Second) // a line holds the address until then, and the next one after it
		s.says(func(out http.ResponseWriter, address string) {
			var sessions string
			now := time.Now()
			if now.Before(end) {
				sessions = fmt.Sprintf(`{"line":"A-1","address":%q,"certain":{"from":%q}}`, address, end.AddDate(0, 0, -1).Format(time.RFC3339))
			} else {
				sessions = fmt.Sprintf(`{"line":"A-1","address":%q,"certain":{"from":%q,"to":%q}},{"line":"B-1","address":%[1]q,"certain":{"from":%[3]q}}`,
					address, end.AddDate(0, 0, -1).Format(time.RFC3339), end.Format(time.RFC3339))
			}
			_, _ = fmt.Fprintf(out, `{"complete":true,"known_until":%q,"sessions":[%s]}`, now.Format(time.RFC3339), sessions)
		})
		room := line.Room{Sources: []line.Sessions{s}}
		unique := 0
		for n := range 60 {
			by := time.Duration(n%4) * time.Second
			for ask := end.Add(-10 * time.Second); ask.Before(end.Add(10 * time.Second)); ask = ask.Add(time.Second) {
				got, holder, err := room.Look(t.Context(), &line.Selector{Addr: netip.MustParseAddr("203.0.113.5"), Port: 40000, Proto: "tcp", At: ask, Uncertainty: by})
				if err != nil {
					t.Fatal(err)
				}
				if got.State != report.LineUnique {
					continue
				}
				unique++
				want := "A-1"
				if !ask.Before(end) {
					want = "B-1"
				}
				crossed := ask.Add(-by).Before(end) && !ask.Add(by).Before(end)
				if name := s.numbers.name(holder.Line); name != want || crossed || ask.Add(by).After(time.Now()) {
					t.Errorf("at %s, %s before the end: %s", time.Now(), end.Sub(ask), name)
				}
			}
			time.Sleep(time.Second)
		}
		if unique < 60 {
			t.Errorf("only %d answers were unique", unique)
		}
	})
}
