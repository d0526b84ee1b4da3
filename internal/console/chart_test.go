package console

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
)

// TestChart: bars stand on each other, none reaches above the axis, and what does not fit into the colours is one.
func TestChart(t *testing.T) {
	c := chart{ID: "days", Title: "Incidents a day"}
	for i := range 30 {
		c.Columns = append(c.Columns, fmt.Sprint(i+1))
	}
	for n := range 9 {
		s := series{Name: fmt.Sprintf("<kind %d>", n), Values: make([]int64, 30)}
		for i := range 30 {
			s.Values[i] = int64(i * (9 - n) % 37)
		}
		c.Series = append(c.Series, s)
	}
	var before int64
	for _, s := range c.Series {
		before += s.Sum()
	}
	c.fold()
	var after int64
	for _, s := range c.Series {
		after += s.Sum()
	}
	if len(c.Series) != maxSeries || before != after || c.Series[maxSeries-1].Name != other {
		t.Errorf("%d series with %d of %d, the last is %s", len(c.Series), after, before, c.Series[maxSeries-1].Name)
	}
	under := map[string]float64{}
	for _, b := range c.Bars() {
		y, h := parse(t, b.Y), parse(t, b.Height)
		if bottom, ok := under[b.X]; !ok && y+h != chartHeight-chartBottom || ok && y+h-bottom > .11 {
			t.Errorf("the bar %+v stands on nothing", b)
		}
		if under[b.X] = y; y < chartTop-.1 || h <= 0 {
			t.Errorf("the bar %+v leaves the drawing", b)
		}
	}
	for top, want := range map[int64]int64{0: 1, 1: 1, 4: 1, 5: 2, 8: 2, 9: 5, 40: 10, 41: 20, 1000: 500, 99: 50} {
		if got := step(top); got != want {
			t.Errorf("up to %d in steps of %d, want %d", top, got, want)
		}
	}
	p, err := parsePages()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.all["today"].ExecuteTemplate(&b, "chart", &c); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes(), []byte("<kind")) {
		t.Error("names are not escaped")
	}
}

func parse(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
