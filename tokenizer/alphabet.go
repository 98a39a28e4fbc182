package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// The files of byte-level BPE write each byte of a token as one character that can be seen: the printable characters of
// Latin-1 stand for themselves, the other 68 bytes for U+0100 onward in their order (bytes_to_unicode of GPT-2, where a
// space appears as Ġ).
var (
	byteToChar [256]rune
	charToByte = map[rune]byte{}
	// alphabet lists the bytes in the order of their characters, the order of their ids in GPT-2 and in trained vocabularies.
	alphabet []byte
)

func init() {
	var hidden []byte
	for i := range 256 {
		b := byte(i)
		printable := b >= '!' && b <= '~' || b >= 0xA1 && b != 0xAD
		if printable {
			byteToChar[b] = rune(b)
			alphabet = append(alphabet, b)
		} else {
			byteToChar[b] = rune(0x100 + len(hidden))
			hidden = append(hidden, b)
		}
		charToByte[byteToChar[b]] = b
	}
	alphabet = append(alphabet, hidden...)
}

// toAlphabet returns the bytes of s as the characters that stand for them.
func toAlphabet(s string) string {
	chars := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		chars = utf8.AppendRune(chars, byteToChar[s[i]])
	}
	return string(chars)
}

// fromAlphabet returns the bytes that the characters of s stand for.
func fromAlphabet(s string) (string, error) {
	bytes := make([]byte, 0, len(s))
	for _, char := range s {
		b, ok := charToByte[char]
		if !ok {
			return "", fmt.Errorf("%q stands for no byte in the alphabet of byte-level BPE", char)
		}
		bytes = append(bytes, b)
	}
	return string(bytes), nil
}
