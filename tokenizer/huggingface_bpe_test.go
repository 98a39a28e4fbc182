package tokenizer

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gpt2 returns GPT-2's tokenizer from the folder that TRAINER_GPT2_VOCAB names, or skips the test.
func gpt2(t testing.TB) (b *BPE, folder string) {
	t.Helper()
	folder = os.Getenv("TRAINER_GPT2_VOCAB")
	if folder == "" {
		t.Skip("TRAINER_GPT2_VOCAB is not set: it names a folder with GPT-2's vocab.json and merges.txt, or encoder.json and vocab.bpe")
	}
	loaded, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return loaded.(*BPE), folder
}

// foreignTexts returns texts that both sides can be asked about: Python has no text that is not Unicode.
func foreignTexts(t testing.TB) []string {
	texts := append(mixedTexts(5000), story(t), strings.Join(mixedTexts(2000), ""), strings.Repeat("a", 3000), strings.Repeat(" ", 3000))
	for i, text := range texts {
		texts[i] = strings.ToValidUTF8(text, "?")
	}
	return texts
}

// checkIDs fails unless texts have these ids.
func checkIDs(t *testing.T, b *BPE, texts []string, want [][]int32) {
	t.Helper()
	if len(want) != len(texts) {
		t.Fatalf("%d answers to %d texts", len(want), len(texts))
	}
	for i, text := range texts {
		if got := encode(t, b, text); !slices.Equal(got, want[i]) {
			t.Fatalf("%q encodes as %v here and as %v there", text, got, want[i])
		}
	}
}

// encodeThere encodes the texts with tokenizer.json of a folder.
const encodeThere = `
import json, sys, tokenizers
t = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
texts = json.load(sys.stdin)
encoded = t.encode_batch(texts)
json.dump({
    "ids": [e.ids for e in encoded],
    "texts": [t.decode(e.ids) for e in encoded],
}, sys.stdout)
`

func TestHuggingFaceTokenizersReadsAndEncodesBPEAlike(t *testing.T) {
	tokenizers := map[string]*BPE{"bytes": NewBytes(), "trained": trained(t, story(t)), "merges": fewTokens("t+h", "th+e", " +the")}
	if os.Getenv("TRAINER_GPT2_VOCAB") != "" {
		tokenizers["GPT-2"], _ = gpt2(t)
	}
	texts := foreignTexts(t)
	for name, b := range tokenizers {
		t.Run(name, func(t *testing.T) {
			var theirs struct {
				IDs   [][]int32
				Texts []string
			}
			runPython(t, "tokenizers", encodeThere, runFolder(t, b), texts, &theirs)
			checkIDs(t, b, texts, theirs.IDs)
			for i, text := range texts {
				// There a byte that is not Unicode by itself would come back as U+FFFD; the texts have none.
				if got := b.Decode(theirs.IDs[i]); got != theirs.Texts[i] {
					t.Fatalf("%q decodes as %q here and as %q there", text, got, theirs.Texts[i])
				}
			}
		})
	}
}

func TestHuggingFaceTokenizersSplitsEveryCharacterAlike(t *testing.T) {
	// Characters of one class make one word.
	const script = `
import json, sys, tokenizers
p = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
def classify(c):
    for kind, like in enumerate("!a1"):
        if len(p.pre_tokenize_str(like + c)) == 1:
            return str(kind)
    return "3"
json.dump("".join("0" if 0xD800 <= c <= 0xDFFF else classify(chr(c)) for c in range(0x110000)), sys.stdout)
`
	var theirs string
	runPython(t, "tokenizers", script, "", nil, &theirs)
	for r := range rune(0x110000) {
		kind, _ := classify(string(r))
		if theirs[r] != '0'+byte(kind) {
			t.Errorf("%U is of class %d here and %c there", r, kind, theirs[r])
		}
	}
}

func TestHuggingFaceTrainerLearnsTheSameMerges(t *testing.T) {
	const script = `
import json, sys
from tokenizers import Tokenizer, models, pre_tokenizers, processors, decoders, trainers
def train(given):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator([given["Text"]], trainers.BpeTrainer(
        vocab_size=given["Size"], min_frequency=given["Count"], special_tokens=["<pad>", "<eos>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return json.loads(t.to_str())
json.dump([train(given) for given in json.load(sys.stdin)], sys.stdout)
`
	type request struct {
		Text        string
		Size, Count int
	}
	mixed := strings.NewReplacer("<eos>", " ", "<pad>", " ").Replace(strings.Join(foreignTexts(t)[:3000], ""))
	requests := []request{{story(t), 600, 2}, {story(t), 5000, 1}, {mixed, 2000, 2}, {"", 300, 1}}
	if path := os.Getenv("TRAINER_TEXT"); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, request{string(data), 4096, 2})
	}
	random := rand.New(rand.NewPCG(9, 10))
	for range 300 {
		var text strings.Builder
		for range random.IntN(300) {
			text.WriteByte("aaabbc \n"[random.IntN(8)])
		}
		requests = append(requests, request{text.String(), 258 + random.IntN(60), 1 + random.IntN(3)})
	}
	var theirs []json.RawMessage
	runPython(t, "tokenizers", script, "", requests, &theirs)
	for i, r := range requests {
		there, err := Parse(theirs[i], "theirs")
		if err != nil {
			t.Fatal(err)
		}
		var trainer BPETrainer
		if err := trainer.Add(strings.NewReader(r.Text)); err != nil {
			t.Fatal(err)
		}
		here := trainer.Train(r.Size, r.Count)
		got, want := here.fileMerges(), there.(*BPE).fileMerges()
		for m := range min(len(got), len(want)) {
			if got[m] != want[m] {
				t.Fatalf("request %d, %.60q: merge %d is %q here and %q there", i, r.Text, m+1, got[m], want[m])
			}
		}
		if !bytes.Equal(here.JSON(), there.JSON()) {
			t.Errorf("request %d, %.60q: %d tokens here, %d there, or other ids", i, r.Text, here.VocabSize(), there.VocabSize())
		}
	}
}

func TestTiktokenEncodesAlikeWithGPT2sFiles(t *testing.T) {
	b, folder := gpt2(t)
	const script = `
import json, os, sys, tiktoken
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
def file(*names):
    return next(p for p in (os.path.join(sys.argv[1], n) for n in names) if os.path.exists(p))
ranks = data_gym_to_mergeable_bpe_ranks(
    vocab_bpe_file=file("vocab.bpe", "merges.txt"), encoder_json_file=file("encoder.json", "vocab.json"))
t = tiktoken.Encoding("gpt2", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256},
    pat_str=r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")
json.dump([t.encode(x, allowed_special="all") for x in json.load(sys.stdin)], sys.stdout)
`
	texts := foreignTexts(t)
	var theirs [][]int32
	runPython(t, "tiktoken", script, folder, texts, &theirs)
	checkIDs(t, b, texts, theirs)
}

func TestGPT2sFilesGiveGPT2sIDs(t *testing.T) {
	b, _ := gpt2(t)
	if b.VocabSize() != 50257 || b.EOS() != 50256 {
		t.Errorf("%d tokens with EOS %d, want 50257 and 50256", b.VocabSize(), b.EOS())
	}
	if got, want := encode(t, b, "Hello world<|endoftext|>"), []int32{15496, 995, 50256}; !slices.Equal(got, want) {
		t.Errorf("ids are %v, want %v", got, want)
	}
	again, err := Parse(b.JSON(), FileName)
	if err != nil {
		t.Fatal(err)
	}
	checkSame(t, "tokenizer.json", again.(*BPE), b)
	vocab, merges := b.GPT2Files()
	again, err = Load(gpt2Folder(t, VocabName, MergesName, string(vocab), string(merges)))
	if err != nil {
		t.Fatal(err)
	}
	checkSame(t, "vocab.json", again.(*BPE), b)
}

func TestTransformersLoadsABPEOfARunFolder(t *testing.T) {
	const script = `
import json, sys, transformers
t = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
texts = json.load(sys.stdin)
json.dump({
    "size": len(t), "pad": t.pad_token_id, "eos": t.eos_token_id, "context": t.model_max_length,
    "ids": t(texts)["input_ids"], "texts": [t.decode(i, skip_special_tokens=True) for i in t(texts)["input_ids"]],
}, sys.stdout)
`
	for name, b := range map[string]*BPE{"bytes": NewBytes(), "trained": trained(t, story(t))} {
		t.Run(name, func(t *testing.T) {
			texts := foreignTexts(t)[:500]
			var theirs struct {
				Size, Context int
				Pad, EOS      int32
				IDs           [][]int32
				Texts         []string
			}
			folder := runFolder(t, b)
			runPython(t, "transformers", script, folder, texts, &theirs)
			if pad, _ := b.ID(PadToken); theirs.Size != b.VocabSize() || theirs.Pad != pad || theirs.EOS != b.EOS() || theirs.Context != 12 {
				t.Errorf("%d tokens, <pad> %d, <eos> %d, context %d there", theirs.Size, theirs.Pad, theirs.EOS, theirs.Context)
			}
			checkIDs(t, b, texts, theirs.IDs)
			for i := range texts {
				if got := b.Decode(theirs.IDs[i]); got != theirs.Texts[i] {
					t.Fatalf("%v decodes as %q here and as %q there", theirs.IDs[i], got, theirs.Texts[i])
				}
			}
			if _, err := Load(filepath.Join(folder, FileName)); err != nil {
				t.Error(err)
			}
		})
	}
}

func BenchmarkEncodeGPT2(b *testing.B) {
	t, _ := gpt2(b)
	text := strings.Repeat(story(b), 50)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		encode(b, t, text)
	}
}

func BenchmarkLoadGPT2(b *testing.B) {
	_, folder := gpt2(b)
	for b.Loop() {
		if _, err := Load(folder); err != nil {
			b.Fatal(err)
		}
	}
}
