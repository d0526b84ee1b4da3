package sources

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/line/archive"
)

// Status is how a source is.
type Status struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Rows    int64     `json:"rows"`    // records kept, ever
	Refused int64     `json:"refused"` // since the node began
	Latest  time.Time `json:"latest"`  // what it said last is of then; zero: nothing yet
	Lag     float64   `json:"lag_seconds"`
	Clock   int64     `json:"clock_offset_seconds"` // by which its clock may be off, lately
	Gaps    int       `json:"gaps"`                 // spans of its log that are known to be missing
	Since   time.Time `json:"since"`                // what was before is deleted; zero: nothing is
	Health  string    `json:"health"`

	// Of one that is asked, since the node began: its rows are the questions that it answered, refused those to which
	// there was no answer that could be used.
	Cached  int64  `json:"cached,omitempty"`  // questions that were answered from what it had said lately
	Unasked int64  `json:"unasked,omitempty"` // that were not put while it rests
	Fault   string `json:"fault,omitempty"`   // why it failed last
}

// The states of health.
const (
	Well    = "well"
	Silent  = "silent"  // nothing yet, or nothing for a day
	Down    = "down"    // it does not answer, or its answer cannot be used
	Clock   = "clock"   // its clock is off: answers near a change of holder are ambiguous
	Resting = "resting" // it is not asked for a while, as it failed too often: meanwhile nobody is named in its networks
)

const silence = 24 * time.Hour

// Status says how each source is.
func (l *Lines) Status() []Status {
	out := make([]Status, 0, len(l.sources))
	now := l.needs.Now()
	for _, s := range l.sources {
		out = append(out, status(s, s.archive.Health(now), now))
	}
	for _, a := range l.asked {
		out = append(out, a.status(now))
	}
	return out
}

func status(s *source, h archive.Health, now time.Time) Status {
	st := Status{
		Name: s.name, Kind: s.kind, Rows: h.Rows, Refused: s.refused.Load(), Latest: h.Latest, Clock: h.Clock, Gaps: h.Gaps,
		Since: h.Since, Health: Well,
	}
	st.Clock = max(st.Clock, s.clocks.Behind(now.Unix()))
	if !h.Latest.IsZero() {
		st.Lag = now.Sub(h.Latest).Seconds()
	}
	switch {
	case s.down.Load():
		st.Health = Down
	case h.Latest.IsZero() || s.kind != "table" && now.Sub(h.Latest) > silence:
		st.Health = Silent
	case st.Clock > 0:
		st.Health = Clock
	}
	return st
}

// collector gives Prometheus what Status says.
type collector struct{ lines *Lines }

var (
	rowsDesc    = prometheus.NewDesc("tocsin_line_rows_total", "Records of who held what, kept.", []string{"source"}, nil)
	refusedDesc = prometheus.NewDesc("tocsin_line_refused_total", "Records that could not be used.", []string{"source"}, nil)
	lagDesc     = prometheus.NewDesc("tocsin_line_lag_seconds", "Age of the latest record; -1 before the first.", []string{"source"}, nil)
	clockDesc   = prometheus.NewDesc("tocsin_line_clock_offset_seconds", "By how much the source's clock may be off.", []string{"source"}, nil)
	askedDesc   = prometheus.NewDesc("tocsin_line_questions_total", "Questions to a source that is asked over the network, by what became of them.", []string{"source", "outcome"}, nil)
	restingDesc = prometheus.NewDesc("tocsin_line_resting", "1 while a source is not asked because it failed too often.", []string{"source"}, nil)
	gapsDesc    = prometheus.NewDesc("tocsin_line_gaps", "Spans of the source's log that are known to be missing.", []string{"source"}, nil)
)

// Describe is prometheus.Collector's.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{rowsDesc, refusedDesc, lagDesc, clockDesc, gapsDesc, askedDesc, restingDesc} {
		ch <- d
	}
}

// Collect is prometheus.Collector's.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.lines.Status() {
		lag := s.Lag
		if s.Latest.IsZero() {
			lag = -1
		}
		ch <- prometheus.MustNewConstMetric(rowsDesc, prometheus.CounterValue, float64(s.Rows), s.Name)
		ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(s.Refused), s.Name)
		ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, lag, s.Name)
		ch <- prometheus.MustNewConstMetric(clockDesc, prometheus.GaugeValue, float64(s.Clock), s.Name)
		ch <- prometheus.MustNewConstMetric(gapsDesc, prometheus.GaugeValue, float64(s.Gaps), s.Name)
		if s.Kind != "http" {
			continue
		}
		for outcome, n := range map[string]int64{"answered": s.Rows, "failed": s.Refused, "cached": s.Cached, "unasked": s.Unasked} {
			ch <- prometheus.MustNewConstMetric(askedDesc, prometheus.CounterValue, float64(n), s.Name, outcome)
		}
		resting := 0.0
		if s.Health == Resting {
			resting = 1
		}
		ch <- prometheus.MustNewConstMetric(restingDesc, prometheus.GaugeValue, resting, s.Name)
	}
}
