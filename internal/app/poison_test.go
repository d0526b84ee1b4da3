package app_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/desk"
	"tocsin/internal/postgrestest"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// accepted puts reports into the stream of a data directory, past the door that cleans their names.
func accepted(t *testing.T, data string, reports map[string]string) {
	t.Helper()
	s, err := stream.Open(t.Context(), stream.Config{}, filepath.Join(data, "stream"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range reports {
		if _, _, err := s.Accept(t.Context(), report.Report{Reporter: "a", Name: name}, strings.NewReader(text)); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// workOff works what waits in a data directory and returns the quarantine by name.
func workOff(t *testing.T, cfg app.Config) (app.Summary, map[string]store.Row, func(store.Row) []desk.Refusal) {
	t.Helper()
	a, err := app.New(t.Context(), cfg, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the import goes on for ever"))
	defer cancel()
	sum, err := a.Import(ctx, nil, app.ImportOptions{})
	if err != nil || ctx.Err() != nil {
		t.Fatal(err, context.Cause(ctx))
	}
	all := map[string]store.Row{}
	for r, err := range a.Store().Quarantine(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all[r.Name] = r
	}
	return sum, all, func(r store.Row) []desk.Refusal {
		some, err := a.Store().Refusals(t.Context(), r.ID, r.Generation)
		if err != nil {
			t.Error(err)
		}
		return some
	}
}

const (
	header = "timestamp,ip,port,tag,asn,geo,region,city\n"
	good   = "2024-03-01 02:10:00,198.51.100.7,23,telnet,64500,GB,,\n"
)

// TestPoisonEndsInTheQuarantine: a report that PostgreSQL can never hold is not tried for ever, and the others go on.
func TestPoisonEndsInTheQuarantine(t *testing.T) {
	cfg := app.Defaults(t.TempDir())
	cfg.Store.URL = postgrestest.New(t)
	accepted(t, cfg.Data, map[string]string{
		"2024-03-01-scan_telnet-a.csv": header + good, "nul\x00.csv": header + good + "\n", "utf\xff.csv": header + good + "\n\n",
	})
	sum, all, refusals := workOff(t, cfg)
	if sum.Events != 1 || sum.Rejected != 2 || len(all) != 2 {
		t.Fatalf("%+v, quarantine %v", sum, all)
	}
	for _, name := range []string{"nul.csv", "utf.csv"} {
		r := refusals(all[name])
		if len(r) != 1 || r[0].Reason != desk.ErrPoison.Error() || all[name].State != report.StateQuarantined {
			t.Errorf("%s: %+v, %+v", name, all[name], r)
		}
	}
}

// TestDamagedOriginalEndsInTheQuarantine: bytes that the disk has lost are not tried for ever.
func TestDamagedOriginalEndsInTheQuarantine(t *testing.T) {
	cfg := app.Defaults(t.TempDir())
	accepted(t, cfg.Data, map[string]string{"a.csv": header + strings.Repeat(good, 10_000), "b.csv": header + good})
	files, err := filepath.Glob(filepath.Join(cfg.Data, "stream", "originals", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("9"), int64(len(header))+3)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	sum, all, refusals := workOff(t, cfg)
	if sum.Events != 1 || sum.Rejected != 1 || len(all) != 1 {
		t.Fatalf("%+v, quarantine %v", sum, all)
	}
	if r := refusals(all["a.csv"]); len(r) != 1 || r[0].Reason != stream.ErrDamaged.Error() || !r[0].Rest {
		t.Errorf("%+v", r)
	}
}
