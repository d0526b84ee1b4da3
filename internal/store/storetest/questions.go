package storetest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line/inquiry"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

func question(who, about string, at time.Time) *inquiry.Kept {
	return &inquiry.Kept{
		ID: report.NewID(at), Kind: inquiry.Which, Who: who, Reason: "a mail of today", At: at, Text: about, Salt: [32]byte{1}, Document: "mail",
	}
}

// questions holds that no more than a day's budget is counted, whoever asks at once, and that what is above it takes a
// second person.
func questions(t *testing.T, db *store.DB) {
	ask := func(q *inquiry.Kept, want inquiry.State, fresh bool) inquiry.Kept {
		t.Helper()
		got, made, err := db.AskQuestion(t.Context(), q, 5)
		if err != nil || got.State != want || made != fresh {
			t.Fatalf("%s, fresh %v, %v: want %s, %v", got.State, made, err, want, fresh)
		}
		return got
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var states []inquiry.State
	for i := range 12 {
		wg.Go(func() {
			got, _, err := db.AskQuestion(t.Context(), question("ann", string(rune('a'+i)), Start), 5)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			states = append(states, got.State)
		})
	}
	wg.Wait()
	slices.Sort(states)
	if states[4] != inquiry.Counted || states[5] != inquiry.Waiting {
		t.Fatalf("of 12 at once: %v", states)
	}
	purge := question("ann", "fixed", Start)
	purge.Kind = inquiry.Purge
	if err := db.NoteAct(t.Context(), purge); err != nil {
		t.Fatal(err)
	}
	later := Start.Add(time.Hour)
	first := ask(question("ben", "x", later), inquiry.Waiting, true)
	if again := ask(question("ben", "x", later.Add(time.Minute)), inquiry.Waiting, false); again.ID != first.ID {
		t.Error("the same question waits twice")
	}
	all, err := db.Questions(t.Context())
	if err != nil || len(all) != 8 || !gocmp.Equal(all[7], first) {
		t.Fatalf("%d wait, the last %+v, %v: want %+v", len(all), all[len(all)-1], err, first)
	}
	decide := func(id report.ID, who string, yes bool, want error) {
		t.Helper()
		if _, err := db.DecideQuestion(t.Context(), id, who, yes, later); !errors.Is(err, want) {
			t.Fatalf("%v: want %v", err, want)
		}
	}
	decide(report.NewID(Start), "cat", true, inquiry.ErrNoQuestion)
	decide(first.ID, "ben", true, inquiry.ErrSelf)
	decide(first.ID, "cat (ben)", true, inquiry.ErrSelf)
	decide(first.ID, "cat", true, nil)
	decide(first.ID, "cat", true, inquiry.ErrDecided)
	ask(question("ann", "x", later), inquiry.Waiting, true) // somebody else's approval is not hers
	done := ask(question("ben", "x", later), inquiry.Answered, false)
	if done.By != "cat" || !done.Decided.Equal(later) || done.Salt != first.Salt || done.ID != first.ID {
		t.Errorf("approved: %+v", done)
	}
	refused := ask(question("ben", "x", later), inquiry.Waiting, true) // once approved is once answered
	decide(refused.ID, "cat", false, nil)
	waits := ask(question("ben", "x", later), inquiry.Waiting, true)
	decide(waits.ID, "cat", true, nil)
	ask(question("ben", "x", later.AddDate(0, 0, 1)), inquiry.Counted, true) // a new day has its own budget
	if _, fresh, err := db.AskQuestion(t.Context(), question("ben", "y", later), 0); err != nil || !fresh {
		t.Error("a budget of nothing", fresh, err)
	}
	asked(t, db)
	n, err := db.DeleteQuestions(t.Context(), later.Add(time.Second), later)
	if err != nil || n != 18 {
		t.Errorf("deleted %d, %v", n, err)
	}
	if all, err := db.Questions(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d wait after their end date, %v", len(all), err)
	}
}

// asked holds that all questions are listed, newest first, whatever the size of the pages, and by day.
func asked(t *testing.T, db *store.DB) {
	t.Helper()
	list := func(r inquiry.Range) []inquiry.Kept {
		t.Helper()
		all, err := db.AskedQuestions(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	whole := list(inquiry.Range{Limit: 1000})
	if len(whole) != 19 || whole[0].State != inquiry.Counted || whole[0].At.Before(whole[1].At) { // that of the next day
		t.Fatalf("%d were asked, the newest %+v", len(whole), whole[0])
	}
	states := map[inquiry.State]int{}
	for _, k := range whole {
		states[k.State]++
	}
	if states[inquiry.Noted] != 1 || states[inquiry.Refused] != 1 || states[inquiry.Answered] != 1 || states[inquiry.Approved] != 1 || states[inquiry.Counted] != 6 {
		t.Errorf("%v", states)
	}
	var paged []inquiry.Kept
	for r := (inquiry.Range{Limit: 2}); ; {
		some := list(r)
		if len(some) == 0 {
			break
		}
		paged = append(paged, some...)
		last := some[len(some)-1]
		r.Before, r.BeforeID = last.At, last.ID
	}
	if diff := gocmp.Diff(whole, paged); diff != "" {
		t.Errorf("in pages of two (-whole +paged):\n%s", diff)
	}
	day := Start.Truncate(24 * time.Hour)
	if of, next, none := list(inquiry.Range{Day: day, Limit: 1000}), list(inquiry.Range{Day: day.AddDate(0, 0, 1), Limit: 1000}),
		list(inquiry.Range{Day: day.AddDate(0, 0, 2), Limit: 1000}); len(of) != 18 || len(next) != 1 || len(none) != 0 {
		t.Errorf("by day: %d, %d, %d", len(of), len(next), len(none))
	}
}
