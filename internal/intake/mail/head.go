package mail

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	netmail "net/mail"
	"strings"
	"sync"

	"golang.org/x/net/idna"
)

// maxHead is the longest header that is looked at; a longer one proves nothing, and its mail ends in the quarantine.
const maxHead = 1 << 20

// head is a mail's header as far as it concerns who wrote it.
type head struct {
	fields []field // in their order
	long   bool    // longer than maxHead, and not read
	odd    bool    // a NUL or a carriage return within a line: programs differ on where such a line ends
}

type field struct{ name, value string } // the name in lower case; the value unfolded, without white space around it

// get returns the values of the fields of that name, in their order.
func (h *head) get(name string) []string {
	var all []string
	for i := range h.fields {
		if h.fields[i].name == name {
			all = append(all, h.fields[i].value)
		}
	}
	return all
}

// author is the one address in the one From of the mail, in lower case, its domain in ASCII. A mail with several, with
// none, or one that programs read differently has no author that could be proven (RFC 7489 §6.6.1).
func (h *head) author() (address string, ok bool) {
	from := h.get("from")
	if len(from) != 1 || h.odd {
		return "", false
	}
	list, err := netmail.ParseAddressList(from[0])
	if err != nil || len(list) != 1 {
		return "", false
	}
	at := strings.LastIndexByte(list[0].Address, '@')
	local, domain := list[0].Address[:at], list[0].Address[at+1:]
	domain, err = idna.Lookup.ToASCII(domain) // a domain that only looks like another is another
	if err != nil || !strings.Contains(domain, ".") {
		return "", false
	}
	return strings.ToLower(local + "@" + domain), true
}

// domainOf is the domain of an address.
func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

// look reads a mail once: its header, and what tells it from every other mail however it travelled. Its identity is the
// SHA-256 of the fields that its author wrote and of its text, so that trace fields (RFC 5321 §4.4), marks of filters and
// line ends do not count; zero where the author gave it no Message-ID or no Date, since machines write the same words
// again about something new.
func look(r io.Reader) (*head, [32]byte, error) {
	in := readers.Get().(*bufio.Reader)
	in.Reset(r)
	defer func() {
		in.Reset(nil)
		readers.Put(in)
	}()
	h, err := readHead(in)
	if err != nil {
		return nil, [32]byte{}, err
	}
	if len(h.get("message-id")) != 1 || len(h.get("date")) != 1 {
		return h, [32]byte{}, nil
	}
	sum := sha256.New()
	for _, name := range [...]string{
		"from", "sender", "reply-to", "to", "cc", "date", "message-id", "in-reply-to", "references", "subject",
		"mime-version", "content-type", "content-transfer-encoding", "auto-submitted",
	} {
		for _, v := range h.get(name) {
			for _, part := range [...]string{name, ":", strings.Join(strings.Fields(v), " "), "\n"} {
				_, _ = io.WriteString(sum, part) // a hash takes all
			}
		}
	}
	if err := hashText(sum, in); err != nil {
		return nil, [32]byte{}, err
	}
	return h, [32]byte(sum.Sum(nil)), nil
}

// hashText writes the text with LF at the line ends and without empty lines at its end (RFC 6376 §3.4.3).
func hashText(to io.Writer, in *bufio.Reader) error {
	empty := 0
	begins := true
	for {
		line, err := in.ReadSlice('\n')
		whole := err == nil
		switch {
		case err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF):
			return err
		case begins && len(bytes.TrimRight(line, "\r\n")) == 0 && (whole || errors.Is(err, io.EOF)):
			if len(line) > 0 {
				empty++
			}
		default:
			for ; empty > 0; empty-- {
				_, _ = to.Write([]byte{'\n'})
			}
			if whole {
				line = bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})
			}
			_, _ = to.Write(line)
			if whole || errors.Is(err, io.EOF) {
				_, _ = to.Write([]byte{'\n'})
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		begins = whole
	}
}

// readHead reads up to the empty line.
func readHead(in *bufio.Reader) (*head, error) {
	h := &head{}
	size := 0
	var line []byte
	for {
		piece, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if size += len(piece); size > maxHead {
			return &head{long: true}, nil
		}
		line = append(line, piece...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
		if len(text) == 0 {
			return h, nil
		}
		h.add(text)
		line = line[:0]
		if errors.Is(err, io.EOF) {
			return h, nil
		}
	}
}

// add takes one line of the header.
func (h *head) add(line []byte) {
	if bytes.ContainsAny(line, "\r\x00") {
		h.odd = true
	}
	if (line[0] == ' ' || line[0] == '\t') && len(h.fields) > 0 {
		last := &h.fields[len(h.fields)-1]
		last.value = strings.TrimSpace(last.value + " " + strings.TrimSpace(string(line)))
		return
	}
	name, value, ok := bytes.Cut(line, []byte{':'})
	if !ok {
		name, value = nil, line // it is no field, and has its place in the order all the same
	}
	h.fields = append(h.fields, field{strings.ToLower(string(bytes.TrimSpace(name))), string(bytes.TrimSpace(value))})
}
