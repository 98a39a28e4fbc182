package train_test

import (
	"fmt"
	"log"

	"trainer/model"
	"trainer/train"
)

// What happens inside of a model, as values: where its heads look, and how the loss depends on an activation.
func ExampleOpen() {
	m, err := model.New(model.Calculator(37), 1)
	if err != nil {
		log.Fatal(err)
	}
	e, err := train.Open(m, "cpu")
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	var batch model.Batch
	batch.AddWhole([]int32{9, 2, 10, 5}, []int32{-1, -1, -1, 12}) // a prediction behind every token; one has a target
	values, err := e.Trace(&batch, 1, model.TapQKV(0), "block 2/mlp/out", "gradient of block 2/mlp/out", "loss")
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range values {
		fmt.Println(v.Name, v.Shape)
	}
	weights := m.Config.AttentionWeights(values[0].Value)
	fmt.Printf("attention of head 1, last token: %.2f\n", weights.Value[12:16])

	_, err = e.Trace(&batch, 1, "block 2/mlp/ot")
	fmt.Println(err)
	// Output:
	// block 1/attention/qkv [4 192]
	// block 2/mlp/out [4 64]
	// gradient of block 2/mlp/out [4 64]
	// loss []
	// attention of head 1, last token: [0.26 0.24 0.24 0.25]
	// the model computes no value "block 2/mlp/ot": did you mean "block 2/mlp/out"? Model.Taps and Model.Parameters have them all
}
