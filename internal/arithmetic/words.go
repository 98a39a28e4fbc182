package arithmetic

import (
	"fmt"
	"strings"
)

// Equals is the word that ends a question; the answer follows it.
const Equals = "equals"

// MaxNumber is the largest number that Number can say. The largest answer is 99 + 99 = 198.
const MaxNumber = 199

const hundred = "hundred"

var small = [20]string{
	"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
	"ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
}

// tens[i] is the word for 10(i+2).
var tens = [8]string{"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}

// Number returns n in words, 0 to MaxNumber, without hyphens or "and": "forty two", "one hundred ninety eight".
func Number(n int) string {
	switch {
	case n < 0 || n > MaxNumber:
		panic(fmt.Sprintf("arithmetic: number %d is outside 0 to %d", n, MaxNumber))
	case n < 20:
		return small[n]
	case n < 100:
		return join(tens[n/10-2], n%10)
	}
	return join(small[n/100]+" "+hundred, n%100)
}

// join appends the words of rest, unless it is zero.
func join(words string, rest int) string {
	if rest == 0 {
		return words
	}
	return words + " " + Number(rest)
}

// Words returns the vocabulary of all questions and answers, 33 words: the operations, "equals", "hundred", zero to
// nineteen, twenty to ninety.
func Words() []string {
	var words []string
	for _, op := range Operations() {
		words = append(words, string(op))
	}
	words = append(words, Equals, hundred)
	words = append(words, small[:]...)
	return append(words, tens[:]...)
}

// InFigures says whether a word has digits or signs of operations, which no word of the vocabulary has. A hyphen between letters is none.
func InFigures(word string) bool {
	return word == "-" || strings.ContainsAny(word, "0123456789+−*×·/÷=%^")
}
