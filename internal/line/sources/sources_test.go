package sources_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/hold"
	"tocsin/internal/line/linetest"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// memory is a log that outlives the room, as the stream does.
type memory struct {
	mu      sync.Mutex
	next    uint64
	batches map[string][]archive.Batch
	dropped map[string]time.Time
}

func (m *memory) Append(_ context.Context, source string, after uint64, batch []byte) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if all := m.batches[source]; len(all) > 0 && all[len(all)-1].Place > after {
		return 0, archive.ErrBehind
	}
	m.next++
	m.batches[source] = append(m.batches[source], archive.Batch{Place: m.next, Data: batch})
	return m.next, nil
}

func (m *memory) After(_ context.Context, source string, place uint64) iter.Seq2[archive.Batch, error] {
	return func(yield func(archive.Batch, error) bool) {
		m.mu.Lock()
		all := slices.Clone(m.batches[source])
		m.mu.Unlock()
		for _, b := range all {
			if b.Place > place && !yield(b, nil) {
				return
			}
		}
	}
}

func (m *memory) Delete(_ context.Context, source string, places []uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches[source] = slices.DeleteFunc(m.batches[source], func(b archive.Batch) bool { return slices.Contains(places, b.Place) })
	return nil
}

func (m *memory) Drop(_ context.Context, source string, before time.Time) error {
	m.dropped[source] = before
	return nil
}

// node is a line room, its disk and its clock.
type node struct {
	t     *testing.T
	dir   string
	log   *memory
	table linetest.Table
	mu    sync.Mutex // guards now, where the room takes in by itself
	now   time.Time
	cfg   sources.Config
	reg   *prometheus.Registry
	lines *sources.Lines
	holds hold.Store
	said  strings.Builder // what was logged
}

func newNode(t *testing.T, cfg sources.Config) *node {
	t.Helper()
	n := &node{
		t: t, dir: t.TempDir(), cfg: cfg, now: time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC),
		log: &memory{batches: map[string][]archive.Batch{}, dropped: map[string]time.Time{}},
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	n.open()
	t.Cleanup(func() { n.lines.Close() })
	return n
}

// open opens the room, as after a crash: what was open before is not closed.
func (n *node) open() {
	n.t.Helper()
	if err := n.try(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) try() (err error) {
	n.lines, err = sources.Open(n.t.Context(), n.cfg, n.needs())
	return err
}

func (n *node) needs() sources.Needs {
	n.reg = prometheus.NewRegistry()
	return sources.Needs{
		Dir: n.dir, Table: &n.table, Log: n.log, Holds: n.holds, Keys: []archive.Keys{{ID: "a", Pseudonym: [32]byte{1}, Seal: [32]byte{2}}},
		Logger: slog.New(slog.NewJSONHandler(&n.said, nil)), Registry: n.reg, Now: n.clock,
	}
}

func (n *node) clock() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now
}

// at sets the clock.
func (n *node) at(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now = now
}

func (n *node) poll() {
	n.t.Helper()
	if err := n.lines.Poll(n.t.Context()); err != nil {
		n.t.Error(err)
	}
}

// ask says the state, with the handle or the reason.
func (n *node) ask(addr string, port uint16, at string) (report.LineAnswer, error) {
	n.t.Helper()
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.lines.Which(n.t.Context(), &line.Selector{Addr: netip.MustParseAddr(addr), Port: port, At: when}, false)
}

// handle is the handle of a unique answer.
func (n *node) handle(addr string, port uint16, at string) string {
	n.t.Helper()
	a, err := n.ask(addr, port, at)
	if err != nil || a.State != report.LineUnique || a.Handle == "" {
		n.t.Errorf("%s port %d at %s: %+v, %v; want it unique", addr, port, at, a, err)
	}
	return a.Handle
}

// not is an answer that names nobody, for a reason that has these words.
func (n *node) not(addr string, port uint16, at string, state report.LineState, words string) {
	n.t.Helper()
	a, err := n.ask(addr, port, at)
	if err != nil || a.State != state || a.Handle != "" || !strings.Contains(a.Reason, words) {
		n.t.Errorf("%s port %d at %s: %+v, %v; want %s: %s", addr, port, at, a, err, state, words)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func request(what, session, user, addr string, at time.Time) string {
	return fmt.Sprintf("%s\n\tAcct-Status-Type = %s\n\tUser-Name = %q\n\tNAS-IP-Address = 192.0.2.1\n\tAcct-Session-Id = %q\n\tFramed-IP-Address = %s\n\tTimestamp = %d\n\n",
		at.Format(time.ANSIC), what, user, session, addr, at.Unix())
}

func block(action, inside, outside string, lo, hi int, at time.Time) string {
	return fmt.Sprintf("%s cgn1 nat: %s VRF 0 INT %s EXT %s:%d-%d\n", at.Format(time.RFC3339), action, inside, outside, lo, hi)
}

var ten = time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)

// TestFiles: what files say is known, read on where they were left, across rotation and crashes, and told once.
func TestFiles(t *testing.T) {
	in := t.TempDir()
	acct, cgn, table := filepath.Join(in, "detail"), filepath.Join(in, "nat.log"), filepath.Join(in, "lines.csv")
	cfg := sources.Defaults()
	cfg.Detail = []sources.Detail{{Name: "bras", Files: []string{acct + "*"}}}
	cfg.NAT = []sources.NAT{{Name: "cgn", Files: []string{cgn + "*"}}}
	cfg.Tables = []sources.Table{{Name: "fixed", File: table, Since: ten.AddDate(0, -1, 0)}}
	write(t, acct, request("Start", "1", "ann", "100.64.0.7", ten)+request("Start", "2", "bob", "100.64.0.8", ten))
	write(t, cgn, block("A", "100.64.0.7", "203.0.113.5", 2048, 4095, ten.Add(time.Minute))+block("A", "100.64.0.8", "203.0.113.5", 4096, 6143, ten.Add(time.Minute)))
	write(t, table, "addr,line\n198.51.100.7,shop\n")
	n := newNode(t, cfg)
	n.poll()
	n.not("100.64.0.8", 0, "2026-03-03T10:30:00Z", report.LineNone, "")
	later := request("Interim-Update", "1", "ann", "100.64.0.7", ten.Add(time.Hour)) + request("Interim-Update", "2", "bob", "100.64.0.8", ten.Add(time.Hour))
	write(t, acct, later)
	write(t, cgn, block("A", "100.64.0.9", "203.0.113.6", 2048, 4095, ten.Add(time.Hour)))
	n.poll()
	ann, bob := n.handle("203.0.113.5", 3000, "2026-03-03T10:30:00Z"), n.handle("203.0.113.5", 5000, "2026-03-03T10:30:00Z")
	if ann == bob {
		t.Error("two lines behind one address are one")
	}
	if got := n.handle("100.64.0.7", 0, "2026-03-03T10:30:00Z"); got != ann {
		t.Error("the line behind the NAT is another")
	}
	n.handle("198.51.100.7", 0, "2026-03-01T00:00:00Z")
	n.not("203.0.113.5", 0, "2026-03-03T10:30:00Z", report.LineAmbiguous, "port is needed")
	n.not("203.0.113.5", 60000, "2026-03-03T10:30:00Z", report.LineNone, "nobody")
	rows := n.rows()
	for range 3 { // nothing is new
		n.poll()
		n.open()
		n.poll()
	}
	if got := n.rows(); !slices.Equal(got, rows) {
		t.Errorf("told again: %v, were %v", got, rows)
	}
	late := request("Interim-Update", "2", "bob", "100.64.0.8", ten.Add(80*time.Minute))
	write(t, acct, late[:len(late)-9]) // cut within the request
	n.poll()
	if got := n.rows(); !slices.Equal(got, rows) {
		t.Errorf("half a request was told: %v, were %v", got, rows)
	}
	write(t, acct, late[len(late)-9:])
	if err := os.Rename(acct, acct+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, acct, request("Stop", "1", "ann", "100.64.0.7", ten.Add(90*time.Minute))+request("Start", "3", "ann", "100.64.0.20", ten.Add(91*time.Minute))+
		request("Interim-Update", "3", "ann", "100.64.0.20", ten.Add(100*time.Minute)))
	n.poll()
	if got := n.rows(); got[1] != rows[1]+4 {
		t.Errorf("%v rows, were %v: four more were written", got, rows)
	}
	if got := n.handle("100.64.0.20", 0, "2026-03-03T11:35:00Z"); got != ann {
		t.Error("with another address the line is another")
	}
	if err := os.WriteFile(table, []byte("addr,line\n198.51.100.8,shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.now = n.now.Add(time.Hour)
	n.poll()
	n.not("198.51.100.7", 0, "2026-03-03T13:00:01Z", report.LineNone, "")
	if want := []string{"ann", "bob", "100.64", "shop"}; slices.ContainsFunc(want, func(w string) bool { return strings.Contains(n.said.String(), w) }) {
		t.Errorf("the log is personal: %s", n.said.String())
	}
}

func (n *node) rows() (all []int64) {
	for _, s := range n.lines.Status() {
		all = append(all, s.Rows)
	}
	return all
}

// TestLogSaysPlace: a line that cannot be used is named by file and row, without what is personal in it.
func TestLogSaysPlace(t *testing.T) {
	in := t.TempDir()
	table := filepath.Join(in, "lines.csv")
	cfg := sources.Defaults()
	cfg.Tables = []sources.Table{{Name: "fixed", File: table}}
	write(t, table, "addr,line\n198.51.100.7,shop\n198.51.100.700,ann@isp.example\n")
	n := newNode(t, cfg)
	n.poll()
	said := n.said.String()
	if !strings.Contains(said, `"file":"lines.csv"`) || !strings.Contains(said, `"row":2`) || strings.Contains(said, "ann@") {
		t.Error(said)
	}
	if st := n.lines.Status(); st[0].Rows != 2 || st[0].Refused != 1 || st[0].Health != sources.Well { // the row and the sweep
		t.Errorf("%+v", st)
	}
	want := `# HELP tocsin_line_refused_total Records that could not be used.
# TYPE tocsin_line_refused_total counter
tocsin_line_refused_total{source="fixed"} 1
`
	if err := testutil.GatherAndCompare(n.reg, strings.NewReader(want), "tocsin_line_refused_total"); err != nil {
		t.Error(err)
	}
}

// TestPurge: each source by its own time, the log with it, and names of which nobody spoke since.
func TestPurge(t *testing.T) {
	in := t.TempDir()
	acct, cgn := filepath.Join(in, "detail"), filepath.Join(in, "nat.log")
	cfg := sources.Defaults()
	cfg.Detail = []sources.Detail{{Name: "bras", Files: []string{acct}, Keep: 48 * time.Hour}}
	cfg.NAT = []sources.NAT{{Name: "cgn", Files: []string{cgn}}}
	write(t, acct, request("Start", "1", "ann", "100.64.0.7", ten)+request("Stop", "1", "ann", "100.64.0.7", ten.Add(time.Hour)))
	write(t, cgn, block("A", "100.64.0.7", "203.0.113.5", 2048, 4095, ten)+block("D", "100.64.0.7", "203.0.113.5", 2048, 4095, ten.Add(time.Hour)))
	n := newNode(t, cfg)
	n.poll()
	n.handle("100.64.0.7", 0, "2026-03-03T10:30:00Z")
	if got, err := n.lines.Purge(t.Context(), time.Time{}); err != nil || len(got) != 0 {
		t.Errorf("%v, %v: nothing has come to its end", got, err)
	}
	n.now = n.now.AddDate(0, 0, 4)
	got, err := n.lines.Purge(t.Context(), time.Time{})
	if want := []sources.Purged{{Source: "bras", Before: "2026-03-05", Sessions: 1}}; err != nil || gocmp.Diff(want, got) != "" {
		t.Errorf("%v, %v", got, err)
	}
	n.not("100.64.0.7", 0, "2026-03-03T10:30:00Z", report.LineOutsideRetention, "deleted")
	if want := n.now.Add(-48 * time.Hour); !n.log.dropped["bras"].Equal(want) {
		t.Errorf("the log is kept from %s on, want %s", n.log.dropped["bras"], want)
	}
	if got, err := n.lines.Purge(t.Context(), n.now, "bras"); err != nil || len(got) != 0 {
		t.Errorf("another source was purged: %v, %v", got, err)
	}
	if got, err := n.lines.Purge(t.Context(), n.now, "cgn"); err != nil || len(got) != 1 {
		t.Errorf("by hand: %v, %v", got, err)
	}
}

// TestPurgeRebuilt: an old file that is imported, purged, and lost with all of lines/ stays purged, and is nowhere.
func TestPurgeRebuilt(t *testing.T) {
	cfg := sources.Defaults()
	cfg.Detail = []sources.Detail{{Name: "bras", Files: []string{filepath.Join(t.TempDir(), "detail*")}}}
	n := newNode(t, cfg)
	old := ten.AddDate(0, 0, -20)
	if _, err := n.lines.Import(t.Context(), "bras", strings.NewReader(request("Start", "1", "ann", "198.51.100.7", old)+request("Stop", "1", "ann", "198.51.100.7", old.Add(time.Hour))), ten); err != nil {
		t.Fatal(err)
	}
	if _, err := n.lines.Import(t.Context(), "bras", strings.NewReader(request("Start", "2", "bob", "198.51.100.7", ten)+request("Stop", "2", "bob", "198.51.100.7", ten.Add(time.Hour))), ten); err != nil {
		t.Fatal(err)
	}
	n.handle("198.51.100.7", 0, "2026-02-11T10:30:00Z")
	bob := n.handle("198.51.100.7", 0, "2026-03-03T10:30:00Z")
	if _, err := n.lines.Purge(t.Context(), ten.AddDate(0, 0, -2)); err != nil {
		t.Fatal(err)
	}
	if got := len(n.log.batches["bras"]); got != 2 {
		t.Errorf("the log has %d batches, want that of bob and the purge", got)
	}
	for range 2 {
		if err := errors.Join(n.lines.Close(), os.RemoveAll(n.dir)); err != nil {
			t.Fatal(err)
		}
		n.open()
		n.not("198.51.100.7", 0, "2026-02-11T10:30:00Z", report.LineOutsideRetention, "deleted")
		if got := n.handle("198.51.100.7", 0, "2026-03-03T10:30:00Z"); got != bob {
			t.Error("what was not purged is another's")
		}
		days, err := filepath.Glob(filepath.Join(n.dir, "bras", "2026-02-*"))
		if err != nil || len(days) != 0 {
			t.Errorf("%v are there again, %v", days, err)
		}
	}
}

// TestImport: a file by hand, into a source that there is.
func TestImport(t *testing.T) {
	cfg := sources.Defaults()
	cfg.Detail = []sources.Detail{{Name: "bras", Files: []string{"nowhere"}}}
	n := newNode(t, cfg)
	told, err := n.lines.Import(t.Context(), "bras", strings.NewReader(request("Start", "1", "ann", "100.64.0.7", ten)+"x\n\n"), ten)
	if err != nil || told.Rows != 1 || told.Refused != 1 || len(told.Faults) != 1 {
		t.Errorf("%+v, %v", told, err)
	}
	if _, err := n.lines.Import(t.Context(), "nat", strings.NewReader(""), ten); err == nil || !strings.Contains(err.Error(), "bras") {
		t.Errorf("%v: want the names that there are", err)
	}
	if err := n.lines.Poll(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file yet") {
		t.Error(err)
	}
}

// TestFixedNAT: a NAT without a log, in front of a table.
func TestFixedNAT(t *testing.T) {
	table := filepath.Join(t.TempDir(), "lines.csv")
	write(t, table, "addr,line\n100.64.0.1,ann\n100.64.0.2,bob\n")
	cfg := sources.Defaults()
	cfg.Tables = []sources.Table{{Name: "fixed", File: table, Since: ten}}
	cfg.FixedNAT = []sources.FixedNAT{{Name: "nat", Inside: netip.MustParsePrefix("100.64.0.0/28"), Outside: netip.MustParsePrefix("203.0.113.5/32"), Ports: 4000}}
	n := newNode(t, cfg)
	n.poll()
	if a, b := n.handle("203.0.113.5", 5024, "2026-03-03T11:00:00Z"), n.handle("203.0.113.5", 9024, "2026-03-03T11:00:00Z"); a == b || a != n.handle("100.64.0.1", 0, "2026-03-03T11:00:00Z") {
		t.Error(a, b)
	}
	n.not("203.0.113.5", 1024, "2026-03-03T11:00:00Z", report.LineNone, "behind the NAT")
}

// TestValidate: everything that is wrong, at once, with its key.
func TestValidate(t *testing.T) {
	cfg := sources.Config{
		Uncertainty: 25 * time.Hour,
		Tables:      []sources.Table{{Name: "A b", Zone: "Nowhere", Keep: time.Hour}},
		RADIUS:      []sources.RADIUS{{Name: "x", Listen: "here", Identity: []string{""}, Clients: []sources.RADIUSClient{{}}}, {Name: "x", Listen: ":1"}},
		Detail:      []sources.Detail{{Name: "d", Files: []string{"["}}},
		Kea:         []sources.Leases{{Name: "k", Identity: "face", Realm: "A"}},
		FixedNAT:    []sources.FixedNAT{{Name: "f"}},
	}
	said := cfg.Validate().Error()
	for _, key := range []string{
		"keep", "every", "uncertainty", "tables[0].name", "tables[0].zone", "tables[0].keep", "tables[0].file", "radius[0].listen",
		"radius[0].identity", "radius[0].clients[0].network", "radius[0].clients[0].secret_file", "radius[1].name", "radius[1].clients",
		"detail[0].files", "kea[0].files", "kea[0].identity", "kea[0].realm", "fixed_nat[0].inside",
	} {
		if !strings.Contains(said, "lines."+key+": ") {
			t.Errorf("nothing is said of %s:\n%s", key, said)
		}
	}
	if cfg := sources.Defaults(); cfg.Validate() != nil || cfg.Any() {
		t.Error("the defaults are wrong, or have a source")
	}
}
