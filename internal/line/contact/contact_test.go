package contact_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line/contact"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, text)
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const table = "\ufeffLine;Name;mail;phone;address;language;class;remark\n" +
	"ann;Ann Other;ann@isp.example;+44 20 7946 0000;\"1 High Street\nTown\";en;Residential;x\n" +
	"shop;A Shop;;;;de-AT;business;\n"

func TestCSV(t *testing.T) {
	path := file(t, table)
	book, faults, err := contact.OpenCSV(path)
	if err != nil || len(faults) > 0 || book.Faults() > 0 {
		t.Fatal(faults, err)
	}
	want := contact.Contact{
		Name: "Ann Other", Mail: "ann@isp.example", Phone: "+44 20 7946 0000", Postal: "1 High Street\nTown", Language: "en", Class: contact.Residential,
	}
	if got, err := book.Contact(t.Context(), "ann"); err != nil || got != want {
		t.Error(gocmp.Diff(want, got), err)
	}
	for _, name := range []string{"an", "ANN", "", "line"} {
		if _, err := book.Contact(t.Context(), name); !errors.Is(err, contact.ErrUnknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
	write(t, path, "line,name\nann,Ann Married\n") // it is read anew
	if got, err := book.Contact(t.Context(), "ann"); err != nil || got.Name != "Ann Married" || got.Mail != "" {
		t.Error(got, err)
	}
	write(t, path, "name\nann\n")
	if _, err := book.Contact(t.Context(), "ann"); err == nil || !strings.Contains(err.Error(), "no column is named line") {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := book.Contact(t.Context(), "ann"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestCSVFaults: what is wrong is named by its row and column, and by nothing that is in it.
func TestCSVFaults(t *testing.T) {
	rows := []struct{ row, want string }{
		{"ann,Ann,ann@isp.example,en,residential", ""},
		{"bob,Bob,Bob <bob@isp.example>,en,residential", "mail is no address"},
		{"cay,Cay,cay,en,residential", "mail is no address"},
		{"dan,Dan,dan@isp.example,English language,residential", "language is none"},
		{"eve,Eve,eve@isp.example,en,friend", "class is none"},
		{"fay,,,en,", "all empty"},
		{",Gus,gus@isp.example,en,", "line is empty"},
		{"ann,Ann Two,ann2@isp.example,en,", "is in the file before"},
		{"hal,Hal", "more or fewer columns"},
		{"ida," + strings.Repeat("I", 201) + ",,,", "longer than 200"},
		{"jim,\"Ji\tm\",,,", "control character"},
		{"kim,\xff,,,", "not UTF-8"},
	}
	text := "line,name,mail,language,class\n"
	for _, r := range rows {
		text += r.row + "\n"
	}
	book, faults, err := contact.OpenCSV(file(t, text))
	if err != nil || book.Faults() != len(rows)-1 || len(faults) != 10 {
		t.Fatalf("%d faults, %d told, %v", book.Faults(), len(faults), err)
	}
	for i, f := range faults {
		if r := rows[i+1]; f.Row != int64(i+2) || !strings.Contains(f.Reason, r.want) || strings.Contains(f.Reason, strings.Split(r.row+",", ",")[1]) && strings.Split(r.row, ",")[1] != "" {
			t.Errorf("row %d: %s, want %s", f.Row, f.Reason, r.want)
		}
	}
	for _, name := range []string{"bob", "ann", "hal"} { // of ann nobody knows which row holds
		if _, err := book.Contact(t.Context(), name); err == nil || errors.Is(err, contact.ErrUnknown) || !strings.HasPrefix(err.Error(), "row ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, want := range map[string]string{
		"":                                    "does not name the columns",
		"name,mail\n":                         "no column is named line",
		"line,remark\n":                       "no column is named name, mail, phone or address",
		"line,name,Name\n":                    "column 3 has the name of another",
		"line,name\n\"ann,x\n":                "row 1 cannot be read",
		strings.Repeat("a,", 200) + "line\nx": "does not name the columns",
	} {
		if _, _, err := contact.OpenCSV(file(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestCheckQuery(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT mail FROM c WHERE login = {name}": "",
		"SELECT mail FROM c WHERE login = 'ann'":  "no {name}",
		"SELECT mail FROM c WHERE login = {line}": "{line} stands for nothing",
		"UPDATE c SET mail = {name}":              "begins with SELECT",
	} {
		if err := contact.CheckQuery(query); (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
}

// system is an operator's, which answers by the name of a line.
func system(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Line string }
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.String() != "/contact" || json.Unmarshal(body, &asked) != nil || r.Header.Get("Content-Type") != "application/json" {
			http.Error(w, "asked in another way", http.StatusBadRequest)
			return
		}
		if r.Header.Get("Authorization") != "Bearer pear" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		switch asked.Line {
		case "ann@isp.example/7":
			fmt.Fprint(w, `{"name": "Ann", "mail": "ann@isp.example", "phone": null, "address": "1 High Street\nTown", "language": "en", "class": "alarm", "contract": 7}`)
		case "nobody":
			w.WriteHeader(http.StatusNoContent)
		case "long":
			fmt.Fprintf(w, `{"name": %q}`, strings.Repeat("a", 1<<20))
		case "away":
			http.Redirect(w, r, "/contact?line=away", http.StatusTemporaryRedirect)
		case "slow":
			<-r.Context().Done()
		case "lost":
			http.NotFound(w, r)
		default: // the answer itself
			fmt.Fprint(w, asked.Line)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestHTTP(t *testing.T) {
	s := system(t)
	ca := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	open := func(token string) *contact.HTTP {
		t.Helper()
		h, err := contact.OpenHTTP(contact.HTTPOptions{URL: s.URL + "/contact", TokenFile: file(t, token+"\n"), CAFile: ca, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		return h
	}
	h := open("pear")
	want := contact.Contact{Name: "Ann", Mail: "ann@isp.example", Postal: "1 High Street\nTown", Language: "en", Class: contact.Alarm}
	if got, err := h.Contact(t.Context(), "ann@isp.example/7"); err != nil || got != want {
		t.Error(gocmp.Diff(want, got), err)
	}
	if _, err := h.Contact(t.Context(), "nobody"); !errors.Is(err, contact.ErrUnknown) {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"long": "longer than 64 KiB", "away": "status 307", "slow": "did not answer within 1s", "lost": "status 404", "<html>": "no JSON object", "null": "no JSON object",
		"[1]": "no JSON object", `{"name": 7}`: "a name that is no text", `{"mail": "x y"}`: "mail is no address", `{"name": ""}`: "all empty", `{"class": "x", "name": "zed"}`: "class is none",
	} {
		_, err := h.Contact(t.Context(), name)
		if err == nil || errors.Is(err, contact.ErrUnknown) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "zed") || strings.Contains(err.Error(), "x y") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := open("plum").Contact(t.Context(), "ann@isp.example/7"); err == nil || !strings.Contains(err.Error(), "token_file") || strings.Contains(err.Error(), "plum") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Contact(ctx, "nobody"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	stranger, err := contact.OpenHTTP(contact.HTTPOptions{URL: s.URL + "/contact", Timeout: time.Second}) // whose authority nobody knows
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Contact(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "cannot prove who it is") {
		t.Error(err)
	}
	s.Close()
	if _, err := h.Contact(t.Context(), "ann@isp.example/7"); err == nil || !strings.Contains(err.Error(), "cannot be reached") || strings.Contains(err.Error(), "isp.example") || strings.Contains(err.Error(), "127.0.0.1") {
		t.Error(err)
	}
}

func TestCheckURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://crm.isp.example/contact":        "",
		"http://127.0.0.1:8080/contact":          "",
		"http://localhost/contact":               "",
		"http://crm.isp.example/contact":         "unencrypted",
		"https://u:pear@crm.isp.example/contact": "token_file",
		"crm.isp.example":                        "no URL",
		"https:///contact":                       "no URL",
		"ftp://crm.isp.example":                  "no URL",
		"https://pear%zz/":                       "no URL",
	} {
		if err := contact.CheckURL(url); (want == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pear")) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
	for _, o := range []contact.HTTPOptions{{URL: "x"}, {URL: "https://h/", CAFile: "/nowhere"}, {URL: "https://h/", CAFile: file(t, "x")}, {URL: "https://h/", TokenFile: file(t, "")}} {
		if _, err := contact.OpenHTTP(o); err == nil {
			t.Errorf("%+v was opened", o)
		}
	}
}

// FuzzCSV: whatever is in a file, no fault of it panics, and each row is counted once.
func FuzzCSV(f *testing.F) {
	f.Add(table)
	f.Add("line,name\n\"a\"b,c\n")
	f.Add("line\tmail\r\nann\tx@y\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		book, faults, err := contact.OpenCSV(file(t, text))
		if err != nil {
			return
		}
		if len(faults) > book.Faults() {
			t.Errorf("%d faults are told of %d", len(faults), book.Faults())
		}
		if _, err := book.Contact(t.Context(), "\x00 nobody"); !errors.Is(err, contact.ErrUnknown) {
			t.Error(err)
		}
	})
}
