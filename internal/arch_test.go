package internal_test

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// columns are the rooms of DESIGN.md §4 in the order of its arrows. A room imports rooms of earlier columns only:
// never one of its own column, never a later one. Below a room's folder, the same holds as for the room.
var columns = [][]string{
	{"report"},
	{"formats", "network", "line", "incident", "evidence", "access", "flow", "keys", "world"},
	{"desk"},
	{
		"intake", "policy", "notice", "garden", "shield", "partner", "casework", "exercise", "barometer", "hygiene",
		"campaign", "duty",
	},
	{"store", "stream", "api", "console"},
	{"app"},
	{"demo", "bench"},
	{"cmd"},
}

// beside are folders that no room imports and that import no room: programs for those who work on Tocsin. Packages
// whose name ends in "test" are beside the arrows too: only tests, and each other, may import them.
var beside = []string{"testrun"}

// wires says which folders may know what the outside speaks: nothing else imports these packages, so no SQL, NATS or
// HTTP type passes beyond its adapter.
var wires = []struct {
	packages []string
	folders  []string
}{
	{
		[]string{"database/sql", "github.com/jackc/pgx", "modernc.org/sqlite", "github.com/pressly/goose", "github.com/go-sql-driver/mysql"},
		[]string{"store", "line/database"},
	},
	{[]string{"github.com/riverqueue/river"}, []string{"store", "app"}},
	{[]string{"github.com/nats-io"}, []string{"stream"}},
	{
		[]string{"net/http", "github.com/danielgtaylor/huma"},
		[]string{"api", "console", "app", "intake/http", "intake/fetch", "line/contact", "line/resolver", "partner"},
	},
	{[]string{"github.com/go-webauthn"}, []string{"access"}},
	{[]string{"github.com/coreos/go-oidc"}, []string{"access", "app"}}, // app gives it a client
	{[]string{"github.com/transparency-dev", "k8s.io/klog"}, []string{"evidence"}},
	{[]string{"github.com/osrg/gobgp"}, []string{"shield/bgp"}},
	{[]string{"github.com/spf13/cobra", "github.com/vbauerster/mpb"}, []string{"cmd"}},
}

// mainLines is how long cmd/tocsin/main.go may grow: flags and subcommands are in files of their own.
const mainLines = 150

// source is what the rules look at in one Go file.
type source struct {
	path    string // from the module's root, with slashes
	imports []string
	lines   int
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// TestArrows holds every file of the tree to the table.
func TestArrows(t *testing.T) {
	files := sources(t, "..")
	if len(files) < 10 {
		t.Fatalf("only %d Go files found: the test looks in the wrong place", len(files))
	}
	for _, broken := range check(files) {
		t.Error(broken)
	}
}

// check returns a sentence for each thing that breaks a rule.
func check(files []source) []string {
	var broken []string
	for _, f := range files {
		broken = append(broken, checkFile(f)...)
	}
	return broken
}

func checkFile(f source) []string {
	var broken []string
	say := func(format string, args ...any) { broken = append(broken, f.path+": "+fmt.Sprintf(format, args...)) }

	from := folder(path.Dir(f.path))
	if from == "" {
		if path.Dir(f.path) != "internal" || !f.isTest() {
			say("Go files live in rooms below internal/ and in cmd/tocsin")
		}
		return broken
	}
	room := roomOf(from)
	if column(room) < 0 && !slices.Contains(beside, room) && !testOnly(from) {
		say("there is no room %s in DESIGN.md §4: put it into the room that it belongs to, or into the table here", room)
		return broken
	}
	if room == "cmd" && from != "cmd/tocsin" {
		say("there is one program, cmd/tocsin")
	}
	if f.path == "cmd/tocsin/main.go" && f.lines > mainLines {
		say("main has %d lines of at most %d: put subcommands into files of their own and wiring into app", f.lines, mainLines)
	}
	for _, imported := range f.imports {
		if local, ok := strings.CutPrefix(imported, "tocsin/"); ok {
			if why := checkArrow(f, from, folder(local)); why != "" {
				say("imports %s: %s", imported, why)
			}
			continue
		}
		if why := checkOutside(f, from, imported); why != "" {
			say("imports %s: %s", imported, why)
		}
	}
	return broken
}

// checkArrow says what is wrong with an import of ours, "" when it is allowed.
func checkArrow(f source, from, to string) string {
	if testOnly(to) {
		if f.isTest() || testOnly(from) {
			return ""
		}
		return "it is for tests only"
	}
	if f.isTest() || testOnly(from) { // a test may look up: at the store that its room is kept in, say
		return ""
	}
	a, b := roomOf(from), roomOf(to)
	switch {
	case column(b) < 0:
		return "there is no such room"
	case slices.Contains(beside, a):
		return a + " stands beside the rooms"
	case a == "formats" && from != "formats" && b != "report" && !within(to, "formats/internal"):
		return "a format imports report, and what formats share in formats/internal, only"
	case a == b:
		return ""
	case a == "console" && b == "api": // pages ask the API, and nothing else (ADR 0024)
		return ""
	case column(a) == column(b):
		return fmt.Sprintf("%s and %s are rooms of one column: declare an interface here and join them in app", a, b)
	case column(a) < column(b):
		return fmt.Sprintf("%s is above %s: declare an interface here and join them in app", b, a)
	}
	return ""
}

// checkOutside says what is wrong with an import of the standard library's or somebody else's.
func checkOutside(f source, from, imported string) string {
	if f.isTest() || testOnly(from) || slices.Contains(beside, roomOf(from)) {
		return ""
	}
	if first, _, _ := strings.Cut(imported, "/"); roomOf(from) == "report" && strings.Contains(first, ".") {
		return "report uses the standard library only"
	}
	for _, w := range wires {
		if slices.ContainsFunc(w.packages, func(p string) bool { return within(imported, p) }) &&
			!slices.ContainsFunc(w.folders, func(p string) bool { return within(from, p) }) {
			return "only " + strings.Join(w.folders, ", ") + " may: pass a type of ours instead"
		}
	}
	return ""
}

// folder is a folder as the tables name it: below internal/, or cmd and what is below it; "" for others.
func folder(dir string) string {
	if dir == "cmd" || strings.HasPrefix(dir, "cmd/") {
		return dir
	}
	below, ok := strings.CutPrefix(dir, "internal/")
	if !ok {
		return ""
	}
	return below
}

func roomOf(folder string) string {
	room, _, _ := strings.Cut(folder, "/")
	return room
}

func testOnly(folder string) bool { return strings.HasSuffix(folder, "test") }

func within(name, prefix string) bool { return name == prefix || strings.HasPrefix(name, prefix+"/") }

// column is the room's place in the table, -1 when it is not there.
func column(room string) int {
	return slices.IndexFunc(columns, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

// sources parses the import clauses itself: the go command's answer would be cached with the test.
func sources(t *testing.T, root string) []source {
	t.Helper()
	var files []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			top := filepath.Dir(name) == root && slices.Contains([]string{".git", "build", "tools", "tocsin-data"}, d.Name())
			if top || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		f, err := parseSource(root, name)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func parseSource(root, name string) (source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return source{}, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return source{}, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return source{}, err
	}
	s := source{path: filepath.ToSlash(rel), lines: strings.Count(string(text), "\n")}
	for _, i := range parsed.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return source{}, err
		}
		s.imports = append(s.imports, imported)
	}
	return s, nil
}

// TestArrowsCanFail shows that each rule refuses what it should, and nothing that it should not.
func TestArrowsCanFail(t *testing.T) {
	for _, c := range []struct {
		path, imports, want string // want is in the sentence; "" is allowed
	}{
		{"internal/report/a.go", "time", ""},
		{"internal/report/a.go", "github.com/google/uuid", "standard library only"},
		{"internal/report/a_test.go", "github.com/google/go-cmp/cmp", ""},
		{"internal/report/a.go", "tocsin/internal/keys", "above"},
		{"internal/formats/formats.go", "tocsin/internal/formats/xarf", ""},
		{"internal/formats/xarf/a.go", "tocsin/internal/report", ""},
		{"internal/formats/xarf/a.go", "github.com/emersion/go-message", ""},
		{"internal/formats/xarf/a.go", "tocsin/internal/formats/internal/mail", ""},
		{"internal/formats/internal/mail/a.go", "tocsin/internal/report", ""},
		{"internal/formats/internal/mail/a.go", "tocsin/internal/formats/arf", "a format imports"},
		{"internal/formats/xarf/a.go", "tocsin/internal/formats/arf", "a format imports"},
		{"internal/formats/xarf/a.go", "tocsin/internal/formats", "a format imports"},
		{"internal/formats/xarf/a_test.go", "tocsin/internal/formats", ""},
		{"internal/incident/a.go", "tocsin/internal/network", "one column"},
		{"internal/incident/a.go", "tocsin/internal/store", "above"},
		{"internal/incident/a_test.go", "tocsin/internal/store/storetest", ""},
		{"internal/desk/a.go", "tocsin/internal/incident", ""},
		{"internal/desk/a.go", "tocsin/internal/policy", "above"},
		{"internal/intake/folder/a.go", "tocsin/internal/intake", ""},
		{"internal/intake/folder/a.go", "tocsin/internal/desk", ""},
		{"internal/intake/http/a.go", "net/http", ""},
		{"internal/intake/fetch/a.go", "net/http", ""}, // the one that asks others
		{"internal/line/resolver/a.go", "net/http", ""},
		{"internal/line/sources/a.go", "net/http", "only api"},
		{"internal/intake/feed/a.go", "net/http", "only api"},
		{"internal/intake/httpx/a.go", "net/http", "only api"},
		{"internal/intake/folder/a.go", "net/http/httputil", "only api"},
		{"internal/store/a.go", "database/sql", ""},
		{"internal/store/a.go", "github.com/jackc/pgx/v5/pgxpool", ""},
		{"internal/store/a.go", "tocsin/internal/stream", "one column"},
		{"internal/console/a.go", "database/sql", "only store"},
		{"internal/line/database/a.go", "github.com/go-sql-driver/mysql", ""},
		{"internal/line/sqlsource/a.go", "database/sql", "only store"},
		{"internal/line/contact/a.go", "net/http", ""},
		{"internal/stream/a.go", "github.com/nats-io/nats.go/jetstream", ""},
		{"internal/app/a.go", "github.com/nats-io/nats.go", "only stream"},
		{"internal/evidence/a.go", "github.com/transparency-dev/tessera", ""},
		{"internal/app/a.go", "github.com/transparency-dev/tessera", "only evidence"},
		{"internal/access/a.go", "github.com/go-webauthn/webauthn/protocol", ""},
		{"internal/console/a.go", "github.com/go-webauthn/webauthn/protocol", "only access"},
		{"internal/access/a.go", "net/http", "only api"},
		{"internal/app/a.go", "github.com/coreos/go-oidc/v3/oidc", ""},
		{"internal/api/a.go", "github.com/coreos/go-oidc/v3/oidc", "only access"},
		{"internal/app/a.go", "tocsin/internal/store", ""},
		{"internal/app/a.go", "tocsin/internal/demo", "above"},
		{"internal/bench/a.go", "tocsin/internal/demo", "one column"},
		{"internal/app/a.go", "tocsin/internal/corpustest", "tests only"},
		{"internal/app/a.go", "tocsin/internal/store/storetest", "tests only"},
		{"internal/corpustest/a.go", "tocsin/internal/app", ""},
		{"internal/postgrestest/a.go", "github.com/jackc/pgx/v5", ""},
		{"internal/testrun/a.go", "tocsin/internal/postgrestest", "tests only"},
		{"internal/testrun/a.go", "tocsin/internal/report", "beside"},
		{"internal/app/a.go", "tocsin/internal/testrun", "no such room"},
		{"internal/util/a.go", "time", "no room util"},
		{"internal/util/a_test.go", "time", "no room util"},
		{"internal/a.go", "time", "live in rooms"},
		{"internal/a_test.go", "time", ""},
		{"a.go", "time", "live in rooms"},
		{"pkg/a/a.go", "time", "live in rooms"},
		{"cmd/tocsin/a.go", "tocsin/internal/app", ""},
		{"cmd/tocsin/a.go", "github.com/spf13/cobra", ""},
		{"cmd/tocsin/a.go", "net/http", "only api"},
		{"cmd/other/a.go", "time", "one program"},
	} {
		got := strings.Join(checkFile(source{path: c.path, imports: []string{c.imports}}), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s importing %s: %q, want %q", c.path, c.imports, got, c.want)
		}
	}
	long := checkFile(source{path: "cmd/tocsin/main.go", lines: mainLines + 1})
	if len(long) != 1 {
		t.Errorf("a long main: %q", long)
	}
}

// TestSources shows that imports are found where they stand, also in blocks, renamed, and behind build tags.
func TestSources(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"internal/app/a.go":          "package app\n\nimport (\n\t\"fmt\"\n\tx \"tocsin/internal/store\"\n\t_ \"embed\"\n)\n\nfunc f() {\n",
		"internal/app/b_windows.go":  "//go:build never\n\npackage app\n\nimport \"net/http\"\n",
		"internal/app/testdata/c.go": "package nothing\n\nimport \"os\"\n",
		"internal/tools/d.go":        "package tools\n",
		"tools/e.go":                 "package tools\n",
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := sources(t, root)
	slices.SortFunc(got, func(a, b source) int { return cmp.Compare(a.path, b.path) })
	want := []source{
		{"internal/app/a.go", []string{"fmt", "tocsin/internal/store", "embed"}, 9},
		{"internal/app/b_windows.go", []string{"net/http"}, 5},
		{"internal/tools/d.go", nil, 1},
	}
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(source{})); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}
