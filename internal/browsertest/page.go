package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Page is a tab. Its methods wait until the page lets them do what they are told, and end the test when it does not in
// time. A selector is CSS, or "text=" and all that a link, button, tab, label or summary says.
type Page struct {
	b        *Browser
	ctx      context.Context //nolint:containedctx // chromedp keeps the tab in it
	problems *problems
}

// Page opens an address in a tab that shares its cookies with the browser's others. It is closed when t ends; what is
// wrong with the page by then fails t.
func (b *Browser) Page(t testing.TB, address string) *Page {
	t.Helper()
	return b.page(t, address)
}

// Isolated opens an address in a tab with cookies and storage of its own, as in another person's browser.
func (b *Browser) Isolated(t testing.TB, address string) *Page {
	t.Helper()
	return b.page(t, address, chromedp.WithNewBrowserContext())
}

func (b *Browser) page(t testing.TB, address string, options ...chromedp.ContextOption) *Page {
	t.Helper()
	p := &Page{b: b, problems: &problems{}}
	ctx, cancel := chromedp.NewContext(b.ctx, append(options, chromedp.WithListener(p.problems.listen))...)
	p.ctx = ctx
	late := time.AfterFunc(patience, cancel)
	err := chromedp.Do(ctx)
	if !late.Stop() {
		err = errors.Join(errPatience, err)
	}
	if err != nil {
		cancel()
		t.Fatalf("open a tab: %v", err)
	}
	t.Cleanup(func() {
		// What the browser has said before it answers this is counted.
		ctx, stop := p.limit()
		_, _ = chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: "0"})
		stop()
		cancel()
		p.problems.report(t)
	})
	p.Emulate(t, Light, Desktop)
	p.Visit(t, address)
	return p
}

// Expect says that the page will cause a problem with these words in it, such as "status of 403": it does not fail the
// test, and its absence does.
func (p *Page) Expect(part string) { p.problems.expect(part) }

// limit is a context for one step.
func (p *Page) limit() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(p.ctx, patience, errPatience)
}

// do does what chromedp does in one step.
func (p *Page) do(t testing.TB, what string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := p.limit()
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.fatal(t, what, err)
	}
}

// command sends the browser a command for this page.
func command[P, R any](t testing.TB, p *Page, what string, c cdp.Command[P, R], params P) R {
	t.Helper()
	ctx, cancel := p.limit()
	defer cancel()
	res, err := chromedp.Call(ctx, c, params)
	if err != nil {
		p.fatal(t, what, err)
	}
	return res
}

// call runs a function in the page: in a world apart, which sees the page's elements, not its variables, and which the
// page's Content-Security-Policy does not rule.
func call[T any](ctx context.Context, function string, args ...any) (T, error) {
	var result T
	words := make([]string, 0, len(args))
	for _, a := range args {
		word, err := json.Marshal(a)
		if err != nil {
			return result, err
		}
		words = append(words, string(word))
	}
	value, err := evaluate(ctx, "("+function+")("+strings.Join(words, ", ")+")")
	if err != nil || len(value) == 0 {
		return result, err
	}
	return result, json.Unmarshal(value, &result)
}

func evaluate(ctx context.Context, expression string) ([]byte, error) {
	main := cdp.FrameID(chromedp.FromContext(ctx).Target.TargetID) // the two are the same for a tab
	world, err := chromedp.Call(ctx, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{
		FrameID: main, WorldName: "browsertest",
	})
	if err != nil {
		return nil, err
	}
	yes := true
	res, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: expression, ContextID: world.ExecutionContextID, ReturnByValue: &yes, AwaitPromise: &yes,
	})
	if err != nil {
		return nil, err
	}
	if res.ExceptionDetails != nil {
		return nil, errors.New(exception(res.ExceptionDetails))
	}
	return res.Result.Value, nil
}

// until asks again and again until try says "". An error of try's may be a page that is being left: it is asked again.
func (p *Page) until(t testing.TB, what string, try func(context.Context) (string, error)) {
	t.Helper()
	ctx, cancel := p.limit()
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		why, err := try(ctx)
		switch {
		case err == nil && why == "":
			return
		case err == nil:
			last = errors.New(why)
		case ctx.Err() == nil:
			last = err
		}
		select {
		case <-ctx.Done():
			p.fatal(t, what, errors.Join(last, context.Cause(ctx)))
		case <-tick.C:
		}
	}
}

// fatal ends the test and says what the page shows.
func (p *Page) fatal(t testing.TB, what string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	const most = 3000
	shown, showErr := call[string](ctx, `() => location.href + '\n' + (document.body ? document.body.innerText : '')`)
	if showErr != nil {
		shown = showErr.Error()
	}
	if len(shown) > most {
		shown = strings.ToValidUTF8(shown[:most], "") + " ..."
	}
	p.b.mu.Lock()
	said := strings.Join(p.b.said, "\n")
	p.b.mu.Unlock()
	t.Fatalf("%s: %v\nthe page: %s\n%s", what, err, shown, said)
}

// Visit goes to an address in the same tab and waits until it is loaded.
func (p *Page) Visit(t testing.TB, address string) {
	t.Helper()
	p.do(t, "visit "+address, chromedp.Navigate(address))
}

// Address is where the page is.
func (p *Page) Address(t testing.TB) string {
	t.Helper()
	return ask[string](t, p, "ask for the address", `() => location.href`)
}

// Status is the HTTP status that the page came with.
func (p *Page) Status(t testing.TB) int {
	t.Helper()
	return ask[int](t, p, "ask for the status", `() => performance.getEntriesByType('navigation')[0].responseStatus`)
}

func ask[T any](t testing.TB, p *Page, what, function string, args ...any) T {
	t.Helper()
	var result T
	p.until(t, what, func(ctx context.Context) (string, error) {
		var err error
		result, err = call[T](ctx, function, args...)
		return "", err
	})
	return result
}

// Eval runs a JavaScript expression in the page's own world, where its variables are, waits for it if it is a promise,
// and returns its value as JSON.
func (p *Page) Eval(t testing.TB, expression string) string {
	t.Helper()
	yes := true
	res := command(t, p, "run "+expression, runtime.Evaluate, runtime.EvaluateParams{
		Expression: expression, ReturnByValue: &yes, AwaitPromise: &yes, UserGesture: &yes,
	})
	if res.ExceptionDetails != nil {
		p.fatal(t, "run "+expression, errors.New(exception(res.ExceptionDetails)))
	}
	return string(res.Result.Value)
}

// loader names the document that is shown: the next one has another.
func (p *Page) loader(ctx context.Context) (cdp.LoaderID, error) {
	tree, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return "", err
	}
	return tree.FrameTree.Frame.LoaderID, nil
}

// Follow clicks what leads to another page, a link or the button of a form, and waits until that is loaded.
func (p *Page) Follow(t testing.TB, selector string) {
	t.Helper()
	ctx, cancel := p.limit()
	before, err := p.loader(ctx)
	cancel()
	if err != nil {
		p.fatal(t, "follow "+selector, err)
	}
	p.Click(t, selector)
	p.until(t, "follow "+selector, func(ctx context.Context) (string, error) {
		now, err := p.loader(ctx)
		if err != nil {
			return "", err
		}
		if now == before {
			return "there is no other page yet", nil
		}
		state, err := call[string](ctx, `() => document.readyState`)
		if err != nil {
			return "", err
		}
		if state != "complete" {
			return fmt.Sprintf("the other page is %s", state), nil
		}
		return "", nil
	})
}
