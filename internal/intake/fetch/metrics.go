package fetch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count by what was fetched for, never by address.
type metrics struct {
	fetches *prometheus.CounterVec
	bytes   *prometheus.CounterVec
	last    *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_fetches_total", Help: "Requests to others, by what they were for and how they ended.",
		}, []string{"for", "result"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_fetched_bytes_total", Help: "Bytes fetched from others, unpacked, by what they were for.",
		}, []string{"for"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tocsin_fetched_last_seconds", Help: "When something was last fetched, or found unchanged, in seconds since 1970.",
		}, []string{"for"}),
	}
	if reg != nil {
		reg.MustRegister(m.fetches, m.bytes, m.last)
	}
	return m
}

func (m *metrics) count(what string, a *Answer, err error, now time.Time) {
	result := "ok"
	switch {
	case err != nil:
		result = string(KindOf(err))
	case a.Unchanged:
		result = "unchanged"
	default:
		m.bytes.WithLabelValues(what).Add(float64(a.Body.Size))
	}
	m.fetches.WithLabelValues(what, result).Inc()
	if err == nil {
		m.last.WithLabelValues(what).Set(float64(now.Unix()))
	}
}
