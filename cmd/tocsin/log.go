package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/evidence"
	"tocsin/internal/report"
)

func newLog() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log check|show|head|begin-anew",
		Short: "Check the evidence log, read it, and take its head to keep elsewhere",
		Long: `The evidence log holds what the node did, each act an entry, append-only and signed. Entries hold structure and hashes, no
personal data. The commands read beside a running node.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return wrongUse("say what to do: tocsin log check, show, head or begin-anew")
		},
	}
	for _, c := range []*cobra.Command{newLogCheck(), newLogShow(), newLogHead(), newLogBeginAnew()} {
		c.DisableFlagsInUseLine = true // it names them itself
		cmd.AddCommand(c)
	}
	return cmd
}

// logPlace is which log, and the keys that its checkpoints are held to.
type logPlace struct {
	data *string
	key  string
}

func (p *logPlace) flags(cmd *cobra.Command) {
	p.data = dataFlag(cmd)
	cmd.Flags().StringVar(&p.key, "key", "", "`file` of public keys in PEM, for a copy of the log without the node's own keys")
}

// open returns the folder of the log and its keys.
func (p *logPlace) open() (dir string, all []app.LogKey, err error) {
	cfg, err := app.LoadData(*p.data)
	if err != nil {
		return "", nil, cannot(err)
	}
	if p.key != "" {
		all, err = app.ReadLogKeys(p.key)
	} else {
		all, err = app.LogKeys(cfg.Data)
		if err == nil && len(all) == 0 {
			err = app.ErrNoLogKey
			if !app.Begun(*p.data) {
				return "", nil, noData(*p.data)
			}
		}
	}
	if err != nil {
		return "", nil, cannot(err)
	}
	return app.LogFolder(cfg.Data), all, nil
}

func (p *logPlace) reader() (*evidence.Reader, error) {
	dir, all, err := p.open()
	if err != nil {
		return nil, err
	}
	r, err := evidence.OpenReader(dir, app.LogTrust(all))
	if err != nil {
		return nil, cannot(err)
	}
	return r, nil
}

// checkResult is what `tocsin log check --json` prints.
type checkResult struct {
	Entries uint64      `json:"entries"`
	Files   uint64      `json:"files"`
	Newer   uint64      `json:"newer"` // files that a running node has written since, and that the next check will see
	Head    *headLine   `json:"head"`  // null: the checkpoint is not to be trusted
	Since   *headLine   `json:"since"` // null: none was given, or it is not to be trusted
	Faults  []faultLine `json:"faults"`
	Faulty  int         `json:"faulty"` // how many faults there are; the first thousand are listed
	Seconds float64     `json:"seconds"`
}

type headLine struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"` // base64, as in the checkpoint
	Key    string `json:"key"`  // id of the key that signed it
}

type faultLine struct {
	File string `json:"file"`
	What string `json:"what"`
}

func headOf(c *evidence.Checkpoint, all []app.LogKey) *headLine {
	if c.Key == nil {
		return nil
	}
	return &headLine{Origin: c.Origin, Size: c.Size, Root: base64.StdEncoding.EncodeToString(c.Root[:]), Key: signedBy(c, all).ID}
}

func signedBy(c *evidence.Checkpoint, all []app.LogKey) app.LogKey {
	i := slices.IndexFunc(all, func(k app.LogKey) bool { return c.KeyOf(k.Public) })
	return all[max(i, 0)]
}

func newLogCheck() *cobra.Command {
	var place logPlace
	var since string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [--data DIR] [--since FILE] [--key FILE] [--json]",
		Short: "Hold every byte of the evidence log to its signature",
		Long: `Check reads the whole log and names each file that is not what the signed checkpoint says, and the entry where it is one.
It needs no running node and no network. With --since it shows as well that the log grew out of a checkpoint that was
kept elsewhere: nothing before it was changed or cut off. Without one, whoever has the node's key could have written
another log from the start: keep checkpoints (tocsin log head) where the node's administrators cannot reach them.`,
		Example: "  tocsin log check --since checkpoint-2026-03\n  tocsin log check --data copy --key log.pub --json",
		Args:    noArgs,
	}
	place.flags(cmd)
	cmd.Flags().StringVar(&since, "since", "", "`file` of a checkpoint that was kept: nothing before it may have changed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, all, err := place.open()
		if err != nil {
			return err
		}
		opts := evidence.CheckOptions{SinceName: report.Printable(since)}
		if since != "" {
			if opts.Since, err = os.ReadFile(since); err != nil {
				return cannot(fmt.Errorf("cannot read %s: %w", report.Printable(since), app.Reason(err)))
			}
			if len(opts.Since) == 0 {
				return cannot(fmt.Errorf("%s is empty: give the file of a checkpoint, as tocsin log head prints it", report.Printable(since)))
			}
		}
		if place.key == "" { // with the database beside it: nothing that it saw may be missing
			if opts.Seen, err = app.SeenLog(cmd.Context(), *place.data); err != nil {
				return cannot(err)
			}
		}
		out := cmd.OutOrStdout()
		if !asJSON {
			opts.Each = func(f evidence.Fault) { fmt.Fprintln(out, faultText(f)) }
		}
		bar := newLateProgress(cmd.ErrOrStderr(), "checking", entriesDone)
		opts.Progress = func(done, all uint64) { bar.set(int64(done), int64(all)) }
		began := time.Now()
		found, err := evidence.Check(cmd.Context(), dir, app.LogTrust(all), opts)
		bar.close()
		if errors.Is(err, evidence.ErrNone) && opts.Seen != nil {
			fmt.Fprintf(out, "log: it is gone, and the database has seen %d entries of it: restore it from your backup\n", opts.Seen.Size)
			return refused()
		}
		if err != nil {
			return cannot(err)
		}
		if asJSON {
			err = encodeCheck(out, &found, all, time.Since(began))
		} else {
			printCheck(out, &found, all, opts.SinceName)
		}
		if err != nil {
			return cannot(err)
		}
		if found.Faulty > 0 {
			return refused()
		}
		return nil
	}
	return cmd
}

func newLogBeginAnew() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "begin-anew [--data DIR]",
		Short: "Begin another evidence log where the one that the database knows is lost for good",
		Long: `Begin-anew is for when the folder of the evidence log is lost or damaged and no backup of it reaches as far as the
database has seen it: until then nothing that has to be logged is done. The old folder and its key are put aside, and the
first entry of the new log says how many entries are lost, for everybody to see. Proofs against the old log's checkpoints
stay as good as they were; new ones begin with the new log. The node must not run.`,
		Args: noArgs,
	}
	data := dataFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !app.Begun(*data) {
			return noData(*data)
		}
		cfg, err := app.LoadData(*data)
		if err != nil {
			return cannot(err)
		}
		aside, err := app.BeginLogAnew(cmd.Context(), cfg, time.Now(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError})))
		if errors.Is(err, app.ErrBusy) {
			return cannot(errors.New("a node runs on this data directory: end it first"))
		}
		if err != nil {
			return cannot(err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "another log begins with the next start; the old one is in log.%s and its key in keys/log.pem.%s\n", aside, aside)
		return nil
	}
	return cmd
}

// faultText is a fault as the data directory's owner reads it.
func faultText(f evidence.Fault) string {
	if f.Kept {
		return f.String()
	}
	return "log/" + report.Printable(f.String())
}

func encodeCheck(w io.Writer, found *evidence.Report, all []app.LogKey, took time.Duration) error {
	res := checkResult{
		Entries: found.Entries, Files: found.Files, Newer: found.Newer, Head: headOf(&found.Checkpoint, all),
		Since: headOf(&found.Since, all), Faults: []faultLine{}, Faulty: found.Faulty, Seconds: took.Seconds(),
	}
	for _, f := range found.Faults {
		file := f.File
		if !f.Kept {
			file = "log/" + file
		}
		res.Faults = append(res.Faults, faultLine{file, f.What})
	}
	return json.NewEncoder(w).Encode(res)
}

func printCheck(w io.Writer, found *evidence.Report, all []app.LogKey, since string) {
	verdict := "nothing is wrong"
	if found.Faulty > 0 {
		verdict = report.Counted(int64(found.Faulty), "fault")
	}
	fmt.Fprintf(w, "checked %s in %s: %s\n", report.Counted(int64(found.Entries), "entry"), report.Counted(int64(found.Files), "file"), verdict)
	if found.Newer > 0 {
		fmt.Fprintf(w, "the node has written %s since: the next check will see them\n", report.Counted(int64(found.Newer), "file"))
	}
	if c := &found.Checkpoint; c.Key != nil {
		k := signedBy(c, all)
		fmt.Fprintf(w, "head: %s, root %s\nsigned by log key %s", report.Counted(int64(c.Size), "entry"), base64.StdEncoding.EncodeToString(c.Root[:]), k.ID)
		if !k.Created.IsZero() {
			fmt.Fprintf(w, ", in use since %s", k.Created.Format(time.DateOnly))
		}
		if !k.Ends.IsZero() {
			fmt.Fprintf(w, " until %s", k.Ends.Format(time.DateOnly))
		}
		fmt.Fprintln(w)
	}
	if since == "" || found.Since.Key == nil {
		return
	}
	if !slices.ContainsFunc(found.Faults, func(f evidence.Fault) bool { return f.Kept }) {
		fmt.Fprintf(w, "since %s: %s then, none of them changed or cut off\n", since, report.Counted(int64(found.Since.Size), "entry"))
	}
}

func newLogHead() *cobra.Command {
	var place logPlace
	cmd := &cobra.Command{
		Use:   "head [--data DIR] [--key FILE]",
		Short: "Print the log's checkpoint, to keep it elsewhere",
		Long: `Head prints the signed checkpoint of the evidence log: its name, how many entries it has, and the hash of them all. Keep one
now and then where the node's administrators cannot reach it, on paper if need be: with it, tocsin log check --since shows
that nothing before it was changed.`,
		Example: "  tocsin log head > checkpoint-$(date +%Y-%m)",
		Args:    noArgs,
	}
	place.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := place.reader()
		if err != nil {
			return err
		}
		if _, err := cmd.OutOrStdout().Write(r.Head().Checkpoint); err != nil {
			return cannot(err)
		}
		return nil
	}
	return cmd
}

func newLogShow() *cobra.Command {
	var place logPlace
	var from uint64
	var kind string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [--data DIR] [--from N] [--kind K] [--key FILE] [--json]",
		Short: "Print the entries of the evidence log",
		Long: `Show prints what the node did: the entry's index, when, what kind of act, who (a role or a random handle), what it is about,
and what else it says. Each entry is held to its tile while it is read; tocsin log check holds all to the signature.

Kinds:
` + kindList(),
		Args: noArgs,
	}
	place.flags(cmd)
	cmd.Flags().Uint64Var(&from, "from", 0, "index of the first entry to print; they count from 0")
	cmd.Flags().StringVar(&kind, "kind", "", "only entries of this kind")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kindNames(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if kind != "" && evidence.Kind(kind).What() == "" {
			return wrongUse("there is no kind %q: there are %s", kind, strings.Join(kindNames(), ", "))
		}
		r, err := place.reader()
		if err != nil {
			return err
		}
		if from > r.Head().Size {
			return wrongUse("--from %d is more than the log has: its last entry is %d", from, int64(r.Head().Size)-1)
		}
		out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
		at := from
		for raw, err := range r.Entries(cmd.Context(), from, r.Head().Size) {
			if err == nil {
				err = showEntry(out, at, raw, kind, asJSON)
			}
			if err != nil {
				return cannot(errors.Join(err, out.Flush()))
			}
			at++
		}
		if err := out.Flush(); err != nil {
			return cannot(err)
		}
		return nil
	}
	return cmd
}

// shownEntry is an entry as `tocsin log show --json` prints it: as it stands in the log.
type shownEntry struct {
	Index uint64          `json:"index"`
	Entry json.RawMessage `json:"entry,omitempty"`
	Error string          `json:"error,omitempty"` // why it cannot be read
}

func showEntry(w io.Writer, at uint64, raw []byte, kind string, asJSON bool) error {
	e, err := evidence.DecodeEntry(raw)
	if kind != "" && (err != nil || string(e.Kind) != kind) {
		return nil //nolint:nilerr // of no kind, so not of this one
	}
	if asJSON {
		shown := shownEntry{Index: at, Entry: raw}
		if err != nil {
			shown.Error = err.Error()
			if !json.Valid(raw) {
				shown.Entry = nil
			}
		}
		return json.NewEncoder(w).Encode(shown)
	}
	if err != nil { // a newer program's, perhaps
		_, err = fmt.Fprintf(w, "%d  cannot be read (%v): %s\n", at, err, report.Printable(string(raw)))
		return err
	}
	words := []string{strconv.FormatUint(at, 10), e.At.Format(time.DateTime), string(e.Kind), e.By}
	if e.Subject != "" {
		words = append(words, e.Subject)
	}
	for _, f := range e.Fields {
		words = append(words, f.Name+"="+f.Value)
	}
	_, err = fmt.Fprintln(w, strings.Join(words, "  "))
	return err
}

func kindNames() []string {
	var all []string
	for _, k := range evidence.Kinds() {
		all = append(all, string(k))
	}
	return all
}

func kindList() string {
	var b strings.Builder
	for _, k := range evidence.Kinds() {
		fmt.Fprintf(&b, "  %-10s %s\n", k, k.What())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// lateProgress shows a bar when something takes longer than a second.
type lateProgress struct {
	*progress
	began time.Time
	shown atomic.Bool
}

func newLateProgress(w io.Writer, what string, u unit) *lateProgress {
	return &lateProgress{progress: newProgress(w, what, u), began: time.Now()}
}

func (b *lateProgress) set(done, all int64) {
	if b.shown.Load() || time.Since(b.began) > time.Second {
		b.shown.Store(true)
		b.progress.set(done, all)
	}
}
