package desk

import (
	"strconv"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// UnpackVerdicts is unpackVerdicts.
var UnpackVerdicts = unpackVerdicts

// NewBuild returns what makes a chunk of events that belong to many.
func NewBuild(cfg *incident.Config) func(events []report.Event) error {
	b := newBuilder(cfg)
	var parties [100]report.Party
	for i := range parties {
		parties[i] = report.Party("as:" + strconv.Itoa(64496+i))
	}
	return func(events []report.Event) error {
		defer b.reset()
		for i := range events {
			e := &events[i]
			b.row(e.Row)
			off := len(b.arena)
			b.arena = append(e.AppendJSON(b.arena), '\n')
			b.add(e, off, end{party: parties[i/3%len(parties)]}, 1)
		}
		return b.finish(&Chunk{}, 1)
	}
}
