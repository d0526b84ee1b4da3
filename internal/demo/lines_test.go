package demo_test

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/demo"
	"tocsin/internal/incident"
	"tocsin/internal/keys"
	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/report"
	"tocsin/internal/world"
)

// played is a demo whose reports are in, and what its node cannot say without its keys.
type played struct {
	demo.Stage
	lines map[string]int // the world's numbers of lines by the node's handles
}

func play(t *testing.T, size world.Size) *played {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	var errOut bytes.Buffer
	st, err := demo.Play(t.Context(), size, &errOut)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	if errOut.Len() > 0 {
		t.Errorf("the demo complains:\n%s", &errOut)
	}
	p := &played{st, map[string]int{}}
	p.open(t)
	return p
}

// open opens the names of all lines, as whoever is authorised may.
func (p *played) open(t *testing.T) {
	t.Helper()
	numbers := map[string]int{}
	for _, l := range p.World().Lines() {
		numbers[l.Name] = l.Number
	}
	ring, err := keys.Open(p.Keys())
	if err != nil {
		t.Fatal(err)
	}
	var secrets []archive.Keys
	for _, k := range ring.All(keys.Line) {
		one := archive.Keys{ID: k.ID}
		if one.Pseudonym, err = k.Derive("pseudonym"); err != nil {
			t.Fatal(err)
		}
		if one.Seal, err = k.Derive("seal"); err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, one)
	}
	names, err := archive.OpenLines(t.Context(), p.App().Store(), p.World().End, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	for after := line.ID(0); ; {
		part, err := p.App().Store().SealedLines(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(part) == 0 {
			return
		}
		for _, s := range part {
			after = s.ID
			name, err := names.Name(t.Context(), s.ID)
			if err != nil {
				t.Fatal(err)
			}
			number, ok := numbers[name]
			if !ok {
				t.Fatalf("the node knows a line %s, and the world does not", name)
			}
			p.lines[s.Handle] = number
		}
	}
}

// sizes are the worlds that are played.
func sizes() map[string]world.Size {
	all := map[string]world.Size{"small": world.Small(), "week": {Lines: 1500, Days: 7}}
	if os.Getenv("TOCSIN_PROVE") == "1" {
		all["demo"] = world.Demo()
	}
	return all
}

// TestNoWrongLine holds what the node says of each event to what the world knows: whose line it was, or that nobody can
// say; and the incidents of each line to what truly happened on it, whatever its addresses were.
func TestNoWrongLine(t *testing.T) {
	for name, size := range sizes() {
		t.Run(name, func(t *testing.T) {
			p := play(t, size)
			p.checkAnswers(t)
			p.checkTotals(t)
			if size.Lines < world.MaxLines { // each event is looked up by its incident, which takes minutes there
				p.checkIncidents(t)
			}
		})
	}
}

// refused is that nobody can say whose line it was.
type refused struct {
	State report.LineState
	Lines int
}

// checkAnswers compares what the node says of each row with the world's answer.
func (p *played) checkAnswers(t *testing.T) {
	t.Helper()
	within := p.Config().Lines.Uncertainty
	want, got := map[string]map[int64]refused{}, map[string]map[int64]refused{}
	put := func(m map[string]map[int64]refused, file string, row int64, r refused) {
		if m[file] == nil {
			m[file] = map[int64]refused{}
		}
		m[file][row] = r
	}
	states := map[report.LineState]int{}
	for o := range p.World().Observations() {
		if o.Holder != p.World().Networks().Own.ID {
			continue
		}
		a := p.World().Answer(o.Addr, o.Port, o.At, within)
		states[a.State]++
		switch {
		case a.State != report.LineUnique:
			put(want, o.File, o.Row, refused{a.State, a.Count})
		case a.Line != o.Line:
			t.Errorf("%s row %d is line %d's, and the world's answer is %d", o.File, o.Row, o.Line, a.Line)
		}
	}
	first := map[string]string{} // of files with the same bytes the node keeps one name, whichever came first
	for f := range p.World().Reports() {
		first[f.Name] = cmp.Or(f.DuplicateOf, f.Name)
	}
	for row, err := range p.App().Store().Unattributed(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for u, err := range p.App().Store().EachUnattributed(t.Context(), row.ID) {
			if err != nil {
				t.Fatal(err)
			}
			put(got, first[row.Name], u.Row, refused{u.State, u.Lines})
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("where nobody can say whose line it was (-world +node):\n%.4000s", diff)
	}
	sum := p.Sum()
	had := world.Answers{Unique: int(sum.LinesUnique), Ambiguous: int(sum.LinesAmbiguous), None: int(sum.LinesNone)}
	if answers := p.World().Answers(within); had != answers || states[report.LineUnique] != answers.Unique {
		t.Errorf("the node counts %+v, the world %+v", had, answers)
	}
	if len(states) < 3 {
		t.Errorf("the reports are answered %v: one of each is wanted", states)
	}
	t.Logf("%v", states)
}

// checkTotals compares how many events each line has with how many it truly has.
func (p *played) checkTotals(t *testing.T) {
	t.Helper()
	want, got := map[int]int64{}, map[int]int64{}
	for o := range p.World().Observations() {
		if o.Holder == p.World().Networks().Own.ID && p.World().Answer(o.Addr, o.Port, o.At, p.Config().Lines.Uncertainty).State == report.LineUnique {
			want[o.Line]++
		}
	}
	for in, err := range p.App().Store().Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if in.Party.IsLine() {
			got[p.number(t, in.Party)] += in.Events
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("events by line (-world +node):\n%.4000s", diff)
	}
}

// number is the world's number of a line that is a party.
func (p *played) number(t *testing.T, party report.Party) int {
	t.Helper()
	n, ok := p.lines[strings.TrimPrefix(string(party), string(report.PartyLine("")))]
	if !ok {
		t.Fatalf("the node does not know the name of %s", party)
	}
	return n
}

// sight is what an event says, by which it is found among the observations.
type sight struct {
	format, feed string
	at           time.Time
	addr         netip.Addr
	port         uint16
}

// trouble is what incidents of a line are about.
type trouble struct {
	line int
	kind report.Kind
	tag  string
}

// episode is one incident.
type episode struct {
	First, Last time.Time
	Events      int64
}

func (p *played) checkIncidents(t *testing.T) {
	t.Helper()
	truth := map[sight][]int{} // lines
	for o := range p.World().Observations() {
		if o.Holder == p.World().Networks().Own.ID && p.World().Answer(o.Addr, o.Port, o.At, p.Config().Lines.Uncertainty).State == report.LineUnique {
			s := sight{o.Format, o.Feed, o.At, o.Addr, o.Port}
			truth[s] = append(truth[s], o.Line)
		}
	}
	times, got := map[trouble][]time.Time{}, map[trouble][]episode{}
	wrong, moved := 0, 0
	behind := map[netip.Addr]map[int]bool{}
	for in, err := range p.App().Store().Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !in.Party.IsLine() {
			continue
		}
		number := p.number(t, in.Party)
		is := trouble{number, in.Kind, in.Tag}
		got[is] = append(got[is], episode{in.FirstSeen, in.LastSeen, in.Events})
		addrs := map[netip.Addr]bool{}
		for e, err := range p.App().Store().Events(t.Context(), in.ID) {
			if err != nil {
				t.Fatal(err)
			}
			s := sight{e.Format, e.Feed, e.From, e.Subject.Addr, e.Subject.Port}
			at := slices.Index(truth[s], number)
			if at < 0 {
				wrong++
				t.Errorf("%v is said to be line %d's, and is of %v", s, number, truth[s])
				continue
			}
			truth[s] = slices.Delete(truth[s], at, at+1)
			times[is] = append(times[is], e.From)
			if e.Subject.Addr.Is4() {
				addrs[e.Subject.Addr] = true
			}
			if behind[e.Subject.Addr] == nil {
				behind[e.Subject.Addr] = map[int]bool{}
			}
			behind[e.Subject.Addr][number] = true
		}
		if len(addrs) > 1 {
			moved++
		}
	}
	left := 0
	for _, lines := range truth {
		left += len(lines)
	}
	if wrong > 0 || left > 0 {
		t.Errorf("%d events are of the wrong line, %d are of none and could be", wrong, left)
	}
	if diff := gocmp.Diff(episodes(times, p.Config().Incident), sorted(got)); diff != "" {
		t.Errorf("incidents of lines (-world +node):\n%.4000s", diff)
	}
	shared := 0
	for addr, lines := range behind {
		if len(lines) > 1 && p.World().Networks().Own.CGNAT[0].Contains(addr) {
			shared++
		}
	}
	t.Logf("%d incidents over several addresses, %d addresses of the CGNAT with incidents of several lines", moved, shared)
	if moved == 0 || shared == 0 {
		t.Error("no line changed its address, or none shared one")
	}
}

// episodes are the incidents that follow from times.
func episodes(times map[trouble][]time.Time, cfg incident.Config) map[string][]episode {
	all := map[trouble][]episode{}
	for is, when := range times {
		slices.SortFunc(when, time.Time.Compare)
		for _, at := range when {
			n := len(all[is])
			if n == 0 || at.Sub(all[is][n-1].Last) > cfg.Window(is.kind) {
				all[is] = append(all[is], episode{at, at, 0})
				n++
			}
			e := &all[is][n-1]
			e.Last = at
			e.Events++
		}
	}
	return sorted(all)
}

func sorted(all map[trouble][]episode) map[string][]episode {
	out := map[string][]episode{}
	for is, list := range all {
		slices.SortFunc(list, func(a, b episode) int { return cmp.Or(a.First.Compare(b.First), a.Last.Compare(b.Last)) })
		out[fmt.Sprintf("line %d %s %s", is.line, is.kind, is.tag)] = list
	}
	return out
}

// TestStory plays the report without a port, and with it.
func TestStory(t *testing.T) {
	p := play(t, world.Small())
	st, ok := p.World().Story(p.Config().Lines.Uncertainty)
	if !ok {
		t.Fatal("the world has no story")
	}
	var out bytes.Buffer
	if err := p.Story(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d lines share the address: the source port is needed", st.Count); !bytes.Contains(out.Bytes(), []byte(want)) {
		t.Errorf("the story does not say that %s:\n%s", want, &out)
	}
	m := regexp.MustCompile(`line ([a-z2-7]{16})\b`).FindSubmatch(out.Bytes())
	if m == nil {
		t.Fatalf("the story names no line:\n%s", &out)
	}
	if number, ok := p.lines[string(m[1])]; !ok || number != st.Line {
		t.Errorf("the story names line %d, and it was %d's:\n%s", number, st.Line, &out)
	}
	if !regexp.MustCompile(`incident [0-9a-f-]{36}`).Match(out.Bytes()) {
		t.Errorf("the story names no incident:\n%s", &out)
	}
}
