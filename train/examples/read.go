package examples

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"trainer/internal/fault"
)

// maxLine is the longest line in bytes. A longer one means that the file is no list of examples.
const maxLine = 64 << 10

// byteOrderMark is what some editors put before the first line of UTF-8.
const byteOrderMark = "\ufeff"

// Read returns the examples of a file; see Parse. Every error is of class data.
func Read(path string) ([]Example, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Dataf("cannot read examples: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fault.Dataf("cannot read examples: %s is a folder: expected a text file with one example a line", path)
	}
	return Parse(file, path)
}

// Parse returns the examples of r, one a line: a question that ends with "equals", then its answer. The last "equals" of a
// line is the one that counts. Empty lines and lines that begin with # are skipped; a byte order mark and CRLF are
// allowed. Every line is checked, and the error, of class data, names the bad ones by name and line. The same example may
// come twice, but no question with two answers.
func Parse(r io.Reader, name string) ([]Example, error) {
	var (
		list  []Example
		first = map[string]int{} // question -> index of its first example
		bad   problems
		line  int
	)
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		line++
		text := scanner.Text()
		if line == 1 {
			text = strings.TrimPrefix(text, byteOrderMark)
		}
		if at := invalidUTF8(text); at >= 0 {
			bad.addf("%s:%d: byte %d, 0x%02x, is not valid UTF-8: save the file as UTF-8 text", name, line, at+1, text[at])
			continue
		}
		if trimmed := strings.TrimSpace(text); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		e, err := parseLine(text)
		if err != nil {
			bad.addf("%s:%d: %v", name, line, err)
			continue
		}
		e.Source, e.Line = name, line
		if i, ok := first[e.Question]; !ok {
			first[e.Question] = len(list)
		} else if list[i].Answer != e.Answer {
			bad.addf("%s:%d: %q has the answer %q, but line %d answers %q: keep one of the two",
				name, line, shorten(e.Question), shorten(e.Answer), list[i].Line, shorten(list[i].Answer))
			continue
		}
		list = append(list, e)
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		bad.addf("%s:%d: the line is longer than %d KiB: expected one example a line, such as %q", name, line+1, maxLine>>10, sample)
	case err != nil:
		return nil, fault.Dataf("cannot read %s on from line %d: %w", name, max(line, 1), err)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.Dataf("%s: there is no example in the file: expected one a line, such as %q", name, sample)
	}
	return list, nil
}

// invalidUTF8 returns the index of the first byte that is not UTF-8, or -1.
func invalidUTF8(text string) int {
	for i, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
			return i
		}
	}
	return -1
}
