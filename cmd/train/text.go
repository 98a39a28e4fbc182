package main

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"trainer/internal/format"
)

// clipped shortens a text to so many characters.
func clipped(text string, size int) string {
	if runes := []rune(text); len(runes) > size {
		return string(runes[:max(0, size-1)]) + "…"
	}
	return text
}

// wrapped breaks a text between words into lines of at most width characters, where words are not longer.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// broken breaks a text at its line ends, and lines that are wider into several. Control characters other than these are shown as dots.
func broken(text string, width int) []string {
	var lines []string
	for line := range strings.Lines(text) {
		runes := []rune(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return '·'
			}
			return r
		}, strings.TrimRight(line, "\r\n")))
		for len(runes) > width {
			lines, runes = append(lines, string(runes[:width])), runes[width:]
		}
		if len(runes) > 0 {
			lines = append(lines, string(runes))
		}
	}
	return lines
}

// lastLine is the end of a text, from its last line that is not blank on.
func lastLine(text string) string {
	kept := strings.TrimRight(text, "\n")
	return kept[strings.LastIndex(kept, "\n")+1:] + visible(text[len(kept):])
}

// visible shows a token's white space: as itself, and as byte-level tokens write it.
func visible(token string) string {
	return strings.NewReplacer(" ", "␣", "\n", "⏎", "\r", "␍", "\t", "⇥", "Ġ", "␣", "Ċ", "⏎").Replace(token)
}

// wordList lists words with their probabilities.
func wordList(list []word) string {
	var parts []string
	for _, w := range list {
		parts = append(parts, fmt.Sprintf("%s %s", visible(w.Text), format.Percent(w.Probability)))
	}
	return strings.Join(parts, ", ")
}

// count is a number of things: "1 step", "2 steps".
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return format.Thousands(n) + " " + thing
}

// lossText writes a loss with what can be seen of it: four digits behind the point, until there are only zeros.
func lossText(loss float64) string {
	if loss != 0 && math.Abs(loss) < 0.001 {
		return fmt.Sprintf("%.1e", loss)
	}
	return fmt.Sprintf("%.4f", loss)
}
