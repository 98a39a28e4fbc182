package tokenizer

import "unicode/utf8"

// wordLength returns the length in bytes of the first word of text, 0 if text is empty. Words are the pieces within which
// BPE merges; one after the other they make up the text. They are the leftmost matches of GPT-2's pattern
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// written out, because package regexp has no lookahead. A byte that is not UTF-8 counts as one character that is no letter,
// number or space.
func wordLength(text string) int {
	if text == "" {
		return 0
	}
	if text[0] == '\'' {
		if n := contraction(text); n > 0 {
			return n
		}
	}
	kind, size := classify(text)
	if text[0] == ' ' && len(text) > 1 {
		// A single space belongs to the word after it.
		if next, nextSize := classify(text[1:]); next != space {
			return runLength(text, 1+nextSize, next)
		}
	}
	if kind != space {
		return runLength(text, size, kind)
	}
	end := runLength(text, size, space)
	if end == len(text) {
		return end
	}
	// \s+(?!\S): the last space before another character is left to the next word, unless there is only that one.
	_, last := utf8.DecodeLastRuneInString(text[:end])
	if end > last {
		return end - last
	}
	return end
}

// contraction returns the length of the English contraction that text, which begins with an apostrophe, begins with, or 0.
func contraction(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(text) > 2 && text[2] == 'e' {
			return 3
		}
	case 'l':
		if len(text) > 2 && text[2] == 'l' {
			return 3
		}
	}
	return 0
}

// runLength returns where the run of characters of one class that has begun before text[i] ends.
func runLength(text string, i int, run class) int {
	for i < len(text) {
		kind, size := classify(text[i:])
		if kind != run {
			break
		}
		i += size
	}
	return i
}

// classify returns the class of the first character of text and its length in bytes. text is not empty.
func classify(text string) (class, int) {
	if b := text[0]; b < utf8.RuneSelf {
		return classes[b], 1
	}
	r, size := utf8.DecodeRuneInString(text) // U+FFFD, a symbol, for a byte that is not UTF-8
	if int(r) >= len(classes) {
		return other, size
	}
	return classes[r], size
}

// safeCut returns the last place in text, past its first byte, where words are sure to break whatever comes before or
// after, or -1: before a space or line feed that follows something else. No word goes on from another character into white
// space, and none looks back. A byte that is not UTF-8 does not count as something else: where text begins within a
// character it may be the end of a wide space.
func safeCut(text string) int {
	for i := len(text) - 1; i > 0; i-- {
		if text[i] != ' ' && text[i] != '\n' {
			continue
		}
		before, size := utf8.DecodeLastRuneInString(text[:i])
		if before == utf8.RuneError && size == 1 {
			continue
		}
		if kind, _ := classify(text[i-size:]); kind != space {
			return i
		}
	}
	return -1
}
