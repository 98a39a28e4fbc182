package page_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trainer/internal/findings"
	"trainer/internal/floor/api"
)

var (
	interfaces = regexp.MustCompile(`export interface (\w+)(?: extends (\w+))? (\{[^\n]*\}|\{\n(?:[^}\n][^\n]*\n)*\})`)
	nested     = regexp.MustCompile(`\{[^{}]*\}`)
	fields     = regexp.MustCompile(`(\w+)\??:`)
)

// declared are the fields of the interfaces of types.d.ts.
func declared(t testing.TB) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("types.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, found := range interfaces.FindAllStringSubmatch(string(text), -1) {
		body := strings.TrimSuffix(strings.TrimPrefix(found[3], "{"), "}")
		for nested.MatchString(body) {
			body = nested.ReplaceAllString(body, "")
		}
		names := slices.Clone(all[found[2]])
		for _, field := range fields.FindAllStringSubmatch(body, -1) {
			names = append(names, field[1])
		}
		all[found[1]] = names
	}
	return all
}

// told are the fields of a value as JSON.
func told(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		field := of.Field(i)
		if field.Anonymous {
			names = append(names, told(field.Type)...)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func TestTypesOfThePageAreThoseOfTheAPI(t *testing.T) {
	all := declared(t)
	for name, value := range map[string]any{
		"Run": api.Run{}, "Stage": api.Stage{}, "Checkpoint": api.Checkpoint{}, "Metrics": api.Metrics{}, "Evaluation": api.Evaluation{},
		"Sample": api.Sample{}, "Step": api.StepEvent{}, "Trace": api.Trace{}, "Candidate": api.Logit{}, "Said": api.AnswerWord{},
		"Weight": api.WeightStep{}, "Document": api.Document{}, "Findings": findings.Findings{}, "Claim": findings.Claim{},
		"Gaze": findings.Gaze{}, "Head": findings.Head{},
	} {
		page, server := slices.Sorted(slices.Values(all[name])), slices.Sorted(slices.Values(told(reflect.TypeOf(value))))
		if !slices.Equal(page, server) {
			t.Errorf("types.d.ts has the fields %v of %s, expected %v, as %T has them", page, name, server, value)
		}
	}
}
