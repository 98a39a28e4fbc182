package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"trainer/internal/collective"
	"trainer/internal/fault"
	"trainer/internal/vm"
	"trainer/model"
)

// What ranks that train together tell each other besides gradients and weights. All of it is a question that every rank asks at the same
// point of its run, and that has the same answer on all.

// tell gives every rank what each has, as JSON, by rank. A value that does not encode is a bug.
func tell[T any](group collective.Communicator, mine T) ([]T, error) {
	text, err := json.Marshal(mine)
	if err != nil {
		panic(fmt.Sprintf("train: %T: %v", mine, err))
	}
	texts, err := collective.Exchange(group, text)
	if err != nil {
		return nil, err
	}
	list := make([]T, len(texts))
	for r, text := range texts {
		if err := json.Unmarshal(text, &list[r]); err != nil {
			return nil, fmt.Errorf("rank %d has sent %q: %w", r, text, err)
		}
	}
	return list, nil
}

// firstOfRanks is what the first rank has found that found anything.
func firstOfRanks(group collective.Communicator, found *model.NonFinite) (*model.NonFinite, error) {
	list, err := tell(group, found)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if f != nil {
			return f, nil
		}
	}
	return nil, nil
}

// moments are those of AdamW for an element of the vector of all weights, which one rank has.
func (t *Trainer) moments(a *AdamW, at int) (mean, size float64, err error) {
	owner, place := t.partition.find(at)
	var mine [2]float64
	if owner == t.partition.rank {
		mine[0], mine[1] = a.moments(place)
	}
	if !t.engine.together() {
		return mine[0], mine[1], nil
	}
	list, err := tell(t.engine.group, mine)
	if err != nil {
		return 0, 0, err
	}
	return list[owner][0], list[owner][1], nil
}

// gather returns the optimizer's state for all weights, in the layout of their vector, on rank 0, and nil on the others. The memory is used
// again by the next.
func (t *Trainer) gather() ([]StateVector, error) {
	if !t.engine.together() {
		return t.optimizer.State(), nil
	}
	own := t.optimizer.State()
	if t.whole == nil && t.partition.rank == 0 {
		for _, v := range own {
			t.whole = append(t.whole, StateVector{v.Name, vm.AlignedFloat32s(len(t.Model.Weights))})
		}
	}
	for i, v := range own {
		place := 0
		for j := range t.partition.buckets {
			b := &t.partition.buckets[j]
			size := b.bounds[t.partition.rank+1] - b.bounds[t.partition.rank]
			var whole []byte
			if t.whole != nil {
				whole = vm.Bytes(t.whole[i].Value[b.Begin:b.End])
			}
			if err := t.engine.group.Gather(vm.Bytes(v.Value[place:place+size]), whole, b.inBytes).Wait(); err != nil {
				return nil, err
			}
			place += size
		}
	}
	return t.whole, nil
}

// Facts are what must be the same on all processes that train together, as hashes.
func (t *Trainer) Facts() []collective.Fact {
	hash := func(data []byte) string {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:8])
	}
	return []collective.Fact{
		{Name: "the fingerprint of the training data", Value: t.fingerprint(), Class: fault.ExitData},
		{Name: "the fingerprint of what is held out", Value: t.HeldOut.fingerprint(), Class: fault.ExitData},
		{Name: "the hash of the tokenizer", Value: hash(t.Tokenizer.JSON()), Class: fault.ExitData},
		{Name: "the hash of the model's configuration", Value: hash(t.Model.Config.Marshal()), Class: fault.ExitUsage},
		{Name: "the hash of the weights", Value: hash(vm.Bytes(t.Model.Weights)), Class: fault.ExitData},
	}
}

// packed are results of some sequences, on the way to other ranks.
type packed []byte

func (p *packed) add(nll float64, right int) {
	*p = binary.LittleEndian.AppendUint64(*p, math.Float64bits(nll))
	*p = binary.LittleEndian.AppendUint64(*p, uint64(right))
}

func (p *packed) take() (nll float64, right int) {
	nll, right = math.Float64frombits(binary.LittleEndian.Uint64(*p)), int(binary.LittleEndian.Uint64((*p)[8:]))
	*p = (*p)[16:]
	return nll, right
}
