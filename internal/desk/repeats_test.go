package desk

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestRepeatsAgainstMap compares the set that spills with a plain map, with limits so low that most of it spills.
func TestRepeatsAgainstMap(t *testing.T) {
	for _, limit := range []int{1, 7, 1000, 1 << 20} {
		r := rand.New(rand.NewPCG(1, uint64(limit)))
		set := newRepeats(t.TempDir(), limit)
		defer set.close()
		oracle := map[string]bool{}
		for range 3000 {
			feed, content := r.Int32N(3), fmt.Sprint(r.IntN(1500))
			key := fmt.Sprint(feed, content)
			got, err := set.seen(feed, []byte(content))
			if err != nil {
				t.Fatal(err)
			}
			if got != oracle[key] {
				t.Fatalf("limit %d: %s seen before: %v, want %v", limit, key, got, oracle[key])
			}
			oracle[key] = true
		}
	}
}

// BenchmarkRepeats is one row of a report whose fingerprints spilt ten times.
func BenchmarkRepeats(b *testing.B) {
	set := newRepeats(b.TempDir(), 10_000)
	defer set.close()
	content := make([]byte, 350)
	for i := range 100_000 {
		copy(content, fmt.Sprint(i))
		if _, err := set.seen(1, content); err != nil {
			b.Fatal(err)
		}
	}
	i := 100_000
	for b.Loop() {
		i++
		copy(content, fmt.Sprint(i))
		if _, err := set.seen(1, content); err != nil {
			b.Fatal(err)
		}
	}
}
