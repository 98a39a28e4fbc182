package ptx

import (
	"fmt"
	"strings"
)

// tokenKind tells words from numbers from punctuation.
type tokenKind uint8

const (
	wordToken   tokenKind = iota // opcodes with their modifiers, names, registers, directives: add.rn.f32, %r1, .reg
	numberToken                  // 12, 0x1F, 0f3F800000
	stringToken                  // "nounroll", without the quotes
	punctuation                  // one of ( ) [ ] { } < > , ; : + - = @ ! |
	endToken                     // the end of the text
)

// token is a piece of PTX text and the line it stands on.
type token struct {
	kind tokenKind
	text string
	line int
}

func (t token) String() string {
	if t.kind == endToken {
		return "the end of the text"
	}
	return fmt.Sprintf("%q", t.text)
}

// lex splits PTX text into tokens, ended by an endToken. Comments and the .loc and .file lines, which say where in the source an
// instruction comes from and change nothing, are left out.
func lex(text string) ([]token, error) {
	var tokens []token
	line := 1
	for i := 0; i < len(text); {
		c, start := text[i], i
		switch {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case strings.HasPrefix(text[i:], "//"):
			i = lineEnd(text, i)
		case strings.HasPrefix(text[i:], "/*"):
			length := strings.Index(text[i:], "*/")
			if length < 0 {
				return nil, syntaxError(line, "a comment that does not end")
			}
			line += strings.Count(text[i:i+length], "\n")
			i += length + 2
		case c == '"':
			length := strings.IndexAny(text[i+1:], "\"\n")
			if length < 0 || text[i+1+length] == '\n' {
				return nil, syntaxError(line, "a string that does not end on its line")
			}
			i += length + 2
			tokens = append(tokens, token{stringToken, text[start+1 : i-1], line})
		case '0' <= c && c <= '9':
			for i < len(text) && isWordByte(text[i]) {
				i++
			}
			tokens = append(tokens, token{numberToken, text[start:i], line})
		case isWordByte(c):
			i = wordEnd(text, i)
			word := text[start:i]
			if word == ".loc" || word == ".file" {
				i = lineEnd(text, i)
				continue
			}
			tokens = append(tokens, token{wordToken, word, line})
		case strings.IndexByte("()[]{}<>,;:+-=@!|", c) >= 0:
			i++
			tokens = append(tokens, token{punctuation, text[start:i], line})
		default:
			return nil, syntaxError(line, "unexpected character %q", c)
		}
	}
	return append(tokens, token{endToken, "", line}), nil
}

func lineEnd(text string, i int) int {
	if length := strings.IndexByte(text[i:], '\n'); length >= 0 {
		return i + length
	}
	return len(text)
}

// wordEnd returns the end of the word that begins at i. A double colon belongs to it (.shared::cta), a single one ends a label. A
// directive ends where the next begins: .reg.b32 is two words.
func wordEnd(text string, i int) int {
	directive := text[i] == '.'
	if directive {
		i++
	}
	for i < len(text) {
		switch {
		case directive && text[i] == '.':
			return i
		case isWordByte(text[i]):
			i++
		case strings.HasPrefix(text[i:], "::"):
			i += 2
		default:
			return i
		}
	}
	return i
}

func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c == '%' || c == '.'
}

// syntaxError is an error in PTX text: what is wrong on which line.
func syntaxError(line int, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...))
}
