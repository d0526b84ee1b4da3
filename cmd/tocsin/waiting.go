package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/desk"
	"tocsin/internal/formats/letter"
	"tocsin/internal/report"
)

func newWaiting() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "waiting list|show|events|merge|aside|bring|block",
		Short: "Deal with mails that are in no format and need a person",
		Long: `A mail in no format that Tocsin knows is no error: it waits for a person, who makes events of what it says, merges it
into an incident, or sets it aside with a reason. Nothing in it is guessed, and nothing is ever answered by itself.
While a node runs, list and show work beside it; the others go through its API (docs/waiting.md).
After an update that brought a new format, tocsin quarantine replay ID reads a mail again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return wrongUse("say what to do: tocsin waiting list, show, events, merge, aside, bring or block")
		},
	}
	cmd.AddCommand(newWaitingList(), newWaitingShow(), newWaitingEvents(), newWaitingMerge(),
		newWaitingTurn("aside", "Set mails aside, with a reason", report.StateAside, "set aside"),
		newWaitingTurn("bring", "Bring mails back that were set aside, with a reason", report.StateWaiting, "waits again"),
		newWaitingBlock())
	return cmd
}

// waitingLine is one line of `tocsin waiting list --json`.
type waitingLine struct {
	ID           report.ID           `json:"id"`
	ReceivedAt   time.Time           `json:"received_at"`
	State        report.State        `json:"state"`
	Channel      string              `json:"channel"`
	Reporter     string              `json:"reporter"`
	From         string              `json:"from"`
	Name         string              `json:"name"`
	Authenticity report.Authenticity `json:"authenticity"`
	Signer       string              `json:"signer,omitempty"`
	Reason       string              `json:"reason"`
	Apart        report.Type         `json:"apart,omitempty"`
	Thread       report.ID           `json:"thread"`
}

func waitingOf(l *desk.Letter) waitingLine {
	return waitingLine{
		ID: l.ID, ReceivedAt: l.ReceivedAt, State: l.State, Channel: l.Channel, Reporter: l.Reporter, From: l.Sender, Name: l.Name,
		Authenticity: l.Authenticity, Signer: l.Signer, Reason: l.Reason, Apart: l.Apart.Type, Thread: l.Thread,
	}
}

func newWaitingList() *cobra.Command {
	var asJSON, aside bool
	cmd := &cobra.Command{
		Use: "list [--data DIR] [--json] [--aside] [--type T]", Short: "List mails that wait for a person, oldest first, also beside a running node",
		Long: `List lists the mails that wait for a person, oldest first. What is filed apart, letters about copyright, is only counted
unless it is asked for with --type; --json prints all of them.`,
		Args: cobra.NoArgs,
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.Flags().BoolVar(&aside, "aside", false, "those that were set aside instead")
	kind := typeFlag(cmd, report.KindsApart(), "only mails that are filed apart under this type")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		only, err := kind()
		if err != nil {
			return err
		}
		db, err := openReader(cmd, *data)
		if err != nil {
			return err
		}
		defer db.Close()
		state, again := report.StateWaiting, "tocsin waiting list"
		if aside {
			state, again = report.StateAside, again+" --aside"
		}
		w, enc, n := cmd.OutOrStdout(), json.NewEncoder(cmd.OutOrStdout()), 0
		left := filedApart{}
		for row, err := range db.Letters(cmd.Context(), state) {
			if err != nil {
				return cannot(err)
			}
			l := row.Letter()
			if only.Apart() && l.Apart != only || !only.Apart() && !asJSON && left.take(l.Apart) {
				continue
			}
			if asJSON {
				err = enc.Encode(waitingOf(&l))
			} else {
				err = printWaiting(w, &l)
			}
			if err != nil {
				return cannot(err)
			}
			n++
		}
		if n == 0 && !asJSON {
			fmt.Fprintln(w, "no mail "+map[bool]string{false: "waits for a person", true: "is set aside"}[aside])
		}
		left.print(w, again)
		return nil
	}
	return cmd
}

// printWaiting takes two lines, because an id, an address and a subject do not fit on one.
func printWaiting(w io.Writer, l *desk.Letter) error {
	from := l.Sender
	if from == "" {
		from = "(no author)"
	}
	why := ""
	if l.State == report.StateAside {
		why = "\n  " + letter.Display(l.Reason)
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s\n  %s  %s%s\n", l.ID, l.ReceivedAt.Format("2006-01-02 15:04"), l.Reporter,
		letter.Display(from), letter.Display(l.Name), why)
	return err
}

// shownLetter is what `tocsin waiting show --json` prints.
type shownLetter struct {
	waitingLine
	Letter      *letter.Reading     `json:"letter,omitempty"`
	Suggestions []letter.Suggestion `json:"suggestions"`
	InThread    []waitingLine       `json:"in_thread"`
}

func newWaitingShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show [--data DIR] [--json] ID", Short: "Show one mail with what may be an event in it, also beside a running node",
		Args: atLeastOne("the mail to show"),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := oneID(args)
		if err != nil {
			return err
		}
		db, err := openReader(cmd, *data)
		if err != nil {
			return err
		}
		defer db.Close()
		o, err := app.OpenLetter(cmd.Context(), db, id)
		if err != nil {
			return explainLetter(err)
		}
		if !asJSON {
			printLetter(cmd.OutOrStdout(), &o)
			return nil
		}
		out := shownLetter{waitingLine: waitingOf(&o.Letter), Letter: o.Reading, Suggestions: o.Suggestions}
		for i := range o.Thread {
			out.InThread = append(out.InThread, waitingOf(&o.Thread[i]))
		}
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(out); err != nil {
			return cannot(err)
		}
		return nil
	}
	return cmd
}

func printLetter(w io.Writer, o *desk.Opened) {
	line := func(name, v string) {
		if v != "" {
			fmt.Fprintf(w, "%-9s %s\n", name, v)
		}
	}
	line("report", o.ID.String())
	line("state", string(o.State))
	line("why", folded(letter.Display(o.Reason), 70, "\n          "))
	line("received", o.ReceivedAt.Format(time.RFC3339))
	line("sender", strings.TrimSpace(string(o.Authenticity)+" "+o.Signer))
	if a := o.Assignment; a != nil {
		line("dealt with", a.Who+", "+a.At.Format(time.RFC3339))
	}
	for i := range o.Thread {
		if o.Thread[i].ID != o.ID {
			line("thread", fmt.Sprintf("%s  %s", o.Thread[i].ID, o.Thread[i].State))
		}
	}
	if o.Reading == nil {
		fmt.Fprintln(w, "\nIts text is past its end date (retention.originals), or an older tocsin took it in.")
		return
	}
	h := &o.Reading.Head
	line("from", h.From)
	line("to", h.To)
	line("date", h.Date)
	line("subject", h.Subject)
	for i := range o.Reading.Parts {
		p := &o.Reading.Parts[i]
		fmt.Fprintf(w, "\n--- part %s, %s%s\n", p.Number, p.Type, strings.TrimSuffix(" "+p.Name, " "))
		if p.Text != "" {
			fmt.Fprintln(w, strings.TrimRight(p.Text, "\n"))
		}
		if p.Cut {
			fmt.Fprintln(w, "--- there is more of this part, which is not shown")
		}
	}
	for _, f := range o.Reading.Faults {
		fmt.Fprintf(w, "\nNot readable: %s\n", f)
	}
	printSuggestions(w, o.Suggestions)
}

func printSuggestions(w io.Writer, all []letter.Suggestion) {
	if len(all) == 0 {
		fmt.Fprintln(w, "\nNothing in it looks like an address, a time, a port, a domain or a URL.")
		return
	}
	fmt.Fprintln(w, "\nWhat an event may be made of:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range all {
		s := &all[i]
		value := s.Value
		if s.Port != 0 && s.Kind == letter.KindAddr {
			value += fmt.Sprintf(" port %d", s.Port)
		}
		var notes []string
		for _, n := range []string{s.Proto, s.Role, s.Note} {
			if n != "" {
				notes = append(notes, n)
			}
		}
		if s.Hidden {
			notes = append(notes, "hidden")
		}
		where := fmt.Sprintf("part %s, %d:%d", s.Part, s.Line, s.Column)
		if len(notes) > 0 {
			where += "\t" + strings.Join(notes, ", ")
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", s.Kind, value, where)
	}
	_ = t.Flush()
}

func oneID(args []string) (report.ID, error) {
	if len(args) != 1 {
		return report.ID{}, wrongUse("name one mail: tocsin waiting list shows them")
	}
	ids, err := parseIDs(args)
	if err != nil {
		return report.ID{}, err
	}
	return ids[0], nil
}

// explainLetter says what to do about a letter that cannot be dealt with so.
func explainLetter(err error) error {
	switch {
	case errors.Is(err, desk.ErrNoReport):
		return cannot(errors.New("no such mail: tocsin waiting list shows those that wait, with --aside those set aside"))
	case errors.Is(err, desk.ErrNotWaiting):
		return cannot(errors.New("this mail does not wait for a person: tocsin waiting show says what became of it"))
	}
	if said := faults(err); said != nil {
		return wrongUse("%s", strings.Join(said, "\ntocsin: "))
	}
	return cannot(err)
}

// faults is a sentence for each thing that the person has to mend.
func faults(err error) (all []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, faults(one)...)
		}
		return all
	}
	if f, ok := errors.AsType[*report.FieldError](err); ok && strings.Contains(f.Field, "[") {
		return []string{f.Field + ": " + f.Rule}
	} else if ok {
		return []string{f.Rule}
	}
	return nil
}

// folded breaks a sentence into lines.
func folded(s string, width int, with string) string {
	var b strings.Builder
	n := 0
	for word := range strings.FieldsSeq(s) {
		switch {
		case n > 0 && n+1+len(word) > width:
			b.WriteString(with)
			n = 0
		case n > 0:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}

// me is the name under which a command's acts are kept.
func me() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return report.CleanName(u.Username)
	}
	return "command-line"
}

// act opens the node for writing, does one thing to its letters, and says what was done.
func act(cmd *cobra.Command, data string, do func(app.Waiting) error) error {
	a, err := openApp(cmd, data)
	if err != nil {
		if errors.Is(err, app.ErrBusy) {
			return cannot(fmt.Errorf("%w: if it is a node, use its API (docs/waiting.md); else wait for it to end", app.ErrBusy))
		}
		return err
	}
	err = do(a.Waiting())
	if closed := a.Close(); err == nil && closed != nil {
		return cannot(closed)
	}
	if err != nil {
		return explainLetter(err)
	}
	return nil
}

// assignedLine is what events and merge print with --json.
type assignedLine struct {
	ID      report.ID `json:"id"`
	Events  int       `json:"events"`
	Repeats int       `json:"repeats"`
	Again   bool      `json:"again"`
}

func printAssigned(w io.Writer, id report.ID, got desk.Assigned, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(assignedLine{id, got.Events, got.Repeats, got.Again})
	}
	if got.Again {
		_, err := fmt.Fprintln(w, "the same was said before: nothing changed")
		return err
	}
	_, err := fmt.Fprintf(w, "%s, %s\n", report.Counted(int64(got.Events), "event"), report.Counted(int64(got.Repeats), "repeat"))
	return err
}

func newWaitingEvents() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "events [--data DIR] [--json] ID [FILE]",
		Short: "Make events of a mail: one JSON object a line, from a file or standard input",
		Long: `Events makes events of a mail that waits. Each line is an event as tocsin parse prints it; class, type, from and a
subject are needed. They are held to the rules of any event: every fault is said, and then nothing is stored.`,
		Example: `  echo '{"type":"brute-force","tags":["ssh"],"from":"2026-03-01T02:10:00Z","subject":{"addr":"198.51.100.7"}}' |
    tocsin waiting events 01953a7e-7b2c-7000-8000-000000000000`,
		Args: cobra.RangeArgs(1, 2),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := oneID(args[:1])
		if err != nil {
			return err
		}
		in := cmd.InOrStdin()
		if len(args) == 2 && args[1] != "-" {
			f, err := os.Open(args[1])
			if err != nil {
				return cannot(fmt.Errorf("cannot read %s: %w", report.Printable(args[1]), app.Reason(err)))
			}
			defer f.Close()
			in = f
		}
		events, err := readEvents(in)
		if err != nil {
			return err
		}
		return act(cmd, *data, func(w app.Waiting) error {
			got, err := w.Assign(cmd.Context(), id, events, me())
			if err != nil {
				return err
			}
			return printAssigned(cmd.OutOrStdout(), id, got, asJSON)
		})
	}
	return cmd
}

// maxEventsBytes is how much of the input is read.
const maxEventsBytes = 32 << 20

func readEvents(r io.Reader) ([]report.Event, error) {
	d := json.NewDecoder(io.LimitReader(r, maxEventsBytes))
	var all []report.Event
	for {
		var e report.Event
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, wrongUse("event %d cannot be read: %w", len(all)+1, err)
		}
		if len(all) >= desk.MaxAssigned {
			return nil, wrongUse("these are more than %d events: that is a list, for tocsin import", desk.MaxAssigned)
		}
		if e.Kind.Class == "" {
			e.Kind = typed(e.Kind.Type)
		}
		all = append(all, e)
	}
}

// typed is the kind of a type of RSIT; other types keep no class, so that the event's rules refuse them.
func typed(t report.Type) report.Kind {
	for _, k := range report.Kinds() {
		if k.Type == t {
			return k
		}
	}
	return report.Kind{Type: t}
}

func newWaitingMerge() *cobra.Command {
	var asJSON bool
	var at []string
	cmd := &cobra.Command{
		Use:   "merge [--data DIR] [--json] [--at TIME]... ID INCIDENT",
		Short: "Say that a mail is about an incident that there is",
		Long: `Merge says that a mail is about an incident. Each --at is another event of that incident, of its subject and kind;
without any the mail is only linked to it.`,
		Args: cobra.ExactArgs(2),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().StringArrayVar(&at, "at", nil, "when it was seen, with the zone: 2026-03-01T02:10:00Z; may be given again")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := parseIDs(args)
		if err != nil {
			return err
		}
		times := make([]time.Time, len(at))
		for i, s := range at {
			if times[i], err = time.Parse(time.RFC3339, s); err != nil {
				return wrongUse("--at %q is no time with its zone: write 2026-03-01T02:10:00Z", s)
			}
		}
		return act(cmd, *data, func(w app.Waiting) error {
			got, err := w.Merge(cmd.Context(), ids[0], ids[1], times, me())
			if err != nil {
				return err
			}
			return printAssigned(cmd.OutOrStdout(), ids[0], got, asJSON)
		})
	}
	return cmd
}

func newWaitingTurn(name, short string, to report.State, said string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: name + " [--data DIR] --reason TEXT ID...", Short: short, Args: atLeastOne("the mails, by their ids"),
	}
	data := dataFlag(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, in a sentence for whoever looks for the mail later")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := parseIDs(args)
		if err != nil {
			return err
		}
		if _, err := desk.Reason(reason); err != nil {
			return wrongUse("--reason: %w", err)
		}
		return act(cmd, *data, func(w app.Waiting) error {
			for _, id := range ids {
				if err := w.Turn(cmd.Context(), id, to, reason); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", id, said)
			}
			return nil
		})
	}
	return cmd
}

func newWaitingBlock() *cobra.Command {
	var list, try, remove bool
	cmd := &cobra.Command{
		Use:   "block [--data DIR] [--try|--remove] SENDER | --list",
		Short: "Want no more letters from an author, or from all of a domain",
		Long: `Block sets aside what is still to come from an author, an address or all of a domain (@example.net), unless it is in
a format that Tocsin reads. It says how many reports came from there until now; with --try it only says so. Anybody can
write anybody's address into a mail.`,
		Args: cobra.MaximumNArgs(1),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&try, "try", false, "only say how many reports it would have concerned")
	cmd.Flags().BoolVar(&remove, "remove", false, "take the block back")
	cmd.Flags().BoolVar(&list, "list", false, "list who is blocked, also beside a running node")
	cmd.MarkFlagsMutuallyExclusive("try", "remove", "list")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := cmd.OutOrStdout()
		if list == (len(args) == 1) {
			return wrongUse("name an address, ann@example.net, or a domain, @example.net; or give --list alone")
		}
		if list {
			return listBlocked(cmd, *data)
		}
		sender, err := desk.Sender(args[0])
		if err != nil {
			return wrongUse("%w", err)
		}
		return act(cmd, *data, func(w app.Waiting) error {
			if remove {
				fmt.Fprintf(out, "%s is not blocked any more\n", sender)
				return w.Unblock(cmd.Context(), sender)
			}
			sent, err := w.Block(cmd.Context(), sender, me(), try)
			if err != nil {
				return err
			}
			done := sender + " is blocked"
			if try {
				done = "nothing was changed"
			}
			fmt.Fprintf(out, "%s came from there until now; waiting: %d, set aside: %d\n%s\n", report.Counted(sent.Reports, "report"), sent.Waiting, sent.Aside, done)
			return nil
		})
	}
	return cmd
}

func listBlocked(cmd *cobra.Command, data string) error {
	db, err := openReader(cmd, data)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.BlockedSenders(cmd.Context())
	if err != nil {
		return cannot(err)
	}
	out := cmd.OutOrStdout()
	if len(all) == 0 {
		fmt.Fprintln(out, "nobody is blocked")
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SENDER\tSINCE\tBY")
	for _, b := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\n", letter.Display(b.Sender), b.At.Format("2006-01-02"), b.Who)
	}
	if err := t.Flush(); err != nil {
		return cannot(err)
	}
	return nil
}
