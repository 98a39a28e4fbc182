package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"trainer/internal/fault"
	"trainer/internal/spelling"
)

// Command is one of the commands of a program that has several. Its flags are named after both, as in "tokenize train".
type Command struct {
	Flags *Flags
	Run   func() error
}

// MainOf runs the command that the first argument names, and ends the process as Main does. A signal ends it at once: it is for commands
// that have nothing to save.
func MainOf(program, summary string, commands ...Command) {
	var names []string
	for _, c := range commands {
		names = append(names, c.name())
		c.Flags.Exits = cmp.Or(c.Flags.Exits, "0 done   1 failure   2 wrong usage   3 bad data   130 interrupted")
	}
	var name string
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	if i := slices.Index(names, name); i >= 0 {
		finish(commands[i].Flags, os.Args[2:], commands[i].Run)
	}
	list := strings.Join(names, ", ")
	finish(New(program, ""), nil, func() error {
		switch near := spelling.Nearest(name, names); {
		case slices.Contains([]string{"-h", "-help", "--help", "help"}, name):
			overview(os.Stdout, program, summary, commands)
			return nil
		case name == "":
			return fault.Usagef("a command is missing, one of %s; -h explains them", list)
		case near != "":
			return fault.Usagef("there is no command %q: did you mean %s?", name, near)
		}
		return fault.Usagef("there is no command %q, expected one of %s; -h explains them", name, list)
	})
}

func (c Command) name() string { return c.Flags.Name()[strings.LastIndexByte(c.Flags.Name(), ' ')+1:] }

// overview writes what the commands of a program do.
func overview(w io.Writer, program, summary string, commands []Command) {
	fmt.Fprintf(w, "%s\n\nCommands\n", summary)
	for _, c := range commands {
		fmt.Fprintf(w, "  %-26s %s\n", program+" "+c.name(), c.Flags.Summary)
	}
	fmt.Fprintln(w, "\nEach of them explains its flags with -h.")
}
