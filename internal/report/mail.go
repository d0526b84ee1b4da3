package report

// Mail is what the head of a mail says of itself. Nothing here is checked: anybody can write it. All of it is
// personal.
type Mail struct {
	MessageID  string   // RFC 5322 §3.6.4, without the angle brackets; personal
	References []string // message ids of In-Reply-To and References, oldest first, at most MaxReferences; personal
	From       string   // address of the first author, in lower case; personal
	Subject    string   // decoded; personal
}

// MaxReferences is how many references of a mail are kept: the first, which began the thread, and the last ones.
const MaxReferences = 32

// Letter says that a mail is in no format: a person wrote it, or a machine that says nothing about a network. It is
// no fault of the mail, so it stands beside RowError where a document's events would.
type Letter struct {
	State  State  // StateWaiting or StateAside
	Reason string // a sentence; personal: may quote the mail

	// Apart is the kind under which it is filed apart (Kind.Apart); the zero value files it with the rest. It says what
	// the mail is about, which a person still has to read.
	Apart Kind
}

// Error returns the reason.
func (l *Letter) Error() string { return l.Reason }

// Authenticity is what was found out about who sent a report. The zero value promises nothing.
type Authenticity string

// What a channel may have found out.
const (
	Unchecked  Authenticity = ""           // the channel does not check: the drop folder, an import by hand
	Token      Authenticity = "token"      // the sender showed a secret of its own
	Aligned    Authenticity = "aligned"    // a valid DKIM signature of the author's own domain (RFC 7489 §3.1.1)
	Unaligned  Authenticity = "unaligned"  // a valid DKIM signature, but of another domain
	Unsigned   Authenticity = "unsigned"   // no DKIM signature
	Failed     Authenticity = "failed"     // signatures, none of them valid
	Unresolved Authenticity = "unresolved" // the signer's key could not be asked for
)

// Vouched reports whether it was shown that a report is from the sender that it names.
func (a Authenticity) Vouched() bool { return a == Token || a == Aligned }

// Refuted reports whether a channel looked, and could not show that a report is from the sender that it names. What such
// a report says may be true; it says nothing about that sender.
func (a Authenticity) Refuted() bool { return a != Unchecked && !a.Vouched() }

// The reporters of mails that are no source's. Each stands for many senders, so neither is ever graded.
const (
	Unlisted = "unlisted" // the author is proven, but no source has the address
	Unproven = "unproven" // nobody vouches for the author: it may be anybody, twice, and confirms nothing
)

// NoSource reports whether a reporter stands for whoever is no source.
func NoSource(reporter string) bool { return reporter == Unlisted || reporter == Unproven }
