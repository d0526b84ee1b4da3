package app

import (
	"context"

	"tocsin/internal/desk"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// AnswerOf is what whoever sent a report is told of it, from the database alone, so that it can be asked for beside a
// running node.
func AnswerOf(ctx context.Context, db *store.DB, row *store.Row) (desk.Answer, error) {
	a := desk.Answer{
		Report: row.ID, Name: row.Name, ReceivedAt: row.ReceivedAt, State: row.State, Events: row.Events, Repeats: row.Repeats, Refused: row.Refused,
		Lacking: []desk.Lack{}, Wrong: []desk.Lack{},
	}
	for u, err := range db.EachUnattributed(ctx, row.ID) {
		if err != nil {
			return a, err
		}
		a.Add(&u)
	}
	for r, err := range db.EachRefusal(ctx, row.ID, row.Generation) {
		if err != nil {
			return a, err
		}
		if !r.Letter {
			a.AddRefusal(&r)
		}
	}
	a.Sort()
	return a, nil
}

// answers tells senders what became of their reports.
type answers struct{ app *App }

// Answer is http.Answers'.
func (s answers) Answer(ctx context.Context, id report.ID, reporter string) (desk.Answer, error) {
	row, err := s.app.store.Report(ctx, id)
	if err != nil {
		return desk.Answer{}, err
	}
	if row.Reporter != reporter { // there is none for them
		return desk.Answer{}, desk.ErrNoReport
	}
	return AnswerOf(ctx, s.app.store, &row)
}
