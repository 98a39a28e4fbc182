"""The training step of a GPT-2 in PyTorch, for a comparison side by side. It is started by `go run ./scripts/bench`.

usage: peer.py SETTINGS.json WEIGHTS.safetensors THREADS

SETTINGS.json holds the model's sizes, the optimizer's settings and the precision, "f32" or "bf16"; WEIGHTS.safetensors the initial weights
under the names of a Hugging Face GPT-2.

Standard input has a request a line, {"mode": "fused", "session": 64, "batches": [{"inputs": [[id, ...], ...], "targets": ...}, ...]}, with
the target -100 where no prediction is wanted. Each gets an answer of a line, {"milliseconds": [...], "cpu_milliseconds": [...],
"losses": [...]}, an entry for each batch, on which it took a step: time that passed, and time of all threads on the processor. A mode and
a session have their own model and optimizer, which begin with the initial weights. The modes are "eager" (torch.optim.AdamW as it is),
"fused" (with fused=True) and "compiled" (fused, and the model through torch.compile).
"""

import contextlib
import json
import struct
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.ModuleDict({"c_attn": nn.Linear(width, 3 * width), "c_proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, hidden), "c_proj": nn.Linear(hidden, width)})

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.attn["c_attn"](self.ln_1(x)).split(width, dim=2)
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn["c_proj"](y.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width, hidden, tied):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.h = nn.ModuleList(Block(width, heads, hidden) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1), ignore_index=-100)

    @torch.no_grad()
    def load(self, path):
        """Takes float32 weights in the layout of Hugging Face: the matrices of a block are [in, out], where PyTorch's are [out, in]."""
        parameters = dict(self.named_parameters())
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
            for name, tensor in header.items():
                if name == "__metadata__":
                    continue
                begin, end = tensor["data_offsets"]
                file.seek(8 + size + begin)
                value = torch.frombuffer(bytearray(file.read(end - begin)), dtype=torch.float32).view(tensor["shape"])
                name = name.removeprefix("transformer.")
                transposed = name.startswith("h.") and value.dim() == 2
                parameters.pop(name).copy_(value.T if transposed else value)
        if parameters:
            raise ValueError(f"{path} has no {', '.join(parameters)}")


class Session:
    """A model in training."""

    def __init__(self, settings, weights, mode):
        if mode not in ("eager", "fused", "compiled"):
            raise ValueError(f"mode {mode!r}: expected eager, fused or compiled")
        self.model = GPT(**settings["model"])
        self.model.load(weights)
        self.forward = torch.compile(self.model) if mode == "compiled" else self.model
        bf16 = settings["precision"] == "bf16"
        self.cast = torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else contextlib.nullcontext()
        optimizer = settings["optimizer"]
        self.clip = optimizer["clip"]
        parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.dim() > 1], "weight_decay": optimizer["weight_decay"]},
                {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
            ],
            lr=optimizer["lr"], betas=(optimizer["beta1"], optimizer["beta2"]), eps=1e-8,
            fused=mode != "eager",
        )

    def step(self, tokens, targets):
        self.optimizer.zero_grad(set_to_none=True)
        with self.cast:
            loss = self.forward(tokens, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return loss


def main():
    path, weights, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)

    sessions = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = request["mode"], request["session"]
        if key not in sessions:
            sessions[key] = Session(settings, weights, request["mode"])
        answer = {"milliseconds": [], "cpu_milliseconds": [], "losses": []}
        for batch in request["batches"]:
            inputs, targets = torch.tensor(batch["inputs"]), torch.tensor(batch["targets"])
            begin, cpu = time.perf_counter(), time.process_time()
            loss = sessions[key].step(inputs, targets)
            answer["milliseconds"].append(1e3 * (time.perf_counter() - begin))
            answer["cpu_milliseconds"].append(1e3 * (time.process_time() - cpu))
            answer["losses"].append(loss.item())
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
