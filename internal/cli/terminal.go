package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Terminal is what is known of the place that output goes to.
type Terminal struct {
	Live   bool // a terminal that can redraw lines, rather than a file or a pipe
	Colour bool // wanted: a terminal, and NO_COLOR is not set (no-color.org)
	Width  int  // in columns
	Height int  // in lines
}

// widest is how wide text is laid out at most: longer lines are hard to read.
const widest = 110

// TerminalOf describes where w leads.
func TerminalOf(w io.Writer) Terminal {
	t := Terminal{Width: 80, Height: 24}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return t
	}
	t.Live = os.Getenv("TERM") != "dumb"
	t.Colour = t.Live && os.Getenv("NO_COLOR") == ""
	if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 20 {
		t.Width, t.Height = min(width, widest), height
	}
	return t
}

// Style is a way to write text.
type Style string

// The styles, as sequences of ECMA-48.
const (
	Plain Style = ""
	Bold  Style = "\x1b[1m"
	Faint Style = "\x1b[2m"
	Good  Style = "\x1b[32m"
	Bad   Style = "\x1b[31m"
	Title Style = "\x1b[1;36m"
	Bar   Style = "\x1b[36m"
)

// Paint returns the text in a style where colours are wanted.
func (t Terminal) Paint(s Style, text string) string {
	if !t.Colour || s == Plain || text == "" {
		return text
	}
	return string(s) + text + "\x1b[0m"
}
