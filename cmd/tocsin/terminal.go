package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// wrap cuts s into lines of at most width characters, between words where it can.
func wrap(s string, width int) []string {
	var lines []string
	for utf8.RuneCountInString(s) > width {
		end, blank, n := 0, 0, 0
		for i, r := range s {
			if n++; n > width+1 {
				break
			}
			if end = i; r == ' ' {
				blank = i
			}
		}
		if blank > 0 {
			lines, s = append(lines, s[:blank]), s[blank+1:]
		} else {
			lines, s = append(lines, s[:end]), s[end:]
		}
	}
	return append(lines, s)
}

// terminalWidth is how many characters a line of w has where it is a terminal, else 0.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	if width == 0 { // one that does not say
		return 80
	}
	return max(width, 40)
}

// fitHelp makes the help of root and all below fit into the terminal. Elsewhere its lines stay as they are written.
func fitHelp(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if width := terminalWidth(cmd.OutOrStdout()); width > 0 {
			cmd.Long = reflow(cmd.Long, width)
			cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), "Flags.FlagUsages ", "Flags.FlagUsagesWrapped "+strconv.Itoa(width)+" "))
		}
		help(cmd, args)
	})
}

// reflow breaks the lines of each paragraph anew.
func reflow(s string, width int) string {
	paragraphs := strings.Split(s, "\n\n")
	for i, p := range paragraphs {
		if !strings.Contains(p, "\n ") && !strings.HasPrefix(p, "\t") { // else it is laid out by hand
			paragraphs[i] = strings.Join(wrap(strings.ReplaceAll(p, "\n", " "), width), "\n")
		}
	}
	return strings.Join(paragraphs, "\n\n")
}
