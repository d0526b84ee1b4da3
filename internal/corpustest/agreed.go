package corpustest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// agreementPage has the table of all agreement with the corpus.
const agreementPage = "docs/formats/README.md"

// Agreed says how much of a part of the corpus agrees with what is expected of it, and holds the figure against the line
// of that name in the table of docs/formats/README.md, so that the table is true.
func Agreed(t testing.TB, name string, agreed, total int) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(moduleRoot(t), agreementPage))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%d of %d, %s", agreed, total, percent(agreed, total))
	t.Logf("%s: %s agree", name, got)
	switch said, ok := agreementTable(string(page))[name]; {
	case !ok:
		t.Errorf("%s has no line for %q: it says %s", agreementPage, name, got)
	case said != got:
		t.Errorf("%s says of %q %s, but it is %s", agreementPage, name, said, got)
	}
}

func percent(agreed, total int) string {
	share := 100 * float64(agreed) / float64(max(total, 1))
	return strings.TrimSuffix(strconv.FormatFloat(share, 'f', 2, 64), ".00") + " %"
}

// agreementTable is what each line of the table says, by its name.
func agreementTable(page string) map[string]string {
	lines := map[string]string{}
	_, page, _ = strings.Cut(page, "\n## Agreement\n")
	page, _, _ = strings.Cut(page, "\n## ")
	for line := range strings.Lines(page) {
		if cells := strings.Split(line, "|"); len(cells) > 4 && strings.Contains(cells[3], " of ") {
			lines[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[3])
		}
	}
	return lines
}
