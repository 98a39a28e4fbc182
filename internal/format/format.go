// Package format writes numbers for people: in charts and in what the commands print.
package format

import (
	"math"
	"strconv"
	"strings"
)

// Thousands writes a whole number with commas: 105,344.
func Thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// GiB writes a number of bytes in units of 2³⁰: 79.1 GiB.
func GiB(bytes int) string { return strconv.FormatFloat(float64(bytes)/(1<<30), 'f', 1, 64) + " GiB" }

// Bytes writes a number of bytes in units of 1,000: 1.1 MB.
func Bytes(n int) string {
	v, unit := float64(n), ""
	for _, unit = range []string{"B", "kB", "MB", "GB", "TB"} {
		if v < 999.5 || unit == "TB" {
			break
		}
		v /= 1000
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " " + unit
}

// Percent writes a share, 0 to 1, with two digits behind the point: 99.68 %. Only 0 and 1 themselves are written as 0 and 100.
func Percent(share float64) string {
	const smallest = 0.0001
	switch {
	case share > 0 && share < smallest:
		return "<0.01 %"
	case share < 1 && share > 1-smallest:
		return ">99.99 %"
	}
	return strconv.FormatFloat(100*share, 'f', 2, 64) + " %"
}

// Bar draws a share, 0 to 1, of width columns, to an eighth of a column.
func Bar(share float64, width int) string {
	eighths := int(math.Round(share * float64(width) * 8))
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return bar
}
