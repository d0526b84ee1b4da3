// Package http is the intake channel POST /api/v1/reports: the body is the report, byte for byte.
package http

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/intake"
	"tocsin/internal/report"
)

const (
	inMemory   = 64 << 10         // bodies up to here do not touch the disk on their way to the stream
	idle       = time.Minute      // a sender that sends nothing for so long is gone
	retryAfter = 30 * time.Second // what a sender is told to wait when we cannot
	maxName    = 255              // bytes of a file name that are kept
	spooled    = "upload-*"       // names of bodies on their way
)

// Handler answers POST /api/v1/reports.
type Handler struct {
	cfg     intake.HTTP
	tokens  []token
	formats []string
	door    *intake.Door
	answers Answers
	spool   string
	log     *slog.Logger
	places  chan struct{} // one for each body that may be on its way
}

type token struct {
	intake.Token
	sum [sha256.Size]byte
}

// Answers tells senders what became of their reports.
type Answers interface {
	// Answer is what a reporter is told of a report of theirs. desk.ErrNoReport says that they have none of this id, or
	// that it has not been worked yet.
	Answer(ctx context.Context, id report.ID, reporter string) (desk.Answer, error)
}

// New makes the handler. cfg is valid and complete; formats are the names that a sender may give; spool is a folder
// of its own in the data directory, where bodies lie until the stream has them. What a crash left there is removed:
// nobody was promised anything about it.
func New(cfg intake.HTTP, formats []string, door *intake.Door, answers Answers, spool string, log *slog.Logger) (*Handler, error) {
	h := &Handler{
		cfg: cfg, formats: formats, door: door, answers: answers, spool: spool, log: log, places: make(chan struct{}, cfg.MaxUploads),
	}
	for _, t := range cfg.Tokens {
		sum, err := hex.DecodeString(t.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("token %s has no SHA-256", t.Name)
		}
		h.tokens = append(h.tokens, token{t, [sha256.Size]byte(sum)})
	}
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for bodies on their way: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(spool, spooled))
	for _, f := range left {
		err = errors.Join(err, os.Remove(f))
	}
	if err != nil {
		return nil, fmt.Errorf("remove what was left of bodies on their way: %w", err)
	}
	return h, nil
}

// answer is the body of a 202.
type answer struct {
	ID        report.ID    `json:"id"`
	State     report.State `json:"state"`
	Duplicate bool         `json:"duplicate"`
}

// ServeHTTP takes one report in. 202 means that it is durable.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got, err := h.take(w, r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.log.Info("report taken over HTTP", "report", got.Report.ID, "reporter", got.Report.Reporter,
		"bytes", got.Report.Size, "duplicate", got.Duplicate)
	write(w, http.StatusAccepted, "application/json", answer{got.Report.ID, got.Report.State, got.Duplicate})
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request) (intake.Receipt, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return intake.Receipt{}, problem(http.StatusMethodNotAllowed, "send the report with POST")
	}
	reporter, err := h.caller(w, r)
	if err != nil {
		return intake.Receipt{}, err
	}
	if r.ContentLength > h.cfg.MaxBytes {
		return intake.Receipt{}, h.tooLarge()
	}
	d, err := h.delivery(r, reporter)
	if err != nil {
		return intake.Receipt{}, err
	}
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	default:
		return intake.Receipt{}, problem(http.StatusServiceUnavailable, "too many reports are being sent at this moment: try again shortly")
	}
	body, err := h.receive(w, r)
	if err != nil {
		return intake.Receipt{}, err
	}
	defer body.Close()
	got, err := h.door.Accept(r.Context(), d, body)
	if err != nil {
		return intake.Receipt{}, notStored(err)
	}
	return got, nil
}

// caller finds whose token the request carries (RFC 6750 §2.1). All are compared, each in constant time, so that the
// time taken tells nothing about any of them.
func (h *Handler) caller(w http.ResponseWriter, r *http.Request) (reporter string, err error) {
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || credentials == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tocsin"`) // RFC 6750 §3: no error code where nothing was sent
		return "", problem(http.StatusUnauthorized, "send your token: Authorization: Bearer TOKEN")
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(credentials)))
	found := -1
	for i := range h.tokens {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(h.tokens[i].sum[:], sum[:]), i, found)
	}
	if found < 0 {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tocsin", error="invalid_token"`)
		return "", problem(http.StatusUnauthorized, "this token is not known here: ask the operator of this node for one")
	}
	return h.tokens[found].From(), nil
}

// delivery reads what the request says of the body.
func (h *Handler) delivery(r *http.Request, reporter string) (intake.Delivery, error) {
	d := intake.Delivery{Channel: intake.ChannelHTTP, Reporter: reporter, ReceivedAt: time.Now().UTC()}
	if ct, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); strings.HasPrefix(ct, "multipart/form-data") {
		return d, problem(http.StatusUnsupportedMediaType, "a form was sent: send the file itself as the body (curl --data-binary @FILE)")
	}
	// A gzip body is kept as it came: the formats open it, like any other compressed file.
	switch enc := strings.ToLower(r.Header.Get("Content-Encoding")); enc {
	case "", "identity", "gzip", "x-gzip":
	default:
		return d, problem(http.StatusUnsupportedMediaType, "this content encoding cannot be undone here: send the body as it is, or with gzip")
	}
	q := r.URL.Query()
	d.Format = q.Get("format")
	if d.Format != "" && !slices.Contains(h.formats, d.Format) {
		return d, problem(http.StatusBadRequest, "there is no such format: leave format out to have it detected, or write one of "+offered(h.formats))
	}
	d.Name = q.Get("name")
	if d.Name == "" {
		if _, params, err := mime.ParseMediaType(r.Header.Get("Content-Disposition")); err == nil {
			d.Name = params["filename"] // filename* (RFC 5987) included
		}
	}
	d.Name = fileName(d.Name)
	return d, nil
}

// fileName keeps the last part of what a sender calls its file: no folders (RFC 6266 §4.3), and nothing that would not
// be seen, or would turn round what stands beside it, where the name is shown.
func fileName(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	if len(s) > maxName {
		s = s[len(s)-maxName:] // the end tells the kind of file
	}
	s = report.CleanName(s)
	if s == "." || s == ".." {
		return ""
	}
	return s
}

// received is a body that is here as a whole.
type received interface {
	io.ReadSeekCloser
}

type memory struct{ *bytes.Reader }

// Close has nothing to do.
func (memory) Close() error { return nil }

type temporary struct{ *os.File }

// Close removes the file.
func (t temporary) Close() error { return errors.Join(t.File.Close(), os.Remove(t.Name())) }

// receive reads the body: a small one into memory, a large one into the spool.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) (received, error) {
	body := http.MaxBytesReader(w, r.Body, h.cfg.MaxBytes)
	// Not every writer has deadlines; then the server's own hold.
	conn := http.NewResponseController(w)
	in := &patient{body: body, extend: func() { _ = conn.SetReadDeadline(time.Now().Add(idle)) }}
	// One that runs out later, while the stream takes the report, would end the request.
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	head, err := io.ReadAll(io.LimitReader(in, inMemory+1))
	if err != nil {
		return nil, h.unreadable(err)
	}
	switch {
	case len(head) == 0:
		return nil, problem(http.StatusBadRequest, "the body is empty: send the report as the body")
	case len(head) <= inMemory:
		return memory{bytes.NewReader(head)}, nil
	}
	f, err := os.CreateTemp(h.spool, spooled)
	if err != nil {
		return nil, notStored(err)
	}
	t := temporary{f}
	if _, err = f.Write(head); err == nil {
		_, err = io.Copy(f, in)
		if in.err != nil {
			return nil, errors.Join(h.unreadable(in.err), t.Close())
		}
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(notStored(err), t.Close())
	}
	return t, nil
}

// patient waits for a slow sender, as long as something comes; err is what ended it, other than the end.
type patient struct {
	body   io.Reader
	extend func()
	err    error
}

// Read reads on.
func (p *patient) Read(b []byte) (int, error) {
	p.extend()
	n, err := p.body.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		p.err = err
	}
	return n, err
}

func (h *Handler) unreadable(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return h.tooLarge()
	}
	return &failure{http.StatusBadRequest, "the body broke off before its end: send it again", err}
}

func (h *Handler) tooLarge() error {
	return problem(http.StatusRequestEntityTooLarge, "the report has more than "+strconv.FormatInt(h.cfg.MaxBytes, 10)+
		" bytes, the most that this node takes: send it in parts, each with its header line")
}

func notStored(err error) error {
	return &failure{http.StatusServiceUnavailable, "the report could not be stored, so it was not accepted: try again later", err}
}

// failure is what the sender is told, and why, which only the log is told.
type failure struct {
	status int
	detail string
	cause  error
}

func problem(status int, detail string) error { return &failure{status, detail, nil} }

// Error is what the log says.
func (f *failure) Error() string {
	if f.cause != nil {
		return f.detail + " (" + f.cause.Error() + ")"
	}
	return f.detail
}

// Unwrap gives the cause.
func (f *failure) Unwrap() error { return f.cause }

// refuse answers with a problem document (RFC 9457).
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{http.StatusInternalServerError, "something went wrong here: try again later", err}
	}
	level := slog.LevelInfo
	if f.status >= http.StatusInternalServerError {
		level = slog.LevelError
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	attrs := []slog.Attr{slog.Int("status", f.status), slog.String("told", f.detail)}
	if f.cause != nil {
		attrs = append(attrs, slog.String("cause", f.cause.Error()))
	}
	h.log.LogAttrs(context.WithoutCancel(r.Context()), level, "report refused over HTTP", attrs...)
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close") // what is left of the body is not read
	}
	write(w, f.status, "application/problem+json", map[string]any{
		"type": "about:blank", "title": http.StatusText(f.status), "status": f.status, "detail": f.detail,
	})
}

func write(w http.ResponseWriter, status int, contentType string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the sender is gone: it will ask again
}

// offered names the formats for a sentence; lists, which are many, by their form alone.
func offered(formats []string) string {
	plain := slices.DeleteFunc(slices.Clone(formats), func(f string) bool { return strings.Contains(f, "/") })
	if len(plain) < len(formats) {
		plain = append(plain, "list/NAME")
	}
	return strings.Join(plain, ", ")
}
