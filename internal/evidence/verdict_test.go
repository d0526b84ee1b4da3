package evidence_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"tocsin/internal/evidence"
	"tocsin/internal/report"
)

func verdicts(n int) []evidence.Verdict {
	all := make([]evidence.Verdict, n)
	for i := range all {
		all[i] = evidence.Verdict{Row: int64(3*i + 1), Party: report.PartyAS(64496 + uint32(i%7)), Incident: evidence.IncidentKey{byte(i), 1}}
		if i%5 == 0 {
			all[i].Party, all[i].Line = report.PartyOwn, report.LineAmbiguous
		}
	}
	return all
}

func root(salt [32]byte, all []evidence.Verdict) [32]byte {
	var t evidence.VerdictTree
	t.Reset([32]byte{9}) // what was before does not show
	t.Add(&evidence.Verdict{Row: 5})
	t.Reset(salt)
	for i := range all {
		t.Add(&all[i])
	}
	return t.Root()
}

// TestVerdictRoot compares with the obvious way: the library's hashes over leaves that are salted by the library's HMAC.
func TestVerdictRoot(t *testing.T) {
	salt := [32]byte{1, 2, 3}
	for _, n := range []int{0, 1, 2, 3, 4, 7, 8, 9, 1000} {
		all := verdicts(n)
		var stored []tlog.Hash
		reader := tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, _ error) {
			for _, i := range indexes {
				out = append(out, stored[i])
			}
			return out, nil
		})
		for i, v := range all {
			row := binary.BigEndian.AppendUint64(nil, uint64(v.Row))
			mac := hmac.New(sha256.New, salt[:])
			mac.Write(binary.BigEndian.AppendUint64(nil, uint64(i)))
			leaf := append(mac.Sum(nil), row...)
			leaf = append(leaf, v.Incident[:]...)
			leaf = append(leaf, byte(len(v.Line)))
			leaf = append(leaf, v.Line...)
			leaf = append(leaf, v.Party...)
			more, err := tlog.StoredHashes(int64(i), leaf, reader)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
		}
		want := tlog.Hash(sha256.Sum256(nil))
		if n > 0 {
			var err error
			if want, err = tlog.TreeHash(int64(n), reader); err != nil {
				t.Fatal(err)
			}
		}
		if got := root(salt, all); got != want {
			t.Errorf("%d verdicts have root %x, want %x", n, got, want)
		}
	}
}

// TestProveVerdict: each verdict can be proven, through JSON as well, and nothing but what was decided.
func TestProveVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := verdicts(rapid.IntRange(1, 70).Draw(t, "verdicts"))
		i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
		var salt [32]byte
		rand.Read(salt[:])
		p, led, err := evidence.ProveVerdict(salt, all, i)
		if err != nil {
			t.Fatal(err)
		}
		want := root(salt, all)
		if led != want {
			t.Fatalf("the proof leads to %x, the root is %x", led, want)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back evidence.VerdictProof
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(p, back); d != "" {
			t.Fatalf("through JSON (-want +got):\n%s", d)
		}
		if err := evidence.VerifyVerdict(want, &back); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(p *evidence.VerdictProof){
			"row":      func(p *evidence.VerdictProof) { p.Row++ },
			"party":    func(p *evidence.VerdictProof) { p.Party = "line:abcdefgh" },
			"incident": func(p *evidence.VerdictProof) { p.Incident[15] ^= 1 },
			"line":     func(p *evidence.VerdictProof) { p.Line = report.LineUnique },
			"salt":     func(p *evidence.VerdictProof) { p.Salt[0] ^= 1 },
			"index":    func(p *evidence.VerdictProof) { p.Index++ },
			"size":     func(p *evidence.VerdictProof) { p.Size += 2 * int64(len(all)) },
			"path":     func(p *evidence.VerdictProof) { p.Path = append(slices.Clip(p.Path), tlog.Hash{}) },
			"long":     func(p *evidence.VerdictProof) { p.Line = report.LineState(make([]byte, 256)) },
		} {
			other := back
			change(&other)
			if evidence.VerifyVerdict(want, &other) == nil {
				t.Errorf("a proof with another %s is taken", name)
			}
		}
		if evidence.VerifyVerdict(root(salt, all[:i]), &back) == nil {
			t.Error("the proof is taken under another root")
		}
	})
	if _, _, err := evidence.ProveVerdict([32]byte{}, verdicts(3), 3); err == nil {
		t.Error("a verdict that is not there is proven")
	}
}

// TestVerdictLeaves: what a leaf says can be read in one way only.
func TestVerdictLeaves(t *testing.T) {
	one := func(party report.Party, line report.LineState) [32]byte {
		return root([32]byte{}, []evidence.Verdict{{Row: 1, Party: party, Line: line}})
	}
	if one("bc", "a") == one("c", "ab") {
		t.Error("two verdicts have one leaf")
	}
}

// TestEdge: an edge goes on from where it was packed, whatever the size.
func TestEdge(t *testing.T) {
	var whole evidence.Edge
	for i := range 40 {
		back, err := evidence.ReadEdge(whole.Size(), whole.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		entry := []byte(fmt.Sprint("entry ", i))
		whole.Add(entry)
		back.Add(entry)
		if whole.Root() != back.Root() {
			t.Fatalf("after %d entries they part", i+1)
		}
	}
	if _, err := evidence.ReadEdge(40, whole.Bytes()[1:]); err == nil {
		t.Error("a damaged edge is read")
	}
}

func BenchmarkVerdictTree(b *testing.B) {
	var tree evidence.VerdictTree
	tree.Reset([32]byte{1})
	v := evidence.Verdict{Row: 1, Party: "as:64500"}
	b.ReportAllocs()
	for b.Loop() {
		v.Row++
		tree.Add(&v)
	}
}
