package api

import (
	"encoding/json"
	"math"
	"testing"
)

func TestANumberIsJSONWhateverItIs(t *testing.T) {
	for value, want := range map[Number]string{
		0: "0", -3: "-3", 1e20: "1e+20", 0.1: "0.1", 1.0 / 3: "0.3333333", Number(math.Inf(1)): "null", Number(math.Inf(-1)): "null",
		-1.25e-9: "-1.25e-09", 123456789: "123456789",
	} {
		text, err := json.Marshal([]Number{value, Number(math.NaN())})
		if string(text) != "["+want+",null]" || err != nil {
			t.Errorf("%g is %s (%v), want %s", float64(value), text, err, want)
		}
	}
}

func TestANumberIsReadBack(t *testing.T) {
	var list []Number
	if err := json.Unmarshal([]byte("[1e-3,-2,null]"), &list); err != nil {
		t.Fatal(err)
	}
	if list[0] != 1e-3 || list[1] != -2 || !math.IsNaN(float64(list[2])) {
		t.Errorf("read %v", list)
	}
	if err := json.Unmarshal([]byte(`["x"]`), &list); err == nil {
		t.Error("a text is read as a number")
	}
}
