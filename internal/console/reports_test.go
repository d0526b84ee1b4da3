package console_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

const reportID = "019cdf06-4a00-7000-8000-0000000000b1"

func someReports() []api.Report {
	return []api.Report{
		{
			ID: reportID, Reporter: "shadowserver", Channel: "shadowserver", Name: "2026-03-15-scan_telnet-example-asn64500.csv", ReceivedAt: now().Add(-3 * time.Hour),
			State: "worked", Format: "shadowserver", TLP: "AMBER", Grade: "B2", Authenticity: "token", Quarantined: true, Events: 18442, Repeats: 12, Refused: 3,
		},
		{
			ID: secondMail, Reporter: "unproven", Channel: "smtp", Author: "eve@example.com", Name: hostile, ReceivedAt: now().Add(-26 * time.Hour), State: "waiting",
			Reason: hostile, TLP: "RED", Authenticity: "unsigned", Exercise: true,
		},
		{ID: firstMail, Reporter: "cert", Channel: "folder", ReceivedAt: now().Add(-30 * time.Hour), State: "quarantined", TLP: "GREEN", Quarantined: true, Refused: 1},
	}
}

func openReport() api.OpenReport {
	return api.OpenReport{
		Report: someReports()[0], Documents: 2, Readings: 2, Size: 2_414_332, SHA256: strings.Repeat("0123456789abcdef", 4), Kept: true,
		Answer: "Your report came in on 16 March 2026, 17:00 UTC and was worked.\n18442 events read, 12 repeats, 3 refused.\n\nThese rows could not be read:\n  " + hostile + "\n    row 7\n",
		Incidents: []api.Incident{
			{ID: incidentID, Party: "line:abcdefghijklmnop", Class: "vulnerable", Type: "vulnerable-system", Tag: "open-telnet", State: "open"},
			{ID: incidentID, Party: "as:64500", Subject: "198.51.100.7", Class: "vulnerable", Type: "vulnerable-system", Tag: hostile, State: "told"},
		}, More: true,
		Files: []api.ReportFile{{Name: "week.zip/2026-03-15-scan_telnet-example-asn64500.csv", Rows: 18457, Events: 18442, Repeats: 12, Refused: 2}, {Name: hostile, Rows: 20, Refused: 1}},
	}
}

func refusedRows() []api.Refused {
	return []api.Refused{
		{Document: "week.zip/2026-03-15-scan_telnet-example-asn64500.csv", Place: "row 7", Reason: `"300.1.1.1" is not an IP address`},
		{Document: hostile, Place: "from row 20", Reason: hostile + strings.Repeat("x", 1<<20)},
	}
}

func reportAnswers() map[string]any {
	whole := openReport()
	whole.Kept, whole.Incidents, whole.Answer, whole.Report = false, nil, "", someReports()[1]
	return map[string]any{
		"GET /received?limit=50": api.ReportList{Items: someReports(), Next: "n1"},
		"GET /received?channel=smtp&format=x&from=2026-02-28T23%3A00%3A00Z&limit=50&reporter=%3Cb%3E&state=waiting&to=2026-03-02T23%3A00%3A00Z": api.ReportList{},
		"GET /received?after=n1&limit=50":                          api.ReportList{},
		"GET /received/senders?since=2026-02-14T20%3A00%3A00Z":     api.SenderList{Items: []api.SenderCount{{Reporter: "shadowserver", Channel: "shadowserver", Reports: 412, Events: 1_204_331, Repeats: 900, Refused: 3, Last: now().Add(-3 * time.Hour)}, {Reporter: "a b&c", Channel: "folder", Reports: 1, Last: now()}}},
		"GET /received/" + reportID:                                openReport(),
		"GET /received/" + secondMail:                              whole,
		"GET /received/" + firstMail:                               http.StatusNotFound,
		"GET /received/" + reportID + "/refused?limit=50":          api.RefusedList{Items: refusedRows(), Next: "p2"},
		"GET /received/" + reportID + "/refused?after=p2&limit=50": api.RefusedList{Items: refusedRows()[:1]},
		"GET /quarantine?limit=50": api.QuarantineList{Total: 2, Next: "q2", Items: []api.Quarantined{
			{ID: reportID, Reporter: "shadowserver", Channel: "shadowserver", Name: someReports()[0].Name, ReceivedAt: now().Add(-3 * time.Hour), Refused: 3, Events: 18442, First: &refusedRows()[0]},
			{ID: firstMail, Reporter: "cert", Channel: "folder", Name: hostile, ReceivedAt: now().Add(-30 * time.Hour), Refused: 1, First: &api.Refused{Document: hostile, Place: "the document", Reason: hostile}},
		}},
		"GET /quarantine?after=q2&limit=50":        api.QuarantineList{},
		"POST /quarantine/replay":                  api.Replayed{Handed: 2, Gone: 1},
		"POST /quarantine/" + reportID + "/replay": map[string]string{},
		"POST /quarantine/" + reportID + "/drop":   map[string]string{},
	}
}

func TestReports(t *testing.T) {
	h, f := open(t, reportAnswers())
	golden(t, "reports", request(t, h, access.Desk, "GET", "/reports", nil))
	golden(t, "senders", request(t, h, access.Desk, "GET", "/reports/senders", nil))
	golden(t, "report", request(t, h, access.Desk, "GET", "/reports/"+reportID, nil))
	for path, want := range map[string]string{
		"/reports?after=n1": "Nothing follows",
		"/reports?reporter=%3Cb%3E&channel=smtp&format=x&state=waiting&from=2026-03-01&to=2026-03-02": `value="&lt;b&gt;"`,
		"/reports/" + reportID + "?after=p2":      `href="/reports/` + reportID + `#refused">First page`,
		"/reports/" + secondMail:                  "past its end date and was deleted",
		"/reports/" + reportID + "?done=replayed": "It is being read again",
	} {
		if w := request(t, h, access.Desk, "GET", path, nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s does not say %q: %d\n%.3000s", path, want, w.Code, w.Body)
		}
	}
	asked := len(f.asked)
	if w := request(t, h, access.Desk, "GET", "/reports?from=yesterday", nil); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `id="from-wrong">write a day`) || len(f.asked) != asked {
		t.Errorf("a day that is none: %d", w.Code)
	}
	if w := request(t, h, access.Desk, "GET", "/reports/"+firstMail, nil); w.Code != http.StatusNotFound {
		t.Errorf("no such report: %d", w.Code)
	}
	if page := request(t, h, access.Approver, "GET", "/reports/"+reportID, nil).Body.String(); strings.Contains(page, "Read it again") || strings.Contains(page, "Drop it") || !strings.Contains(page, "300.1.1.1") {
		t.Error("whoever may not change the quarantine is offered to")
	}
	if w := request(t, h, access.CSIRT, "GET", "/reports", nil); w.Code != http.StatusForbidden {
		t.Errorf("the CSIRT gets %d", w.Code)
	}
	for _, path := range []string{"/reports", "/reports/" + reportID, "/quarantine"} {
		w := request(t, h, access.Desk, "GET", path, nil)
		unharmed(t, path, w)
		if w.Body.Len() > 100<<10 {
			t.Errorf("%s has %d bytes: a value of 1 MB is not cut", path, w.Body.Len())
		}
	}
}

// bytesAPI answers with an original, before a fake API.
type bytesAPI struct {
	*fake
	path string
	body []byte
}

func (b bytesAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != b.path {
		b.fake.ServeHTTP(w, r)
		return
	}
	c := access.From(r.Context())
	if c.Name != "desk@example.net" {
		b.t.Errorf("%q asks", c.Name)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", "attachment")
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
	_, _ = w.Write(b.body)
}

// TestOriginal: the bytes come through as the API gives them, and what it declines is a page.
func TestOriginal(t *testing.T) {
	body := append([]byte("<script>alert(1)</script>\x00\xff\r\n"), bytes.Repeat([]byte{0xfe}, 1<<20)...)
	answers := map[string]any{"GET /received/" + firstMail + "/original": http.StatusGone}
	h, _ := over(t, func(f *fake) http.Handler { return bytesAPI{f, "/api/v1/received/" + reportID + "/original", body} }, answers)
	w := request(t, h, access.Desk, "GET", "/reports/"+reportID+"/original", nil)
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), body) {
		t.Errorf("%d, %d bytes of %d", w.Code, w.Body.Len(), len(body))
	}
	for name, want := range map[string]string{"Content-Type": "application/octet-stream", "Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	w = request(t, h, access.Desk, "GET", "/reports/"+firstMail+"/original", nil)
	if w.Code != http.StatusGone || !strings.Contains(w.Body.String(), "this is what the API says") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("past its end date: %d %v\n%s", w.Code, w.Header(), w.Body)
	}
}

func TestQuarantine(t *testing.T) {
	answers := reportAnswers()
	h, f := open(t, answers)
	golden(t, "quarantine", request(t, h, access.Desk, "GET", "/quarantine", nil))
	golden(t, "drop", request(t, h, access.Desk, "GET", "/quarantine/"+reportID+"/drop", nil))
	if page := request(t, h, access.Desk, "POST", "/quarantine/replay", url.Values{}).Body.String(); !strings.Contains(page, "2 reports handed to be read again") || !strings.Contains(page, "1 report cannot be read again") {
		t.Errorf("all again:\n%s", page)
	}
	for form, to := range map[string]string{"": "/quarantine?done=replayed", "report": "/reports/" + reportID + "?done=replayed", "//evil.example.com": "/quarantine?done=replayed"} {
		if w := request(t, h, access.Desk, "POST", "/quarantine/"+reportID+"/replay", url.Values{"from": {form}}); w.Code != http.StatusSeeOther || w.Header().Get("Location") != to {
			t.Errorf("again from %q: %d %s", form, w.Code, w.Header().Get("Location"))
		}
	}
	for _, answer := range []any{map[string]string{}, http.StatusNotFound} { // somebody was faster
		answers["POST /quarantine/"+reportID+"/drop"] = answer
		if w := request(t, h, access.Desk, "POST", "/quarantine/"+reportID+"/drop", url.Values{}); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/quarantine?done=dropped" {
			t.Errorf("dropped: %d %s", w.Code, w.Header().Get("Location"))
		}
	}
	if w := request(t, h, access.Desk, "GET", "/quarantine/"+secondMail+"/drop", nil); w.Code != http.StatusNotFound {
		t.Errorf("what is not in the quarantine can be dropped: %d", w.Code)
	}
	asked := len(f.asked)
	for _, path := range []string{"/quarantine/replay", "/quarantine/" + reportID + "/replay", "/quarantine/" + reportID + "/drop"} {
		if w := request(t, h, access.Approver, "POST", path, url.Values{}); w.Code != http.StatusForbidden || len(f.asked) != asked {
			t.Errorf("an approver on %s: %d", path, w.Code)
		}
	}
	for path, want := range map[string]string{"/quarantine?after=q2": "Nothing follows", "/quarantine?done=dropped": "It is dropped"} {
		if page := request(t, h, access.Desk, "GET", path, nil).Body.String(); !strings.Contains(page, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	answers["GET /quarantine?limit=50"] = api.QuarantineList{}
	if page := request(t, h, access.Desk, "GET", "/quarantine", nil).Body.String(); !strings.Contains(page, "The quarantine is empty") {
		t.Error("an empty quarantine says nothing")
	}
}
