package kernel

import (
	"reflect"
	"strings"
	"testing"
)

func TestEverySetIsCompleteAndFoundByItsName(t *testing.T) {
	for _, s := range Sets() {
		fields := reflect.ValueOf(*s)
		for i := range fields.NumField() {
			if f := fields.Field(i); f.Kind() != reflect.Bool && f.IsZero() {
				t.Errorf("set %q has no %s", s.Name, fields.Type().Field(i).Name)
			}
		}
		found, err := ByName(s.Name)
		if err != nil || found.Name != s.Name {
			t.Errorf("ByName(%q) returned %v, %v", s.Name, found, err)
		}
	}
	if first := Sets()[0].Name; first != "go" {
		t.Errorf("the first set is %q, expected go", first)
	}
}

func TestUnknownSetIsAnErrorThatListsTheChoices(t *testing.T) {
	_, err := ByName("sse")
	if err == nil || !strings.Contains(err.Error(), `"sse"`) || !strings.Contains(err.Error(), "go") {
		t.Errorf("ByName(\"sse\") returned the error %v", err)
	}
}
