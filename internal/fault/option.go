package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Option is the name of an option in an error, as files have it: "learning_rate". A program that offers the option as a flag calls it by
// the flag's name, see InFlags.
type Option string

// OptionError says that options are impossible, which is wrong usage unless a file says so. It knows which words of its text are their names.
type OptionError struct {
	format string
	args   []any
}

// Optionf returns an *OptionError; format and args are those of fmt.Errorf, options being of type Option.
func Optionf(format string, args ...any) error { return &OptionError{format, args} }

func (e *OptionError) Error() string { return fmt.Sprintf(e.format, e.args...) }

// InFlags makes an error about options one of wrong usage that calls them by their flags: those of the map, or the name with hyphens. Other
// errors stay as they are.
func InFlags(err error, flags map[Option]string) error {
	var o *OptionError
	if !errors.As(err, &o) {
		return err
	}
	return Usagef("%s", o.named(func(name Option) string {
		if flag, ok := flags[name]; ok {
			return "-" + flag
		}
		return "-" + strings.ReplaceAll(string(name), "_", "-")
	}))
}

// named is the text with other names for the options.
func (e *OptionError) named(name func(Option) string) string {
	args := make([]any, len(e.args))
	for i, a := range e.args {
		args[i] = a
		if o, ok := a.(Option); ok {
			args[i] = name(o)
		}
	}
	return fmt.Sprintf(e.format, args...)
}
