package intake

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/report"
)

// Unknown is the reporter of what nothing and nobody names.
const Unknown = "unknown"

// Origin is who sent a document, and the label of what they send.
type Origin struct {
	Reporter string
	TLP      report.TLP
	Labelled bool // false: nobody chose the label, so it is RED
}

// Unlabelled is a source that sent something without having a label (DESIGN.md §8.6): what it sent is RED.
type Unlabelled struct {
	Reporter string
	Reports  int       // since the start, duplicates included
	Last     time.Time // when the newest came in
}

// Sources knows who sends reports. Its methods may be called from many goroutines.
type Sources struct {
	list     []Source // never changed
	byName   map[string]Source
	byFolder map[string]Source

	// mu is held to read and to change unlabelled.
	mu         sync.Mutex
	unlabelled map[string]Unlabelled
}

// NewSources makes the sources of a valid config.
func NewSources(list []Source) *Sources {
	s := &Sources{
		list: slices.Clone(list), byName: map[string]Source{}, byFolder: map[string]Source{},
		unlabelled: map[string]Unlabelled{},
	}
	for _, src := range list {
		s.byName[src.Name] = src
	}
	for _, src := range list { // a folder that is named beats one that follows from a name
		if _, taken := s.byFolder[src.folder()]; !taken || src.Folder != "" {
			s.byFolder[src.folder()] = src
		}
	}
	return s
}

// Named is the origin of a document whose reporter is known.
func (s *Sources) Named(reporter string) Origin {
	if src, ok := s.byName[reporter]; ok && src.TLP != nil {
		return Origin{reporter, *src.TLP, true}
	}
	if reporter == "shadowserver" {
		// Its terms let a recipient act on the reports and tell those concerned, which is what AMBER says.
		return Origin{reporter, report.TLPAmber, true}
	}
	return Origin{reporter, report.TLPRed, false}
}

// OfFormat is the origin of a document that only its format speaks for: the first source that claims the format on
// this channel, else the format's own name; of a list (list/NAME) the list's, since each has another maker. It does not depend on where the document lay, so that a second import
// from another place finds the duplicate.
func (s *Sources) OfFormat(channel, format string) Origin {
	family, list, _ := strings.Cut(format, "/")
	claims := func(f string) bool { return f == format || f == family }
	for _, src := range s.list {
		if format != "" && slices.ContainsFunc(src.Formats, claims) && (src.Channel == "" || src.Channel == channel) {
			return s.Named(src.Name)
		}
	}
	if list != "" {
		format = list
	}
	if format == "" {
		format = Unknown
	}
	return s.Named(format)
}

// ofChannel is the origin of a document whose format speaks only for a source that names this channel.
func (s *Sources) ofChannel(channel, format, otherwise string) Origin {
	family, _, _ := strings.Cut(format, "/")
	for _, src := range s.list {
		if src.Channel == channel && format != "" && (slices.Contains(src.Formats, format) || slices.Contains(src.Formats, family)) {
			return s.Named(src.Name)
		}
	}
	return s.Named(otherwise)
}

// onChannel reports whether a source names this channel.
func (s *Sources) onChannel(channel string) bool {
	return slices.ContainsFunc(s.list, func(src Source) bool { return src.Channel == channel })
}

// OfAuthor returns the source whose mails come from this address, in lower case: the one that names the address, else
// the one that names its domain or a domain above it, the nearest first. Whether the author is who he says is the
// caller's to know.
func (s *Sources) OfAuthor(address string) (Source, bool) {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	for name := address; name != ""; {
		for _, src := range s.list {
			if slices.ContainsFunc(src.From, func(f string) bool { return strings.EqualFold(f, name) }) {
				return src, true
			}
		}
		if name == "shadowserver.org" && s.byName["shadowserver"].From == nil {
			return Source{Name: "shadowserver"}, true
		}
		if name == address {
			name = domain
			continue
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return Source{}, false
}

// folder is the origin of what lies in this folder below the drop folder, if it is a source's.
func (s *Sources) folder(name string) (Origin, bool) {
	src, ok := s.byFolder[name]
	if !ok {
		return Origin{}, false
	}
	return s.Named(src.Name), true
}

// saw counts a document of an origin without a label. Names come from the config and the formats only, so there are
// few.
func (s *Sources) saw(from Origin, at time.Time) {
	if from.Labelled {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.unlabelled[from.Reporter]
	u.Reporter = from.Reporter
	u.Reports++
	if at.After(u.Last) {
		u.Last = at.UTC()
	}
	s.unlabelled[from.Reporter] = u
}

// Unlabelled lists, by name, the sources that sent something since the start and have no label: the desk shows them
// until somebody chooses one.
func (s *Sources) Unlabelled() []Unlabelled {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Unlabelled
	for _, u := range s.unlabelled {
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b Unlabelled) int { return cmp.Compare(a.Reporter, b.Reporter) })
	return all
}
