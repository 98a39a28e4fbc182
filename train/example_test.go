package train_test

import (
	"fmt"
	"log"
	"strings"

	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// A model that learns to count to ten.
func Example() {
	list, err := examples.Parse(strings.NewReader(`
		after one equals two
		after two equals three
		after three equals four
		after nine equals ten
	`), "counting")
	if err != nil {
		log.Fatal(err)
	}
	words, err := tokenizer.BuildWord(examples.Texts(list))
	if err != nil {
		log.Fatal(err)
	}
	m, err := model.New(model.Calculator(words.VocabSize()), 1)
	if err != nil {
		log.Fatal(err)
	}
	data, err := train.NewDataset(words, list, m.Config.Context)
	if err != nil {
		log.Fatal(err)
	}
	options := train.Calculator()
	options.Steps, options.Batch, options.WarmUp = 60, 4, 5
	trainer, err := train.New(m, words, data, &train.Dataset{}, options)
	if err != nil {
		log.Fatal(err)
	}
	defer trainer.Close()
	for range options.Steps {
		metrics, err := trainer.Step()
		if err != nil {
			log.Fatal(err)
		}
		if metrics.Step%30 == 0 {
			fmt.Printf("step %d: %.0f %% of the answers right\n", metrics.Step, 100*metrics.Accuracy)
		}
	}
	result, err := trainer.Evaluate(data)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d questions answered right\n", result.Right, result.Total)
	// Output:
	// step 30: 100 % of the answers right
	// step 60: 100 % of the answers right
	// 4 of 4 questions answered right
}
