package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tocsin/internal/api"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// CheckAddr says what is wrong with an address to listen on.
func CheckAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is no address and port: write 127.0.0.1:8420", addr)
	}
	return nil
}

// OpenPort opens a port to listen on. Its error says what is wrong with it, not what to do: the caller knows where the
// address stands.
func OpenPort(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	why := err.Error()
	switch errno, _ := errors.AsType[syscall.Errno](err); errno {
	case syscall.EADDRINUSE:
		why = "another program listens there"
	case syscall.EADDRNOTAVAIL:
		why = "this machine has no such address"
	case syscall.EACCES:
		why = "this user may not open that port"
	default:
		if dns, ok := errors.AsType[*net.DNSError](err); ok {
			why = "nobody knows the name " + report.Printable(dns.Name)
		}
	}
	return nil, fmt.Errorf("cannot listen on %s: %w", report.Printable(addr), &worded{why, err})
}

// ListenOn gives the node a port that is open already. Without it Run opens the one of the config. The node closes it.
func (a *App) ListenOn(l net.Listener) { a.listener = l }

// mux is the whole HTTP surface of the node.
func (a *App) mux() (*http.ServeMux, error) {
	pages, err := a.openConsole()
	if err != nil {
		return nil, err
	}
	m := http.NewServeMux()
	m.Handle("/", pages)
	m.HandleFunc("GET /healthz", a.healthz)
	m.HandleFunc("GET /readyz", a.readyz)
	m.Handle("GET /metrics", promhttp.HandlerFor(a.metrics, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn)}))
	m.Handle("/api/v1/reports", a.channels.http)
	m.HandleFunc("GET /api/v1/reports/{id}", a.channels.http.Answer)
	m.Handle(api.Prefix+"/", a.api)
	return m, nil
}

// openAPI makes the API of people.
func (a *App) openAPI() error {
	tokens, err := api.NewTokens(a.cfg.API)
	if err != nil {
		return err
	}
	a.api, err = api.New("1", a.rooms(), api.Doors{tokens, programs{a.door}}, a.log, a.now)
	return err
}

// rooms is what the API works with.
func (a *App) rooms() api.Rooms {
	w := a.Waiting()
	return api.Rooms{
		Letters: w, Acts: w, Blocks: w, Networks: w, Lines: a.Inquiries(), Incidents: a.store, IncidentActs: a.store, Counts: counts{a.store, a.stream}, Changed: a.store,
		Evidence: ledger{a.evidence, a}, Partners: setup{a}, Setup: setup{a}, Reports: a.Reports(), Quarantine: a.Reports(),
		People: a.door, Accounts: a.door, Origin: a.cfg.Access.Origin,
	}
}

// healthz says that the process lives. A supervisor restarts a node that does not answer.
func (a *App) healthz(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "ok\n")
}

// readyz says whether the node can accept a report now. A load balancer sends nothing to one that cannot.
func (a *App) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if !a.ready.Load() {
		answer(w, http.StatusServiceUnavailable, "starting or stopping\n")
		return
	}
	if err := a.store.Ready(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable, "the database does not answer\n")
		return
	}
	if _, _, err := a.stream.Lag(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable, "the stream does not answer\n")
		return
	}
	if err := a.logFault(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	answer(w, http.StatusOK, "ready\n")
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text)) // the client may be gone
}

// serve runs the HTTP server until ctx ends, then lets requests in hand finish.
func (a *App) serve(ctx context.Context) error {
	if a.cfg.Listen == "off" {
		return nil
	}
	if a.listener == nil {
		l, err := OpenPort(ctx, a.cfg.Listen)
		if err != nil {
			return fmt.Errorf("%w: end what runs there, or change listen in the config", err)
		}
		a.listener = l
	}
	mux, err := a.mux()
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler: a.guard(mux), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	srv.RegisterOnShutdown(a.api.EndStreams)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(a.listener) }()
	a.log.Info("listening", "address", a.listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop HTTP: %w", err)
	}
	return nil
}

// guard is the one recover around an HTTP request: the client gets a 500 without internals, the log the stack.
func (a *App) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
					panic(p)
				}
				a.log.Error("a request made its handler fail", "route", r.Pattern, "stack", string(debug.Stack()))
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// registerLag adds the gauges that say how far the node is behind: the alarm that matters most.
func (a *App) registerLag(ctx context.Context) {
	ctx = context.WithoutCancel(ctx) // a scrape outlives what built the node
	lag := func(get func(pending int, oldest time.Time) float64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			pending, oldest, err := a.stream.Lag(ctx)
			if err != nil {
				return -1
			}
			return get(pending, oldest)
		}
	}
	a.metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tocsin_reports_waiting", Help: "Reports accepted and not yet worked; -1 when the stream does not answer.",
		}, lag(func(pending int, _ time.Time) float64 { return float64(pending) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tocsin_oldest_report_waiting_seconds", Help: "Age of the oldest report not yet worked; 0 when none waits, -1 when the stream does not answer.",
		}, lag(func(_ int, oldest time.Time) float64 {
			if oldest.IsZero() {
				return 0
			}
			return a.now().Sub(oldest).Seconds()
		})),
	)
}

// counts are what the pages show of both truths.
type counts struct {
	*store.DB

	stream *stream.Stream
}

// Lag is api.Counts'.
func (c counts) Lag(ctx context.Context) (reports int, oldest time.Time, err error) {
	return c.stream.Lag(ctx)
}
