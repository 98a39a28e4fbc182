package tokenizer

import "fmt"

// MinVocabSize is the number of tokens of a vocabulary without merges: the special tokens and the bytes.
const MinVocabSize = len(specialTokens) + 256

// Train learns a vocabulary of vocabSize tokens: PadToken, 0, and EOSToken, 1; the 256 bytes; and the merges. Time and
// again the pair of neighbours that is most frequent within the counted words becomes a token (Sennrich et al. 2016,
// algorithm 1). Of pairs that are equally frequent the one whose left token has the smaller id comes first, then the one
// with the smaller right one, as in Hugging Face tokenizers. The vocabulary remains smaller if no pair is left that occurs
// minCount times. The result depends on the words and their counts alone. vocabSize is at least MinVocabSize.
func (t *BPETrainer) Train(vocabSize, minCount int) *BPE {
	if vocabSize < MinVocabSize {
		panic(fmt.Sprintf("tokenizer: a vocabulary of %d tokens, expected %d or more", vocabSize, MinVocabSize))
	}
	tokens := append([]string{}, specialTokens[:]...)
	var byteIDs [256]int32
	for _, b := range alphabet {
		byteIDs[b] = int32(len(tokens))
		tokens = append(tokens, string([]byte{b}))
	}
	l := newLearner(t, byteIDs)
	var merges []merge
	for len(tokens) < vocabSize {
		p, ok := l.mostFrequent(int64(max(minCount, 1)))
		if !ok {
			break
		}
		// The token is new: what is merged so far merges a stretch of bytes alike wherever no merge crosses its ends, so that
		// there is one way only to make it.
		m := merge{p, int32(len(tokens))}
		tokens = append(tokens, tokens[p.left]+tokens[p.right])
		merges = append(merges, m)
		l.merge(m)
	}
	return newBPE(tokens, merges, specials(0))
}

// learner holds the words as they are with the merges so far, and how often each pair occurs in them.
type learner struct {
	words  [][]int32 // token ids
	counts []int64   // by word
	pairs  map[pair]*occurrences
	queue  queue[frequency]
	grown  []*occurrences // of the merge under way
}

// occurrences is where a pair of neighbours is found.
type occurrences struct {
	pair
	count int64   // in all texts; of no account once the pair is merged
	words []int32 // that have it, or had it before a merge
	grown bool    // it is in learner.grown
}

// frequency is how often a pair occurred when it was queued.
type frequency struct {
	count int64
	*occurrences
}

func (f frequency) Before(g frequency) bool {
	switch {
	case f.count != g.count:
		return f.count > g.count
	case f.left != g.left:
		return f.left < g.left
	}
	return f.right < g.right
}

func newLearner(t *BPETrainer, byteIDs [256]int32) *learner {
	l := &learner{counts: t.counts, pairs: make(map[pair]*occurrences)}
	for _, word := range t.words {
		ids := make([]int32, len(word))
		for i := range ids {
			ids[i] = byteIDs[word[i]]
		}
		w := int32(len(l.words))
		l.words = append(l.words, ids)
		for i := range len(ids) - 1 {
			l.add(pair{ids[i], ids[i+1]}, w)
		}
	}
	l.requeue()
	return l
}

// mostFrequent returns the next pair to merge, or false if none occurs minCount times.
func (l *learner) mostFrequent(minCount int64) (pair, bool) {
	for len(l.queue) > 0 {
		f := l.queue.pop()
		if f.count != f.occurrences.count {
			// Other merges have taken some of its occurrences since.
			l.queue.push(frequency{f.occurrences.count, f.occurrences})
			continue
		}
		return f.pair, f.count >= minCount
	}
	return pair{}, false
}

// merge makes a merge in all words, and updates the pairs around it.
func (l *learner) merge(m merge) {
	for _, w := range l.pairs[m.pair].words {
		l.words[w] = l.mergeWord(l.words[w], w, m)
	}
	delete(l.pairs, m.pair)
	l.requeue()
}

// mergeWord makes a merge in the tokens of word w.
func (l *learner) mergeWord(ids []int32, w int32, m merge) []int32 {
	merged := ids[:0]
	for i := 0; i < len(ids); i++ {
		if ids[i] != m.left || i+1 == len(ids) || ids[i+1] != m.right {
			merged = append(merged, ids[i])
			continue
		}
		if n := len(merged); n > 0 {
			l.remove(pair{merged[n-1], m.left}, w)
			l.add(pair{merged[n-1], m.id}, w)
		}
		if i+2 < len(ids) {
			l.remove(pair{m.right, ids[i+2]}, w)
			l.add(pair{m.id, ids[i+2]}, w)
		}
		merged = append(merged, m.id)
		i++
	}
	return merged
}

// add counts one more occurrence of a pair, in word w.
func (l *learner) add(p pair, w int32) {
	o := l.pairs[p]
	if o == nil {
		o = &occurrences{pair: p}
		l.pairs[p] = o
	}
	o.count += l.counts[w]
	if n := len(o.words); n == 0 || o.words[n-1] != w {
		o.words = append(o.words, w)
	}
	if !o.grown {
		o.grown = true
		l.grown = append(l.grown, o)
	}
}

func (l *learner) remove(p pair, w int32) { l.pairs[p].count -= l.counts[w] }

// requeue queues the pairs that have become more frequent.
func (l *learner) requeue() {
	for _, o := range l.grown {
		l.queue.push(frequency{o.count, o})
		o.grown = false
	}
	l.grown = l.grown[:0]
}
