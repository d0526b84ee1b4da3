package desk

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the desk does. A nil Metrics counts nothing.
type Metrics struct {
	rows    *prometheus.CounterVec
	lines   *prometheus.CounterVec
	commits prometheus.Histogram
	group   prometheus.Histogram
}

// NewMetrics registers the desk's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_rows_total", Help: "Rows committed, by format and by what became of them.",
		}, []string{"format", "fate"}),
		lines: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_lines_total", Help: "Events about own addresses of which it was asked which line it was, by the answer.",
		}, []string{"answer"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tocsin_commit_seconds", Help: "Time of one transaction that stores chunks.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tocsin_commit_rows", Help: "Rows stored by one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 10),
		}),
	}
	reg.MustRegister(m.rows, m.lines, m.commits, m.group)
	return m
}

func (m *Metrics) committed(chunks []*Chunk, took time.Duration) {
	if m == nil {
		return
	}
	rows := 0
	for _, c := range chunks {
		m.rows.WithLabelValues(c.Format, "event").Add(float64(c.Events))
		m.rows.WithLabelValues(c.Format, "repeat").Add(float64(c.Repeats))
		m.rows.WithLabelValues(c.Format, "refused").Add(float64(c.Refused))
		m.lines.WithLabelValues("unique").Add(float64(c.Lines.Unique))
		m.lines.WithLabelValues("ambiguous").Add(float64(c.Lines.Ambiguous))
		m.lines.WithLabelValues("none").Add(float64(c.Lines.None))
		rows += c.Events
	}
	m.commits.Observe(took.Seconds())
	m.group.Observe(float64(rows))
}
