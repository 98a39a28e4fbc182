package tokenizer

import "unicode"

// class is what the pattern of words tells apart in characters.
type class uint8

const (
	other  class = iota
	letter       // \p{L}
	number       // \p{N}
	space        // \s: White_Space
)

// lastClassified is the last letter, number or space of Unicode 16, in CJK Unified Ideographs Extension H.
const lastClassified = 0x323AF

// classes gives the class of each character up to lastClassified; those beyond are of class other.
//
// It is that of Unicode 16, as in Hugging Face tokenizers 0.23 and tiktoken 0.14: the tables of the Go library, which are
// of Unicode 15, and what was added since. A vocabulary trained on text of today must not split it in another way tomorrow.
var classes = func() (table [lastClassified + 1]class) {
	mark := func(ranges *unicode.RangeTable, c class) {
		for _, r := range ranges.R16 {
			for char := rune(r.Lo); char <= rune(r.Hi); char += rune(r.Stride) {
				table[char] = c
			}
		}
		for _, r := range ranges.R32 {
			for char := rune(r.Lo); char <= min(rune(r.Hi), lastClassified); char += rune(r.Stride) {
				table[char] = c
			}
		}
	}
	mark(unicode.L, letter)
	mark(newLetters, letter)
	mark(unicode.N, number)
	mark(newNumbers, number)
	mark(unicode.White_Space, space)
	return table
}()

// newLetters are the letters that Unicode 15.1 and 16.0 added.
var newLetters = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1C89, 0x1C8A, 1}, // Cyrillic Extended-C
		{0xA7CB, 0xA7CD, 1}, // Latin Extended-D
		{0xA7DA, 0xA7DC, 1},
	},
	R32: []unicode.Range32{
		{0x105C0, 0x105F3, 1}, // Todhri
		{0x10D4A, 0x10D65, 1}, // Garay
		{0x10D6F, 0x10D85, 1},
		{0x10EC2, 0x10EC4, 1}, // Arabic Extended-C
		{0x11380, 0x11389, 1}, // Tulu-Tigalari
		{0x1138B, 0x1138B, 1},
		{0x1138E, 0x1138E, 1},
		{0x11390, 0x113B5, 1},
		{0x113B7, 0x113B7, 1},
		{0x113D1, 0x113D1, 1},
		{0x113D3, 0x113D3, 1},
		{0x11BC0, 0x11BE0, 1}, // Sunuwar
		{0x13460, 0x143FA, 1}, // Egyptian Hieroglyphs Extended-A
		{0x16100, 0x1611D, 1}, // Gurung Khema
		{0x16D40, 0x16D6C, 1}, // Kirat Rai
		{0x18CFF, 0x18CFF, 1}, // Khitan Small Script
		{0x1E5D0, 0x1E5ED, 1}, // Ol Onal
		{0x1E5F0, 0x1E5F0, 1},
		{0x2EBF0, 0x2EE5D, 1}, // CJK Unified Ideographs Extension I
	},
}

// newNumbers are the numbers that Unicode 15.1 and 16.0 added.
var newNumbers = &unicode.RangeTable{
	R32: []unicode.Range32{
		{0x10D40, 0x10D49, 1}, // Garay
		{0x116D0, 0x116E3, 1}, // Myanmar Extended-C
		{0x11BF0, 0x11BF9, 1}, // Sunuwar
		{0x16130, 0x16139, 1}, // Gurung Khema
		{0x16D70, 0x16D79, 1}, // Kirat Rai
		{0x1CCF0, 0x1CCF9, 1}, // Symbols for Legacy Computing Supplement
		{0x1E5F1, 0x1E5FA, 1}, // Ol Onal
	},
}
