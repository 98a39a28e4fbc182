package fault

import "fmt"

// Option is the name of an option in an error, as files have it: "learning_rate". A program that offers the option as a flag calls it by
// the flag's name, see OptionError.
type Option string

// OptionError says that options are impossible. It knows which words of its text are their names.
type OptionError struct {
	format string
	args   []any
}

// Optionf returns an *OptionError; format and args are those of fmt.Errorf, options being of type Option.
func Optionf(format string, args ...any) error { return &OptionError{format, args} }

func (e *OptionError) Error() string { return fmt.Sprintf(e.format, e.args...) }

// Named is the text with other names for the options.
func (e *OptionError) Named(name func(Option) string) string {
	args := make([]any, len(e.args))
	for i, a := range e.args {
		args[i] = a
		if o, ok := a.(Option); ok {
			args[i] = name(o)
		}
	}
	return fmt.Sprintf(e.format, args...)
}
