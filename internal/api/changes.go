package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

// Changed is the list of what changed.
type Changed interface {
	// Changes returns up to limit of the changes behind the one with a number, oldest first.
	Changes(ctx context.Context, after int64, limit int) ([]report.Change, error)
	// LastChange and FirstChange are the numbers of the last and of the oldest that is kept; 0 where there is none.
	LastChange(ctx context.Context) (int64, error)
	FirstChange(ctx context.Context) (int64, error)
}

// How changes are looked for and handed on.
const (
	changesEvery  = time.Second
	changesAtOnce = 200
	heartbeat     = 15 * time.Second // keeps proxies from ending a stream in which nothing happens
	maxStreams    = 200
)

// topics says which record a topic is of: who may not see that does not learn that it changed.
func topics() map[report.Topic]access.Record {
	return map[report.Topic]access.Record{
		report.TopicIncidents: access.Incident, report.TopicReports: access.Report, report.TopicWaiting: access.Letter,
		report.TopicQuestions: access.Question,
	}
}

// streams are those that are open.
type streams struct {
	mu    sync.Mutex // guards open
	open  int
	ended chan struct{} // closed when the node stops
	once  sync.Once
}

func (s *streams) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxStreams {
		return false
	}
	s.open++
	return true
}

func (s *streams) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

// EndStreams ends the streams of changes: they would keep a server from stopping.
func (a *API) EndStreams() { a.streams.once.Do(func() { close(a.streams.ended) }) }

func (a *API) registerChanges() {
	add(a, need{access.See, access.Changes}, huma.Operation{
		OperationID: "stream-changes", Method: http.MethodGet, Path: "/changes",
		Summary:     "What changes, as server-sent events",
		Description: "Each event has a topic (incidents, reports, waiting, questions), how many things changed and up to 100 of their ids. Last-Event-ID goes on behind an event; the event reset says that some were missed: look at everything anew.",
		Errors:      []int{http.StatusServiceUnavailable, http.StatusUnprocessableEntity},
	}, a.changes)
}

// ChangeEvent is the data of an event.
type ChangeEvent struct {
	N   int64    `json:"n"`
	IDs []string `json:"ids,omitempty"`
}

func (a *API) changes(ctx context.Context, in *struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"id of the last event that was seen"`
},
) (*huma.StreamResponse, error) {
	last, err := a.rooms.Changed.LastChange(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	after, missed := last, false
	if in.LastEventID != "" {
		if after, err = strconv.ParseInt(in.LastEventID, 10, 64); err != nil || after < 0 {
			return nil, a.problem(ctx, &report.FieldError{Field: "Last-Event-ID", Rule: "give the id of an event, or leave it out"})
		}
		first, err := a.rooms.Changed.FirstChange(ctx)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		if missed = after > last || after < first-1; missed { // of another database, or too long ago
			after = last
		}
	}
	if !a.streams.enter() {
		return nil, huma.Error503ServiceUnavailable("too many look on already: close a page, or ask again later")
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer a.streams.leave()
		hc.SetHeader("Content-Type", "text/event-stream")
		hc.SetHeader("Cache-Control", "no-store")
		hc.SetHeader("X-Accel-Buffering", "no") // a proxy in between hands on at once
		hc.SetStatus(http.StatusOK)
		a.tellChanges(hc, after, missed) //nolint:contextcheck // hc has it
	}}, nil
}

// tellChanges writes changes until the client goes or the node stops.
func (a *API) tellChanges(hc huma.Context, after int64, missed bool) {
	w, flush := hc.BodyWriter(), func() error { return nil }
	if rw, ok := w.(http.ResponseWriter); ok {
		flush = http.NewResponseController(rw).Flush
	}
	c := access.From(hc.Context())
	say := func(format string, args ...any) bool {
		_, err := fmt.Fprintf(w, format, args...)
		return err == nil
	}
	began := "begun"
	if missed {
		began = "reset"
	}
	if !say("retry: 3000\nid: %d\nevent: %s\ndata: {}\n\n", after, began) || flush() != nil {
		return
	}
	tick, quiet := time.NewTicker(changesEvery), time.Now()
	defer tick.Stop()
	for {
		select {
		case <-hc.Context().Done():
			return
		case <-a.streams.ended:
			return
		case <-tick.C:
		}
		all, err := a.rooms.Changed.Changes(hc.Context(), after, changesAtOnce)
		if err != nil {
			return // the client asks again, and is told what is wrong
		}
		told := false
		for _, one := range all {
			after = one.Seq
			text, ok := changeFor(&c, &one)
			if !ok {
				continue
			}
			if told = true; !say("%s", text) {
				return
			}
		}
		if !told && time.Since(quiet) > heartbeat {
			if told = true; !say(": nothing new\n\n") {
				return
			}
		}
		if told {
			if quiet = time.Now(); flush() != nil {
				return
			}
		}
	}
}

// changeFor writes an event for a caller; ok is false where it is of what they may not see.
func changeFor(c *access.Caller, one *report.Change) (text string, ok bool) {
	record, ok := topics()[one.Topic]
	if !ok || !c.May(access.See, record) {
		return "", false
	}
	e := ChangeEvent{N: one.Count}
	for _, id := range one.IDs {
		e.IDs = append(e.IDs, id.String())
	}
	data, err := json.Marshal(e)
	if err != nil {
		return "", false
	}
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", one.Seq, one.Topic, data), true
}
