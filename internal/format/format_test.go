package format

import "testing"

func TestThousandsHasACommaBetweenGroupsOfThree(t *testing.T) {
	for n, want := range map[int]string{
		0: "0", 999: "999", 1000: "1,000", 105344: "105,344", 1000000: "1,000,000", -5: "-5", -999: "-999", -123456: "-123,456",
	} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestPercentIs0Or100OnlyForWhatIs(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0.00 %", 1e-9: "<0.01 %", 0.0001: "0.01 %", 0.0526: "5.26 %",
		0.9968: "99.68 %", 0.99989: "99.99 %", 0.999999: ">99.99 %", 1: "100.00 %",
	} {
		if got := Percent(share); got != want {
			t.Errorf("Percent(%g) = %s, want %s", share, got, want)
		}
	}
}

func TestBarIsAsLongAsItsShare(t *testing.T) {
	for share, want := range map[float64]string{0: "", 0.001: "", 0.5: "██", 0.25: "█", 0.28125: "█▏", 0.22: "▉", 1: "████"} {
		if got := Bar(share, 4); got != want {
			t.Errorf("Bar(%g, 4) = %q, want %q", share, got, want)
		}
	}
}
