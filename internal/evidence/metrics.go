package evidence

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the log's writer does. A nil Metrics counts nothing.
type Metrics struct {
	entries *prometheus.CounterVec
	waiting prometheus.Gauge
	oldest  prometheus.Gauge
	writing prometheus.Gauge
}

// NewMetrics registers the log's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		entries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_log_entries_total", Help: "Entries that this worker appended to the evidence log, by kind.",
		}, []string{"kind"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tocsin_log_waiting", Help: "Entries handed over that are not in the evidence log yet.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tocsin_log_waiting_seconds", Help: "Age of the oldest entry that is not in the evidence log yet; 0 when none waits.",
		}),
		writing: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tocsin_log_writer", Help: "1 when this worker writes the evidence log.",
		}),
	}
	reg.MustRegister(m.entries, m.waiting, m.oldest, m.writing)
	return m
}

func (m *Metrics) appended(items []Item) {
	if m == nil {
		return
	}
	for i := range items {
		m.entries.WithLabelValues(items[i].Kind).Inc()
	}
}

func (m *Metrics) waits(n int64, age time.Duration) {
	if m == nil {
		return
	}
	m.waiting.Set(float64(n))
	m.oldest.Set(max(age, 0).Seconds())
}

func (m *Metrics) writes(yes bool) {
	if m == nil {
		return
	}
	v := 0.0
	if yes {
		v = 1
	}
	m.writing.Set(v)
}
