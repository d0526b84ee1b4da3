package console

import (
	"fmt"
	"math"
	"strings"
)

// chart is bars of several series on top of each other, one bar a column. It is drawn as SVG with classes of the
// stylesheet, so that it follows the theme, and stands in a table as well, for whoever does not see it.
type chart struct {
	ID      string // unique on the page
	Title   string
	Columns []string
	Series  []series
}

// series is one part of each bar.
type series struct {
	Name   string
	Values []int64 // one a column
}

// The drawing, in units of its own; the page scales it.
const (
	chartWidth, chartHeight  = 720, 220
	chartLeft, chartBottom   = 44, 24
	chartTop, chartRight     = 8, 4
	maxSeries, maxAxisLabels = 6, 8
)

// other is what the smallest series are taken together as, where there are more than colours.
const other = "all other"

// fold takes the smallest series together, so that each has a colour of its own.
func (c *chart) fold() {
	if len(c.Series) <= maxSeries {
		return
	}
	rest := series{Name: other, Values: make([]int64, len(c.Columns))}
	for _, s := range c.Series[maxSeries-1:] {
		for i, v := range s.Values {
			rest.Values[i] += v
		}
	}
	c.Series = append(c.Series[:maxSeries-1:maxSeries-1], rest)
}

// Bar is a rectangle of the drawing.
type Bar struct {
	X, Y, Width, Height string
	Class               string
	Title               string
}

// Mark is a value of the axis.
type Mark struct {
	At   string
	Text string
}

// top is the highest bar.
func (c *chart) top() int64 {
	var highest int64
	for i := range c.Columns {
		var sum int64
		for _, s := range c.Series {
			sum += s.Values[i]
		}
		highest = max(highest, sum)
	}
	return highest
}

// step is how far the marks of the axis are from each other: 1, 2 or 5 with noughts behind, about four of them.
func step(top int64) int64 {
	rough := float64(max(top, 1)) / 4
	unit := math.Pow(10, math.Floor(math.Log10(max(rough, 1))))
	for _, f := range []float64{1, 2, 5, 10} {
		if f*unit >= rough {
			return max(int64(f*unit), 1)
		}
	}
	return int64(10 * unit)
}

// scale is the highest mark of the axis.
func (c *chart) scale() int64 {
	s := step(c.top())
	return max((c.top()+s-1)/s*s, s)
}

func (c *chart) y(v int64) float64 {
	return chartHeight - chartBottom - float64(v)*(chartHeight-chartBottom-chartTop)/float64(c.scale())
}

func (c *chart) x(i int) (left, width float64) {
	slot := float64(chartWidth-chartLeft-chartRight) / float64(max(len(c.Columns), 1))
	return chartLeft + float64(i)*slot + slot*.12, slot * .76
}

// Bars are all rectangles.
func (c *chart) Bars() []Bar {
	var all []Bar
	for i, column := range c.Columns {
		var below int64
		left, width := c.x(i)
		for n, s := range c.Series {
			v := s.Values[i]
			if v == 0 {
				continue
			}
			all = append(all, Bar{
				number(left), number(c.y(below + v)), number(width), number(c.y(below) - c.y(below+v)), c.Class(n),
				fmt.Sprintf("%s, %s: %d", column, s.Name, v),
			})
			below += v
		}
	}
	return all
}

// Class is the colour of a series.
func (c *chart) Class(n int) string { return fmt.Sprintf("s%d", n%maxSeries+1) }

// Levels are the marks at the left, with a line each.
func (c *chart) Levels() []Mark {
	var all []Mark
	for v := int64(0); v <= c.scale(); v += step(c.top()) {
		all = append(all, Mark{number(c.y(v)), fmt.Sprint(v)})
	}
	return all
}

// Labels are the marks below, as many as fit.
func (c *chart) Labels() []Mark {
	var all []Mark
	every := (len(c.Columns) + maxAxisLabels - 1) / maxAxisLabels
	for i := 0; i < len(c.Columns); i += max(every, 1) {
		left, width := c.x(i)
		all = append(all, Mark{number(left + width/2), c.Columns[i]})
	}
	return all
}

// Sum is how many of a series there are.
func (s series) Sum() (n int64) {
	for _, v := range s.Values {
		n += v
	}
	return n
}

func number(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.1f", f), "0"), ".")
}
