package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestAnOptionErrorCallsOptionsByOtherNames(t *testing.T) {
	err := fmt.Errorf("flags: %w", Optionf("%s %d: expected a divisor of %s %d", Option("n_head"), 7, Option("n_embd"), 768))
	if want := "flags: n_head 7: expected a divisor of n_embd 768"; err.Error() != want {
		t.Errorf("the text is %q, want %q", err, want)
	}
	var o *OptionError
	if !errors.As(err, &o) {
		t.Fatalf("%v is no *OptionError", err)
	}
	flags := map[Option]string{"n_head": "-heads", "n_embd": "-d-model"}
	if got, want := o.Named(func(o Option) string { return flags[o] }), "-heads 7: expected a divisor of -d-model 768"; got != want {
		t.Errorf("with flags the text is %q, want %q", got, want)
	}
}
