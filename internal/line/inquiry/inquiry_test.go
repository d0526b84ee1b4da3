package inquiry_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/contact"
	"tocsin/internal/line/hold"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/report"
)

// office is the rest of the node: it notes in which order things happen.
type office struct {
	did     []string
	acts    []inquiry.Act
	down    bool // the log
	budget  []inquiry.Kept
	waiting *inquiry.Kept
	holds   []hold.Hold

	noContact bool
}

func (o *office) Which(context.Context, *line.Selector, bool) (report.LineAnswer, error) {
	o.did = append(o.did, "answered")
	return report.LineAnswer{State: report.LineUnique, Handle: "abcdefghijklmnop"}, nil
}

func (o *office) Name(context.Context, string) (string, error) {
	o.did = append(o.did, "named")
	return "ann@isp.example", nil
}

func (o *office) Contact(context.Context, string) (contact.Contact, error) {
	o.did = append(o.did, "reached")
	if o.noContact {
		return contact.Contact{}, contact.ErrUnknown
	}
	return contact.Contact{Name: "Ann", Mail: "ann@example.org"}, nil
}

func (o *office) Hold(_ context.Context, h *hold.Hold) (int, error) {
	o.did = append(o.did, "held")
	o.holds = append(o.holds, *h)
	return 1, nil
}

func (o *office) Lift(context.Context, report.ID) error {
	o.did = append(o.did, "lifted")
	o.holds = nil
	return nil
}

func (o *office) Holds(context.Context) ([]hold.Hold, error) { return o.holds, nil }

func (o *office) Record(_ context.Context, a *inquiry.Act) error {
	if o.down {
		return errors.New("the log is down")
	}
	o.did = append(o.did, "logged "+a.Kind)
	o.acts = append(o.acts, *a)
	return nil
}

func (o *office) AskQuestion(_ context.Context, q *inquiry.Kept, budget int) (inquiry.Kept, bool, error) {
	k := *q
	if len(o.budget) < budget {
		k.State = inquiry.Counted
		o.budget = append(o.budget, k)
		return k, true, nil
	}
	if w := o.waiting; w != nil && w.Who == k.Who && w.Text == k.Text {
		if w.State == inquiry.Approved {
			o.waiting = nil
			w.State = inquiry.Answered
		}
		return *w, false, nil
	}
	k.State = inquiry.Waiting
	o.waiting = &k
	return k, true, nil
}

func (o *office) NoteAct(_ context.Context, k *inquiry.Kept) error {
	o.did = append(o.did, "noted "+string(k.Kind))
	return nil
}

func (o *office) DecideQuestion(_ context.Context, id report.ID, who string, approve bool, _ time.Time) (inquiry.Kept, error) {
	switch {
	case o.waiting == nil || o.waiting.ID != id:
		return inquiry.Kept{}, inquiry.ErrNoQuestion
	case inquiry.Same(o.waiting.Who, who):
		return inquiry.Kept{}, inquiry.ErrSelf
	case approve:
		o.waiting.State = inquiry.Approved
	default:
		o.waiting.State = inquiry.Refused
	}
	return *o.waiting, nil
}

func (o *office) Questions(context.Context) ([]inquiry.Kept, error) { return nil, nil }

func (o *office) AskedQuestions(context.Context, inquiry.Range) ([]inquiry.Kept, error) {
	return nil, nil
}

var noon = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

func desk(budget int) (*inquiry.Desk, *office) {
	o := &office{}
	return &inquiry.Desk{Lines: o, Store: o, Log: o, Cfg: inquiry.Config{Daily: budget, Keep: time.Hour}, Now: func() time.Time { return noon }}, o
}

func which() *inquiry.Question {
	return &inquiry.Question{Who: "ann", Reason: "mail 7", Selector: line.Selector{Addr: netip.MustParseAddr("203.0.113.9"), Port: 40112, At: noon.Add(-time.Hour)}}
}

// TestLoggedFirst: nothing is answered that is not in the log, and what could be guessed has a salt of its own each time.
func TestLoggedFirst(t *testing.T) {
	d, o := desk(10)
	a, err := d.Which(t.Context(), which())
	if err != nil || a.State != report.LineUnique {
		t.Fatal(a, err)
	}
	first := o.acts[0]
	if _, err := d.Which(t.Context(), which()); err != nil {
		t.Fatal(err)
	}
	second := o.acts[1]
	if first.Salt == second.Salt || first.Salt == [32]byte{} {
		t.Error("the same words have the same commitment: they can be guessed")
	}
	if first.Who != "ann" || !strings.Contains(first.About, `"203.0.113.9"`) || first.Reason != "mail 7" {
		t.Errorf("%+v", first)
	}
	if first.Answer != report.LineUnique || first.Kind != "question" || first.Question.IsZero() {
		t.Errorf("%+v", first)
	}
	o.down = true
	if a, err := d.Which(t.Context(), which()); err == nil || a != (report.LineAnswer{}) {
		t.Errorf("answered without the log: %+v", a)
	}
}

// TestBudget: above the budget a second person approves, oversight is told once, and the answer is given once.
func TestBudget(t *testing.T) {
	d, o := desk(1)
	ask := func() error {
		_, err := d.Which(t.Context(), which())
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	var over *inquiry.BudgetError
	for range 2 {
		if err := ask(); !errors.As(err, &over) || !strings.Contains(err.Error(), "tocsin lines approve "+over.ID.String()) {
			t.Fatal(err)
		}
	}
	if _, err := d.Decide(t.Context(), over.ID, "ann", true); !errors.Is(err, inquiry.ErrSelf) {
		t.Fatal(err)
	}
	if _, err := d.Decide(t.Context(), over.ID, "", true); err == nil {
		t.Fatal("nobody approved it")
	}
	if _, err := d.Decide(t.Context(), over.ID, "ben", true); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if err := ask(); !errors.As(err, &over) {
		t.Fatal("answered twice")
	}
	want := []string{"answered", "logged question", "logged oversight", "logged approval", "answered", "logged question", "logged oversight"}
	if !slices.Equal(o.did, want) {
		t.Errorf("%v\nwant %v", o.did, want)
	}
}

// TestReveal: who a line is stands in the log before anybody is asked for it, and needs a reason.
func TestReveal(t *testing.T) {
	d, o := desk(10)
	q := &inquiry.Question{Who: "ann", Handle: "abcdefghijklmnop"}
	var f *report.FieldError
	if _, err := d.Whose(t.Context(), q); !errors.As(err, &f) || f.Field != "reason" {
		t.Fatal(err)
	}
	q.Reason = "the mail of today"
	r, err := d.Whose(t.Context(), q)
	if err != nil || r.Name != "ann@isp.example" || r.Contact == nil || r.Contact.Name != "Ann" {
		t.Fatal(r, err)
	}
	if want := []string{"logged reveal", "named", "reached"}; !slices.Equal(o.did, want) {
		t.Errorf("%v, want %v", o.did, want)
	}
	if a := &o.acts[0]; a.Who != "ann" || a.Reason != q.Reason || a.About != `{"line":"abcdefghijklmnop"}` {
		t.Errorf("the log is told %+v", a)
	}
	o.noContact = true
	if r, err := d.Whose(t.Context(), q); err != nil || r.Contact != nil || r.Missing == "" {
		t.Errorf("%+v, %v", r, err)
	}
	o.down, o.did = true, nil
	if r, err := d.Whose(t.Context(), q); err == nil || r != (inquiry.Revealed{}) || len(o.did) > 0 {
		t.Errorf("shown without the log: %+v", r)
	}
}

// TestWrong: what is wrong with a question is said at once, and nothing is counted.
func TestWrong(t *testing.T) {
	d, o := desk(10)
	for _, q := range []*inquiry.Question{
		{},
		{Who: "ann", Selector: line.Selector{Addr: netip.MustParseAddr("192.0.2.1")}},
		{Who: "ann", Selector: line.Selector{Addr: netip.MustParseAddr("192.0.2.1"), At: noon.Add(time.Hour)}},
		{Who: "ann", Selector: line.Selector{Addr: netip.MustParseAddr("192.0.2.1"), At: noon, Uncertainty: 48 * time.Hour}},
		{Who: strings.Repeat("a", 300), Selector: line.Selector{Addr: netip.MustParseAddr("192.0.2.1"), At: noon}},
	} {
		var f *report.FieldError
		if _, err := d.Which(t.Context(), q); !errors.As(err, &f) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if len(o.did)+len(o.budget) != 0 {
		t.Errorf("something was done: %v", o.did)
	}
}

// TestHold: a hold is in the log before it is made, and before it ends.
func TestHold(t *testing.T) {
	d, o := desk(0)
	h := &hold.Hold{
		Request: "REQ-1", Who: "ann", Addr: netip.MustParseAddr("203.0.113.9"), From: noon.Add(-2 * time.Hour), To: noon.Add(-time.Hour), Until: noon.AddDate(0, 1, 0),
	}
	if _, err := d.Hold(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if err := d.Lift(t.Context(), h.ID, "ben"); err != nil {
		t.Fatal(err)
	}
	if err := d.Lift(t.Context(), h.ID, "ben"); !errors.Is(err, hold.ErrNoHold) {
		t.Error(err)
	}
	if want := []string{"logged hold", "held", "logged hold", "lifted"}; !slices.Equal(o.did, want) {
		t.Errorf("%v, want %v", o.did, want)
	}
	o.down = true
	if _, err := d.Hold(t.Context(), h); err == nil || len(o.did) != 4 {
		t.Error("held without the log")
	}
}

// TestSame: a name that somebody gives at the shell makes no second person.
func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"ann", "ann", true},
		{"ann (root)", "root", true},
		{"ann (root)", "ben (root)", true},
		{"ann (root)", "ann", true},
		{"ann (tocsin)", "ben (root)", false},
		{"ann", "ben", false},
		{"ann", "ben (root)", false},
		{"root", "ben (root)", true},
	} {
		if got := inquiry.Same(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

// TestPurging: who deletes sessions is kept and in the log, and costs no question.
func TestPurging(t *testing.T) {
	d, o := desk(0)
	if err := d.Purging(t.Context(), "", noon, nil); err == nil {
		t.Error("nobody purges")
	}
	if err := d.Purging(t.Context(), "ann", noon, []string{"bras", "cgn"}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"noted purge", "logged deletion"}; !slices.Equal(o.did, want) || o.acts[0].Note != "by-hand-before-2026-03-03" || o.acts[0].About != "bras,cgn" {
		t.Errorf("%v, %+v", o.did, o.acts)
	}
}
