package console

import (
	"slices"
	"strings"
	"unicode/utf8"

	"tocsin/internal/formats/letter"
)

// partView is one part of a mail as it is shown.
type partView struct {
	letter.Part
	Pieces []piece
}

// piece is a stretch of text that is shown in one way.
type piece struct {
	Text string
	What string // what it may be good for, see letter.Kind; empty: nothing
	From int    // the suggestion whose text begins here, from 1; 0: none does
	// Hidden is what a mail program would not show.
	Hidden bool
}

// maxShown is how much of a mail's text a page shows, in bytes.
const maxShown = 200 << 10

// partsOf cuts the texts of a mail into pieces, with what events may be made of marked where it stands first. cut
// reports whether there is more than is shown.
func partsOf(parts []letter.Part, suggestions []letter.Suggestion) (all []partView, cut bool) {
	left := maxShown
	for _, p := range parts {
		one := partView{Part: p}
		cut = cut || p.Cut
		if len(p.Text) > left {
			p.Text, cut = strings.ToValidUTF8(p.Text[:left], ""), true
		}
		left -= len(p.Text)
		if p.Text != "" {
			one.Pieces = piecesOf(&p, suggestions)
		}
		all = append(all, one)
	}
	return all, cut
}

// stretch is bytes of a text.
type stretch struct{ from, to, suggestion int }

func piecesOf(p *letter.Part, suggestions []letter.Suggestion) []piece {
	marks := marksOf(p, suggestions)
	ends := []int{0, len(p.Text)}
	for _, m := range marks {
		ends = append(ends, m.from, m.to)
	}
	for _, h := range p.Hidden {
		ends = append(ends, h[0], h[1])
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	var all []piece
	hidden, mark := 0, 0
	for i := 1; i < len(ends) && ends[i] <= len(p.Text); i++ {
		from, to := ends[i-1], ends[i]
		for hidden < len(p.Hidden) && p.Hidden[hidden][1] <= from {
			hidden++
		}
		for mark < len(marks) && marks[mark].to <= from {
			mark++
		}
		one := piece{Text: p.Text[from:to], Hidden: hidden < len(p.Hidden) && p.Hidden[hidden][0] <= from}
		if mark < len(marks) && marks[mark].from <= from {
			one.What = string(suggestions[marks[mark].suggestion].Kind)
			if marks[mark].from == from {
				one.From = marks[mark].suggestion + 1
			}
		}
		all = append(all, one)
	}
	return all
}

// marksOf finds where the suggestions of a part stand in its text; where two overlap, the first.
func marksOf(p *letter.Part, suggestions []letter.Suggestion) []stretch {
	starts := []int{0}
	for i := range len(p.Text) {
		if p.Text[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	var all []stretch
	for i := range suggestions {
		s := &suggestions[i]
		if s.Part != p.Number || s.Line < 1 || s.Line > len(starts) {
			continue
		}
		from := starts[s.Line-1] + letters(p.Text[starts[s.Line-1]:], s.Column-1)
		to := from + letters(p.Text[from:], s.Width)
		if to > from {
			all = append(all, stretch{from, to, i})
		}
	}
	slices.SortStableFunc(all, func(a, b stretch) int { return a.from - b.from })
	kept, end := all[:0], 0
	for _, m := range all {
		if m.from >= end {
			kept, end = append(kept, m), m.to
		}
	}
	return kept
}

// letters is how many bytes the first n letters of a text take.
func letters(text string, n int) int {
	at := 0
	for range n {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}
