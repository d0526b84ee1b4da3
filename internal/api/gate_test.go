package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
)

// operationsOf are all that the API has, by its own description.
func operationsOf(t *testing.T, a *API) []*huma.Operation {
	t.Helper()
	var all []*huma.Operation
	for _, p := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{p.Get, p.Post, p.Put, p.Patch, p.Delete} {
			if op != nil {
				all = append(all, op)
			}
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d operations", len(all))
	}
	return all
}

func gated(t *testing.T) (*API, http.Handler) {
	t.Helper()
	a := &API{log: slog.New(slog.DiscardHandler), now: time.Now}
	h, err := a.handler("test")
	if err != nil {
		t.Fatal(err)
	}
	return a, h
}

var inPath = regexp.MustCompile(`\{[a-z]+\}`)

// status is what a request is answered; 0 that it came through to what is behind the API, of which there is nothing here.
func status(h http.Handler, c access.Caller, op *huma.Operation) (code int) {
	defer func() { _ = recover() }()
	body := `{"addr":"203.0.113.7","line":"x","reason":"x","sender":"ann@example.net","events":[{"from":"2026-03-01T02:10:00Z","subject":{}}],` +
		`"incident":"x","request":"R","from":"2026-03-01T02:10:00Z","to":"2026-03-01T02:20:00Z","until":"2026-03-01T02:10:00Z"}`
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(access.With(context.Background(), c), op.Method, inPath.ReplaceAllString(op.Path, "00000000-0000-7000-8000-000000000000"), strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(w, r)
	return w.Code
}

// TestGate: for every operation and every role, the door is open exactly where the table says so, and nobody at all comes
// in without a role.
func TestGate(t *testing.T) {
	a, h := gated(t)
	for _, op := range operationsOf(t, a) {
		record, action, ok := strings.Cut(op.Extensions["x-access"].(string), ":")
		if !ok || len(access.FieldsOf(access.Record(record))) == 0 || !slices.Contains(access.Actions(), access.Action(action)) {
			t.Errorf("%s needs %v, which is nothing of the table", op.OperationID, op.Extensions["x-access"])
		}
		for _, role := range slices.Concat(access.Roles(), []access.Role{""}) {
			c := access.Caller{Name: "n", Roles: []access.Role{role}, Via: access.BySession}
			want := c.May(access.Action(action), access.Record(record))
			if fields, ok := op.Extensions["x-access-fields"].([]access.Field); ok {
				want = slices.ContainsFunc(c.Fields(access.Action(action), access.Record(record)), func(f access.Field) bool { return slices.Contains(fields, f) })
			}
			if got := status(h, c, op); (got != http.StatusForbidden) != want {
				t.Errorf("%s, as %q: %d, and the table says %v", op.OperationID, role, got, want)
			}
		}
		if got := status(h, access.Caller{}, op); got != http.StatusUnauthorized {
			t.Errorf("%s lets in whoever says nothing: %d", op.OperationID, got)
		}
	}
}

// envelope are names of what is no field of a record: how many there are and how to go on, and what a request did.
var envelope = []string{"Next", "Partial", "Done", "Tried", "Total", "Handed", "Gone", "Items", "Again", "Apart", "ID", "State", "Events", "Repeats", "Sender", "Blocked", "Sent", "Reports", "Waiting", "Aside", "Source", "Before", "Sessions", "Body", "ETag"}

// TestEveryFieldIsJudged: whatever an operation answers with is a view whose fields the table knows, or an envelope.
func TestEveryFieldIsJudged(t *testing.T) {
	a, _ := gated(t)
	if len(a.answersWith) < 15 {
		t.Fatalf("only %d operations answer with anything", len(a.answersWith))
	}
	seen := map[reflect.Type]bool{}
	for _, typ := range a.answersWith {
		judged(t, typ, seen)
	}
}

func judged(t *testing.T, typ reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || seen[typ] {
		return
	}
	seen[typ] = true
	var fields []access.Field
	is := access.Judged(typ)
	if is {
		fields = access.FieldsOf(reflect.Zero(typ).Interface().(access.Shown).Record())
	}
	for f := range typ.Fields() {
		switch tag := access.Field(f.Tag.Get("access")); {
		case f.Anonymous, access.Judged(f.Type):
			judged(t, f.Type, seen)
		case !f.IsExported():
		case is && !slices.Contains(fields, tag):
			t.Errorf("%s.%s has the tag %q: nobody will ever see it", typ, f.Name, tag)
		case !is && !slices.Contains(envelope, f.Name):
			t.Errorf("%s.%s is in no view, so everybody sees it", typ, f.Name)
		case !is:
			judged(t, f.Type, seen)
		}
	}
}
