package spelling

import "testing"

func TestOneCharacterIsNotLikeAnother(t *testing.T) {
	if got := Nearest("x", []string{"y"}); got != "" {
		t.Errorf("nearest to x is %q", got)
	}
	if got := Nearest("x", []string{"y", "X"}); got != "X" {
		t.Errorf("nearest to x is %q, want X: case does not count", got)
	}
}

func TestEditDistanceCountsEditsAndSwaps(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"forty", "forty", 0}, {"fourty", "forty", 1}, {"frty", "forty", 1},
		{"farty", "forty", 1}, {"froty", "forty", 1}, {"kitten", "sitting", 3}, {"abcd", "badc", 2},
		{"ca", "abc", 3}, // 2 if a swapped pair could be edited again
		{"über", "ueber", 2},
	} {
		if got := editDistance([]rune(test.a), []rune(test.b)); got != test.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
