package smtp

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	mails, refused, connections *prometheus.CounterVec
	bytes                       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, open func() float64) *metrics {
	m := &metrics{
		mails: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_smtp_mails_total", Help: "Mails taken by SMTP and LMTP: new, or a duplicate of one that was here before.",
		}, []string{"protocol", "fate"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_smtp_refused_total", Help: "What was refused, by reason: connections, commands, recipients and mails. full and node are faults of this node; the mail server tries those mails again.",
		}, []string{"reason"}),
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_smtp_connections_total", Help: "Connections of mail servers, those that were sent away included.",
		}, []string{"protocol"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tocsin_smtp_bytes_total", Help: "Bytes of the mails taken.",
		}),
	}
	for _, p := range []string{"smtp", "lmtp"} { // from zero on, so that the first of each is seen
		m.mails.WithLabelValues(p, "new")
		m.mails.WithLabelValues(p, "duplicate")
		m.connections.WithLabelValues(p)
	}
	for _, r := range reasons() {
		m.refused.WithLabelValues(r)
	}
	reg.MustRegister(m.mails, m.refused, m.connections, m.bytes, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tocsin_smtp_connections", Help: "Connections of mail servers that are open.",
	}, open))
	return m
}

func (m *metrics) refuse(r *reply) {
	if r.reason != "" {
		m.refused.WithLabelValues(r.reason).Inc()
	}
}

func (m *metrics) take(protocol string, duplicate bool, size int64) {
	fate := "new"
	if duplicate {
		fate = "duplicate"
	}
	m.mails.WithLabelValues(protocol, fate).Inc()
	m.bytes.Add(float64(size))
}
