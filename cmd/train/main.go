// Command train teaches a transformer from examples and shows how it happens. Without flags it makes the word calculator: random weights
// become a model that answers "two plus three equals" with "five".
//
//	flags -> session: run folder, examples, model, trainer -> train.Run -> view: text, JSON or one line; summary.json and charts
//
// flags.go holds what can be chosen, session.go prepares and runs the training, together.go as one of several processes; screen.go, with
// progress.go and story.go, tells about it.
package main

import (
	"context"

	"trainer/internal/cli"
)

func main() {
	a := defaults()
	flags := a.flags()
	flags.Silent = rankOf() > 0
	cli.Main(flags, func(ctx context.Context) error { return teach(ctx, a, flags) })
}
