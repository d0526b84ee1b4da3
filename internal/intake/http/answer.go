package http

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"tocsin/internal/desk"
	"tocsin/internal/report"
)

// told is the body of the answer to GET: desk.Answer, and the same in words.
type told struct {
	desk.Answer
	Text string `json:"text"`
}

// Answer answers GET /api/v1/reports/{id}: what became of a report of the caller's. The same in words is in the member
// text, or alone where the caller accepts text/plain.
func (h *Handler) Answer(w http.ResponseWriter, r *http.Request) {
	reporter, err := h.caller(w, r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	id, err := report.ParseID(r.PathValue("id"))
	if err != nil {
		err = desk.ErrNoReport
	}
	var a desk.Answer
	if err == nil {
		a, err = h.answers.Answer(r.Context(), id, reporter)
	}
	switch {
	case errors.Is(err, desk.ErrNoReport):
		h.refuse(w, r, problem(http.StatusNotFound, "no report of yours has this id, or it has not been worked yet: ask again in a minute"))
	case err != nil:
		h.refuse(w, r, &failure{http.StatusInternalServerError, "the answer cannot be read now: ask again later", err})
	case strings.HasPrefix(r.Header.Get("Accept"), "text/plain"):
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, a.Text()) //nolint:gosec // it is plain text, and says so; the sender may be gone
	default:
		write(w, http.StatusOK, "application/json", told{a, a.Text()})
	}
}
