package browsertest

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// problems are what the browser says about a page that no page of ours may cause.
type problems struct {
	mu       sync.Mutex // guards what follows; the browser's events come on a goroutine of their own
	found    []string
	expected []string
}

// listen is called with each event of a page.
func (p *problems) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			p.add("the console: " + arguments(e.Args))
		}
	case *runtime.EventExceptionThrown:
		p.add("the console: " + exception(e.ExceptionDetails))
	case *log.EventEntryAdded:
		// Refusals of the Content-Security-Policy and requests that failed are among them.
		if e.Entry.Level == log.EntryLevelError {
			p.add(strings.TrimSpace("the console: " + e.Entry.Text + " " + e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		p.request(e.Request.URL)
	case *network.EventWebSocketCreated:
		p.request(e.URL)
	}
}

func (p *problems) request(address string) {
	if !stays(address) {
		p.add("a request to another host: " + address)
	}
}

func (p *problems) add(problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.found, problem) {
		p.found = append(p.found, problem)
	}
}

func (p *problems) expect(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, part)
}

// report fails the test for what was found and not expected, and for what was expected and not found.
func (p *problems) report(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.found {
		if !slices.ContainsFunc(p.expected, func(part string) bool { return strings.Contains(problem, part) }) {
			t.Errorf("%s", problem)
		}
	}
	for _, part := range p.expected {
		if !slices.ContainsFunc(p.found, func(problem string) bool { return strings.Contains(problem, part) }) {
			t.Errorf("the page was expected to cause %q and did not", part)
		}
	}
}

// stays says whether a request for an address stays on this machine.
func stays(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default: // data, blob, about and the browser's own: nobody is asked
		return true
	}
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 §6.3
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func arguments(args []*runtime.RemoteObject) string {
	words := make([]string, 0, len(args))
	for _, a := range args {
		if a.Description != "" {
			words = append(words, a.Description)
		} else {
			words = append(words, strings.Trim(string(a.Value), `"`))
		}
	}
	return strings.Join(words, " ")
}

func exception(d *runtime.ExceptionDetails) string {
	text := d.Text
	if d.Exception != nil && d.Exception.Description != "" {
		text = d.Exception.Description
	}
	if d.URL == "" {
		return text
	}
	return fmt.Sprintf("%s (%s:%d)", text, d.URL, d.LineNumber+1)
}
