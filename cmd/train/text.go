package main

import (
	"fmt"
	"math"
	"strings"
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

// wordList lists words with their probabilities.
func wordList(list []word) string {
	var parts []string
	for _, w := range list {
		parts = append(parts, fmt.Sprintf("%s %s", w.Text, format.Percent(w.Probability)))
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
