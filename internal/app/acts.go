package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"

	"tocsin/internal/evidence"
	"tocsin/internal/keys"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/report"
)

// openEvidence opens the evidence log of the data directory, and who writes it. Where several workers share a database,
// the one whose log the database knows writes it, and the others hand over.
func (a *App) openEvidence(ctx context.Context) error {
	var err error
	if a.evidence, err = openLog(ctx, a.keys, a.data.Dir, nil, a.log); err != nil {
		return err
	}
	held := a.keys.All(keys.Log)
	a.worker = held[len(held)-1].ID
	l := a.store.Log()
	a.writer = evidence.NewWriter(a.evidence, l, l, a.worker, a.now, a.log, evidence.NewMetrics(a.metrics))
	return nil
}

// flushTime is how long a command waits at its end for what is to be written into the log. What is left is written by
// whoever opens it next.
const flushTime = 30 * time.Second

// withLog runs f while the evidence log is written, and then writes what is left.
func (a *App) withLog(ctx context.Context, f func(context.Context) error) error {
	logCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- a.writer.Run(logCtx) }()
	err := f(ctx)
	stop()
	err = errors.Join(err, <-done)
	last, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), flushTime, errors.New("the evidence log took too long"))
	defer cancel()
	if late := a.writer.Flush(last); late != nil {
		a.log.Warn("not all is in the evidence log yet; the next start goes on", "error", late)
	}
	return err
}

// acts writes what people do into the evidence log.
type acts struct{ app *App }

// Record is inquiry.Log's.
func (l acts) Record(ctx context.Context, a *inquiry.Act) error {
	e := entryOf(a)
	return l.app.record(ctx, &e)
}

// record writes into the evidence log what a person is about to do, and returns when it is there.
func (a *App) record(ctx context.Context, e *evidence.Entry) error {
	item, err := evidence.NewItem(e)
	if err != nil {
		return err
	}
	if fault := a.logFault(ctx); fault != nil { // nobody would write it
		return fault
	}
	ctx, cancel := context.WithTimeoutCause(ctx, recordTime, inquiry.ErrNoLog)
	defer cancel()
	_, err = a.writer.Submit(ctx, item)
	return err
}

// logFault is why nobody writes the evidence log: this worker's is not the one that the database knows, and no other
// worker holds the lease. nil where somebody does, or will.
func (a *App) logFault(ctx context.Context) error {
	fault := a.writer.Fault()
	if fault == nil {
		return nil
	}
	s, err := a.store.Log().State(ctx)
	if err == nil && s.Lease.Holder != "" && s.Lease.Holder != a.worker && a.now().Before(s.Until) {
		return nil
	}
	return errors.Join(fault, err)
}

// recordTime is how long a person waits for the log.
const recordTime = 20 * time.Second

// entryOf is an act as the log has it. Who it was stands in it as a commitment, like all that could be guessed.
func entryOf(a *inquiry.Act) evidence.Entry {
	e := evidence.Entry{ID: report.NewID(a.At), At: a.At, Kind: evidence.Kind(a.Kind), By: "desk", Subject: a.Question.String()}
	for _, f := range [...]struct{ name, value string }{{"who", a.Who}, {"about", a.About}, {"reason", a.Reason}} {
		c := evidence.Commit(a.Salt, CommittedField(f.name, f.value))
		e.Fields = append(e.Fields, evidence.Field{Name: f.name, Value: c.String()})
	}
	if a.Answer != "" {
		e.Fields = append(e.Fields, evidence.Field{Name: "answer", Value: string(a.Answer)})
	}
	if a.Note != "" {
		e.Fields = append(e.Fields, evidence.Field{Name: "note", Value: a.Note})
	}
	return e
}

// CommittedField is what a commitment in the log is made of: the field's name before its value, so that those of one
// entry can share a salt.
func CommittedField(name, value string) []byte { return []byte(name + "\x00" + value) }

// noteConfig has the log tell that the config is another than at the last start.
func (a *App) noteConfig(ctx context.Context) error {
	text, err := yaml.Marshal(&a.cfg)
	if err != nil {
		return fmt.Errorf("read the config for the evidence log: %w", err)
	}
	return a.store.NoteConfig(ctx, a.worker, text, a.now())
}
