package world

import (
	"iter"
	"math/rand/v2"
)

// Fate is how a mail of the mailbox must end at a desk.
type Fate string

// The fates of a mail.
const (
	FateParsed      Fate = "parsed"      // its events are events
	FateWaiting     Fate = "waiting"     // a report in no format: for a person
	FateAside       Fate = "set aside"   // no report: a bounce, an auto-reply, a receipt, spam
	FateQuarantined Fate = "quarantined" // cannot be read, with a reason
)

// Mail is one mail that came into the abuse mailbox.
type Mail struct {
	Kind   string // what it is: "feedback loop", "vacation"
	From   string // of the envelope; empty for a bounce (RFC 5321 §4.5.5)
	Fate   Fate
	Events int    // of a mail that is parsed
	Repeat int    // number of the earlier mail that this one is, with other trace headers; -1 for none
	Body   []byte // lines end in CRLF
}

// mailShape is one kind of mail in an abuse mailbox.
type mailShape struct {
	name   string
	weight int // of a hundred mails, about
	fate   Fate
	events int
	write  func(*letterhead) []byte
}

// mailShapes is what an abuse mailbox gets. The shares are a small ISP's: most is written by machines, a quarter by
// people, and a tenth is no report at all.
var mailShapes = []mailShape{
	{"feedback loop", 22, FateParsed, 1, (*letterhead).feedback},
	{"xarf", 10, FateParsed, 1, (*letterhead).xarf},
	{"x-arf 0.2", 8, FateParsed, 1, (*letterhead).xarf02},
	{"fail2ban", 10, FateParsed, 1, (*letterhead).fail2ban},
	{"log of attacks", 8, FateParsed, 3, (*letterhead).log},
	{"zip of a log", 4, FateParsed, 2, (*letterhead).zipped},
	{"forwarded", 3, FateParsed, 1, (*letterhead).forwarded},
	{"copyright", 3, FateParsed, 1, (*letterhead).copyright},
	{"person", 9, FateWaiting, 0, (*letterhead).person},
	{"person in HTML", 3, FateWaiting, 0, (*letterhead).html},
	{"person with a picture", 2, FateWaiting, 0, (*letterhead).picture},
	{"encrypted zip", 1, FateQuarantined, 0, (*letterhead).encrypted},
	{"bomb", 1, FateQuarantined, 0, (*letterhead).bomb},
	{"bounce", 3, FateAside, 0, (*letterhead).bounce},
	{"vacation", 3, FateAside, 0, (*letterhead).vacation},
	{"receipt", 1, FateAside, 0, (*letterhead).receipt},
	{"spam", 3, FateAside, 0, (*letterhead).spam},
	{"headers without end", 1, FateQuarantined, 0, (*letterhead).headers},
	{"nested too deep", 1, FateQuarantined, 0, (*letterhead).deep},
	{"damaged report", 1, FateQuarantined, 0, (*letterhead).damaged},
}

// repeats is how many of a hundred mails are an earlier one again, as when it was sent to two of our addresses.
const repeats = 4

// Mailbox yields n mails of a seed, no two alike but those that repeat one. The first of them are one of each kind.
func Mailbox(seed uint64, n int) iter.Seq[Mail] {
	return func(yield func(Mail) bool) {
		r := rand.New(rand.NewPCG(mix(seed), 1)) //nolint:gosec // a made-up world wants to be repeated, not secret
		type earlier struct {
			number int
			Mail
		}
		var sent []earlier // of the first hundred, those that may be repeated
		for i := range n {
			var m Mail
			if i >= len(mailShapes) && r.IntN(100) < repeats {
				e := sent[r.IntN(len(sent))]
				m = e.Mail
				m.Repeat, m.Body = e.number, again(m.Body, i)
			} else {
				m = writeMail(r, seed, i)
				if i < 100 && len(m.Body) < 1<<20 { // what has a larger header is told apart by every byte
					sent = append(sent, earlier{i, m})
				}
			}
			if !yield(m) {
				return
			}
		}
	}
}

// writeMail writes mail i of a mailbox.
func writeMail(r *rand.Rand, seed uint64, i int) Mail {
	s := &mailShapes[i%len(mailShapes)]
	if i >= len(mailShapes) {
		s = drawShape(r)
	}
	h := newLetterhead(r, seed, i)
	m := Mail{Kind: s.name, From: h.author, Fate: s.fate, Events: s.events, Repeat: -1, Body: s.write(h)}
	if s.fate == FateAside && s.name != "spam" {
		m.From = "" // RFC 3834 §3.3, RFC 3464 §2: nobody answers a machine
	}
	return m
}

// drawShape draws a kind by its weight.
func drawShape(r *rand.Rand) *mailShape {
	total := 0
	for i := range mailShapes {
		total += mailShapes[i].weight
	}
	at := r.IntN(total)
	for i := range mailShapes {
		if at -= mailShapes[i].weight; at < 0 {
			return &mailShapes[i]
		}
	}
	panic("the weights changed meanwhile")
}

// again is the same mail on another way to us: it has other trace headers (RFC 5321 §4.4), and else is the same.
func again(mail []byte, i int) []byte {
	var b crlf
	b.line("Return-Path: <list-%d@lists.example>", i)
	b.line("Delivered-To: abuse-%d@examplenet.example", i)
	b.line("Received: from lists.example (lists.example [192.0.2.209])")
	b.line("\tby mx.examplenet.example (Postfix) with ESMTPS id %X", mix(uint64(i)))
	b.Write(mail)
	return []byte(b.String())
}
