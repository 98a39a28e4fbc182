package model

import (
	"fmt"

	"trainer/internal/memory"
	"trainer/internal/vm"
)

// cache is memory for the keys and values of tokens, a place for each token, which all programs of an Executor share: what one run has put
// there, the next one reads.
type cache struct {
	places int
	layers []vm.Memory // [2·KVHeads·places, HeadDim] each, see op.Append
}

// states are the caches of a graph with their memory.
func (c *cache) states(g *Graph) []vm.State {
	states := make([]vm.State, len(g.Caches))
	for l, n := range g.Caches {
		states[l] = vm.State{Node: n, Memory: c.layers[l]}
	}
	return states
}

// cacheRows is the number of rows of a layer's cache.
func (c Config) cacheRows(places int) int { return 2 * c.keyHeads() * places }

// CacheSize is the memory in bytes that the keys and values of so many tokens take in all layers.
func (c Config) CacheSize(tokens int) int {
	return c.Layers * c.cacheRows(tokens) * c.HeadDim() * vm.Float32.Size()
}

// Places is the number of tokens that the cache has room for.
func (e *Executor) Places() int { return e.cache.places }

// Reserve makes room for the keys and values of at least so many tokens, see Batch.Extend. What is in the cache is lost where that takes a
// larger one; its programs are compiled anew then. The error says that the machine or the device has not got the memory.
func (e *Executor) Reserve(tokens int) error {
	if tokens <= e.cache.places {
		return nil
	}
	c := e.model.Config
	if err := memory.Fits(fmt.Sprintf("a cache of the keys and values of %d tokens", tokens), c.CacheSize(tokens)); err != nil {
		return err
	}
	if err := e.dropCache(); err != nil {
		return err
	}
	for range c.Layers {
		m, err := e.backend.Allocate(c.CacheSize(tokens) / c.Layers)
		if err != nil {
			return fmt.Errorf("a cache of the keys and values of %d tokens: %w", tokens, err)
		}
		e.cache.layers = append(e.cache.layers, m)
	}
	e.cache.places = tokens
	return nil
}

// dropCache gives the cache back, and the programs that are bound to it.
func (e *Executor) dropCache() error {
	for key, p := range e.programs {
		if key.Places == 0 {
			continue
		}
		if err := p.vm.Close(); err != nil {
			return err
		}
		delete(e.programs, key)
	}
	layers := e.cache.layers
	e.cache = cache{}
	for _, m := range layers {
		if err := m.Free(); err != nil {
			return err
		}
	}
	return nil
}
