package imap

import "github.com/prometheus/client_golang/prometheus"

// metrics count what the mailboxes do. Their only label is the mailbox's name in the config.
type metrics struct {
	mails, moves, failures                              *prometheus.CounterVec
	connected, refused, success, pending, waiting, left *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tocsin_imap_" + name, Help: help}, append([]string{"mailbox"}, labels...))
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tocsin_imap_" + name, Help: help}, []string{"mailbox"})
		reg.MustRegister(g)
		return g
	}
	return &metrics{
		mails:     counter("mails_total", "Mails taken, by what they were: new, or a duplicate of one that was here before.", "fate"),
		moves:     counter("moves_total", "Mails moved, by folder: done or waiting.", "to"),
		failures:  counter("failures_total", "What went wrong: with the connection, with the sign-in, with a mail, with a move.", "with"),
		connected: gauge("connected", "1 while the mailbox is connected and signed in."),
		refused:   gauge("login_refused", "1 while the server refuses user, password or token."),
		success:   gauge("last_success_timestamp_seconds", "When the mailbox was last looked through whole; 0 before the first time."),
		pending:   gauge("pending_mails", "Mails that are taken and whose reports are being worked."),
		waiting:   gauge("waiting_mails", "Mails in the waiting folder whose reports wait for a person."),
		left:      gauge("left_mails", "Mails that cannot be taken, too large or failing again and again; they stay where they are."),
	}
}

// counts are one mailbox's.
type counts struct {
	fresh, duplicate, done, waits                       prometheus.Counter
	failConnection, failLogin, failMail, failMove       prometheus.Counter
	connected, refused, success, pending, waiting, left prometheus.Gauge
}

func (m *metrics) of(mailbox string) counts {
	return counts{
		fresh: m.mails.WithLabelValues(mailbox, "new"), duplicate: m.mails.WithLabelValues(mailbox, "duplicate"),
		done: m.moves.WithLabelValues(mailbox, "done"), waits: m.moves.WithLabelValues(mailbox, "waiting"),
		failConnection: m.failures.WithLabelValues(mailbox, "connection"), failLogin: m.failures.WithLabelValues(mailbox, "login"),
		failMail: m.failures.WithLabelValues(mailbox, "mail"), failMove: m.failures.WithLabelValues(mailbox, "move"),
		connected: m.connected.WithLabelValues(mailbox), refused: m.refused.WithLabelValues(mailbox),
		success: m.success.WithLabelValues(mailbox), pending: m.pending.WithLabelValues(mailbox),
		waiting: m.waiting.WithLabelValues(mailbox), left: m.left.WithLabelValues(mailbox),
	}
}
