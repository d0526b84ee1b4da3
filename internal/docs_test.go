package internal_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// document is a text of the tree, by its path from the module's root.
type document struct{ path, text string }

// tree is what the repository holds: every file but those that .gitignore names.
type tree struct {
	files   map[string]string // text by path; "" for what is not text
	folders map[string]bool
}

func readTree(t *testing.T) tree {
	t.Helper()
	ignored := strings.Fields(readText(t, filepath.Join("..", ".gitignore")))
	all := tree{map[string]string{}, map[string]bool{}}
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator)))
		switch {
		case name == "..":
			return nil
		case rel == ".git" && !d.IsDir():
			return nil
		case rel == ".git" || isIgnored(ignored, rel, d):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			all.folders[rel] = true
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			text = nil
		}
		all.files[rel] = string(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// isIgnored knows the forms of line that our .gitignore has: /file, /folder/ and *.ending.
func isIgnored(lines []string, rel string, d fs.DirEntry) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		if ending, ok := strings.CutPrefix(line, "*"); ok {
			return strings.HasSuffix(rel, ending)
		}
		return strings.Trim(line, "/") == rel && (d.IsDir() || !strings.HasSuffix(line, "/"))
	})
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documents are what people read: the pages at the root, docs/ and changelog/.
func (all tree) documents() []document {
	var docs []document
	for name, text := range all.files {
		top, _, below := strings.Cut(name, "/")
		if path.Ext(name) == ".md" && (!below || top == "docs" || top == "changelog") {
			docs = append(docs, document{name, text})
		}
	}
	slices.SortFunc(docs, func(a, b document) int { return strings.Compare(a.path, b.path) })
	return docs
}

func (all tree) has(name string) bool {
	_, file := all.files[name]
	return file || all.folders[name]
}

// TestDocuments holds every page to the tree that it speaks of.
func TestDocuments(t *testing.T) {
	all := readTree(t)
	docs := all.documents()
	for _, want := range []string{
		"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/threat-model.md", "docs/bench/README.md",
	} {
		if !slices.ContainsFunc(docs, func(d document) bool { return d.path == want }) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, d := range docs {
		for _, broken := range slices.Concat(all.checkPaths(d), all.checkLinks(d), all.checkMake(d)) {
			t.Errorf("%s: %s", d.path, broken)
		}
	}
}

var (
	fenced   = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	backtick = regexp.MustCompile("`([^`\n]+)`")
	pathLike = regexp.MustCompile(`^[.\w-]+(/[.\w*-]+)*/?$`)
	stands   = regexp.MustCompile(`\b(NAME|NNN+|TITLE|ROOM)\b`) // stands for something: `internal/formats/NAME`
	mdLink   = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// checkPaths looks for what is written in backticks and begins with a file or folder of the root.
func (all tree) checkPaths(d document) []string {
	var broken []string
	for _, m := range backtick.FindAllStringSubmatch(fenced.ReplaceAllString(d.text, ""), -1) {
		name := strings.TrimSuffix(m[1], "/")
		top, _, below := strings.Cut(name, "/")
		if !pathLike.MatchString(m[1]) || stands.MatchString(name) {
			continue
		}
		if !all.folders[top] && (top != "cmd" || !below) { // not a path of ours
			continue
		}
		if strings.Contains(name, "*") {
			if !all.matches(name) {
				broken = append(broken, "nothing is called `"+m[1]+"`")
			}
		} else if !all.has(name) {
			broken = append(broken, "there is no `"+m[1]+"`")
		}
	}
	return broken
}

func (all tree) matches(pattern string) bool {
	for name := range all.files {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return false
}

// checkLinks follows links to files of the tree and to headings in them.
func (all tree) checkLinks(d document) []string {
	var broken []string
	for _, m := range mdLink.FindAllStringSubmatch(fenced.ReplaceAllString(d.text, ""), -1) {
		if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
			continue
		}
		file, anchor, _ := strings.Cut(m[1], "#")
		target, text := d.path, d.text
		if file != "" {
			target = path.Join(path.Dir(d.path), file)
			text = all.files[target]
		}
		if file != "" && !all.has(target) {
			broken = append(broken, "the link to "+m[1]+" leads nowhere")
		} else if anchor != "" && !slices.Contains(anchors(text), anchor) {
			broken = append(broken, "no heading of "+target+" is #"+anchor)
		}
	}
	return broken
}

func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 0x80:
				return r
			}
			return -1
		}, strings.ToLower(m[1])))
	}
	return all
}

var makeTarget = regexp.MustCompile("(?m)(?:`|^\\$? ?)make ([a-z]+)")

func (all tree) checkMake(d document) []string {
	var broken []string
	for _, m := range makeTarget.FindAllStringSubmatch(d.text, -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(all.files["Makefile"]) {
			broken = append(broken, "there is no make "+m[1])
		}
	}
	return broken
}

// TestReadmeTable holds README's table of what ISPs asked for to the program and the tests: each row names the
// command or page where it is seen and a test that shows it, or says "not yet".
func TestReadmeTable(t *testing.T) {
	all := readTree(t)
	rows := tableRows(all.files["README.md"], "ISPs asked for")
	if len(rows) == 0 {
		t.Fatal("README.md has no table \"ISPs asked for | Tocsin does | see it | test\"")
	}
	program := build(t, all)
	for _, row := range rows {
		for _, broken := range all.checkRow(row) {
			t.Errorf("README.md, row %q: %s", row[0], broken)
		}
		if len(row) != 4 {
			continue
		}
		for _, m := range commandLike.FindAllStringSubmatch(row[2], -1) {
			if program == "" {
				t.Errorf("README.md, row %q: there is no program yet", row[0])
			} else if out, err := exec.CommandContext(t.Context(), program, m[1], "--help").CombinedOutput(); err != nil {
				t.Errorf("README.md, row %q: tocsin %s --help: %v\n%s", row[0], m[1], err, out)
			}
		}
	}
}

var (
	commandLike = regexp.MustCompile("`tocsin ([a-z]+)")
	testLike    = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)\\w+)(?:/[^`]*)?`")
)

// tableRows returns the cells of the Markdown table whose first heading is first.
func tableRows(text, first string) [][]string {
	var rows [][]string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			inside = false
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		switch {
		case cells[0] == first:
			inside = true
		case inside && strings.Trim(line, "|-: ") != "":
			rows = append(rows, cells)
		}
	}
	return rows
}

func (all tree) checkRow(row []string) []string {
	if len(row) != 4 || slices.Contains(row, "") {
		return []string{"a row has four cells"}
	}
	var broken []string
	tests := testLike.FindAllStringSubmatch(row[3], -1)
	if row[3] != "not yet" && len(tests) == 0 {
		broken = append(broken, "the last cell names a test, or says \"not yet\"")
	}
	if row[2] != "not yet" && !strings.Contains(row[2], "`") {
		broken = append(broken, "the third cell names a command or a page, or says \"not yet\"")
	}
	for _, m := range tests {
		if !all.declares(m[1]) {
			broken = append(broken, "there is no test "+m[1])
		}
	}
	return broken
}

func (all tree) declares(test string) bool {
	for name, text := range all.files {
		if strings.HasSuffix(name, "_test.go") && strings.Contains(text, "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}

// build returns the path of the program, as it is shipped; "" while there is none.
func build(t *testing.T, all tree) string {
	t.Helper()
	if !all.folders["cmd/tocsin"] {
		t.Log("there is no cmd/tocsin yet")
		return ""
	}
	program := filepath.Join(t.TempDir(), "tocsin")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "./cmd/tocsin")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build ./cmd/tocsin: %v\n%s", err, out)
	}
	return program
}

// TestReadmeCommands runs what README tells a newcomer to type, and compares what it says is answered. The commands of
// one block share a folder. The demo plays itself through instead of waiting for a visitor, and `serve`, which ends when
// it is told to, is left to its own story.
func TestReadmeCommands(t *testing.T) {
	all := readTree(t)
	blocks := commands(all.files["README.md"])
	if len(blocks) == 0 {
		t.Fatal("README.md shows no command of tocsin")
	}
	program := build(t, all)
	if program == "" {
		return
	}
	for _, typed := range blocks {
		t.Run(strings.Join(strings.Fields(typed[0].line), "_"), func(t *testing.T) {
			dir := t.TempDir()
			for _, c := range typed {
				c.run(t, dir, filepath.Dir(program))
			}
		})
	}
}

// command is what a page shows as typed, with all that it needs (a here-document), and what it shows as answered.
type command struct {
	line, answer string
	answered     bool // the block shows answers: this one's has to be true
}

func (c command) run(t *testing.T, dir, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Minute, fmt.Errorf("more than two minutes: %s", c.line))
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-ec", c.line)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"), "TOCSIN_DATA=")
	out, err := cmd.CombinedOutput()
	if err != nil && (!c.answered || cmd.ProcessState.ExitCode() != 1) { // 1: done, and something was refused, as shown
		t.Errorf("%s: %v %v\n%s", c.line, err, context.Cause(ctx), out)
		return
	}
	if want, got := steady(c.answer), steady(string(out)); c.answered && want != got {
		t.Errorf("%s: README.md shows\n%s\nbut the answer is\n%s", c.line, c.answer, out)
	}
}

// steady takes out what differs from run to run: ids, handles of lines, times of day, speed, and how wide columns are
// because of them.
func steady(answer string) string {
	for _, vary := range []string{
		`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`, `\d{4}-\d\d-\d\d \d\d:\d\d`, `[\d.]+ s, \d+ events/s`, `\b[a-z2-7]{16}\b`,
	} {
		answer = regexp.MustCompile(vary).ReplaceAllString(answer, "~")
	}
	return strings.TrimSpace(answer)
}

// commands returns the commands of tocsin in each shell block, as they are run: the built program's.
func commands(text string) [][]command {
	var blocks [][]command
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "sh":
			blocks = append(blocks, script(m[2]))
		case "console":
			blocks = append(blocks, session(m[2]))
		}
	}
	return slices.DeleteFunc(blocks, func(b []command) bool { return len(b) == 0 })
}

// script is a block of which each line is a command.
func script(text string) []command {
	var typed []command
	for line := range strings.Lines(text) {
		if line := asRun(line); line != "" {
			typed = append(typed, command{line: line})
		}
	}
	return typed
}

// session is a block in which typed lines begin with "$ ", and answers, or a here-document, follow.
func session(text string) []command {
	var typed []command
	for part := range strings.SplitSeq("\n"+text, "\n$ ") {
		line, answer, _ := strings.Cut(part, "\n")
		if strings.Contains(line, "<<'END'") {
			typed = append(typed, command{line: part + "\n"})
		} else if line := asRun(line); line != "" {
			typed = append(typed, command{line, answer, strings.TrimSpace(answer) != ""})
		}
	}
	return typed
}

// asRun returns a line as the test runs it, or nothing.
func asRun(line string) string {
	line, _, _ = strings.Cut(strings.TrimSpace(line), "  #") // what it is for
	line = strings.TrimSpace(strings.Replace(line, "go run ./cmd/tocsin", "tocsin", 1))
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "tocsin" || words[1] == "serve" {
		return ""
	}
	if words[1] == "demo" && !slices.Contains(words, "--once") {
		line = strings.Replace(line, "tocsin demo", "tocsin demo --once", 1)
	}
	return line
}

// TestArchitectureNamesEveryRoom: whoever meets a folder finds it in ARCHITECTURE.md, which names none that DESIGN.md
// does not know.
func TestArchitectureNamesEveryRoom(t *testing.T) {
	all := readTree(t)
	named := map[string]bool{}
	for _, m := range fenced.FindAllStringSubmatch(all.files["ARCHITECTURE.md"], -1) {
		for _, line := range regexp.MustCompile(`(?m)^  (\w+)/ `).FindAllStringSubmatch(m[2], -1) {
			named[line[1]] = true
			if column(line[1]) < 0 && !slices.Contains(beside, line[1]) && !testOnly(line[1]) {
				t.Errorf("ARCHITECTURE.md names %s, which the table in arch_test.go does not know", line[1])
			}
		}
	}
	for folder := range all.folders {
		if room, ok := strings.CutPrefix(folder, "internal/"); ok && !strings.Contains(room, "/") && !named[room] {
			t.Errorf("ARCHITECTURE.md does not say what %s is: add it to the tree", folder)
		}
	}
}

var (
	changeName = regexp.MustCompile(`^\d{3,}(-[a-z0-9-]+)?\.md$`)
	changeHead = regexp.MustCompile(`^(Security|Change|Enhancement|Bugfix): \S.{10,90}[^.\s]$`)
	adrName    = regexp.MustCompile(`^(\d{4})-[a-z0-9-]+\.md$`)
)

// TestChangelog: one file a change, in the form of changelog/README.md.
func TestChangelog(t *testing.T) {
	found := 0
	for name, text := range readTree(t).files {
		if path.Dir(name) == "changelog/unreleased" {
			found++
			for _, broken := range checkChange(path.Base(name), text) {
				t.Errorf("%s: %s", name, broken)
			}
		}
	}
	if found == 0 {
		t.Error("changelog/unreleased is empty")
	}
}

func checkChange(name, text string) []string {
	var broken []string
	if !changeName.MatchString(name) {
		broken = append(broken, "call it NNN.md or NNN-words.md, after the issue's number")
	}
	head, body, _ := strings.Cut(text, "\n")
	if !changeHead.MatchString(head) {
		broken = append(broken, "the first line is `Security|Change|Enhancement|Bugfix: what changed`, up to 100 bytes, no full stop")
	}
	if !strings.HasPrefix(body, "\n") || strings.TrimSpace(body) == "" || !strings.HasSuffix(body, "\n") {
		broken = append(broken, "after the first line and an empty one comes what it means to the operator")
	}
	return broken
}

// TestDecisions: docs/adr is numbered without gaps and each page says context, choice and what was given up; each
// module that we require has a line that says what it replaces.
func TestDecisions(t *testing.T) {
	all := readTree(t)
	var numbers []string
	decided := ""
	for name, text := range all.files {
		if path.Dir(name) != "docs/adr" {
			continue
		}
		m := adrName.FindStringSubmatch(path.Base(name))
		if m == nil {
			t.Errorf("%s: call it NNNN-title.md", name)
			continue
		}
		numbers = append(numbers, m[1])
		decided += text
		if !strings.HasPrefix(text, "# "+m[1]+": ") {
			t.Errorf("%s: the first line is `# %s: Title`", name, m[1])
		}
		for _, part := range []string{"\n## Context\n", "\n## Choice\n", "\n## What we gave up\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: there is no %q", name, strings.TrimSpace(part))
			}
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != fmt.Sprintf("%04d", i+1) {
			t.Errorf("docs/adr: %s is out of order", n)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(all.files["go.mod"], -1) {
		if !strings.Contains(decided, "`"+m[1]+"`") {
			t.Errorf("go.mod requires %s: give it a line in docs/adr that says what it replaces", m[1])
		}
	}
}

// foreign is what no file of ours holds. Each pattern is written so that it does not match itself.
var foreign = []struct {
	what    string
	pattern *regexp.Regexp
}{
	{"a registry's host", regexp.MustCompile(
		`(?i)(proxy|sum)[.]golang[.]org|vuln[.]go[.]dev|registry[.]npmjs|\bpypi[.]org|deb[.]debian[.]org|crates[.]io`)},
	{"a path of somebody's machine", regexp.MustCompile("(^|[\\s\"'`=(:,])/(work|root|home|Users)/\\w")},
	{"the name of an assistant", regexp.MustCompile(
		`(?i)\bcl[a]ude\b|anthr[o]pic|chat[g]pt|\bco[p]ilot\b|\b[l]lm-generated|generated (by|with) an? (a[i]|assist[a]nt)\b`)},
}

// TestNothingForeign: no file says where or with what it was made.
func TestNothingForeign(t *testing.T) {
	for name, text := range readTree(t).files {
		for i, line := range strings.Split(text, "\n") {
			for _, broken := range checkForeign(line) {
				t.Errorf("%s:%d: holds %s", name, i+1, broken)
			}
		}
	}
}

func checkForeign(line string) []string {
	var broken []string
	for _, f := range foreign {
		if m := f.pattern.FindString(line); m != "" {
			broken = append(broken, f.what+": "+m)
		}
	}
	return broken
}
