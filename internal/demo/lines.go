package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/incident"
	"tocsin/internal/line"
	"tocsin/internal/line/lease"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/world"
)

// lineSources says what the provider's own systems log, in a folder.
func lineSources(w *world.World, dir string) sources.Config {
	cfg := sources.Defaults()
	for _, l := range w.Logs() {
		path := filepath.Join(dir, l.File)
		switch l.Kind {
		case world.LogTable:
			cfg.Tables = append(cfg.Tables, sources.Table{Name: l.Name, File: path, Since: l.Since})
		case world.LogDetail:
			cfg.Detail = append(cfg.Detail, sources.Detail{Name: l.Name, Files: []string{path}})
		case world.LogKea:
			cfg.Kea = append(cfg.Kea, sources.Leases{Name: l.Name, Files: []string{path}, Identity: lease.Circuit, Realm: l.Realm})
		case world.LogNAT:
			cfg.NAT = append(cfg.NAT, sources.NAT{Name: l.Name, Files: []string{path}, Realm: l.Realm})
		}
	}
	return cfg
}

// lines prints how often it is known whose line it was, and why it is not.
func (s *stage) lines(ctx context.Context, out io.Writer) error {
	records := int64(0)
	for _, one := range s.app.Lines().Status() {
		records += one.Rows
	}
	why := map[string]int64{}
	for row, err := range s.app.Store().Unattributed(ctx) {
		if err != nil {
			return err
		}
		for u, err := range s.app.Store().EachUnattributed(ctx, row.ID) {
			if err != nil {
				return err
			}
			why[fmt.Sprintf("%s: %s", u.State, u.Reason)]++
		}
	}
	fmt.Fprintf(out, "\nWhose line it was, by %d records of the access server, of DHCP and of the NATs:\n\n", records)
	sum := &s.sum
	for _, row := range []struct {
		name  string
		count int64
		note  string
	}{
		{"events about own addresses", sum.LinesUnique + sum.LinesAmbiguous + sum.LinesNone, ""},
		{string(report.LineUnique), sum.LinesUnique, "one line, and no other can it have been: the incident is the line's"},
		{string(report.LineAmbiguous), sum.LinesAmbiguous, "several lines, or one or nobody"},
		{string(report.LineNone), sum.LinesNone, "no line, or the log does not say"},
	} {
		if _, err := fmt.Fprintf(out, "%29s %7d   %s\n", row.name, row.count, row.note); err != nil {
			return err
		}
	}
	fmt.Fprint(out, "\nNobody is named where it cannot be known. Why it cannot:\n\n")
	for _, reason := range slices.SortedFunc(maps.Keys(why), func(a, b string) int {
		return cmp.Or(cmp.Compare(why[b], why[a]), strings.Compare(a, b))
	}) {
		if _, err := fmt.Fprintf(out, "%9d   %s\n", why[reason], reason); err != nil {
			return err
		}
	}
	return nil
}

// story plays a report about an address that many lines share: without a source port it is refused, with it the line is
// found.
func (s *stage) story(ctx context.Context, out io.Writer) error {
	st, ok := s.world.Story(s.cfg.Lines.Uncertainty)
	if !ok {
		return nil
	}
	fmt.Fprintf(out, "\nNow somebody reports %s at %s, an address of the CGNAT, without a source port:\n\n", st.Addr, st.At.Format(time.DateTime))
	row, err := s.hand(ctx, &st.Without)
	if err != nil {
		return err
	}
	a, err := app.AnswerOf(ctx, s.app.Store(), &row)
	if err != nil {
		return err
	}
	if len(a.Lacking) == 0 {
		return errors.New("a report without its port was given to a line")
	}
	fmt.Fprintf(out, "  refused, %s: %s\n\nThe reporter is answered:\n\n", a.Lacking[0].State, a.Lacking[0].Sentence())
	for l := range strings.Lines(a.Text()) {
		fmt.Fprint(out, "  | ", l)
	}
	fmt.Fprintf(out, "\nThe same report comes in again, with its source port, %d:\n\n", st.Port)
	if _, err := s.hand(ctx, &st.With); err != nil {
		return err
	}
	which, err := s.app.Lines().Which(ctx, &line.Selector{Addr: st.Addr, Port: st.Port, At: st.At, Uncertainty: s.cfg.Lines.Uncertainty}, true)
	if err != nil {
		return err
	}
	if which.State != report.LineUnique {
		return fmt.Errorf("the line of a report with its port is %s: %s", which.State, which.Reason)
	}
	fmt.Fprintf(out, "  %s: line %s\n", which.State, which.Handle)
	in, err := s.incident(ctx, report.PartyLine(which.Handle), st.At)
	if err != nil {
		return err
	}
	addrs, err := s.addresses(ctx, in.ID)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "  incident %s\n  %s, %s: %s at %s since %s\n", in.ID, in.Kind, in.Tag,
		report.Counted(in.Events, "event"), report.Counted(addrs, "address"), in.FirstSeen.Format(time.DateTime))
	return err
}

// addresses is how many addresses the line of an incident had meanwhile.
func (s *stage) addresses(ctx context.Context, id report.ID) (int64, error) {
	all := map[netip.Addr]bool{}
	for e, err := range s.app.Store().Events(ctx, id) {
		if err != nil {
			return 0, err
		}
		all[e.Subject.Addr] = true
	}
	return int64(len(all)), nil
}

// hand hands a report in and returns it as it was worked.
func (s *stage) hand(ctx context.Context, f *world.File) (store.Row, error) {
	path := filepath.Join(s.dir, reports, f.Reporter, f.Name)
	if err := os.WriteFile(path, f.Body(), 0o600); err != nil {
		return store.Row{}, err
	}
	if _, err := s.app.Import(ctx, []string{path}, app.ImportOptions{Reporter: f.Reporter}); err != nil {
		return store.Row{}, err
	}
	for row, err := range s.app.Store().Unattributed(ctx) {
		if err != nil || row.Name == f.Name {
			return row, err
		}
	}
	return store.Row{}, nil // all of it is attributed
}

var errNoIncident = errors.New("no incident of the line holds the event")

// incident is that of a party which holds an event of an instant.
func (s *stage) incident(ctx context.Context, party report.Party, at time.Time) (incident.Incident, error) {
	for in, err := range s.app.Store().Incidents(ctx, "") {
		if err != nil {
			return in, err
		}
		if in.Party != party || in.FirstSeen.After(at) || in.LastSeen.Before(at) {
			continue
		}
		for e, err := range s.app.Store().Events(ctx, in.ID) {
			if err != nil {
				return in, err
			}
			if e.From.Equal(at) {
				return in, nil
			}
		}
	}
	return incident.Incident{}, errNoIncident
}
