package nat_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/internal/line"
	"tocsin/internal/line/nat"
)

// number is how lines end of which nobody can tell that the last number is not whole, or that more followed.
var number = regexp.MustCompile(` EXT [0-9.]+(?::\d+(?:-\d+)?)?$|-> ?[0-9.]+:\d+(?:-\d+)?$| sourceTranslatedPort=\d+$|\]$`)

// samples are the lines of the cases in testdata that say who has which ports.
func samples(t *testing.T, l *nat.Logs) (all []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.Lines(string(a.Files[0].Data)) {
			text = strings.TrimSuffix(text, "\n")
			if records, err := l.Line(text, written); err == nil && len(records) > 0 {
				all = append(all, text)
			}
		}
	}
	if len(all) < 25 {
		t.Fatalf("%d samples", len(all))
	}
	return all
}

// TestCut: a line that is cut off anywhere, or cut off and followed by another without a line's end, is refused, unless it
// says all that it did. What ends with a number cannot be told from one that ends sooner: see leastCut.
func TestCut(t *testing.T) {
	l := &nat.Logs{Realm: "cgn", VRFs: map[string]string{"Broadband": "cgn"}}
	all := samples(t, l)
	for _, text := range all {
		whole, err := l.Line(text, written)
		if err != nil {
			t.Fatal(err)
		}
		other := all[0]
		if other == text {
			other = all[1]
		}
		for n := 1; n < len(text); n++ {
			got, err := l.Line(text[:n], written)
			if err == nil && !same(whole, got) && !number.MatchString(text[:n]) {
				t.Errorf("%q: %+v", text[:n], got)
			}
		}
		for n := 1; n <= len(text); n++ {
			if got, err := l.Line(text[:n]+other, written); err == nil {
				t.Errorf("%q and another: %+v", text[:n], got)
			}
		}
	}
}

func same(a, b []line.Record) bool {
	return gocmp.Equal(a, b, gocmp.Comparer(func(x, y line.Record) bool { return x == y }))
}

// TestVRF: a private address means another line in another VRF. What is of one that nobody named is refused.
func TestVRF(t *testing.T) {
	nfware := header + "nfware: A VRF 1 INT 10.0.0.1 EXT 198.51.100.7:1024-2047"
	cisco := header + "[UserbasedA - 10.0.0.1 blue - 198.51.100.7 - 1024 2047 - -]"
	juniper := header + `RT_SRC_NAT_PBA_ALLOC [junos@2636 internal-ip="10.0.0.1" reflexive-ip="198.51.100.7" block-port-low="1024" block-port-high="2047" logical-system-id="1" epoch-time-64="69a3a118"]`
	for name, c := range map[string]struct {
		logs nat.Logs
		text string
		want string // the realm; "refused"
	}{
		"nobody said":        {nat.Logs{Realm: "cgn"}, nfware, "refused"},
		"another was named":  {nat.Logs{Realm: "cgn", VRFs: map[string]string{"2": "south"}}, nfware, "refused"},
		"named":              {nat.Logs{Realm: "cgn", VRFs: map[string]string{"1": "north"}}, nfware, "north"},
		"the rest":           {nat.Logs{Realm: "cgn", VRFs: map[string]string{"2": "south", "*": ""}}, nfware, ""},
		"the main one":       {nat.Logs{Realm: "cgn"}, strings.Replace(nfware, "VRF 1", "VRF 0", 1), "cgn"},
		"Cisco":              {nat.Logs{}, cisco, "refused"},
		"Cisco, named":       {nat.Logs{VRFs: map[string]string{"blue": "b"}}, cisco, "b"},
		"Juniper":            {nat.Logs{}, juniper, "refused"},
		"Juniper's main one": {nat.Logs{Realm: "cgn"}, strings.Replace(juniper, `id="1"`, `id="0"`, 1), "cgn"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := c.logs.Line(c.text, written)
			if c.want == "refused" {
				if err == nil || err.Error() != nat.ErrVRF.Error() {
					t.Errorf("%+v, %v", all, err)
				}
				return
			}
			if err != nil || len(all) != 1 || all[0].Held.Realm != c.want {
				t.Errorf("%+v, %v", all, err)
			}
		})
	}
}
