package app_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/app"
	"tocsin/internal/intake"
	"tocsin/internal/report"
)

// pulled serves what a node fetches: Shadowserver's reports API, a list, and what a link in a mail leads to.
type pulled struct {
	downloads atomic.Int64
	checks    atomic.Int64
}

func (p *pulled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write(body)
	if r.Method == http.MethodPost && r.Header.Get("HMAC2") != hex.EncodeToString(mac.Sum(nil)) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	today := time.Now().UTC().Format(time.DateOnly)
	switch r.URL.Path {
	case "/api2/reports/list":
		if !strings.Contains(string(body), `"date":"`+today+`"`) {
			_, _ = io.WriteString(w, "[]")
			return
		}
		fmt.Fprintf(w, `[{"id":"r1","timestamp":%q,"type":"scan_telnet","report":"examplenet","file":"%s-scan_telnet-examplenet-asn.csv"}]`, today, today)
	case "/api2/reports/download":
		p.downloads.Add(1)
		fmt.Fprintf(w, "\"timestamp\",\"severity\",\"ip\",\"protocol\",\"port\",\"hostname\",\"tag\",\"asn\",\"geo\",\"region\",\"city\",\"naics\",\"hostname_source\",\"sector\",\"banner\"\n"+
			"\"%s 00:10:00\",\"high\",\"198.51.100.7\",\"tcp\",23,\"\",\"telnet\",64500,\"GB\",\"X\",\"Y\",0,\"\",\"\",\"login:\"\n", today)
	case "/drop.txt":
		p.checks.Add(1)
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "; Spamhaus DROP List\n198.51.100.0/26 ; SBL1\n")
	case "/evidence/scans.csv":
		fmt.Fprintf(w, "\"timestamp\",\"severity\",\"ip\",\"protocol\",\"port\",\"hostname\",\"tag\",\"asn\",\"geo\",\"region\",\"city\",\"naics\",\"hostname_source\",\"sector\",\"banner\"\n"+
			"\"%s 00:20:00\",\"high\",\"198.51.100.9\",\"tcp\",23,\"\",\"telnet\",64500,\"GB\",\"X\",\"Y\",0,\"\",\"\",\"login:\"\n", today)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestPulls runs a node on each thing that it fetches itself, and once more: it takes each of them once.
func TestPulls(t *testing.T) {
	p := &pulled{}
	srv := httptest.NewServer(p)
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	dir := t.TempDir()
	cfg := app.Defaults(dir)
	cfg.Listen = "off"
	cfg.Intake.Folder.Settle = 100 * time.Millisecond
	cfg.Intake.Shadowserver = intake.Shadowserver{
		KeyFile: secretFile(t, "key"), SecretFile: secretFile(t, "s3cret"), URL: srv.URL + "/api2/", Internal: true, Days: 1,
	}
	cfg.Intake.Feeds = []intake.Feed{{Name: "spamhaus-drop", URL: srv.URL + "/drop.txt", Internal: true}}
	cfg.Intake.Links.Hosts = []intake.LinkHost{{Host: host, HTTP: true, Internal: true}}
	mail := "From: north@example.net\r\nTo: abuse@example.org\r\nDate: Sun, 01 Mar 2026 00:00:00 +0000\r\nMessage-ID: <1@example.net>\r\nSubject: scans\r\n\r\n" +
		"The scans of today: " + srv.URL + "/evidence/scans.csv?key=x\r\nand http://other.example.net/x\r\n"
	if err := os.MkdirAll(filepath.Join(dir, "drop"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "drop", "mail.eml"), []byte(mail), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"shadowserver": "shadowserver 1 amber", "feed": "spamhaus-drop 1 red", "folder": "unknown 0 red", "link": "unknown 1 red",
	}
	for round := range 2 {
		a := open(t, cfg, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		got := map[string]string{}
		for tick := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil && !maps.Equal(got, want); <-tick.C {
			got = reports(t, a)
		}
		if d := gocmp.Diff(want, got); d != "" {
			t.Errorf("round %d: %s", round, d)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		shut(t, a)
	}
	if n := p.downloads.Load(); n != 1 {
		t.Errorf("the report was downloaded %d times", n)
	}
	if n := p.checks.Load(); n != 1 {
		t.Errorf("the list was asked for %d times within its time", n)
	}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// reports are what each channel brought: reporter, events, label. Each is found by what is remembered of the fetch.
func reports(t *testing.T, a *app.App) map[string]string {
	t.Helper()
	db, got := a.Store(), map[string]string{}
	add := func(id report.ID) {
		row, err := db.Report(t.Context(), id)
		if err == nil && row.State != report.StateWorking {
			got[row.Channel] += strings.TrimSpace(fmt.Sprint(row.Reporter, " ", row.Events, " ", row.TLP))
		}
	}
	for _, f := range [][2]string{{"shadowserver", "r1"}, {"feed/spamhaus-drop", ""}} {
		note, _, err := db.Fetched(t.Context(), f[0], f[1])
		if err != nil {
			t.Fatal(err)
		}
		add(note.Report)
	}
	for row, err := range db.Letters(t.Context(), report.StateWaiting) {
		if err != nil {
			t.Fatal(err)
		}
		add(row.ID)
		links, err := db.LinksOf(t.Context(), row.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			add(l.Report)
		}
	}
	return got
}
