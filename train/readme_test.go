package train

import (
	"os"
	"strings"
	"testing"
)

func TestTheREADMEShowsTheExampleThatRuns(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "func Example() {\n")
	body, _, found := strings.Cut(body, "\t// Output:\n")
	if !found {
		t.Fatal("example_test.go has no func Example with an output")
	}
	body = strings.TrimPrefix(strings.ReplaceAll(body, "\n\t", "\n"), "\t")
	if !strings.Contains(string(readme), body) {
		t.Errorf("README.md does not show the body of Example, indented one tab less:\n%s", body)
	}
}
