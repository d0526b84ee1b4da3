package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/intake"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// sourceLine is one reporter as `tocsin sources --json` prints it.
type sourceLine struct {
	Source       string           `json:"source"`
	Reports      int64            `json:"reports"`
	Events       int64            `json:"events"`
	LastReceived *time.Time       `json:"last_received"` // null: nothing came
	TLP          *report.TLP      `json:"tlp"`           // null: nobody chose one, so it is red
	Grade        report.Grade     `json:"grade"`
	Why          string           `json:"why"`
	Set          report.Grade     `json:"set"`
	SetBy        string           `json:"set_by"` // config or the person; empty: nobody
	Reason       string           `json:"reason,omitempty"`
	Pinned       bool             `json:"pinned"`
	Outcomes     outcomes         `json:"outcomes"`
	Authenticity map[string]int64 `json:"authenticity"` // reports
	Feeds        []sourceFeed     `json:"feeds"`
}

// outcomes are a source's record at the last judgement.
type outcomes struct {
	Days      int     `json:"days"`
	Confirmed int64   `json:"confirmed"`
	Refuted   int64   `json:"refuted"`
	Neither   int64   `json:"neither"`
	Low       float64 `json:"low"` // share confirmed, 95 % interval
	High      float64 `json:"high"`
}

type sourceFeed struct {
	Feed      string    `json:"feed"`
	Delivered time.Time `json:"delivered"`
	Silent    bool      `json:"silent"`
}

func sourceLineOf(s *app.Source) sourceLine {
	g := &s.Grade
	low, high := g.Record.Interval()
	line := sourceLine{
		Source: s.Name, Reports: s.Reports, Events: s.Events, Grade: g.Current(), Why: g.Why(), Set: g.Grade, SetBy: g.Who,
		Reason: g.Reason, Pinned: g.Pinned, Authenticity: map[string]int64{}, Feeds: []sourceFeed{},
		Outcomes: outcomes{
			Days: int(intake.GradeWindow / (24 * time.Hour)), Confirmed: g.Record.Confirmed, Refuted: g.Record.Refuted,
			Neither: g.Record.Neither, Low: low, High: high,
		},
	}
	if g.Who == "" && !g.SetAt.IsZero() {
		line.SetBy = "config"
	}
	if !s.Last.IsZero() {
		line.LastReceived = &s.Last
	}
	if s.Labelled {
		line.TLP = &s.Label
	}
	for a, n := range s.Authenticity {
		line.Authenticity[authenticityName(a)] = n
	}
	for _, f := range s.Feeds {
		line.Feeds = append(line.Feeds, sourceFeed{f.Name, f.Delivered, s.Silent[f.Name]})
	}
	return line
}

func authenticityName(a report.Authenticity) string {
	if a == report.Unchecked {
		return "unchecked"
	}
	return string(a)
}

func newSources() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sources [--data DIR] [--json]",
		Short: "List who sends reports and how far to trust them, also beside a running node",
		Long: `Sources lists everybody who sent a report, and the sources of the config that did not yet: how much came and when,
the TLP label, how the senders were checked, which feeds deliver and which are silent, and the grade in the Admiralty
code with why the source has it. docs/sources.md says how outcomes of incidents move it.`,
		Example: "  tocsin sources\n  tocsin sources --json | jq -r 'select(.tlp == null) | .source'",
		Args:    noArgs,
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := app.LoadData(*data)
		if err != nil {
			return cannot(err)
		}
		db, err := openReader(cmd, *data)
		if err != nil {
			return err
		}
		defer db.Close()
		out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
		list := printSources
		if asJSON {
			list = encodeSources
		}
		if err := errors.Join(list(out, app.Sources(cmd.Context(), db, &cfg, time.Now())), out.Flush()); err != nil {
			return cannot(err)
		}
		return nil
	}
	grade := newSourcesGrade()
	grade.DisableFlagsInUseLine = true // it names them itself
	cmd.AddCommand(grade)
	return cmd
}

func encodeSources(w io.Writer, all iter.Seq2[app.Source, error]) error {
	enc := json.NewEncoder(w)
	for s, err := range all {
		if err != nil {
			return err
		}
		if err := enc.Encode(sourceLineOf(&s)); err != nil {
			return err
		}
	}
	return nil
}

func printSources(w io.Writer, all iter.Seq2[app.Source, error]) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	n := 0
	for s, err := range all {
		if err != nil {
			return err
		}
		if n == 0 {
			fmt.Fprintln(t, "SOURCE\tREPORTS\tEVENTS\tLAST RECEIVED\tTLP\tSENDER\tFEEDS\tGRADE\tWHY")
		}
		n++
		last, label := "never", "none"
		if !s.Last.IsZero() {
			last = s.Last.Format("2006-01-02 15:04")
		}
		if s.Labelled {
			label = s.Label.String()
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", report.Printable(s.Name), s.Reports, s.Events, last, label,
			checked(s.Authenticity), delivering(&s), s.Grade.Current(), report.Printable(s.Grade.Why()))
		if n%500 == 0 { // columns are aligned in stretches, so that memory does not grow with the list
			if err := t.Flush(); err != nil {
				return err
			}
		}
	}
	if n == 0 {
		fmt.Fprintln(t, "no sources")
	}
	return t.Flush()
}

// checked says of how many reports it was found out what about their sender, the most first.
func checked(by map[report.Authenticity]int64) string {
	kinds := slices.SortedFunc(maps.Keys(by), func(a, b report.Authenticity) int {
		if by[a] != by[b] {
			return int(max(-1, min(by[b]-by[a], 1)))
		}
		return strings.Compare(string(a), string(b))
	})
	if len(kinds) == 0 {
		return "-"
	}
	if len(kinds) == 1 {
		return authenticityName(kinds[0])
	}
	for i, a := range kinds {
		kinds[i] = report.Authenticity(fmt.Sprintf("%d %s", by[a], authenticityName(a)))
	}
	return joined(kinds)
}

func joined[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, s := range all {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// delivering counts a source's feeds, and names those that are silent, three at most.
func delivering(s *app.Source) string {
	var silent []string
	for _, f := range s.Feeds {
		if s.Silent[f.Name] {
			silent = append(silent, fmt.Sprintf("%s since %s", f.Name, f.Delivered.Format(time.DateOnly)))
		}
	}
	switch n := len(silent); {
	case len(s.Feeds) == 0:
		return "-"
	case n == 0:
		return fmt.Sprint(len(s.Feeds))
	case n > 3:
		silent = append(silent[:3], fmt.Sprintf("%d more", n-3))
	}
	return report.Printable(fmt.Sprintf("%d, silent: %s", len(s.Feeds), strings.Join(silent, ", ")))
}

func newSourcesGrade() *cobra.Command {
	var pinned, config bool
	var reason, by string
	cmd := &cobra.Command{
		Use:   "grade [--data DIR] NAME GRADE [--pinned] --reason TEXT | NAME --config",
		Short: "Set how far to trust a source",
		Long: `Grade sets a source's grade, a letter from A (completely reliable) to E (unreliable) or F (cannot be judged), and
perhaps a digit for what its reports are worth while nothing else speaks for or against them, 1 (confirmed) to 5
(improbable) or 6 (cannot be judged). It goes before the grade of the config. Outcomes of incidents move the letter from
there, unless it is pinned. Reports that are here already keep the grade that they came with. With --config the source
goes back to what the config says.`,
		Example: "  tocsin sources grade north B --reason 'we have exchanged reports for years'\n  tocsin sources grade noisy E --pinned --reason 'sells what it reports'\n  tocsin sources grade north --config",
		Args:    atLeastOne("the source"),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&pinned, "pinned", false, "outcomes do not move it")
	cmd.Flags().BoolVar(&config, "config", false, "give it back to the config")
	cmd.Flags().StringVar(&reason, "reason", "", "why, in a `sentence` for whoever asks later")
	cmd.Flags().StringVar(&by, "by", userName(), "`name` of who sets it (default: the system's user)")
	cmd.Flags().Lookup("by").DefValue = "" // the text says it already
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s := intake.Setting{Source: args[0], Who: by, Reason: strings.TrimSpace(reason), At: time.Now()}
		s.Pinned = pinned
		switch {
		case config && (len(args) != 1 || pinned || reason != ""):
			return wrongUse("--config takes the source alone: tocsin sources grade %s --config", args[0])
		case !config && len(args) != 2:
			return wrongUse("name a source and its grade: tocsin sources grade NAME B --reason TEXT")
		case !config:
			var err error
			if s.Grade, err = report.ParseGrade(args[1]); err != nil {
				return wrongUse("%w", err)
			}
			if s.Reason == "" {
				return wrongUse("say why with --reason, so that whoever asks later knows")
			}
		}
		return gradeSource(cmd, *data, &s, config)
	}
	return cmd
}

func gradeSource(cmd *cobra.Command, data string, s *intake.Setting, config bool) error {
	if !app.Begun(data) {
		return noData(data)
	}
	a, err := openApp(cmd, data)
	if err != nil {
		return err
	}
	if config {
		err = a.UnsetGrade(cmd.Context(), s.Source)
	} else {
		err = a.SetGrade(cmd.Context(), *s)
	}
	if closed := a.Close(); err == nil {
		err = closed
	}
	if errors.Is(err, store.ErrNotSet) {
		err = fmt.Errorf("%s has the grade of the config, or none: nothing to give back", report.Printable(s.Source))
	}
	if err != nil {
		return cannot(err)
	}
	word := s.Grade.String()
	if s.Pinned {
		word += ", pinned"
	}
	if config {
		word = "what the config says"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", s.Source, word)
	return nil
}

// userName is who runs the program, as the system calls them.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
