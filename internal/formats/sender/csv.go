package sender

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/formats/internal/logline"
	"tocsin/internal/report"
)

// sources are the CSV files that senders hang on their mails, by the columns that only theirs have together.
var sources = []struct {
	feed    string
	columns []string
}{
	{"abusehub", []string{"reliable_notifier", "report_type", "src_ip", "event_date", "event_time"}},
	{"proki", []string{"feed_name", "time_detected", "ip", "raw"}},
	{"cert-bund", []string{"asn", "ip", "timestamp", "malware", "src_port"}},
}

// columns are the members that a column of a name fills; all others are details.
var columns = map[string]string{
	"ip": "addr", "src_ip": "addr", "source_ip": "addr", "src_port": "port", "source_port": "port", "port": "port",
	"protocol": "proto", "proto": "proto", "src_asn": "asn", "asn": "asn", "time_detected": "when", "timestamp": "when",
	"event_date": "day", "event_time": "clock", "dst_ip": "taddr", "dst_port": "tport", "src_url": "url",
	"feed_name": "what", "report_type": "what", "infection_type": "tag", "malware": "tag", "priority": "severity",
}

// csvSource says whose file begins with head, "" when it is nobody's.
func csvSource(head []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte("\ufeff")), []byte("\n"))
	if len(line) > 4096 {
		return ""
	}
	header, _ := rowsOf(string(line) + "\n")
	for _, s := range sources {
		if !slices.ContainsFunc(s.columns, func(c string) bool { return !slices.Contains(header, c) }) {
			return s.feed
		}
	}
	return ""
}

// csv yields an event for each row of the file.
func (r *rows) csv(feed, text string, rule logline.Rule, kinds []kindOf) {
	header, all := rowsOf(text)
	exprs := make([]*regexp.Regexp, len(kinds))
	for i, k := range kinds {
		exprs[i] = expand(k.expr)
	}
	n := 0
	all(func(i int, row []string, err error) bool {
		if n++; err != nil {
			r.refuse(1, err.Error())
		} else {
			r.record(feed, i, header, row, rule, kinds, exprs)
		}
		return !r.ended
	})
	if n == 0 {
		r.refuse(1, fmt.Sprintf("the file of %s has no rows", feed))
	}
}

func (r *rows) record(feed string, n int, header, row []string, rule logline.Rule, kinds []kindOf, exprs []*regexp.Regexp) {
	f := facts{}
	var what, tag, when, day string
	for i, v := range row {
		if v = strings.TrimSpace(v); v == "" || i >= len(header) {
			continue
		}
		role := columns[header[i]]
		switch role {
		case "addr":
			a, err := report.ParseAddr(v)
			if err != nil {
				r.refuse(int64(n), report.Reason(err))
				return
			}
			f.subject.Addr = a
		case "port":
			f.subject.Port = logline.Number(v)
		case "proto":
			f.subject.Proto = strings.ToLower(v)
		case "asn":
			n, _ := strconv.ParseUint(v, 10, 32) // an AS number that is none is left out
			f.subject.ASN = uint32(n)
		case "url":
			f.subject.URL = v
		case "taddr":
			f.target.Addr, _ = report.ParseAddr(v) // a target that is no address is left out
		case "tport":
			f.target.Port = logline.Number(v)
		case "when":
			when = v
		case "day":
			day = v
		case "clock":
			when = day + " " + v
		case "what":
			what = v
		case "tag":
			tag = strings.ToLower(v)
		case "severity":
			f.level = severities[strings.ToLower(v)]
		}
		if role == "" || role == "what" || role == "severity" {
			f.detail(header[i], v)
		}
	}
	at, rest, ok := logline.CutStamp(when)
	switch {
	case !f.subject.Addr.IsValid() && f.subject.URL == "":
		r.refuse(int64(n), "the row names no address")
		return
	case !ok || rest != "" || !at.Clock:
		r.refuse(int64(n), fmt.Sprintf("the row has no time that can be read: %.40q", when))
		return
	}
	f.at, f.hasAt = at, true
	kind, word := kindIn(kinds, exprs, what+" "+tag, "")
	if tag == "" {
		tag = word
	}
	if tag == "" {
		tag = strings.ToLower(strings.Join(strings.Fields(what), "-"))
	}
	e := f.event(kind, tag, rule)
	r.event(feed, &e)
}

// google yields the URLs of a Safe Browsing report. Its day is the time, a period in UTC.
func (r *rows) google(s *compiledSender, l *letter, kind report.Kind, tag string) {
	i := strings.Index(l.text, "<notification_message")
	end := strings.Index(l.text, "</notification_message>")
	if i < 0 || end < i {
		return
	}
	var w struct {
		ASN   string `xml:"asn,attr"`
		Date  string `xml:"date,attr"`
		Lists []struct {
			Type string `xml:"type,attr"`
			URLs []struct {
				URL string `xml:"url,attr"`
				IP  string `xml:"ip,attr"`
			} `xml:"url_info"`
		} `xml:"list"`
	}
	if err := xml.Unmarshal([]byte(l.text[i:end+len("</notification_message>")]), &w); err != nil {
		r.refuse(1, "the report's XML cannot be read: "+report.Reason(err))
		return
	}
	day, err := time.Parse(time.DateOnly, w.Date)
	for _, list := range w.Lists {
		for _, u := range list.URLs {
			f := facts{}
			f.place(u.URL)
			if a, bad := report.ParseAddr(u.IP); bad == nil {
				f.setAddr(a)
			}
			if f.clash != "" {
				r.refuse(1, f.clash)
				continue
			}
			if err != nil || f.subject.URL == "" {
				r.refuse(1, fmt.Sprintf("the report has no day or no URL in %.80q", u.URL))
				continue
			}
			n, _ := strconv.ParseUint(w.ASN, 10, 32) // an AS number that is none is left out
			f.subject.ASN = uint32(n)
			f.detail("list", list.Type)
			e := f.event(kind, tag, logline.Rule{})
			e.From, e.To = day, day.AddDate(0, 0, 1)
			r.event(s.feed, &e)
		}
	}
}
