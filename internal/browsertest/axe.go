package browsertest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
)

// violation is what axe-core says about one rule that the page breaks.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		Target         []any // a selector, or a list of them for what is in a frame or shadow tree
		HTML           string
		FailureSummary string
	}
}

// Axe runs axe-core on the page as it is now, fails the test for each rule that it breaks, and returns the same text:
// for each rule its name, what it asks for, and each place with what is wrong there.
func (p *Page) Axe(t testing.TB) string {
	t.Helper()
	name, err := npmFile("axe-core", "axe.min.js")
	if err != nil {
		missing(t, err)
	}
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const what = "run axe-core"
	var found []violation
	p.until(t, what, func(ctx context.Context) (string, error) {
		there, err := call[bool](ctx, `() => typeof axe !== 'undefined'`)
		if err == nil && !there {
			_, err = evaluate(ctx, string(source)+"\n;0")
		}
		if err != nil {
			return "", err
		}
		found, err = call[[]violation](ctx, `async () => (await axe.run(document, {resultTypes: ['violations']})).violations`)
		return "", err
	})
	var text strings.Builder
	for _, v := range found {
		fmt.Fprintf(&text, "%s (%s): %s\n", v.ID, v.Impact, v.Help)
		for _, n := range v.Nodes {
			fmt.Fprintf(&text, "  %s\n    %s\n    %s\n", strings.Trim(fmt.Sprint(n.Target...), "[]"),
				strings.Join(strings.Fields(n.HTML), " "), strings.ReplaceAll(n.FailureSummary, "\n", "\n    "))
		}
	}
	if text.Len() > 0 {
		t.Errorf("axe-core: %s breaks rules:\n%s", p.Address(t), text.String())
	}
	return text.String()
}
