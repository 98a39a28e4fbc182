package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"time"

	"trainer/internal/device"
	"trainer/model"
	"trainer/train"
)

// generatorArgument makes bench the trainer's side of generation, in a process whose memory is that of a model that is asked.
const generatorArgument = "trainer-generator"

// generatorSettings is what the side asks, and how.
type generatorSettings struct {
	Folder  string
	Weights string
	Threads int
}

// generatorHello is the first line of the side.
type generatorHello struct {
	Bytes int // of weights that a token reads
}

// startOurGenerator starts this program as the trainer's side.
func startOurGenerator(ctx context.Context, s generatorSettings) (p *process, bytes int, err error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, 0, err
	}
	var hello generatorHello
	p, err = startProcess(exec.CommandContext(ctx, binary, generatorArgument, string(text)), &hello)
	return p, hello.Bytes, err
}

// serveGenerator is what the process of the side does: it generates on request, until its input ends.
func serveGenerator(settings string) error {
	var s generatorSettings
	if err := json.Unmarshal([]byte(settings), &s); err != nil {
		return err
	}
	m, _, err := train.LoadModel(s.Folder)
	if err != nil {
		return err
	}
	b := device.OpenCPU(s.Threads, device.Precisions[0], s.Weights)
	defer b.Close()
	g := model.NewGenerator(model.NewExecutor(m, b))
	if _, err := generate(g, generateRequest{[]int32{0}, 1}); err != nil { // packs the weights
		return err
	}
	hello := generatorHello{Bytes: b.Packed()}
	if hello.Bytes == 0 {
		hello.Bytes = 4 * (m.Config.NumParameters() - m.Config.Context*m.Config.Width) // of the positions a token reads one
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(hello); err != nil {
		return err
	}
	for requests := bufio.NewScanner(os.Stdin); requests.Scan(); {
		var r generateRequest
		if err := json.Unmarshal(requests.Bytes(), &r); err != nil {
			return err
		}
		answer, err := generate(g, r)
		if err != nil {
			return err
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

// generate goes on behind a prompt with the likeliest tokens.
func generate(g *model.Generator, r generateRequest) (*generated, error) {
	answer := &generated{}
	begin := time.Now()
	request := model.Request{Prompt: r.Prompt, Sampling: model.Sampling{TopP: 1, RepetitionPenalty: 1, MaxTokens: r.Tokens}}
	err := g.Stream(context.Background(), []model.Request{request}, func(_ int, c model.Choice) bool {
		if answer.Tokens = append(answer.Tokens, c.Token); len(answer.Tokens) == 1 {
			answer.First = time.Since(begin).Seconds()
		}
		answer.Rest = time.Since(begin).Seconds() - answer.First
		return true
	})
	return answer, err
}
