// Package spelling finds what somebody may have meant: the known word that is most like an unknown one, for words of a prompt, flags
// and keys of a file.
package spelling

import (
	"strings"
	"unicode/utf8"
)

// maxEdits is how many edits may lie between a word and its suggestion: about one in three characters, at most three.
func maxEdits(runes int) int { return min((runes+2)/3, 3) }

// Nearest returns the word with the fewest edits to word, the first of several, or "" where every word is too far off or
// would have to be replaced whole. Case does not count as an edit.
func Nearest(word string, words []string) string {
	target := []rune(strings.ToLower(word))
	limit := min(maxEdits(len(target)), len(target)-1)
	best := ""
	for _, candidate := range words {
		// So many edits it takes at least; it spares the long computation for most words.
		if length := utf8.RuneCountInString(candidate); max(length-len(target), len(target)-length) > limit {
			continue
		}
		if edits := editDistance(target, []rune(strings.ToLower(candidate))); edits <= limit {
			best, limit = candidate, edits-1
		}
	}
	return best
}

// editDistance returns how many insertions, deletions, substitutions and swaps of neighbours lead from a to b, no
// character being edited twice (the optimal string alignment distance).
func editDistance(a, b []rune) int {
	// The rows of the table of distances between prefixes: of a[:i-2], a[:i-1] and a[:i] to every b[:j].
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substitution := 1
			if a[i-1] == b[j-1] {
				substitution = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+substitution)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
