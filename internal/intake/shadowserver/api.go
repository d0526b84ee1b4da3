package shadowserver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin/internal/intake"
	"tocsin/internal/intake/fetch"
	"tocsin/internal/report"
)

const (
	answerBytes = 32 << 20 // of an answer that is no report
	listLimit   = 1000     // reports in one answer, which is what the API itself takes when it is not told
	idle        = 2 * time.Minute
)

// api speaks the reports API: each call is a POST of a JSON object with the key in it, and the HMAC-SHA256 of these very
// bytes in the header HMAC2 ("API Keys" in the API's documentation).
type api struct {
	cfg    intake.Shadowserver
	get    Getter
	key    string
	secret []byte
	pace   time.Duration // between requests

	asked time.Time     // when the last request began
	ahead time.Duration // of our clock
}

// listed is a report as reports/list names it.
type listed struct {
	ID        string `json:"id"`
	Timestamp string `json:"timestamp"` // the day that it is about
	Type      string `json:"type"`
	Report    string `json:"report"` // the list that is subscribed to
	File      string `json:"file"`   // personal
}

// call calls a method and returns its answer.
func (a *api) call(ctx context.Context, method string, args map[string]any, most int64) (*fetch.Answer, error) {
	body := map[string]any{"apikey": a.key}
	maps.Copy(body, args)
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, a.secret)
	mac.Write(b)
	return a.ask(ctx, fetch.Request{
		URL: a.cfg.URL + method, Body: b, MaxBytes: most,
		Header: map[string]string{"HMAC2": hex.EncodeToString(mac.Sum(nil)), "Content-Type": "application/json"},
	})
}

// ask keeps a pause between requests: Shadowserver allows ten a second.
func (a *api) ask(ctx context.Context, r fetch.Request) (*fetch.Answer, error) {
	if wait := a.pace - time.Since(a.asked); wait > 0 && !sleep(ctx, wait) {
		return nil, context.Cause(ctx)
	}
	a.asked = time.Now()
	r.For, r.Idle, r.Internal = source, idle, a.cfg.Internal
	r.Plain = strings.HasPrefix(r.URL, "http:") // as the operator wrote it
	r.Timeout = time.Hour
	got, err := a.get.Get(ctx, r)
	if err == nil && got.Ahead != 0 {
		a.ahead = got.Ahead
	}
	return got, err
}

// list returns the reports of a day.
func (a *api) list(ctx context.Context, day time.Time) ([]listed, error) {
	args := map[string]any{"date": day.Format(time.DateOnly), "limit": listLimit}
	if len(a.cfg.Reports) > 0 {
		args["reports"] = a.cfg.Reports
	}
	all, err := a.listOnce(ctx, args)
	if err != nil || len(all) < listLimit {
		return all, err
	}
	// There are more than one answer holds. A type has one report for each network that is subscribed to.
	types := a.cfg.Types
	if len(types) == 0 {
		if err := a.decode(ctx, "reports/types", map[string]any{"date": args["date"]}, &types); err != nil {
			return nil, err
		}
	}
	for _, t := range types {
		args["type"] = t
		some, err := a.listOnce(ctx, args)
		if err != nil {
			return nil, err
		}
		if len(some) >= listLimit {
			return nil, fmt.Errorf("Shadowserver has %d reports of one day and type, and gives no more at once: name the lists that you want in intake.shadowserver.reports", listLimit) //nolint:staticcheck // a name
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(x, y listed) int { return strings.Compare(x.ID, y.ID) })
	return slices.CompactFunc(all, func(x, y listed) bool { return x.ID == y.ID }), nil
}

func (a *api) listOnce(ctx context.Context, args map[string]any) ([]listed, error) {
	var all []listed
	if err := a.decode(ctx, "reports/list", args, &all); err != nil {
		return nil, err
	}
	for i := range all {
		if !plainID(all[i].ID) {
			return nil, a.odd("reports/list names a report without an id that can be asked for")
		}
		all[i].File = lastPart(all[i].File)
		all[i].Type, all[i].Timestamp = report.CleanName(all[i].Type), report.CleanName(all[i].Timestamp)
	}
	return all, nil
}

// plainID reports whether an id can stand in an address without saying anything else.
func plainID(id string) bool {
	if id == "" || len(id) > 256 || strings.Trim(id, ".") == "" {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("-_.~", rune(c)) {
			return false
		}
	}
	return true
}

func lastPart(name string) string {
	return report.CleanName(name[strings.LastIndexAny(name, `/\`)+1:])
}

// decode calls a method whose answer is JSON.
func (a *api) decode(ctx context.Context, method string, args map[string]any, into any) error {
	got, err := a.call(ctx, method, args, answerBytes)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	b, err := io.ReadAll(got.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return a.complaint(b, method)
	}
	return nil
}

// complaint is what the API says instead of an answer: {"error": "..."}.
func (a *api) complaint(b []byte, method string) error {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(b, &said) != nil || said.Error == "" {
		return a.odd(method + " is not answered in the documented form")
	}
	said.Error = report.CleanName(strings.ReplaceAll(said.Error[:min(len(said.Error), 200)], a.key, "KEY"))
	low := strings.ToLower(said.Error)
	for _, word := range []string{"auth", "apikey", "api key", "hmac", "permi", "denied", "credential", "forbidden"} {
		if strings.Contains(low, word) {
			return &fetch.Error{Kind: fetch.Denied, Reason: fmt.Sprintf("Shadowserver lets us not in (%q): check intake.shadowserver.key_file and secret_file, and ask Shadowserver whether they still hold", said.Error)}
		}
	}
	return a.odd(fmt.Sprintf("%s is answered with the error %q", method, said.Error))
}

func (a *api) odd(what string) error {
	return &fetch.Error{Kind: fetch.Failed, Reason: fetch.HostOf(a.cfg.URL) + ": " + what + "; it is tried again"}
}

// download fetches a report: as a file where files lie somewhere, else by reports/download.
func (a *api) download(ctx context.Context, r listed) (*fetch.Body, error) {
	var got *fetch.Answer
	var err error
	if a.cfg.Files != "" {
		got, err = a.ask(ctx, fetch.Request{URL: a.cfg.Files + r.ID, MaxBytes: a.cfg.MaxBytes, Follow: a.cfg.Redirects})
	} else {
		got, err = a.call(ctx, "reports/download", map[string]any{"id": r.ID}, a.cfg.MaxBytes)
	}
	if err != nil {
		return nil, err
	}
	if err := a.check(got.Body); err != nil {
		return nil, errors.Join(err, got.Body.Close())
	}
	return got.Body, nil
}

// check tells a report from what a server says instead of one, and leaves the body at its beginning.
func (a *api) check(body *fetch.Body) error {
	head := make([]byte, 4096)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch text := bytes.TrimLeft(head[:n], " \t\r\n\ufeff"); {
	case len(text) == 0:
		return a.odd("a report is empty")
	case text[0] == '<':
		return a.odd("a web page comes in the place of a report")
	case text[0] == '{':
		return a.complaint(text, "reports/download")
	case text[0] == '[':
		return &fetch.Error{Kind: fetch.Refused, Reason: fetch.HostOf(a.cfg.URL) + " gives reports as JSON, which are not read: name the place of the CSV files in intake.shadowserver.files"}
	}
	return nil
}
