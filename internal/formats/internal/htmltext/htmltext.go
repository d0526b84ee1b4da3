// Package htmltext writes HTML as a person would read it.
package htmltext

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	maxNesting = 256 // open elements that are told apart
	maxRules   = 500 // rules of style sheets that hide something
)

// Text writes HTML as text, UTF-8 both. hidden are the bytes of it that a mail program would not show: senders hide words from
// people to get past filters, and from programs to fool them, so a person has to see both. Nothing is loaded or run.
func Text(in string) (text string, hidden [][2]int) {
	w := &writer{rules: map[string]bool{}}
	z := html.NewTokenizer(strings.NewReader(in))
	z.SetMaxBuf(len(in) + 1)
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if !errors.Is(z.Err(), io.EOF) {
				w.text("\n(the HTML cannot be read on)\n")
			}
			break
		}
		switch kind {
		case html.TextToken:
			w.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			w.start(z.Token())
		case html.EndTagToken:
			name, _ := z.TagName()
			w.end(atom.Lookup(name), string(name))
		case html.ErrorToken, html.CommentToken, html.DoctypeToken:
		}
	}
	w.close()
	return w.b.String(), w.hidden
}

type element struct {
	name   string
	hidden bool
	link   string // where it leads, to be shown behind its text
	at     int    // where its text begins
}

type writer struct {
	b      strings.Builder
	stack  []element
	rules  map[string]bool // selectors that hide: ".x", "#x", "x"
	dark   int             // open elements with a background that is not white
	silent string          // the element whose content is no text
	style  strings.Builder // of the style element in hand
	pre    int
	space  bool // white space is due before the next word
	line   bool // a line end is due before the next word
	hidden [][2]int
}

func (w *writer) isHidden() bool { return len(w.stack) > 0 && w.stack[len(w.stack)-1].hidden }

const (
	hiddenBegin = "[hidden: "
	hiddenEnd   = "]"
)

// text takes text, whose character references are undone.
func (w *writer) text(s string) {
	switch w.silent {
	case "":
	case "style":
		w.style.WriteString(s)
		return
	default:
		return
	}
	if w.pre > 0 {
		w.put(s)
		return
	}
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && !isSpace(s[j]) {
			j++
		}
		if j > i {
			w.put(s[i:j])
		}
		for i = j; i < len(s) && isSpace(s[i]); i++ {
			w.space = true
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// put writes a word, marked when it is hidden.
func (w *writer) put(s string) {
	open := len(w.hidden) > 0 && w.hidden[len(w.hidden)-1][1] < 0
	if open && !w.isHidden() {
		w.b.WriteString(hiddenEnd)
		w.hidden[len(w.hidden)-1][1] = w.b.Len()
	}
	if w.b.Len() > 0 {
		if w.line {
			w.b.WriteByte('\n')
		} else if w.space {
			w.b.WriteByte(' ')
		}
	}
	w.line, w.space = false, false
	if w.isHidden() && !open {
		w.hidden = append(w.hidden, [2]int{w.b.Len(), -1})
		w.b.WriteString(hiddenBegin)
	}
	w.b.WriteString(s)
}

func (w *writer) close() {
	if n := len(w.hidden); n > 0 && w.hidden[n-1][1] < 0 {
		w.b.WriteString(hiddenEnd)
		w.hidden[n-1][1] = w.b.Len()
	}
}

func (w *writer) start(t html.Token) {
	e := element{name: t.Data, hidden: w.isHidden(), at: w.b.Len()}
	dark := false
	var alt string
	for _, a := range t.Attr {
		switch strings.ToLower(a.Key) {
		case "style":
			h, d := hides(a.Val, w.dark > 0)
			e.hidden, dark = e.hidden || h, dark || d
		case "hidden":
			e.hidden = true
		case "class":
			for c := range strings.FieldsSeq(a.Val) {
				e.hidden = e.hidden || w.rules["."+c]
			}
		case "id":
			e.hidden = e.hidden || w.rules["#"+a.Val]
		case "color":
			e.hidden = e.hidden || w.dark == 0 && white(a.Val)
		case "bgcolor":
			dark = dark || !white(a.Val)
		case "href":
			if t.DataAtom == atom.A || t.DataAtom == atom.Area {
				e.link = strings.TrimSpace(a.Val)
			}
		case "alt":
			alt = a.Val
		}
	}
	e.hidden = e.hidden || w.rules[t.Data]
	switch t.DataAtom { //nolint:exhaustive // the others mean nothing here
	case atom.Script, atom.Style, atom.Template, atom.Title, atom.Head, atom.Noscript, atom.Object, atom.Iframe, atom.Svg:
		if w.silent == "" || t.DataAtom == atom.Style && w.silent == "head" {
			w.silent = t.Data
		}
		return
	case atom.Body:
		w.silent = ""
	case atom.Br:
		w.newline()
		return
	case atom.Img, atom.Input, atom.Hr, atom.Meta, atom.Link, atom.Wbr, atom.Col, atom.Area, atom.Base:
		if alt = strings.Join(strings.Fields(alt), " "); alt != "" {
			w.text(" [" + alt + "] ")
		}
		return
	case atom.Td, atom.Th:
		w.space = true
	case atom.Pre:
		w.pre++
	}
	if blocks[t.DataAtom] {
		w.line = true
	}
	if t.Type == html.SelfClosingTagToken || len(w.stack) >= maxNesting {
		return
	}
	if dark {
		w.dark++
		e.name += " dark"
	}
	w.stack = append(w.stack, e)
}

// newline ends a line now, so that several make empty lines; not more than two.
func (w *writer) newline() {
	if w.silent != "" {
		return
	}
	if w.line && !strings.HasSuffix(w.b.String(), "\n\n") && w.b.Len() > 0 {
		w.b.WriteByte('\n')
	}
	w.line = true
}

func (w *writer) end(a atom.Atom, name string) {
	if w.silent != "" {
		if name == "style" && w.silent == "style" {
			w.sheet(w.style.String())
			w.style.Reset()
		}
		if name == w.silent {
			w.silent = ""
		}
		return
	}
	if blocks[a] {
		w.line = true
	}
	if a == atom.Pre && w.pre > 0 {
		w.pre--
	}
	for i, open := range slices.Backward(w.stack) {
		if is, _, _ := strings.Cut(open.name, " "); is != name {
			continue
		}
		w.leads(open)
		for _, e := range w.stack[i:] {
			if strings.HasSuffix(e.name, " dark") {
				w.dark--
			}
		}
		w.stack = w.stack[:i]
		return
	}
}

// leads shows where a link leads, unless its text is just that.
func (w *writer) leads(e element) {
	if e.link == "" || strings.HasPrefix(e.link, "#") || e.at > w.b.Len() {
		return
	}
	shown := strings.TrimSpace(w.b.String()[e.at:])
	if strings.TrimSuffix(shown, "/") == strings.TrimSuffix(e.link, "/") || "mailto:"+shown == e.link {
		return
	}
	w.space = true
	w.put("<" + strings.Join(strings.Fields(e.link), "") + ">")
}

var blocks = map[atom.Atom]bool{
	atom.P: true, atom.Div: true, atom.Tr: true, atom.Table: true, atom.Ul: true, atom.Ol: true, atom.Li: true, atom.H1: true,
	atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Pre: true, atom.Blockquote: true,
	atom.Section: true, atom.Article: true, atom.Header: true, atom.Footer: true, atom.Center: true, atom.Dt: true,
	atom.Dd: true, atom.Hr: true, atom.Form: true, atom.Body: true,
}

var (
	ruleSet = regexp.MustCompile(`([^{}]+)\{([^{}]*)\}`)
	comment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	simple  = regexp.MustCompile(`^(?:[a-z0-9]*)([.#][A-Za-z0-9_-]+)$|^([a-z0-9]+)$`)
)

// sheet takes the rules of a style sheet that hide, as far as their selectors are simple.
func (w *writer) sheet(css string) {
	for _, m := range ruleSet.FindAllStringSubmatch(comment.ReplaceAllString(css, ""), -1) {
		if h, _ := hides(m[2], true); !h || len(w.rules) >= maxRules {
			continue
		}
		for sel := range strings.SplitSeq(m[1], ",") {
			if s := simple.FindStringSubmatch(strings.TrimSpace(sel)); s != nil {
				w.rules[s[1]+s[2]] = true
			}
		}
	}
	delete(w.rules, "body")
	delete(w.rules, "html")
}

var offScreen = regexp.MustCompile(`^-\d{3,}`)

// hides says whether declarations of a style make text invisible, and whether they set a background that is not white.
// onDark: one above has such a background, so that white text can be read.
func hides(style string, onDark bool) (hidden, dark bool) {
	isWhite, clipped, small := false, false, false
	for d := range strings.SplitSeq(strings.ToLower(style), ";") {
		name, v, _ := strings.Cut(d, ":")
		name = strings.TrimSpace(name)
		v = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "!important"))
		v = strings.ReplaceAll(v, " ", "")
		switch name {
		case "display":
			hidden = hidden || v == "none"
		case "visibility":
			hidden = hidden || v == "hidden" || v == "collapse"
		case "mso-hide":
			hidden = hidden || v == "all"
		case "opacity", "font-size":
			hidden = hidden || nought(v) || name == "font-size" && (v == "1px" || v == "1pt" || v == "0.1px")
		case "text-indent", "left", "top", "margin-left":
			hidden = hidden || offScreen.MatchString(v)
		case "overflow":
			clipped = v == "hidden"
		case "height", "width", "max-height", "max-width", "line-height":
			small = small || nought(v)
		case "color":
			isWhite = white(v)
		case "background", "background-color", "background-image":
			dark = dark || v != "" && v != "none" && v != "transparent" && v != "inherit" && !white(v)
		}
	}
	return hidden || small && clipped || isWhite && !onDark && !dark, dark
}

// nought reports whether a length or number is zero.
func nought(v string) bool {
	n := strings.TrimRight(v, "abcdefghijklmnopqrstuvwxyz%")
	return n != "" && strings.Trim(n, "0.") == ""
}

func white(v string) bool {
	switch strings.ToLower(strings.ReplaceAll(v, " ", "")) {
	case "#fff", "#ffffff", "#fefefe", "white", "rgb(255,255,255)", "rgba(255,255,255,1)", "transparent":
		return true
	}
	return false
}
