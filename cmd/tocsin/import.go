package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"tocsin/internal/app"
	"tocsin/internal/report"
)

func newImport() *cobra.Command {
	var opt app.ImportOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "import [--data DIR] [--json] PATH...",
		Short: "Work files and folders through the whole pipeline",
		Long: `Import takes files, and all files below folders, keeps their bytes, parses them, says whose each subject is and folds
the events into incidents. What was imported before is a duplicate and changes nothing. It may be stopped at any
moment and run again. While a node runs on the data directory, use its drop folder instead.

It ends with 1 when something was refused: that is in the quarantine, and the rest is done. It ends with 3 when a file
could not be read at all: it is named, and the rest is done. "-" is standard input; --name gives it the name of the
file, by which Shadowserver's reports are told apart.`,
		Example: "  tocsin import reports/\n  tocsin import --reporter north-abuse --format xarf --json mails/",
		Args:    atLeastOne("a file or folder to import"),
	}
	data := dataFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object instead of a summary")
	cmd.Flags().StringVar(&opt.Reporter, "reporter", "", "who sent these reports, instead of the source that the config names for their format")
	cmd.Flags().StringVar(&opt.Format, "format", "", "read every document as this format instead of detecting it")
	nameFlag(cmd, &opt.StdinName)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := knownFormat(opt.Format); err != nil {
			return err
		}
		paths, err := inputs(cmd, args, &opt)
		if err != nil {
			return err
		}
		a, err := openApp(cmd, *data)
		if err != nil {
			return err
		}
		bar := newProgress(cmd.ErrOrStderr(), "importing", bytesRead)
		opt.Progress = bar.set
		var one sync.Mutex // a sentence at a time
		opt.Unreadable = func(err error) {
			one.Lock()
			defer one.Unlock()
			fmt.Fprintf(cmd.ErrOrStderr(), "tocsin: cannot read %v\n", err)
		}
		sum, err := a.Import(cmd.Context(), paths, opt)
		bar.close()
		if closed := a.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return cannot(fmt.Errorf("import: %w", err))
		}
		if asJSON {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(sum)
		} else {
			err = printSummary(cmd.OutOrStdout(), &sum)
		}
		if err != nil {
			return cannot(err)
		}
		if sum.Rejected > 0 && !asJSON {
			fmt.Fprintln(cmd.OutOrStdout(), "What was refused is kept: see tocsin quarantine list.")
		}
		if sum.Waiting+sum.SetAside > 0 && !asJSON {
			fmt.Fprintf(cmd.OutOrStdout(), "In no format: %s for a person, %d set aside: see tocsin waiting list.\n", report.Counted(sum.Waiting, "mail"), sum.SetAside)
		}
		switch {
		case sum.Unreadable > 0:
			return &exitError{code: exitCannot}
		case sum.Rejected > 0:
			return refused()
		}
		return nil
	}
	return cmd
}

// inputs are the paths among the arguments, and standard input where it is named. All are looked at before anything
// is done.
func inputs(cmd *cobra.Command, args []string, opt *app.ImportOptions) (paths []string, err error) {
	for _, p := range args {
		if p == stdin {
			opt.Stdin = cmd.InOrStdin()
			continue
		}
		if _, err := os.Stat(p); err != nil {
			return nil, cannot(fmt.Errorf("cannot read %s: %w", report.Printable(p), app.Reason(err)))
		}
		paths = append(paths, p)
	}
	if opt.Stdin == nil && opt.StdinName != "" {
		return nil, errNoStdin(cmd)
	}
	return paths, nil
}

func printSummary(w io.Writer, s *app.Summary) error {
	_, err := fmt.Fprintf(w, `%s, %s
%s, %s, %d refused
%s, %d updated
%.1f s, %.0f events/s
`, report.Counted(s.Reports, "report"), report.Counted(s.Duplicates, "duplicate"), report.Counted(s.Events, "event"), report.Counted(s.Repeats, "repeat"), s.Rejected,
		report.Counted(s.IncidentsNew, "new incident"), s.IncidentsUpdated, s.Seconds, s.EventsPerSecond)
	return err
}

// openApp builds the node of a data directory for a command that writes. Warnings go to standard error.
func openApp(cmd *cobra.Command, data string) (*app.App, error) {
	cfg, err := app.LoadData(data)
	if err != nil {
		return nil, cannot(err)
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := app.New(cmd.Context(), cfg, log, time.Now)
	if err != nil {
		return nil, explainData(err, &cfg)
	}
	return a, nil
}

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct {
	mu   sync.Mutex // the pipeline reports from several goroutines
	p    *mpb.Progress
	bar  *mpb.Bar
	what string
	unit decor.Decorator
}

// What a progress bar counts.
type unit string

const (
	bytesRead unit = "% .1f / % .1f"
	mailsSent unit = "%d / %d mails"
	sessions  unit = "%d / %d sessions"
	reports   unit = "%d / %d reports"

	entriesDone unit = "%d / %d entries"
)

func newProgress(w io.Writer, what string, u unit) *progress {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	return &progress{p: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40)), what: what, unit: u.decorator()}
}

func (u unit) decorator() decor.Decorator {
	if u == bytesRead {
		return decor.CountersKibiByte(string(u))
	}
	return decor.CountersNoUnit(string(u))
}

// set moves the bar to done of all.
func (b *progress) set(done, all int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.p == nil {
		return
	}
	if b.bar == nil {
		b.bar = b.p.AddBar(all, mpb.PrependDecorators(decor.Name(b.what+" ")),
			mpb.AppendDecorators(b.unit, decor.Name(" "), decor.Elapsed(decor.ET_STYLE_GO)))
	}
	b.bar.SetCurrent(done)
}

func (b *progress) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		b.bar.Abort(false)
		b.p.Wait()
	}
}
