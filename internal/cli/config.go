package cli

import (
	"errors"
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
		if f.Lookup(v.key) == nil || v.key == "config" {
			return fault.Usagef("%s: there is no flag %q%s", v.where, v.key, f.suggest(v.key))
		}
		if f.Given(v.key) {
			continue
		}
		if err := f.Set(v.key, v.text); err != nil {
			return fault.Usagef("%s: %s = %s: %w", v.where, v.key, v.text, err)
		}
	}
	for _, v := range values {
		f.set[v.key] = true
	}
	return nil
}

// setting is a line of a configuration file.
type setting struct {
	key, text string
	where     string // file and line, for messages
}

// parseConfig returns the settings of a file, sorted by key. Values are texts, numbers, truth values, and lists of them, which a flag reads separated by
// commas; there are no tables.
func parseConfig(text, path string) ([]setting, error) {
	var values map[string]any
	if _, err := toml.Decode(text, &values); err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return nil, fault.Usagef("%s:%d: %s: expected TOML, such as steps = 1000", path, syntax.Position.Line, syntax.Message)
		}
		return nil, fault.Usagef("%s: %w", path, err)
	}
	var settings []setting
	for key, value := range values {
		where := fmt.Sprintf("%s:%d", path, lineOf(text, key))
		text, err := flagText(value)
		if err != nil {
			return nil, fault.Usagef("%s: %s: %w", where, key, err)
		}
		settings = append(settings, setting{key, text, where})
	}
	slices.SortFunc(settings, func(a, b setting) int { return strings.Compare(a.key, b.key) })
	return settings, nil
}

// flagText writes a value of TOML as a flag takes it.
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
	return "", fmt.Errorf("a %T cannot be the value of a flag: expected text, a number, true or false, or a list of them", value)
}

// lineOf returns the line in which a key is set, 1 when it is written in a way that is not found.
func lineOf(text, key string) int {
	at := regexp.MustCompile(`(?m)^\s*(\[\s*)?["']?` + regexp.QuoteMeta(key) + `["']?\s*[=.\]]`).FindStringIndex(text)
	if at == nil {
		return 1
	}
	return 1 + strings.Count(text[:at[0]], "\n") + strings.Count(text[at[0]:at[1]], "\n")
}
