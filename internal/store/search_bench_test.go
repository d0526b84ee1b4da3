package store_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/incident"
	"tocsin/internal/postgrestest"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// BenchmarkSearch times the pages of a database with many incidents: a million under TOCSIN_PROVE=1. Parties, kinds, tags
// and states are as uneven as in life.
func BenchmarkSearch(b *testing.B) {
	n := 20_000
	if os.Getenv("TOCSIN_PROVE") == "1" {
		n = 1_000_000
	}
	b.Run("sqlite", func(b *testing.B) {
		dir := b.TempDir()
		benchSearch(b, n, store.Config{}, dir, "sqlite", "file:"+dir+"/tocsin.db?_pragma=synchronous(off)")
	})
	b.Run("postgres", func(b *testing.B) {
		url := postgrestest.New(b)
		benchSearch(b, n, store.Config{URL: url}, "", "pgx", url)
	})
}

func benchSearch(b *testing.B, n int, cfg store.Config, dir, driver, source string) {
	open := func() *store.DB {
		db, err := store.Open(b.Context(), cfg, dir, incident.Defaults())
		if err != nil {
			b.Fatal(err)
		}
		return db
	}
	if err := open().Close(); err != nil { // makes the tables
		b.Fatal(err)
	}
	crowd(b, n, driver, source)
	begin := time.Now()
	db := open() // as after an upgrade: every incident gets its place
	b.Logf("%d incidents placed in %s", n, time.Since(begin).Round(time.Millisecond))
	defer db.Close()
	if driver == "pgx" { // as PostgreSQL does by itself after a while
		analyze(b, source)
	}
	timePages(b, db, n)
}

// crowdTime is when the first of the crowd became known, a year before the last.
var crowdTime = time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)

const year = 365 * 24 * time.Hour

// crowd fills a database: three tenths of the parties are lines, one autonomous system has a fifth, and one kind four tenths
// of all. One in twenty is open.
func crowd(b *testing.B, n int, driver, source string) {
	db, err := sql.Open(driver, source)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	r := rand.New(rand.NewPCG(1, 1))
	const columns, batch = 12, 500
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
	tx, err := db.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < n; i += batch {
		var args []any
		for k := i; k < min(i+batch, n); k++ {
			args = append(args, crowdMember(r, k, n)...)
		}
		text := `INSERT INTO incidents (key, id, party, subject, class, type, tag, state, last_seen, updated, episode, addresses) VALUES ` +
			strings.TrimSuffix(strings.Repeat(row+",", len(args)/columns), ",")
		if driver == "pgx" {
			var b strings.Builder
			p := 0
			for part := range strings.SplitSeq(text, "?") {
				if p > 0 {
					fmt.Fprintf(&b, "$%d", p)
				}
				b.WriteString(part)
				p++
			}
			text = b.String()
		}
		if _, err := tx.ExecContext(b.Context(), text, args...); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

func analyze(b *testing.B, source string) {
	db, err := sql.Open("pgx", source)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(b.Context(), `VACUUM ANALYZE`); err != nil {
		b.Fatal(err)
	}
}

func crowdAddr(k int) netip.Addr {
	return netip.AddrFrom4([4]byte{100, 64 + byte(k>>16&0x3f), byte(k >> 8), byte(k)})
}

func crowdMember(r *rand.Rand, k, n int) []any {
	var key [16]byte
	binary.BigEndian.PutUint64(key[:], r.Uint64())
	binary.BigEndian.PutUint64(key[8:], uint64(k))
	known := crowdTime.Add(time.Duration(int64(year) / int64(n) * int64(k)))
	id := report.NewID(known)
	party, subject, addresses := report.PartyOwn, crowdAddr(r.IntN(n)).String(), []byte{}
	switch d := r.IntN(10); {
	case d < 3:
		party, subject = report.PartyLine(fmt.Sprintf("h%015d", k)), ""
		for range 1 + r.IntN(3) {
			addresses = append(append(addresses, 4), crowdAddr(r.IntN(n)).AsSlice()...)
		}
	case d < 5:
		party = report.PartyAS(64500)
	case d < 7:
		party = report.PartyAS(64501 + uint32(r.IntN(1<<10)))
	case d < 8:
		party = report.PartyPartner(fmt.Sprint("p", r.IntN(20)))
	}
	kinds := report.Kinds()
	kind := report.Kind{Class: "vulnerable", Type: "vulnerable-system"}
	if r.IntN(10) >= 4 {
		kind = kinds[r.IntN(len(kinds))]
	}
	tag := fmt.Sprint("tag-", r.IntN(500))
	if r.IntN(5) == 0 {
		tag = "open-telnet"
	}
	state := incident.StateClosed
	last := known.Add(time.Duration(r.Int64N(int64(30 * 24 * time.Hour))))
	switch d := r.IntN(1000); {
	case d < 50:
		state = incident.StateOpen
	case d < 51:
		state = incident.StateTold
	case d < 80:
		state = incident.StateQuiet
	}
	e := incident.Episode{First: known.UnixMicro(), Last: last.UnixMicro(), Events: 3, Severity: 2}
	e.Marks = incident.Marks{Days: []int32{20000, 20001, 20005}, Sources: []int32{1}, Feeds: []int32{2}}
	return []any{
		key[:], id[:], string(party), subject, string(kind.Class), string(kind.Type), tag, incident.StateNumber(state),
		last.UnixMicro(), last.UnixMicro(), e.AppendBinary(nil), addresses,
	}
}

// timePages asks for each page again and again, with other values each time.
func timePages(b *testing.B, db *store.DB, n int) {
	r := rand.New(rand.NewPCG(2, 2))
	deep := func() incident.Cursor { return incident.CursorBehind(1 + r.Int64N(int64(n/2))) }
	day := func() time.Time { return crowdTime.Add(time.Duration(r.Int64N(int64(year)))).Truncate(24 * time.Hour) }
	addr := func() netip.Addr { return crowdAddr(r.IntN(n)) }
	big := report.Kind{Class: "vulnerable", Type: "vulnerable-system"}
	small := report.Kind{Class: "fraud", Type: "phishing"}
	for _, page := range []struct {
		name string
		q    func() incident.Query
	}{
		{"first", func() incident.Query { return incident.Query{} }},
		{"deep", func() incident.Query { return incident.Query{After: deep()} }},
		{"by address", func() incident.Query { return incident.Query{Addr: addr()} }},
		{"by address of nobody", func() incident.Query { return incident.Query{Addr: netip.MustParseAddr("192.0.2.1")} }},
		{"by line", func() incident.Query {
			return incident.Query{Party: report.PartyLine(fmt.Sprintf("h%015d", r.IntN(n)))}
		}},
		{"by kind, large", func() incident.Query { return incident.Query{Kind: big} }},
		{"by kind, large and deep", func() incident.Query { return incident.Query{Kind: big, After: deep()} }},
		{"by kind, small", func() incident.Query { return incident.Query{Kind: small, After: deep()} }},
		{"by class", func() incident.Query { return incident.Query{Kind: report.Kind{Class: "fraud"}, After: deep()} }},
		{"by tag, large", func() incident.Query { return incident.Query{Tag: "open-telnet", After: deep()} }},
		{"by tag, small", func() incident.Query { return incident.Query{Tag: fmt.Sprint("tag-", r.IntN(500))} }},
		{"by tag of nobody", func() incident.Query { return incident.Query{Tag: "none"} }},
		{"by party, large", func() incident.Query { return incident.Query{Party: "as:64500", After: deep()} }},
		{"by party, small", func() incident.Query { return incident.Query{Party: report.PartyAS(64501 + uint32(r.IntN(1<<10)))} }},
		{"by state, open", func() incident.Query { return incident.Query{State: incident.StateOpen} }},
		{"by state, told", func() incident.Query { return incident.Query{State: incident.StateTold} }},
		{"by state, contained: none", func() incident.Query { return incident.Query{State: incident.StateContained} }},
		{"by time, a day", func() incident.Query { d := day(); return incident.Query{From: d, To: d.Add(24 * time.Hour)} }},
		{"by time, a minute", func() incident.Query { d := day(); return incident.Query{From: d, To: d.Add(time.Minute)} }},
		{"by time, before all", func() incident.Query { return incident.Query{To: crowdTime} }},
		{"large party, large kind, told", func() incident.Query {
			return incident.Query{Party: "as:64500", Kind: big, State: incident.StateTold}
		}},
		{"large party, small kind, large tag, a day", func() incident.Query {
			d := day()
			return incident.Query{Party: "as:64500", Kind: small, Tag: "open-telnet", From: d, To: d.Add(24 * time.Hour)}
		}},
		{"large kind, large tag, none in state", func() incident.Query {
			return incident.Query{Kind: big, Tag: "open-telnet", State: incident.StateContained}
		}},
		{"all at once", func() incident.Query {
			d := day()
			return incident.Query{Addr: addr(), Party: "own", Kind: big, Tag: "open-telnet", State: incident.StateClosed, From: d, To: d.Add(24 * time.Hour)}
		}},
	} {
		timeOne(b, page.name, func(ctx context.Context) (int, error) {
			found, err := db.SearchIncidents(ctx, page.q())
			return len(found.Incidents), err
		})
	}
	timeOne(b, "states", func(ctx context.Context) (int, error) {
		all, err := db.StatesNow(ctx)
		return len(all), err
	})
}

// timeOne times one page: -benchtime 60x asks for it so many times.
func timeOne(b *testing.B, name string, f func(context.Context) (int, error)) {
	b.Run(name, func(b *testing.B) {
		var took []time.Duration
		rows := 0
		for b.Loop() {
			begin := time.Now()
			n, err := f(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(begin))
			rows += n
		}
		slices.Sort(took)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
		b.ReportMetric(ms(took[len(took)*95/100]), "p95-ms")
		b.ReportMetric(float64(rows)/float64(len(took)), "rows")
	})
}
