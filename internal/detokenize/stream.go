// Package detokenize turns the tokens of a generated text into text while they come: ids go in at Stream.Add one by one, out comes what is
// certain. Held back are the first bytes of a character whose others are still to come, and what may be the beginning of a stop string.
//
// Start at Stream.
package detokenize

import (
	"strings"
	"unicode/utf8"
)

// Decoder is the part of a tokenizer that a Stream needs.
type Decoder interface{ Decode(ids []int32) string }

// Stream is the text of a continuation that is on its way.
type Stream struct {
	decoder Decoder
	stops   []string
	last    [1]int32 // the token before the next one
	text    strings.Builder
	held    string
	stopped bool
}

// New returns the stream of what comes behind a prompt of at least one token. The text ends before the first of the stop strings that
// occurs in it; empty ones are none. A continuation can begin with the space that stands between it and the prompt.
func New(d Decoder, prompt []int32, stops []string) *Stream {
	return &Stream{decoder: d, stops: stops, last: [1]int32{prompt[len(prompt)-1]}}
}

// Add appends a token and returns what has become certain of the text.
func (s *Stream) Add(id int32) string {
	if s.stopped {
		return ""
	}
	// The text of a token depends on the one before it: a word has a space in front of it unless it is the first.
	before := s.decoder.Decode(s.last[:])
	s.held += strings.TrimPrefix(s.decoder.Decode([]int32{s.last[0], id}), before)
	s.last[0] = id
	end := len(s.held)
	for _, stop := range s.stops {
		if at := strings.Index(s.held, stop); stop != "" && at >= 0 {
			s.stopped, end = true, min(end, at)
		}
	}
	if s.stopped {
		s.held = s.held[:end]
		return s.Flush()
	}
	return s.release(end - max(beginning(s.held, s.stops), unfinished(s.held)))
}

// Flush returns what is held back, as no token will follow. It need not be UTF-8.
func (s *Stream) Flush() string { return s.release(len(s.held)) }

// release appends the first n bytes that were held back to the text.
func (s *Stream) release(n int) string {
	certain := s.held[:n]
	s.text.WriteString(certain)
	s.held = s.held[n:]
	return certain
}

// Stopped says whether a stop string has ended the text.
func (s *Stream) Stopped() bool { return s.stopped }

// Text returns the certain text so far.
func (s *Stream) Text() string { return s.text.String() }

// beginning is the length of the longest end of a text that is the beginning of one of the stop strings.
func beginning(text string, stops []string) int {
	longest := 0
	for _, stop := range stops {
		for n := min(len(stop)-1, len(text)); n > longest; n-- {
			if strings.HasSuffix(text, stop[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// unfinished is the number of bytes at the end of a text that begin a character of UTF-8 and do not finish it.
func unfinished(text string) int {
	for n := 1; n < min(utf8.UTFMax, len(text)+1); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRuneInString(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
