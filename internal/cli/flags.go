// Package cli is what the commands have in common at the command line: flags in groups with help that a newcomer understands, a
// configuration file of the same names, and the terminal's width and colours.
//
//	flags := cli.New("train", "...")
//	group := flags.Group("Training")
//	group.Int(&steps, "steps", "optimizer steps")
//	err := flags.Parse(os.Args[1:])
//
// Start at Flags; Main is the frame of a command.
package cli

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"trainer/internal/fault"
	"trainer/internal/spelling"
)

// Flags are the flags of a command, on the standard flag package, in groups.
type Flags struct {
	*flag.FlagSet
	Summary  string   // what the command does, for the head of its help
	Examples []string // command lines to copy
	Exits    string   // exit codes for the help, where they are not those of a program that saves when it is interrupted
	Mixed    bool     // flags may stand behind arguments, too
	Silent   bool     // another process, of several that do the same, tells of errors and helps
	groups   []*Group
	config   string
	set      map[string]bool // flags given on the command line or in the configuration file
}

// Group is a heading of the help and the flags under it. A flag's value before its definition is its default.
type Group struct {
	title string
	names []string
	set   *flag.FlagSet
}

// New returns the flags of the command of that name.
func New(name, summary string, examples ...string) *Flags {
	f := &Flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), Summary: summary, Examples: examples, set: make(map[string]bool)}
	f.SetOutput(io.Discard) // Main prints errors, and help goes to standard output
	return f
}

// Group begins a group.
func (f *Flags) Group(title string) *Group {
	g := &Group{title: title, set: f.FlagSet}
	f.groups = append(f.groups, g)
	return g
}

// Int defines a flag with a whole number.
func (g *Group) Int(p *int, name, usage string) { g.set.IntVar(p, g.add(name), *p, usage) }

// Uint64 defines a flag with a whole number of 0 or more.
func (g *Group) Uint64(p *uint64, name, usage string) { g.set.Uint64Var(p, g.add(name), *p, usage) }

// Float defines a flag with a number.
func (g *Group) Float(p *float64, name, usage string) { g.set.Float64Var(p, g.add(name), *p, usage) }

// String defines a flag with text.
func (g *Group) String(p *string, name, usage string) { g.set.StringVar(p, g.add(name), *p, usage) }

// Bool defines a switch.
func (g *Group) Bool(p *bool, name, usage string) { g.set.BoolVar(p, g.add(name), *p, usage) }

// Var defines a flag with a value of its own kind.
func (g *Group) Var(v flag.Value, name, usage string) { g.set.Var(v, g.add(name), usage) }

func (g *Group) add(name string) string {
	g.names = append(g.names, name)
	return name
}

// Config adds the flag -config to a group.
func (f *Flags) Config(g *Group) {
	g.String(&f.config, "config", "TOML `file` of flags by name: steps = 1000; the command line wins")
}

// Parse reads the arguments, then the configuration file for what they leave open. Errors are usage errors that name the flag, or the file,
// line and key. It returns flag.ErrHelp when help was asked for.
func (f *Flags) Parse(arguments []string) error {
	if err := f.parse(arguments); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return f.explain(err)
	}
	f.Visit(func(g *flag.Flag) { f.set[g.Name] = true })
	if f.config != "" {
		return f.readConfig(f.config)
	}
	return nil
}

// parse reads the arguments, those behind the first that is no flag too where flags may stand there. Behind "--" there are none.
func (f *Flags) parse(arguments []string) error {
	err := f.FlagSet.Parse(arguments)
	if !f.Mixed {
		return err
	}
	var others []string
	for ; err == nil && f.NArg() > 0; err = f.FlagSet.Parse(arguments) {
		if before := len(arguments) - f.NArg() - 1; before >= 0 && arguments[before] == "--" {
			others = append(others, f.Args()...)
			break
		}
		others, arguments = append(others, f.Arg(0)), f.Args()[1:]
	}
	if err != nil {
		return err
	}
	return f.FlagSet.Parse(append([]string{"--"}, others...))
}

// Given says whether a flag was given on the command line or in the configuration file.
func (f *Flags) Given(name string) bool { return f.set[name] }

// Restore gives flags the values that an earlier run was begun with. A flag that was given must have that value, unless it is named among
// the changeable ones. Errors are usage errors where a flag contradicts, and of class data where a value is none.
func (f *Flags) Restore(values map[string]string, changeable ...string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value, defined := values[name], f.Lookup(name)
		switch {
		case defined == nil:
			return fault.Dataf("the run was begun with the flag -%s, which this program does not have", name)
		case !f.Given(name):
			if err := f.assign(defined, value); err != nil {
				return fault.Dataf("the run was begun with an impossible flag: %w", err)
			}
		case defined.Value.String() != value && !slices.Contains(changeable, name):
			return fault.Usagef("-%s %s: the run was begun with -%s %s, and that cannot change on the way: "+
				"leave the flag out, or begin another run with -out", name, defined.Value, name, value)
		}
	}
	return nil
}

// Fill gives flags that were not given the values that go with one that was. They then count as given.
func (f *Flags) Fill(values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if f.Given(name) {
			continue
		}
		if err := f.assign(f.Lookup(name), values[name]); err != nil {
			return err
		}
	}
	return nil
}

// assign sets a flag from text, and counts it as given.
func (f *Flags) assign(defined *flag.Flag, text string) error {
	if err := defined.Value.Set(text); err != nil {
		return unreadable(defined, text, err)
	}
	f.set[defined.Name] = true
	return nil
}

// unreadable says what a flag expects instead of text.
func unreadable(defined *flag.Flag, text string, err error) error {
	if want := expected(defined); want != "" {
		return fmt.Errorf("-%s %q: expected %s", defined.Name, text, want)
	}
	return fmt.Errorf("-%s %w", defined.Name, err)
}

// expected describes the values of a flag of the standard kinds, "" for others.
func expected(defined *flag.Flag) string {
	getter, ok := defined.Value.(flag.Getter)
	if !ok {
		return ""
	}
	switch getter.Get().(type) {
	case int:
		return "a whole number"
	case uint64:
		return "a whole number of 0 or more"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	}
	return "text"
}

// invalid is how package flag reports a value that a flag does not take.
var invalid = regexp.MustCompile(`(?s)^invalid (?:boolean )?value (".*") for (?:flag )?-([^:]+): (.*)$`)

// explain turns an error of package flag into one that helps.
func (f *Flags) explain(err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return fault.Usagef("there is no flag -%s%s; -h lists them", name, f.suggest(name))
	}
	if part := invalid.FindStringSubmatch(text); part != nil {
		value, err := strconv.Unquote(part[1])
		if err == nil {
			return fault.Usagef("%w", unreadable(f.Lookup(part[2]), value, errors.New(part[3])))
		}
	}
	return fault.Usagef("%s; -h explains the flags", text)
}

// suggest names the flag that is most like an unknown one.
func (f *Flags) suggest(name string) string {
	var names []string
	f.VisitAll(func(g *flag.Flag) { names = append(names, g.Name) })
	if near := spelling.Nearest(name, names); near != "" {
		return fmt.Sprintf(": did you mean -%s?", near)
	}
	return ""
}

// Help writes the help: examples first, flags by group with their defaults, exit codes last.
func (f *Flags) Help(w io.Writer) {
	fmt.Fprintf(w, "%s\n\nExamples\n", f.Summary)
	for _, e := range f.Examples {
		fmt.Fprintf(w, "  %s\n", e)
	}
	for _, g := range f.groups {
		fmt.Fprintf(w, "\n%s\n", g.title)
		for _, name := range g.names {
			defined := f.Lookup(name)
			kind, usage := flag.UnquoteUsage(defined)
			if plain, ok := kinds[kind]; ok {
				kind = plain
			}
			writeHelp(w, strings.TrimSpace("-"+name+" "+kind), usage+defaultOf(defined))
		}
	}
	fmt.Fprintf(w, "\nExit codes\n  %s\n", strings.ReplaceAll(cmp.Or(f.Exits, saving), "\n", "\n  "))
}

// saving are the exit codes of a program that saves when it is interrupted.
const saving = "0 done   1 failure   2 wrong usage   3 bad data or checkpoint\n4 device not available   130 interrupted, after a clean save"

// writeHelp writes a flag and what it is for, in lines of at most 80 columns.
func writeHelp(w io.Writer, flag, usage string) {
	const indent, width = 25, 80 - 27
	line := ""
	for _, word := range strings.Fields(usage) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			fmt.Fprintf(w, "  %-*s%s\n", indent, flag, line)
			flag, line = "", ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	fmt.Fprintf(w, "  %-*s%s\n", indent, flag, line)
}

// kinds are names for people of the kinds of values that package flag names.
var kinds = map[string]string{"int": "n", "uint": "n", "float": "x", "string": "name"}

// defaultOf shows a default that says something.
func defaultOf(f *flag.Flag) string {
	if slices.Contains([]string{"", "0", "false"}, f.DefValue) {
		return ""
	}
	return fmt.Sprintf(" (default %s)", f.DefValue)
}

// Values returns the value of every flag.
func (f *Flags) Values() map[string]string {
	values := make(map[string]string)
	f.VisitAll(func(g *flag.Flag) { values[g.Name] = g.Value.String() })
	return values
}
