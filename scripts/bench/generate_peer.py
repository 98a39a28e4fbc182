"""Greedy generation with llama.cpp or transformers, for a comparison side by side. It is started by `go run ./scripts/bench`.

usage: generate_peer.py llama.cpp MODEL.gguf TYPE THREADS
       generate_peer.py transformers FOLDER f32|bf16 THREADS

Standard output gets a line {} when the model is loaded. Standard input has a request a line, {"prompt": [id, ...], "tokens": n}; each gets
an answer of a line, {"tokens": [...], "first_seconds": s, "rest_seconds": s}: the n likeliest tokens, one behind the other, the time until the
first of them, and that of all others. Both go token by token through the lowest interface that their users have, without a sampler or text.
"""

import json
import sys
import time


class LlamaCpp:
    def __init__(self, path, _, threads):
        import llama_cpp
        import numpy

        self.api, self.numpy = llama_cpp.llama_cpp, numpy
        self.model = llama_cpp.Llama(path, n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=threads, n_threads_batch=threads, verbose=False)

    def begin(self):
        self.api.llama_memory_clear(self.api.llama_get_memory(self.model.ctx), True)

    def next(self, tokens):
        ids = (self.api.llama_token * len(tokens))(*tokens)
        if self.api.llama_decode(self.model.ctx, self.api.llama_batch_get_one(ids, len(tokens))) != 0:
            raise RuntimeError("llama_decode failed")
        logits = self.api.llama_get_logits_ith(self.model.ctx, -1)
        return int(self.numpy.ctypeslib.as_array(logits, shape=(self.model.n_vocab(),)).argmax())


class Transformers:
    def __init__(self, path, weights, threads):
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        torch.set_num_threads(threads)
        self.torch = torch
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[weights]
        self.model = transformers.GPT2LMHeadModel.from_pretrained(path, dtype=dtype).eval()

    def begin(self):
        self.past = None

    def next(self, tokens):
        with self.torch.inference_mode():
            out = self.model(self.torch.tensor([tokens]), past_key_values=self.past, use_cache=True, logits_to_keep=1)
            self.past = out.past_key_values
            return int(out.logits[0, -1].argmax())


def main():
    kind, path, weights, threads = sys.argv[1:]
    side = {"llama.cpp": LlamaCpp, "transformers": Transformers}[kind](path, weights, int(threads))
    print("{}", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        side.begin()
        begin = time.perf_counter()
        tokens = [side.next(request["prompt"])]
        first = time.perf_counter()
        while len(tokens) < request["tokens"]:
            tokens.append(side.next(tokens[-1:]))
        print(json.dumps({"tokens": tokens, "first_seconds": first - begin, "rest_seconds": time.perf_counter() - first}), flush=True)


if __name__ == "__main__":
    main()
