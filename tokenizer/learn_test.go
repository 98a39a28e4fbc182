package tokenizer

import (
	"cmp"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// trainSlowly counts all pairs anew for each merge.
func trainSlowly(texts []string, vocabSize, minCount int) *BPE {
	counts := map[string]int{}
	for _, text := range texts {
		for _, word := range words(text) {
			counts[word]++
		}
	}
	tokens := []string{"<pad>", "<eos>"}
	for _, b := range alphabet {
		tokens = append(tokens, string([]byte{b}))
	}
	var merges []merge
	split := map[string][]int32{}
	for word := range counts {
		for i := range len(word) {
			split[word] = append(split[word], int32(slices.Index(tokens, word[i:i+1])))
		}
	}
	for len(tokens) < vocabSize {
		pairs := map[pair]int{}
		for word, ids := range split {
			for i := range len(ids) - 1 {
				// In a run such as aaa the pairs overlap, and each counts.
				pairs[pair{ids[i], ids[i+1]}] += counts[word]
			}
		}
		var best pair
		for p, n := range pairs {
			if n >= minCount && cmp.Or(n-pairs[best], int(best.left-p.left), int(best.right-p.right)) > 0 {
				best = p
			}
		}
		if best == (pair{}) {
			break
		}
		id := len(tokens)
		tokens = append(tokens, tokens[best.left]+tokens[best.right])
		merges = append(merges, merge{best, int32(id)})
		for word, ids := range split {
			for i := 0; i+1 < len(ids); i++ {
				if ids[i] == best.left && ids[i+1] == best.right {
					ids[i] = int32(id)
					ids = slices.Delete(ids, i+1, i+2)
				}
			}
			split[word] = ids
		}
	}
	return newBPE(tokens, merges, specials(0))
}

func TestMergesAreThoseOfCountingAnewEachTime(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		// Few letters make ties and runs.
		var text strings.Builder
		for range random.IntN(200) {
			text.WriteByte("aaabbc \n"[random.IntN(8)])
		}
		texts := []string{text.String()}
		minCount := 1 + random.IntN(3)
		var trainer BPETrainer
		if err := trainer.Add(strings.NewReader(texts[0])); err != nil {
			t.Fatal(err)
		}
		if got, want := trainer.Train(300, minCount), trainSlowly(texts, 300, minCount); !slices.Equal(got.merges, want.merges) {
			t.Fatalf("%q, from %d occurrences on: merges are %v, want %v", texts, minCount, got.fileMerges(), want.fileMerges())
		}
	}
	if got, want := trained(t, story(t)), trainSlowly([]string{story(t)}, 600, 2); !slices.Equal(got.merges, want.merges) {
		t.Errorf("merges are %v, want %v", got.fileMerges(), want.fileMerges())
	}
}

func TestAVocabularyIsSpecialTokensBytesThenMerges(t *testing.T) {
	b := trained(t, "low low low lower lowest<eos>new newer")
	if b.Token(0) != "<pad>" || b.Token(1) != "<eos>" || b.Token(2) != "!" || b.Token(257) != "\u00ad"[1:] || b.EOS() != 1 {
		t.Errorf("tokens begin with %q and EOS is %d", b.tokens[:258], b.EOS())
	}
	// Pairs occur: l+o and o+w 5 times, space+l 4 times.
	if got, want := strings.Join(b.tokens[258:261], "|"), "lo|low| low"; got != want {
		t.Errorf("the first merges make %q, want %q", got, want)
	}
	if got := tokensOf(t, b, "lowest low"); !strings.HasPrefix(got, "low|") || !strings.HasSuffix(got, "| low") {
		t.Errorf("encoded as %q", got)
	}
}

func TestMergesStopWhereNothingIsFrequent(t *testing.T) {
	var trainer BPETrainer
	if err := trainer.Add(strings.NewReader("ab ab cd")); err != nil {
		t.Fatal(err)
	}
	for minCount, want := range map[int]int{0: 262, 1: 262, 2: 259, 3: 258} {
		if got := trainer.Train(1000, minCount).VocabSize(); got != want {
			t.Errorf("%d tokens for pairs that occur %d times, want %d", got, minCount, want)
		}
	}
	if got := trainer.Train(260, 1).VocabSize(); got != 260 {
		t.Errorf("%d tokens, want the 260 asked for", got)
	}
}

func TestTheOrderOfTextsDoesNotMatter(t *testing.T) {
	parts := strings.SplitAfter(story(t), "\n\n")
	forward := trained(t, parts...)
	slices.Reverse(parts)
	if backward := trained(t, parts...); !slices.Equal(forward.tokens, backward.tokens) || !slices.Equal(forward.merges, backward.merges) {
		t.Error("another order of the texts gave other merges")
	}
}

func TestWordsAreCountedAlikeHoweverTheTextArrives(t *testing.T) {
	var text strings.Builder
	for _, piece := range mixedTexts(3000) {
		text.WriteString(piece)
	}
	// More than a block without a place to cut.
	long := text.String() + strings.Repeat("ab", blockSize) + " " + text.String()
	want := map[string]int64{}
	for _, part := range strings.Split(strings.ReplaceAll(long, "<pad>", "<eos>"), "<eos>") {
		for _, word := range words(part) {
			want[word]++
		}
	}
	for name, reader := range map[string]io.Reader{
		"at once": strings.NewReader(long), "by halves": iotest.HalfReader(strings.NewReader(long)),
		"with its end": iotest.DataErrReader(strings.NewReader(long)), "by bytes": iotest.OneByteReader(strings.NewReader(long)),
	} {
		var trainer BPETrainer
		if err := trainer.Add(reader); err != nil {
			t.Fatal(err)
		}
		if len(trainer.words) != len(want) {
			t.Errorf("%s: %d different words, want %d", name, len(trainer.words), len(want))
		}
		for i, word := range trainer.words {
			if trainer.counts[i] != want[word] {
				t.Fatalf("%s: %q occurs %d times, want %d", name, word, trainer.counts[i], want[word])
			}
		}
	}
}

func TestATextThatCannotBeReadIsAnError(t *testing.T) {
	var trainer BPETrainer
	checkDataError(t, trainer.Add(iotest.ErrReader(errors.New("disk on fire"))), "cannot read the text: disk on fire")
}

func TestNoTextGivesTheBytes(t *testing.T) {
	var trainer BPETrainer
	if got := trainer.Train(1000, 1).VocabSize(); got != MinVocabSize {
		t.Errorf("%d tokens, want %d", got, MinVocabSize)
	}
}

func TestNoTokenIsLearnedTwice(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for range 300 {
		var text strings.Builder
		for range random.IntN(300) {
			text.WriteByte("aabbc "[random.IntN(6)])
		}
		var trainer BPETrainer
		if err := trainer.Add(strings.NewReader(text.String())); err != nil {
			t.Fatal(err)
		}
		if b := trainer.Train(1000, 1); len(b.ids) != len(b.tokens) {
			t.Fatalf("%q: %d different tokens of %d", text.String(), len(b.ids), len(b.tokens))
		}
	}
}
