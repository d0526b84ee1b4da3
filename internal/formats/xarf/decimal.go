package xarf

import "math"

// decimal is a JSON number, exact as far as limits need it: no rounding, whatever the exponent.
type decimal struct {
	negative bool  // and not zero
	whole    int64 // digits before the point, at most math.MaxInt64
	fraction bool  // a digit other than 0 after the point
}

// readDecimal reads a number of RFC 8259 §6.
func readDecimal(s []byte) decimal {
	var d decimal
	if s[0] == '-' {
		d.negative = true
		s = s[1:]
	}
	point, digits := 0, 0 // digits before the point, and before the exponent
	sawPoint := false
	for ; digits < len(s) && s[digits]|0x20 != 'e'; digits++ {
		if s[digits] == '.' {
			sawPoint = true
		} else if !sawPoint {
			point++
		}
	}
	if digits < len(s) {
		point += exponent(s[digits+1:])
	}
	place := 0
	for _, c := range s[:digits] {
		if c == '.' {
			continue
		}
		switch {
		case place >= point:
			d.fraction = d.fraction || c != '0'
		case d.whole > (math.MaxInt64-9)/10:
			d.whole = math.MaxInt64
		default:
			d.whole = d.whole*10 + int64(c-'0')
		}
		place++
	}
	for ; place < point && d.whole != 0 && d.whole != math.MaxInt64; place++ {
		if d.whole > math.MaxInt64/10 {
			d.whole = math.MaxInt64
		} else {
			d.whole *= 10
		}
	}
	d.negative = d.negative && (d.whole != 0 || d.fraction)
	return d
}

// exponent reads digits with an optional sign; beyond a million it does not matter how many.
func exponent(s []byte) int {
	const most = 1 << 30
	n, sign := 0, 1
	for _, c := range s {
		switch {
		case c == '-':
			sign = -1
		case c != '+' && n < most/10:
			n = n*10 + int(c-'0')
		}
	}
	return sign * n
}

// less reports whether the number is below n, which is 0 or more.
func (d decimal) less(n int64) bool { return d.negative || d.whole < n }

// more reports whether the number is above n, which is 0 or more.
func (d decimal) more(n int64) bool {
	return !d.negative && (d.whole > n || d.whole == n && d.fraction)
}
