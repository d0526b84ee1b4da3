package browsertest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// find is the first visible element of a selector, and why there is none.
const find = `
const said = (e) => (e.innerText || e.value || e.getAttribute('aria-label') || '').trim().replace(/\s+/g, ' ');
const all = (sel) => sel.startsWith('text=')
	? [...document.querySelectorAll('a, button, summary, label, [role=button], [role=tab], input[type=submit]')]
		.filter((e) => said(e) === sel.slice(5))
	: [...document.querySelectorAll(sel)];
const visible = (e) => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length > 0;
const find = (sel) => {
	const found = all(sel), element = found.find(visible);
	return element ? {element} : {why: found.length ? 'it is not visible' : 'it is not there'};
};
`

// target is where an element is, or why it cannot be used yet.
type target struct {
	X, Y      float64
	Why, Kind string
}

// aim scrolls an element into view and finds its middle: a person cannot click what is disabled or covered.
const aim = `(sel) => {` + find + `
	const {element: e, why} = find(sel);
	if (!e) return {why};
	if (e.matches(':disabled')) return {why: 'it is disabled'};
	e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
	const box = e.getClientRects()[0], x = box.x + box.width / 2, y = box.y + box.height / 2;
	const top = document.elementFromPoint(x, y);
	if (!top || !e.contains(top)) return {why: 'it is covered by ' + (top ? top.cloneNode().outerHTML : 'nothing')};
	return {x, y};
}`

// Click clicks the middle of an element with the mouse.
func (p *Page) Click(t testing.TB, selector string) {
	t.Helper()
	var at target
	p.until(t, "click "+selector, func(ctx context.Context) (string, error) {
		var err error
		at, err = call[target](ctx, aim, selector)
		return at.Why, err
	})
	for _, event := range []input.DispatchMouseEventParams{
		{Type: input.DispatchMouseEventTypeMouseMoved},
		{Type: input.DispatchMouseEventTypeMousePressed, Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1},
		{Type: input.DispatchMouseEventTypeMouseReleased, Button: input.MouseButtonLeft, ClickCount: 1},
	} {
		event.X, event.Y = at.X, at.Y
		command(t, p, "click "+selector, input.DispatchMouseEvent, event)
	}
}

// fill focuses a field and selects what is in it, so that what is typed replaces it. What a person does not type into,
// a list or a date, is set.
const fill = `(sel, value) => {` + find + `
	const {element: e, why} = find(sel);
	if (!e) return {why};
	if (e.matches(':disabled, :read-only:not(select)')) return {why: 'it takes no input'};
	e.scrollIntoView({block: 'center', behavior: 'instant'});
	e.focus();
	if (e.matches('select')) {
		const option = [...e.options].find((o) => o.value === value || o.label === value);
		if (!option) return {why: 'it has no such option'};
		e.value = option.value;
	} else if (value !== '' && (e.matches('textarea') || ['text', 'search', 'email', 'password', 'url', 'tel', 'number'].includes(e.type))) {
		e.select();
		return {kind: 'typed'};
	} else if (['checkbox', 'radio', 'file'].includes(e.type)) {
		return {why: 'it is a ' + e.type + ', which is not filled in'};
	} else {
		e.value = value;
	}
	e.dispatchEvent(new Event('input', {bubbles: true}));
	e.dispatchEvent(new Event('change', {bubbles: true}));
	return {kind: 'set'};
}`

// Fill replaces what a field says: it types into a text field, and picks from a list by value or label.
func (p *Page) Fill(t testing.TB, selector, value string) {
	t.Helper()
	var at target
	p.until(t, "fill in "+selector, func(ctx context.Context) (string, error) {
		var err error
		at, err = call[target](ctx, fill, selector, value)
		return at.Why, err
	})
	if at.Kind == "typed" {
		command(t, p, "fill in "+selector, input.InsertText, input.InsertTextParams{Text: value})
	}
}

// Press presses keys, one after the other, where the focus is. The package chromedp/kb has names for those that write
// nothing.
func (p *Page) Press(t testing.TB, keys string) {
	t.Helper()
	p.do(t, fmt.Sprintf("press %q", keys), chromedp.KeyEvent(keys))
}

// Text is what an element says to somebody who looks at it.
func (p *Page) Text(t testing.TB, selector string) string {
	t.Helper()
	var got struct{ Why, Text string }
	p.until(t, "read "+selector, func(ctx context.Context) (string, error) {
		var err error
		got, err = call[struct{ Why, Text string }](ctx, `(sel) => {`+find+`
			const {element: e, why} = find(sel);
			return e ? {text: e.innerText} : {why};
		}`, selector)
		return got.Why, err
	})
	return got.Text
}

// Texts are what all visible elements of a selector say. There may be none: wait for something else first.
func (p *Page) Texts(t testing.TB, selector string) []string {
	t.Helper()
	return ask[[]string](t, p, "read "+selector,
		`(sel) => {`+find+` return all(sel).filter(visible).map((e) => e.innerText); }`, selector)
}

// Has says whether the page shows such an element now, without waiting for it.
func (p *Page) Has(t testing.TB, selector string) bool {
	t.Helper()
	return ask[bool](t, p, "look for "+selector, `(sel) => {`+find+` return all(sel).some(visible); }`, selector)
}

// WaitFor waits until an element is visible.
func (p *Page) WaitFor(t testing.TB, selector string) {
	t.Helper()
	p.until(t, "wait for "+selector, func(ctx context.Context) (string, error) {
		return call[string](ctx, `(sel) => {`+find+` return find(sel).why || ''; }`, selector)
	})
}

// WaitGone waits until no such element is visible.
func (p *Page) WaitGone(t testing.TB, selector string) {
	t.Helper()
	p.until(t, "wait until there is no "+selector, func(ctx context.Context) (string, error) {
		return call[string](ctx, `(sel) => {`+find+` return find(sel).element ? 'it is there' : ''; }`, selector)
	})
}

// WaitForText waits until an element says something with these words in it.
func (p *Page) WaitForText(t testing.TB, selector, part string) {
	t.Helper()
	p.until(t, fmt.Sprintf("wait until %s says %q", selector, part), func(ctx context.Context) (string, error) {
		return call[string](ctx, `(sel, part) => {`+find+`
			const {element: e, why} = find(sel);
			return e ? (e.innerText.includes(part) ? '' : 'it says ' + e.innerText) : why;
		}`, selector, part)
	})
}

// WaitForAddress waits until the page's address has these words in it and its document is loaded.
func (p *Page) WaitForAddress(t testing.TB, part string) {
	t.Helper()
	p.until(t, "wait for the address "+part, func(ctx context.Context) (string, error) {
		at, err := call[[]string](ctx, `() => [location.href, document.readyState]`)
		switch {
		case err != nil:
			return "", err
		case !strings.Contains(at[0], part):
			return "it is at " + at[0], nil
		case at[1] != "complete":
			return "it is " + at[1], nil
		}
		return "", nil
	})
}
