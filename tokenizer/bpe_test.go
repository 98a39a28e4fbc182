package tokenizer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// story returns a text with contractions, numbers, tables and several scripts.
func story(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/ferry.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// trained returns the tokenizer of 600 tokens that is learned from texts.
func trained(t testing.TB, texts ...string) *BPE {
	t.Helper()
	var trainer BPETrainer
	for _, text := range texts {
		if err := trainer.Add(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	return trainer.Train(600, 2)
}

// encode returns the ids of a text that every byte-level tokenizer can encode.
func encode(t testing.TB, b Tokenizer, text string) []int32 {
	t.Helper()
	ids, err := b.Encode(text)
	if err != nil {
		t.Fatalf("Encode(%q): %v", text, err)
	}
	return ids
}

// tokensOf returns the tokens of a text with a bar between.
func tokensOf(t testing.TB, b Tokenizer, text string) string {
	t.Helper()
	var tokens []string
	for _, id := range encode(t, b, text) {
		tokens = append(tokens, b.Token(id))
	}
	return strings.Join(tokens, "|")
}

// mixedTexts returns n texts of everything that encoding has to tell apart, always the same.
func mixedTexts(n int) []string {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	pieces := []func() string{
		func() string {
			return pick("the", "river", "didn't", "we'll", "THE", "I've", "he's", "o'clock", "'", "''", "'S", "'lt", "'re", "'v")
		},
		func() string {
			return pick(" ", "  ", "\n", "\n\n", "\t", "\r\n", "\v", "\f", "\u00a0", "\u0085", "\u2028", "\u3000", "\x1c", "\u200b")
		},
		func() string { return pick("0", "42", "1894", "½", "٣", "Ⅻ", "²", "௧", "𝟘") },
		func() string {
			return pick(".", ",", "!!!", "--", "\"", "<", "|", "£", "…", "🙂", "👩‍👩‍👧", "\u0301", "\x00", "\x7f", "\u00ad")
		},
		func() string {
			return pick("é", "ß", "Σοφία", "日本語", "한국어", "עברית", "ไทย", "हिन्दी", "ǅ", "ʰ", "ª")
		},
		func() string {
			return pick("<eos>", "<pad>", "<eos", "<<eos>", "<unk>", "<|endoftext|>", "<|endoftext", "pad>")
		},
		func() string {
			for {
				if r := rune(random.IntN(0x110000)); r < 0xD800 || r > 0xDFFF {
					return string(r)
				}
			}
		},
		func() string { return string(rune(random.IntN(0x80))) },
	}
	texts := []string{"", " ", "a", "\n", " a", "a ", "  a", "a  ", "<eos>", " <eos> "}
	for len(texts) < n {
		var text strings.Builder
		for range random.IntN(20) {
			text.WriteString(pieces[random.IntN(len(pieces))]())
		}
		texts = append(texts, text.String())
	}
	return texts
}

// fewTokens returns a tokenizer with the bytes, the special tokens and the merges of these words, one after the other.
func fewTokens(merges ...string) *BPE {
	b := NewBytes()
	tokens := slices.Clone(b.tokens)
	rules := make([]merge, len(merges))
	for i, line := range merges {
		left, right, _ := strings.Cut(line, "+")
		rules[i] = merge{pair{int32(slices.Index(tokens, left)), int32(slices.Index(tokens, right))}, int32(len(tokens))}
		tokens = append(tokens, left+right)
	}
	return newBPE(tokens, rules, b.added)
}

func TestMergesGoByRankThenFromTheLeft(t *testing.T) {
	b := fewTokens("b+c", "a+b", "a+a", "aa+a", "ab+c", "d+bc")
	for text, want := range map[string]string{
		"abc":    "a|bc", // b+c has the lower rank, and a+bc is no merge
		"ab":     "ab",
		"dbc":    "dbc",
		"aaa":    "aaa",
		"aaaa":   "aa|aa", // both merges of rank 2 come before the one of rank 3
		"aaaaa":  "aa|aaa",
		"x":      "x",
		"":       "",
		"ab abc": "ab| |a|bc", // nothing merges across words
	} {
		if got := tokensOf(t, b, text); got != want {
			t.Errorf("%q is encoded as %s, want %s", text, got, want)
		}
	}
}

// mergeSlowly is the definition of BPE: of the pairs that merge, the leftmost of the lowest rank does, until none is left.
func mergeSlowly(b *BPE, word string) []int32 {
	var ids []int32
	for i := range len(word) {
		ids = append(ids, b.byteIDs[word[i]])
	}
	for {
		best, at := int32(len(b.merges)), -1
		for i := range max(len(ids)-1, 0) {
			if rank, ok := b.ranks[pair{ids[i], ids[i+1]}]; ok && rank < best {
				best, at = rank, i
			}
		}
		if at < 0 {
			return ids
		}
		ids[at] = b.merges[best].id
		ids = slices.Delete(ids, at+1, at+2)
	}
}

func TestEncodeFollowsTheDefinitionOfBPE(t *testing.T) {
	b := trained(t, story(t))
	random := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		word := make([]byte, random.IntN(40))
		for i := range word {
			word[i] = "etaoinshrdl"[random.IntN(11)]
		}
		if got, want := encode(t, b, string(word)), mergeSlowly(b, string(word)); !slices.Equal(got, want) {
			t.Fatalf("%q is encoded as %v, want %v", word, got, want)
		}
	}
}

func TestEveryStringComesBack(t *testing.T) {
	texts := append(mixedTexts(2000), story(t), "\xff", "a\xffb", "\xe6\x97", " \xf0\x9f\x99 x", string(alphabet))
	for _, b := range []*BPE{NewBytes(), trained(t, story(t))} {
		for _, text := range texts {
			ids := encode(t, b, text)
			var back strings.Builder
			for _, id := range ids {
				back.WriteString(b.Token(id))
			}
			if back.String() != text {
				t.Fatalf("%q came back as %q", text, back.String())
			}
			if want := strings.NewReplacer("<eos>", "", "<pad>", "").Replace(text); b.Decode(ids) != want {
				t.Fatalf("Decode(Encode(%q)) = %q, want %q: the text without special tokens", text, b.Decode(ids), want)
			}
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	small, large := NewBytes(), trained(f, story(f))
	for _, text := range mixedTexts(20) {
		f.Add(text)
	}
	f.Add("\xff<eos>\xe6\x97")
	f.Fuzz(func(t *testing.T, text string) {
		for _, b := range []*BPE{small, large} {
			var back strings.Builder
			for _, id := range encode(t, b, text) {
				back.WriteString(b.Token(id))
			}
			if back.String() != text {
				t.Fatalf("%q came back as %q", text, back.String())
			}
		}
	})
}

func TestBytesHaveTheirValuesAsIDs(t *testing.T) {
	b := NewBytes()
	if got, want := encode(t, b, "aé<eos>\xff<pad>"), []int32{'a', 0xC3, 0xA9, 257, 0xFF, 256}; !slices.Equal(got, want) {
		t.Errorf("ids are %v, want %v", got, want)
	}
	if b.VocabSize() != 258 || b.EOS() != 257 {
		t.Errorf("%d tokens with EOS %d, want 258 and 257", b.VocabSize(), b.EOS())
	}
	if id, ok := b.ID(" "); !ok || id != ' ' {
		t.Errorf("ID of a space is %d, %t", id, ok)
	}
	if id, ok := b.ID("ab"); ok {
		t.Errorf("ID of a token that is not there is %d", id)
	}
}

func TestAddedTokensAreCutOutLongestFirstAndPlainOnesLast(t *testing.T) {
	tokens := append(slices.Clone(NewBytes().tokens[:256]), "<a>", "<a><b>", "a><", "日本")
	b := newBPE(tokens, nil, []addedToken{
		{ID: 256, Content: "<a>", Special: true}, {ID: 257, Content: "<a><b>", Special: true},
		{ID: 258, Content: "a><", Normalized: true}, {ID: 259, Content: "日本", Normalized: true},
	})
	for text, want := range map[string]string{
		"x<a>y":        "x|<a>|y",
		"<a><b><a>":    "<a><b>|<a>",
		"<<a><b":       "<|<a>|<|b", // <a> is cut out before a><, which begins further right anyway
		"xa><a>":       "x|a|>|<a>", // and before a><, which begins further left
		"xa><b":        "x|a><|b",
		"<日本語":         "<|日本|\xe8|\xaa|\x9e",
		"<a":           "<|a",
		"\xe6\x97":     "\xe6|\x97",
		"<a><a><a>":    "<a>|<a>|<a>",
		"日本<a><b>a><日": "日本|<a><b>|a><|\xe6|\x97|\xa5",
	} {
		if got := tokensOf(t, b, text); got != want {
			t.Errorf("%q is encoded as %q, want %q", text, got, want)
		}
	}
	if got := b.Decode(encode(t, b, "x<a>日本")); got != "x日本" {
		t.Errorf("decoded %q, want x日本: of the added tokens only the special ones are left out", got)
	}
}

func TestTheEndOfASequenceIsTheFirstKnownNameOfAnAddedToken(t *testing.T) {
	tokens := append(slices.Clone(NewBytes().tokens[:256]), "<eos>", "</s>", "<|endoftext|>", "<stop>")
	token := func(id int32) addedToken { return addedToken{ID: id, Content: tokens[id], Special: true} }
	for _, test := range []struct {
		added []addedToken
		want  int32
	}{
		{nil, NoToken}, // <eos> is an ordinary token
		{[]addedToken{token(259)}, NoToken},
		{[]addedToken{token(257), token(258)}, 258},
		{[]addedToken{token(256), token(257), token(258)}, 256},
	} {
		if got := newBPE(tokens, nil, test.added).EOS(); got != test.want {
			t.Errorf("EOS is %d with %v, want %d", got, test.added, test.want)
		}
	}
}

func TestAnAddedTokenHasTheIDOfItsText(t *testing.T) {
	b := newBPE([]string{" ", "a", "\n", " a", "\n"}, []merge{{pair{0, 1}, 3}}, []addedToken{{ID: 2, Content: "\n", Special: true}})
	if id, _ := b.ID("\n"); id != 2 {
		t.Errorf("ID is %d, want 2, with which the text is encoded", id)
	}
	if got, want := encode(t, b, "a\n a"), []int32{1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("ids are %v, want %v", got, want)
	}
}

func TestALongTextHasTheIDsOfItsParts(t *testing.T) {
	b := trained(t, story(t))
	random := rand.New(rand.NewPCG(5, 6))
	var long strings.Builder
	for i, text := range mixedTexts(20000) {
		if i%4000 > 100 {
			text = strings.ReplaceAll(text, "<", "") // long stretches without special tokens
		}
		long.WriteString(text)
		if random.IntN(100) == 0 {
			// Without a place to cut for several chunks, and white space that must not be cut anywhere but before.
			long.WriteString(strings.Repeat(string(rune('a'+random.IntN(3))), random.IntN(chunkSize/8)))
			long.WriteString(strings.Repeat("\n ", random.IntN(chunkSize/8)))
		}
	}
	text := long.String()
	if len(text) < 2*parallelSize {
		t.Fatalf("the text of %d bytes is too short to be cut", len(text))
	}
	if n := len(b.chunks(text)); n < 4 {
		t.Fatalf("%d chunks: the comparison is empty", n)
	}
	var want []int32
	for s := range b.segments(text) {
		want = newEncoder(b).appendSegment(want, s)
	}
	if !slices.Equal(encode(t, b, text), want) {
		t.Error("the ids of chunks are not those of the whole text")
	}
}

func TestTheCacheForgetsWithoutHarm(t *testing.T) {
	b := trained(t, story(t))
	e := newEncoder(b)
	for round := range 2 {
		for i := range maxCached + 1000 {
			word := fmt.Sprintf("river%d", i)
			if got, want := e.appendWord(nil, word), mergeSlowly(b, word); !slices.Equal(got, want) {
				t.Fatalf("round %d: %q is encoded as %v, want %v", round, word, got, want)
			}
		}
	}
	if longest := len("river12345"); len(e.cache) > maxCached || len(e.known) > maxCached*longest {
		t.Errorf("%d words with %d ids are cached, want at most %d", len(e.cache), len(e.known), maxCached)
	}
}

func TestALongWordTakesNearlyLinearTime(t *testing.T) {
	b := fewTokens("a+a", "aa+aa", "aaaa+aaaa")
	begin := time.Now()
	ids := encode(t, b, strings.Repeat("a", 1<<18))
	// A quadratic algorithm takes minutes.
	if took := time.Since(begin); len(ids) != 1<<15 || took > 10*time.Second {
		t.Errorf("%d ids after %v, want %d within seconds", len(ids), took, 1<<15)
	}
}

func TestAByteThatTheVocabularyLacksIsNamed(t *testing.T) {
	added := addedToken{ID: 1, Content: "<b>", Special: true}
	b := newBPE([]string{"a", "<b>"}, nil, []addedToken{added})
	if got, want := encode(t, b, "a<b>a"), []int32{0, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("ids are %v, want %v: no byte is missing outside the added token", got, want)
	}
	_, err := b.Encode("a<b>ab")
	if want := `no token for the byte 0x62 ('b'), the text's byte 6`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestEncodeIsSafeForConcurrentUse(t *testing.T) {
	b := trained(t, story(t))
	text := story(t)
	want := encode(t, b, text)
	done := make(chan bool)
	for range 8 {
		go func() {
			ids, err := b.Encode(text)
			done <- err == nil && slices.Equal(ids, want)
		}()
	}
	for range 8 {
		if !<-done {
			t.Error("another goroutine got other ids")
		}
	}
}

func TestABPETokenOutsideTheVocabularyPanics(t *testing.T) {
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "token id 258 is outside the vocabulary of 258 tokens") {
			t.Errorf("recovered %q", text)
		}
	}()
	NewBytes().Decode([]int32{258})
}

func BenchmarkEncode(b *testing.B) {
	t := trained(b, story(b))
	text := strings.Repeat(story(b), 50)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		encode(b, t, text)
	}
}

// BenchmarkEncodeOnce encodes with an empty cache, as at the start of a program.
func BenchmarkEncodeOnce(b *testing.B) {
	t := trained(b, story(b))
	text := story(b)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		newEncoder(t).appendSegment(nil, segment{text, NoToken})
	}
}

func BenchmarkTrain(b *testing.B) {
	text := []byte(story(b))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var trainer BPETrainer
		if err := trainer.Add(bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
		trainer.Train(600, 2)
	}
}
