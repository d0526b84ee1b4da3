package app

import (
	"context"
	"encoding/hex"
	"fmt"

	"tocsin/internal/evidence"
	"tocsin/internal/keys"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/report"
)

// openEvidence opens the evidence log.
func (a *App) openEvidence(ctx context.Context) error {
	ring, err := keys.Open(a.data.Sub("keys"))
	if err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	all := ring.All(keys.Log)
	opts := evidence.Options{Logger: a.log, Origin: "tocsin/log/" + all[len(all)-1].ID}
	for _, k := range all {
		opts.Keys = append(opts.Keys, k.PublicKey())
	}
	if opts.Signer, err = all[0].Signer(); err != nil {
		return err
	}
	a.evidence, err = evidence.Open(ctx, a.data.Sub("log"), opts)
	return err
}

// acts writes what people do into the evidence log.
type acts struct{ app *App }

// Record is inquiry.Log's.
func (l acts) Record(ctx context.Context, a *inquiry.Act) error {
	e := entryOf(a)
	b, err := e.Encode()
	if err != nil {
		return err
	}
	_, err = l.app.evidence.Append(ctx, [][]byte{b})
	return err
}

// entryOf is an act as the log has it. Who it was stands in it as a commitment, like all that could be guessed.
func entryOf(a *inquiry.Act) evidence.Entry {
	e := evidence.Entry{ID: report.NewID(a.At), At: a.At, Kind: evidence.Kind(a.Kind), By: "desk", Subject: a.Question.String()}
	add := func(name, value string) {
		if value != "" {
			e.Fields = append(e.Fields, evidence.Field{Name: name, Value: value})
		}
	}
	add("who", hex.EncodeToString(a.Who[:]))
	add("about", hex.EncodeToString(a.About[:]))
	add("reason", hex.EncodeToString(a.Reason[:]))
	add("answer", string(a.Answer))
	add("note", a.Note)
	return e
}
