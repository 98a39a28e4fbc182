package export

import (
	"fmt"
	"strings"
)

// names gives weights the names that llama.cpp has for them (gguf-py/gguf/constants.py and tensor_mapping.py there). Those of Hugging Face begin with
// layer and a number in blocks.
type names struct {
	layer        string
	other, block map[string]string
}

// of is llama.cpp's name of a weight: "blk.0.attn_qkv.bias" of "transformer.h.0.attn.c_attn.bias".
func (n names) of(name string) string {
	dot := strings.LastIndexByte(name, '.')
	module, kind := name[:dot], name[dot:]
	if block, ok := strings.CutPrefix(module, n.layer); ok {
		layer, rest, _ := strings.Cut(block, ".")
		if to, ok := n.block[rest]; ok {
			return "blk." + layer + "." + to + kind
		}
	} else if to, ok := n.other[module]; ok {
		return to + kind
	}
	panic(fmt.Sprintf("export: llama.cpp's name of %s is not known", name))
}
