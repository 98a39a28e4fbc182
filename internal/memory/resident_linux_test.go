package memory

import "testing"

func TestResidentGrowsByWhatIsTouched(t *testing.T) {
	before, known := Resident()
	const size = 64 << 20
	touched := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		touched[i] = 1
	}
	after, _ := Resident()
	if !known || before <= 0 || after-before < size*3/4 {
		t.Errorf("%d bytes before and %d after %d more were touched", before, after, size)
	}
	touched[0] = 2 // keeps them until here
}
