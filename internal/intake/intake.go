// Package intake takes reports in: it decides who sent each one and how far it may travel, and hands it to the
// stream. Each channel is a folder below this one.
package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"tocsin/internal/report"
)

// Acceptor keeps reports.
type Acceptor interface {
	// Accept keeps the bytes of r and hands out the work on them. When it returns without an error both are durable.
	// The same bytes from the same reporter in the same named format return the earlier report and duplicate = true.
	// Where r can seek it may be read twice. An error promises nothing; trying again is harmless.
	Accept(ctx context.Context, rep report.Report, r io.Reader) (accepted report.Report, duplicate bool, err error)
}

// Detect says which format a document is of, "" when none: it may read as much of r as it wants to know. name is
// the file's own name, without folders.
type Detect func(name string, r io.Reader) string

// Delivery is what a channel knows of a document.
type Delivery struct {
	Channel    string    // folder, import, http
	Reporter   string    // where the channel or the operator says who sent it; else empty
	Folder     string    // first folder below the drop folder; else empty
	Name       string    // file name as received, without folders; personal
	Format     string    // where the sender or the operator names one; else empty
	ReceivedAt time.Time // zero: now
	Exercise   bool      // made for a drill

	// Otherwise is the reporter where nothing above says who sent it. The format then speaks only for a source that has
	// it on this channel by name: whoever sends a mail chooses its format.
	Otherwise string

	Authenticity report.Authenticity // what the channel found out about who sent it
	Signer       string              // see report.Report
	Identity     [32]byte            // see report.Report
}

// Receipt is what the sender is told.
type Receipt struct {
	Report    report.Report
	Duplicate bool // the bytes were here before, and Report is the one that they came with
}

// Door is what every channel hands its documents to.
type Door struct {
	sources *Sources
	to      Acceptor
	detect  Detect
	log     *slog.Logger
}

// NewDoor makes the door. detect serves to find the source of a document that nobody named; what it finds is not
// written into the report, which is detected anew when it is worked.
func NewDoor(sources *Sources, to Acceptor, detect Detect, log *slog.Logger) *Door {
	return &Door{sources: sources, to: to, detect: detect, log: log}
}

// Sources returns who sends reports here.
func (d *Door) Sources() *Sources { return d.sources }

// Accept takes one document in. The receipt means that it is durable. r is read from its beginning.
func (d *Door) Accept(ctx context.Context, del Delivery, r io.ReadSeeker) (Receipt, error) {
	if del.ReceivedAt.IsZero() {
		del.ReceivedAt = time.Now()
	}
	from, err := d.origin(del, r)
	if err != nil {
		return Receipt{}, err
	}
	rep, dup, err := d.to.Accept(ctx, report.Report{
		Channel: del.Channel, Reporter: from.Reporter, ReceivedAt: del.ReceivedAt.UTC(), Name: report.CleanName(del.Name),
		Format: del.Format, TLP: from.TLP, Exercise: del.Exercise,
		Authenticity: del.Authenticity, Signer: del.Signer, Identity: del.Identity,
	}, r)
	if err != nil {
		return Receipt{}, err
	}
	d.sources.saw(from, del.ReceivedAt)
	return Receipt{rep, dup}, nil
}

// origin decides who sent a document. It looks into the document only where nothing else says so.
func (d *Door) origin(del Delivery, r io.ReadSeeker) (Origin, error) {
	if del.Reporter != "" {
		return d.sources.Named(del.Reporter), nil
	}
	if from, ok := d.sources.folder(del.Folder); ok {
		return from, nil
	}
	if del.Otherwise != "" && !d.sources.onChannel(del.Channel) {
		return d.sources.Named(del.Otherwise), nil
	}
	format := del.Format
	if format == "" {
		// A document on which detection breaks is accepted like any other: it is the work that quarantines it.
		if err := Guard(d.log, func() error { format = d.detect(del.Name, r); return nil }); err != nil {
			format = ""
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return Origin{}, fmt.Errorf("read the document a second time: %w", err)
		}
	}
	if del.Otherwise != "" {
		return d.sources.ofChannel(del.Channel, format, del.Otherwise), nil
	}
	return d.sources.OfFormat(del.Channel, format), nil
}

// ErrPanic is a fault of ours that a document brought to light.
var ErrPanic = errors.New("this document made its reader fail: the document is kept; please tell the makers of Tocsin, and replay it after an update")

// Guard runs what is done with one document. A panic becomes an error that wraps ErrPanic, so that one document
// cannot take the others down: the caller quarantines it, counts it and goes on. The log gets the stack and not the
// panic's value, which may quote the document.
func Guard(log *slog.Logger, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("a document made its reader fail", "kind", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = ErrPanic
		}
	}()
	return do()
}
