package shard

import (
	"encoding/json"
	"os"
	"path/filepath"

	"trainer/internal/fault"
)

// What a folder of tokenize shards has in it: the index, and the shards of two streams.
const (
	IndexName     = "shards.json"
	TrainFolder   = "train"
	HeldOutFolder = "held-out"
)

// Index is what the index file says of the shards; it may say more. It is written before shards get their names.
type Index struct {
	Complete bool  `json:"complete"` // all input is in the shards
	Train    State `json:"train"`
	HeldOut  State `json:"held_out"`
}

// OpenFolder opens what tokenize shards wrote: the stream to train on, and the one that was held out, nil where there is
// none. Errors are those of Open, or say that the folder is not complete.
func OpenFolder(folder string, o Options) (train, heldOut *Set, err error) {
	path := filepath.Join(folder, IndexName)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fault.Dataf("%s is not a folder of tokenize shards: %w", folder, err)
	}
	var index Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, nil, fault.Dataf("%s is damaged: %w", path, err)
	}
	if !index.Complete {
		return nil, nil, fault.Dataf("the shards in %s are not complete: run tokenize shards once more with the same arguments, and it goes on", folder)
	}
	if train, err = index.Train.open(filepath.Join(folder, TrainFolder), o); err != nil || index.HeldOut.Shards == 0 {
		return train, nil, err
	}
	if heldOut, err = index.HeldOut.open(filepath.Join(folder, HeldOutFolder), o); err != nil {
		train.Close()
		return nil, nil, err
	}
	return train, heldOut, nil
}

// open opens the shards of one stream.
func (s *State) open(folder string, o Options) (*Set, error) {
	set, err := Open([]string{folder}, o)
	if err == nil && set.Shards() != s.Shards {
		set.Close()
		return nil, fault.Dataf("%s has %d shards, expected %d, as %s says", folder, set.Shards(), s.Shards, IndexName)
	}
	return set, err
}
