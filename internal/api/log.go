package api

import (
	"context"
	"encoding/base64"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/evidence"
	"tocsin/internal/formats/letter"
)

// Evidence is the log of what was done. It only grows, and nothing here writes it.
type Evidence interface {
	// Checkpoint is its newest one, and the id of the key that signed it.
	Checkpoint() (c evidence.Checkpoint, key string, err error)
	// Entries yields those in [from, to), which the newest checkpoint covers, in their order.
	Entries(ctx context.Context, from, to uint64) iter.Seq2[[]byte, error]
	// Prove shows that one entry is in the log, against the checkpoint that the proof names.
	Prove(ctx context.Context, index uint64) (evidence.Proof, error)
}

// LogHead is how far the log has come: what to keep elsewhere.
type LogHead struct {
	Origin     string    `access:"head" json:"origin" doc:"the log's name"`
	Size       uint64    `access:"head" json:"size" doc:"how many entries it has"`
	Root       string    `access:"head" json:"root" doc:"hash over all of them, in base64 as in the checkpoint"`
	Key        string    `access:"head" json:"key" doc:"id of the key that signed it"`
	Newest     time.Time `access:"head" json:"newest,omitzero" doc:"when the newest entry was made"`
	Checkpoint string    `access:"head" json:"checkpoint" doc:"the signed text (C2SP tlog-checkpoint): keep it where this node's administrators cannot reach it"`
}

// Record is access.Shown's.
func (LogHead) Record() access.Record { return access.Log }

// LogEntry is one act, as the log has it: structure and hashes, and nothing personal.
type LogEntry struct {
	Index   uint64     `access:"entries" json:"index" doc:"they count from 0"`
	ID      string     `access:"entries" json:"id,omitempty"`
	At      time.Time  `access:"entries" json:"at,omitzero"`
	Kind    string     `access:"entries" json:"kind,omitempty"`
	What    string     `access:"entries" json:"what,omitempty" doc:"what the kind is"`
	By      string     `access:"entries" json:"by,omitempty" doc:"a role, or a random handle"`
	Subject string     `access:"entries" json:"subject,omitempty" doc:"what it is about: an id, a random handle or a hash"`
	Fields  []LogField `access:"entries" json:"fields" doc:"what else it says"`
	Raw     string     `access:"entries" json:"raw" doc:"the entry as it stands in the log, byte for byte"`
	Error   string     `access:"entries" json:"error,omitempty" doc:"why this program cannot read it"`
}

// LogField is one thing that an entry says.
type LogField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Record is access.Shown's.
func (LogEntry) Record() access.Record { return access.Log }

// LogProof shows that an entry is in the log.
type LogProof struct {
	Entry      LogEntry  `json:"entry"`
	Leaf       string    `access:"proof" json:"leaf" doc:"SHA-256 over a zero byte and the entry (RFC 9162 §2.1.1), in base64"`
	Path       []LogStep `access:"proof" json:"path" doc:"from the leaf to the root (RFC 9162 §2.1.3)"`
	Size       uint64    `access:"proof" json:"size" doc:"of the log, as the checkpoint says"`
	Root       string    `access:"proof" json:"root" doc:"where the path has to end, as the checkpoint says"`
	Checkpoint string    `access:"proof" json:"checkpoint"`
}

// LogStep is one step on the way from a leaf to the root.
type LogStep struct {
	Hash string `json:"hash" doc:"the neighbour, in base64"`
	Left bool   `json:"left" doc:"the neighbour stands on the left: SHA-256 over a one byte, it, and what there is so far"`
	Then string `json:"then" doc:"what there is after this step"`
}

// Record is access.Shown's.
func (LogProof) Record() access.Record { return access.Log }

func (a *API) registerLog() {
	op := func(id, path, summary string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Errors: errs}
	}
	see := need{access.See, access.Log}
	add(a, see, op("log-head", "/log", "How far the evidence log has come: its checkpoint, to keep elsewhere"), a.logHead)
	add(a, see, op("list-log-entries", "/log/entries", "What was done, newest first"), a.logEntries, "entries")
	add(a, see, op("show-log-entry", "/log/entries/{index}", "One entry, with the proof that it is in the log", 404), a.logEntry, "entries", "proof")
}

type logHeadOutput struct {
	ETag string `header:"ETag"`
	Body LogHead
}

func (a *API) logHead(ctx context.Context, in *struct {
	IfNoneMatch string `header:"If-None-Match" doc:"the ETag of before: 304 where nothing was added since"`
},
) (*logHeadOutput, error) {
	c, key, err := a.rooms.Evidence.Checkpoint()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &logHeadOutput{Body: LogHead{Origin: c.Origin, Size: c.Size, Root: base64.StdEncoding.EncodeToString(c.Root[:]), Key: key, Checkpoint: string(c.Checkpoint)}}
	out.ETag = strconv.Quote(out.Body.Root)
	if strings.Contains(in.IfNoneMatch, out.ETag) {
		return nil, huma.Status304NotModified()
	}
	if c.Size == 0 {
		return out, nil
	}
	for raw, err := range a.rooms.Evidence.Entries(ctx, c.Size-1, c.Size) {
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		if e, err := evidence.DecodeEntry(raw); err == nil {
			out.Body.Newest = e.At
		}
	}
	return out, nil
}

type logEntriesInput struct {
	Kind  string `query:"kind" doc:"only entries of this kind"`
	After string `query:"after" doc:"what next said on the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type logEntriesOutput struct {
	Body struct {
		Items []LogEntry `json:"items"`
		Next  string     `json:"next,omitempty" doc:"give this as after to see what is older; missing on the last page. Where a kind is rare, a page may be short, or empty, and have a next all the same"`
	}
}

// maxLooked is how many entries are looked through for one page: of a rare kind there may be few among millions.
const maxLooked = 20_000

// logBatch is how many entries are read at once, backward.
const logBatch = 256

func (a *API) logEntries(ctx context.Context, in *logEntriesInput) (*logEntriesOutput, error) {
	if in.Kind != "" && evidence.Kind(in.Kind).What() == "" {
		return nil, huma.Error422UnprocessableEntity("there is no such kind", &huma.ErrorDetail{Location: "query.kind", Message: "one of those that docs/log.md lists"})
	}
	c, _, err := a.rooms.Evidence.Checkpoint()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	end := c.Size
	if in.After != "" {
		at, err := strconv.ParseUint(in.After, 10, 62)
		if err != nil {
			return nil, huma.Error422UnprocessableEntity("begin anew: after is what next said on the page before", &huma.ErrorDetail{Location: "query.after", Message: "this is no cursor"})
		}
		end = min(at, c.Size)
	}
	out := &logEntriesOutput{}
	out.Body.Items = []LogEntry{}
	stop := end - min(end, maxLooked)
	for end > stop && len(out.Body.Items) < in.Limit {
		from := max(stop, end-min(end, logBatch))
		batch, err := a.readEntries(ctx, from, end)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		for i, e := range slices.Backward(batch) {
			if in.Kind == "" || e.Kind == in.Kind {
				out.Body.Items = append(out.Body.Items, e)
			}
			if end = from + uint64(i); len(out.Body.Items) == in.Limit {
				break
			}
		}
	}
	if end > 0 {
		out.Body.Next = strconv.FormatUint(end, 10)
	}
	return out, nil
}

func (a *API) readEntries(ctx context.Context, from, to uint64) ([]LogEntry, error) {
	all := make([]LogEntry, 0, to-from)
	for raw, err := range a.rooms.Evidence.Entries(ctx, from, to) {
		if err != nil {
			return nil, err
		}
		all = append(all, logEntryOf(from+uint64(len(all)), raw))
	}
	return all, nil
}

func logEntryOf(index uint64, raw []byte) LogEntry {
	e, err := evidence.DecodeEntry(raw)
	if err != nil { // a newer program's, perhaps
		return LogEntry{Index: index, Fields: []LogField{}, Raw: string(raw), Error: letter.Display(err.Error())}
	}
	out := LogEntry{
		Index: index, ID: e.ID.String(), At: e.At, Kind: string(e.Kind), What: e.Kind.What(), By: e.By, Subject: e.Subject,
		Fields: make([]LogField, len(e.Fields)), Raw: string(raw),
	}
	for i, f := range e.Fields {
		out.Fields[i] = LogField(f)
	}
	return out
}

// LogIndex is an entry's place in the path. It is exported because huma looks into exported fields only.
type LogIndex struct {
	Index string `path:"index" doc:"of the entry: they count from 0"`
}

type logProofOutput struct{ Body LogProof }

func (a *API) logEntry(ctx context.Context, in *LogIndex) (*logProofOutput, error) {
	none := huma.Error404NotFound("the log has no such entry: they count from 0, and the head says how many there are")
	index, err := strconv.ParseUint(in.Index, 10, 62)
	if err != nil {
		return nil, none
	}
	c, _, err := a.rooms.Evidence.Checkpoint()
	switch {
	case err != nil:
		return nil, a.problem(ctx, err)
	case index >= c.Size:
		return nil, none
	}
	proof, err := a.rooms.Evidence.Prove(ctx, index)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	for raw, err := range a.rooms.Evidence.Entries(ctx, index, index+1) {
		if err == nil {
			err = proof.Check(raw)
		}
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return &logProofOutput{proofOf(&proof, raw)}, nil
	}
	return nil, none
}

func proofOf(p *evidence.Proof, raw []byte) LogProof {
	text := func(h evidence.Root) string { return base64.StdEncoding.EncodeToString(h[:]) }
	steps, leaf := p.Steps(raw)
	out := LogProof{
		Entry: logEntryOf(p.Index, raw), Leaf: text(leaf), Path: make([]LogStep, len(steps)), Size: p.Head.Size, Root: text(p.Head.Root),
		Checkpoint: string(p.Head.Checkpoint),
	}
	for i, s := range steps {
		out.Path[i] = LogStep{text(s.Hash), s.Left, text(s.Then)}
	}
	return out
}
