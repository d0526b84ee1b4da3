package list

// Mapping describes one list: how it is written, which column says what, and how it is recognised. It is the same for
// the lists compiled in and for those of the operator; docs/formats/list.md has an example.
type Mapping struct {
	// Name is what events of the list have as feed, and list/NAME names: small letters, digits, - _ and dots. A name that
	// a list compiled in has replaces it.
	Name string `yaml:"name"`

	// About is a sentence for people: whose list it is.
	About string `yaml:"about"`

	// Shape is how the list is written: lines (one value a line), csv, pairs (lines of key=value), json (an array, an
	// object, or one object a line), html (the rows of a table) or xml (an element a record).
	Shape Shape `yaml:"shape"`

	// Comments are what comment lines begin with, such as "#" and ";". In lines, what follows one of them after a blank is
	// a remark and becomes the column remark.
	Comments []string `yaml:"comments"`

	// Separator stands between the columns of csv, or between the pairs: one or more characters, or the words tab, space
	// (one or more blanks). Left out it is a comma, for pairs a blank. Values of csv may stand in double quotes.
	Separator string `yaml:"separator"`

	// Assign stands between key and value of pairs; left out it is =.
	Assign string `yaml:"assign"`

	// Columns names the columns of csv or html in order where the list itself has no header row. Left out, the first row
	// that is no comment is the header. Lines have the one column line.
	Columns []string `yaml:"columns"`

	// Skip is how many rows to leave out before the first, a header of other words among them.
	Skip int `yaml:"skip"`

	// Records is where the records are. In json it is a path such as data.*: names of members joined by dots, * for each
	// entry of an array or of an object (its name becomes the column key); several are separated by |. Left out it is the
	// document itself, or each entry where it is an array. In xml it is the path of elements, such as output.entry; in
	// html an attribute of the table, such as id=results, or nothing for the first with a row that fits.
	Records string `yaml:"records"`

	// Each is the path of a list inside a json record of which every entry is a row of its own, such as indicators: an
	// array, or a text that is csv with a header row. What the record says beside it belongs to each row.
	Each string `yaml:"each"`

	// Extract takes columns out of a column by regular expressions (RE2) with named groups. A pattern need not match,
	// except that of lines one must: other lines are refused.
	Extract []Extract `yaml:"extract"`

	// Several says which columns hold several values, and what separates them: {tags: ","}. The first value fills a member,
	// each becomes a tag where tag is filled from it, and the first that values knows decides the type.
	Several map[string]string `yaml:"several"`

	// Empty are values that mean nothing, such as "-" or "N/A".
	Empty []string `yaml:"empty"`

	// Only keeps the rows of which a column has one of the values, all columns together; others are left out without an
	// error. A * at the begin or end of a value stands for anything. {type: [ip-dst, "url*"]}
	Only map[string][]string `yaml:"only"`

	// LeaveOut leaves out rows of which any of the columns has one of its values, without an error.
	LeaveOut map[string][]string `yaml:"leave_out"`

	// Fields says what fills which member of the event: {subject.addr: ip, from: last seen}. The members are subject (an
	// address, network, domain, URL, AS number or address:port, whichever it is), subject.addr, subject.prefix,
	// subject.port, subject.proto, subject.domain, subject.url, subject.asn, subject.cc, target, target.addr, target.port,
	// target.domain, target.url, from, to, severity, type and tag. The value is a column; several with | between them, of
	// which the first that is not empty counts; or a text with columns in braces, as "{start}-{end}". Columns of json
	// inside others are joined by dots (location.city), * is each entry of an array. What fills nothing stays in details.
	Fields map[string]string `yaml:"fields"`

	// Set gives members the same value in every row: {subject.proto: tcp, target.port: 22}. Fields go before it.
	Set map[string]string `yaml:"set"`

	// Values translates the values of a column for a member: {severity: {"1": low, "2": high}}. For type, a translation is
	// the type and any tags after it: "brute-force ssh". Case does not matter; a * at begin or end stands for anything.
	Values map[string]map[string]string `yaml:"values"`

	// Type is the RSIT type of every row, or of those that values does not know: infected-system, scanner, phishing, ...
	// Left out, it is undetermined.
	Type string `yaml:"type"`

	// Tags are tags of every row, the leading one first. Tags that the row itself says come before them.
	Tags []string `yaml:"tags"`

	// ZeroPadded reads 192.000.002.007 as 192.0.2.7. Without it such addresses are refused, as they could be octal.
	ZeroPadded bool `yaml:"zero_padded"`

	Time      Time      `yaml:"time"`
	Recognise Recognise `yaml:"recognise"`
}

// Shape is how a list is written.
type Shape string

// The shapes.
const (
	Lines Shape = "lines"
	CSV   Shape = "csv"
	Pairs Shape = "pairs"
	JSON  Shape = "json"
	HTML  Shape = "html"
	XML   Shape = "xml"
)

// Extract takes columns out of a column.
type Extract struct {
	// Column is the column that is looked into; for lines, the word line.
	Column string `yaml:"column"`

	// Pattern is a regular expression (RE2); each of its named groups is a column: (?P<port>[0-9]+)/tcp.
	Pattern string `yaml:"pattern"`
}

// Time says how times are written and where that of a row comes from. From is the column that fills the member from;
// else the time in the list's head; else when the list was received.
type Time struct {
	// Layout is how times are written: in the letters of strftime (%d/%m/%Y %H:%M), or unix, unix-ms, windows (100 ns since
	// 1601); several are tried in turn. Left out, what cannot be misread is read: ISO 8601, dates of mail and of ctime, Unix
	// seconds.
	Layout []string `yaml:"layout"`

	// Zone holds where a time has none: UTC, +02:00, Europe/Warsaw. Left out it is UTC.
	Zone string `yaml:"zone"`

	// Header is a regular expression with one group that finds the list's own time in its first lines, comments too:
	// "Last-Modified: (.+)".
	Header string `yaml:"header"`

	// Missing is what happens to a row whose time is empty: refuse, or received to take the time when the list came in.
	Missing string `yaml:"missing"`
}

// Recognise says by what a document is taken for this list. One of the three suffices, and the first row must be
// readable. Without any, the list is read only where it is named: nothing is guessed.
type Recognise struct {
	// Names are patterns of file names: "drop*.txt". Case does not matter.
	Names []string `yaml:"names"`

	// Head are texts of which one stands in the first 4 KiB.
	Head []string `yaml:"head"`

	// Columns are columns that the header row, or the first json record, has all.
	Columns []string `yaml:"columns"`
}

// member is what a value may fill.
type member uint8

const (
	mSubject member = iota
	mAddr
	mPrefix
	mPort
	mProto
	mDomain
	mURL
	mASN
	mCC
	mTarget
	mTargetAddr
	mTargetPort
	mTargetDomain
	mTargetURL
	mFrom
	mTo
	mSeverity
	mType
	mTag
	members
)

// memberNames is how a mapping writes them.
var memberNames = [members]string{
	"subject", "subject.addr", "subject.prefix", "subject.port", "subject.proto", "subject.domain", "subject.url",
	"subject.asn", "subject.cc", "target", "target.addr", "target.port", "target.domain", "target.url", "from", "to",
	"severity", "type", "tag",
}

func memberOf(name string) (member, bool) {
	for i, n := range memberNames {
		if n == name {
			return member(i), true
		}
	}
	return 0, false
}
