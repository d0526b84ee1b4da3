package list_test

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/internal/formats/list"
)

// TestPlaces holds each known place to a list that there is, and to what an operator is to be told.
func TestPlaces(t *testing.T) {
	page, err := os.ReadFile("../../../docs/connect-a-feed.md")
	if err != nil {
		t.Fatal(err)
	}
	seen, last, rows := map[string]bool{}, "", ""
	for _, p := range list.Places() {
		if _, ok := (list.Tables{}).List(p.List); !ok {
			t.Errorf("%s is no list", p.List)
		}
		u, err := url.Parse(p.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			t.Errorf("%s: %s cannot be fetched", p.List, p.URL)
		}
		if p.Every < time.Hour || p.Terms == "" || strings.Contains(p.Terms, "|") {
			t.Errorf("%s: every %s, %q", p.List, p.Every, p.Terms)
		}
		if seen[p.URL] || p.List <= last {
			t.Errorf("%s: out of order, or its address is there twice", p.List)
		}
		seen[p.URL], last = true, p.List
		rows += fmt.Sprintf("| %s | %s | %.0fh | %s |\n", p.List, p.URL, p.Every.Hours(), p.Terms)
	}
	if !strings.HasSuffix(string(page), "|---|---|---|---|\n"+rows) {
		t.Errorf("the table at the end of docs/connect-a-feed.md is not this one:\n%s", rows)
	}
}
