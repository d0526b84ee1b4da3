package letter_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats"
	message "tocsin/internal/formats/internal/mail"
	"tocsin/internal/formats/letter"
	"tocsin/internal/report"
)

func head(text string) message.Header {
	return message.HeadHeader([]byte(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n"))
}

func TestMail(t *testing.T) {
	for name, c := range map[string]struct {
		head string
		want report.Mail
	}{
		"plain": {
			"From: Ann <Ann@Example.NET>\nMessage-ID: <1@example.net>\nSubject: =?utf-8?q?gr=C3=BCn?=",
			report.Mail{MessageID: "1@example.net", From: "ann@example.net", Subject: "grün"},
		},
		"reply": {
			"From: ann@example.net\nMessage-ID: <3@example.net>\nIn-Reply-To: <2@example.net>\nReferences: <1@example.net>\n <2@example.net>",
			report.Mail{MessageID: "3@example.net", From: "ann@example.net", References: []string{"1@example.net", "2@example.net", "2@example.net"}},
		},
		"a reply to itself, and prose": {
			"From: a@example.net\nMessage-ID: <3@example.net>\nIn-Reply-To: Your message of Monday <3@example.net>", report.Mail{MessageID: "3@example.net", From: "a@example.net"},
		},
		"several authors": {"From: a@example.net, b@example.net\nTo: c", report.Mail{From: "a@example.net"}},
		"broken author":   {"From: \"Ann <ann@example.net>\nTo: c", report.Mail{From: "ann@example.net"}},
		"two addresses in one, the display name lies": {
			"From: \"abuse@example.org\" <ann@example.net>\nTo: c", report.Mail{From: "ann@example.net"},
		},
		"no author":       {"To: x\nDate: today", report.Mail{}},
		"control letters": {"From: =?utf-8?q?a=00?= <a\x1b@example.net>\nSubject: =?utf-8?q?a=0D=0AX:_y?=\nTo: c", report.Mail{From: "a@example.net", Subject: "aX: y"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := letter.Mail(head(c.head))
			if d := cmp.Diff(&c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	refs := "References:"
	for i := range 100 {
		refs += " <" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "@example.net>"
	}
	got := letter.Mail(head("From: a@example.net\n" + refs)).References
	if len(got) != report.MaxReferences || got[0] != "aa@example.net" || got[report.MaxReferences-1] != "vd@example.net" {
		t.Errorf("%d references: %v", len(got), got)
	}
}

func TestAside(t *testing.T) {
	for name, c := range map[string]struct {
		head, want string
	}{
		"a person":              {"From: ann@example.net\nSubject: attack from your network", ""},
		"a reporting machine":   {"From: fail2ban@example.net\nAuto-Submitted: auto-generated\nSubject: abuse", ""},
		"an answering machine":  {"From: ann@example.net\nAuto-Submitted: auto-generated\nSubject: Automatic reply: abuse", "auto-reply"},
		"feedback loop":         {"From: fbl@example.net\nAuto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=feedback-report; boundary=x", ""},
		"the subject alone":     {"From: ann@example.net\nSubject: Out of office, and your network attacks us", ""},
		"a postmaster's report": {"From: postmaster@example.net\nReturn-Path: <>\nSubject: spam from your network", ""},
		"not replied":           {"From: ann@example.net\nAuto-Submitted: no\nX-Autoreply: no", ""},
		"bounce":                {"From: postmaster@example.net\nContent-Type: multipart/report; report-type=\"delivery-status\"; boundary=x", "a bounce"},
		"old bounce":            {"From: MAILER-DAEMON@example.net\nSubject: Undelivered Mail Returned to Sender", "a bounce"},
		"exim":                  {"From: Mail Delivery System <Mailer-Daemon@example.net>\nX-Failed-Recipients: a@example.org\nSubject: x", "a bounce"},
		"receipt":               {"From: ann@example.net\nContent-Type: multipart/report; report-type=disposition-notification; boundary=x", "a receipt"},
		"RFC 3834":              {"From: ann@example.net\nAuto-Submitted: auto-replied; owner-email=\"ann@example.net\"", "an auto-reply"},
		"RFC 3834, a comment":   {"From: ann@example.net\nAuto-Submitted: auto-replied (vacation)", "an auto-reply"},
		"X-Autoreply":           {"From: ann@example.net\nX-Autoreply: yes", "an auto-reply"},
		"Outlook":               {"From: ann@example.net\nX-Auto-Response-Suppress: All\nSubject: Automatic reply: abuse", "an auto-reply"},
		"encoded subject":       {"From: ann@example.net\nPrecedence: bulk\nSubject: =?utf-8?b?UsOpcG9uc2UgYXV0b21hdGlxdWU=?=", "an auto-reply"},
	} {
		t.Run(name, func(t *testing.T) {
			got := letter.Aside(head(c.head))
			switch {
			case got == nil && c.want != "":
				t.Errorf("no %s", c.want)
			case got != nil && (c.want == "" || got.State != report.StateAside || !strings.Contains(got.Reason, c.want)):
				t.Errorf("%+v, want %q", got, c.want)
			}
		})
	}
}

// TestCorpus: what other programs' samples call bounces and auto-replies are such, and no feedback report is.
func TestCorpus(t *testing.T) {
	n := 0
	for _, format := range []string{"arf_mail", "not_arf_mail"} {
		for _, f := range corpustest.Entries(t, format) {
			if !strings.HasSuffix(f.Path, ".eml") {
				continue
			}
			b, err := os.ReadFile(corpustest.Dir(t, f.Path))
			if err != nil {
				t.Fatal(err)
			}
			aside := false
			for _, err := range (formats.Tables{}).Open(report.Document{Reader: bytes.NewReader(b), Received: time.Now()}, formats.Limits{}) {
				l, ok := errors.AsType[*report.Letter](err)
				aside = aside || ok && l.State == report.StateAside
			}
			name := filepath.Base(f.Path)
			want := strings.HasPrefix(name, "lhost-") || strings.HasPrefix(name, "rfc3464-") || strings.HasSuffix(name, "-bug.eml") ||
				name == "arf-26.eml" // an unsubscription by machine, no feedback report
			if aside != want {
				t.Errorf("%s: set aside %v, want %v", name, aside, want)
			}
			n++
		}
	}
	if n < 50 {
		t.Errorf("%d mails", n)
	}
}
