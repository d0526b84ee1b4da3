package incident

import (
	"math"
	"time"

	"tocsin/internal/report"
)

// KnownOn is how many incidents of a kind began on a UTC day, by what was known of them first.
type KnownOn struct {
	Day  time.Time
	Kind report.Kind
	N    int64
}

// Step is a part of the loop whose time is taken.
type Step string

// The steps.
const (
	StepTold    Step = "told"    // from when the first report of an incident came in to when its party was told
	StepCleaned Step = "cleaned" // from when an incident was first seen to when it was closed as cleaned
)

// Steps returns all steps.
func Steps() []Step { return []Step{StepTold, StepCleaned} }

// Histogram counts times by Bucket.
type Histogram map[int]int64

// TimesOn is how long a step took each time that it was over on a UTC day.
type TimesOn struct {
	Day   time.Time
	Times Histogram
}

// perOctave is how many buckets a doubling of the time has: each is a fifth longer than the one before.
const perOctave = 4

// maxBucket is for all that took longer than some hundred years.
const maxBucket = perOctave*32 + 1

// Bucket is the number of the bucket of a histogram that a time falls into: 0 is less than a second.
func Bucket(d time.Duration) int {
	s := d.Seconds()
	if s < 1 {
		return 0
	}
	return min(1+int(math.Floor(perOctave*math.Log2(s))), maxBucket)
}

// BucketSpan is the times [low, high) of a bucket.
func BucketSpan(bucket int) (low, high time.Duration) {
	at := func(b int) time.Duration {
		return time.Duration(math.Exp2(float64(b)/perOctave) * float64(time.Second))
	}
	if bucket <= 0 {
		return 0, time.Second
	}
	return at(bucket - 1), at(bucket)
}

// Add adds the counts of another histogram.
func (h Histogram) Add(o Histogram) {
	for bucket, n := range o {
		h[bucket] += n
	}
}

// Median is the time that half of them did not exceed, as far as a histogram knows it.
type Median struct {
	N         int64 // times counted; 0: nothing is known
	Low, High time.Duration
}

// Median returns the bounds of the bucket that holds the median; of two middle times it is the shorter.
func (h Histogram) Median() Median {
	var m Median
	for _, n := range h {
		m.N += n
	}
	if m.N == 0 {
		return m
	}
	below := int64(0)
	for bucket := 0; bucket <= maxBucket; bucket++ {
		if below += h[bucket]; 2*below >= m.N {
			m.Low, m.High = BucketSpan(bucket)
			break
		}
	}
	return m
}
