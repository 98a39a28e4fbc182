package cli

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"trainer/internal/fault"
)

// readConfig sets the flags that a TOML file names and the command line does not.
func (f *Flags) readConfig(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fault.Usagef("-config: %w", err)
	}
	values, err := parseConfig(string(text), path)
	if err != nil {
		return err
	}
	for _, v := range values {
		defined := f.Lookup(v.key)
		if defined == nil || v.key == "config" {
			return fault.Usagef("%s: there is no flag %q%s", v.where, v.key, f.suggest(v.key))
		}
		if err := f.fill(defined, v); err != nil {
			return fault.Usagef("%s: %w", v.where, err)
		}
	}
	return nil
}

// fill sets a flag as the file says, unless the command line has set it.
func (f *Flags) fill(defined *flag.Flag, v setting) error {
	if want := expected(defined); want != "" && !slices.Contains(tomlKinds[want], fmt.Sprintf("%T", v.value)) {
		return fmt.Errorf("%s is %s: expected %s", v.key, kindOf(v.value), want)
	}
	text, err := flagText(v.value)
	if err != nil {
		return fmt.Errorf("%s: %w", v.key, err)
	}
	if f.Given(v.key) {
		return nil
	}
	return f.assign(defined, text)
}

// tomlKinds are the types of values that TOML can give for what a flag expects. Whole numbers are numbers, too.
var tomlKinds = map[string][]string{
	"a whole number":              {"int64"},
	"a whole number of 0 or more": {"int64"},
	"a number":                    {"int64", "float64"},
	"true or false":               {"bool"},
	"text":                        {"string"},
}

// kindOf names the type of a value of TOML.
func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case int64, float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any, []map[string]any:
		return "a table"
	}
	return "a date or time"
}

// setting is a value of a configuration file.
type setting struct {
	key   string
	value any
	where string // file and line, for messages
}

// parseConfig returns the settings of a file, sorted by key.
func parseConfig(text, path string) ([]setting, error) {
	var values map[string]any
	if _, err := toml.Decode(text, &values); err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return nil, fault.Usagef("%s:%d: %s: expected TOML, such as steps = 1000",
				path, syntax.Position.Line, strings.TrimSuffix(syntax.Message, "."))
		}
		return nil, fault.Usagef("%s: %w", path, err)
	}
	var settings []setting
	for key, value := range values {
		settings = append(settings, setting{key, value, fmt.Sprintf("%s:%d", path, lineOf(text, key))})
	}
	slices.SortFunc(settings, func(a, b setting) int { return strings.Compare(a.key, b.key) })
	return settings, nil
}

// flagText writes a value of TOML as a flag takes it: lists with commas.
func flagText(value any) (string, error) {
	switch v := value.(type) {
	case string, bool, int64, float64:
		return fmt.Sprint(v), nil
	case []any:
		var parts []string
		for _, e := range v {
			text, err := flagText(e)
			if err != nil {
				return "", err
			}
			parts = append(parts, text)
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("%s cannot be the value of a flag: expected text, a number, true or false, or a list of them", kindOf(value))
}

// lineOf returns the line in which a key is set, 1 when it is written in a way that is not found.
func lineOf(text, key string) int {
	at := regexp.MustCompile(`(?m)^\s*(\[\s*)?["']?` + regexp.QuoteMeta(key) + `["']?\s*[=.\]]`).FindStringIndex(text)
	if at == nil {
		return 1
	}
	return 1 + strings.Count(text[:at[0]], "\n") + strings.Count(text[at[0]:at[1]], "\n")
}
