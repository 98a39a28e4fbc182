"""The calculator's training step in PyTorch, for a comparison side by side. It is started by `go run ./scripts/bench`.

usage: calculator_peer.py DATA.json THREADS

DATA.json holds the model's sizes, its initial weights under the names of a Hugging Face GPT-2, the optimizer's settings, and the examples
as token ids: inputs [N][T], and targets [N][T] with -100 where no prediction is wanted.

Standard input has a request a line, {"mode": "fused", "session": 64, "batches": [[example, ...], ...]}, and each gets an answer of a
line, {"milliseconds": [...], "losses": [...]}, an entry for each batch, on which it took a step. A mode and a session have their own model
and optimizer, which begin with the initial weights. The modes are "eager" (torch.optim.AdamW as it is), "fused" (with fused=True) and
"compiled" (fused, and the model through torch.compile).
"""

import json
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
    def __init__(self, vocabulary, context, layers, heads, width, hidden):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.h = nn.ModuleList(Block(width, heads, hidden) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1), ignore_index=-100)

    def load(self, weights):
        """Takes weights in the layout of Hugging Face: the matrices of a block are [in, out], where PyTorch's are [out, in]."""
        state = {}
        for name, shape_and_values in weights.items():
            value = torch.tensor(shape_and_values["values"]).view(shape_and_values["shape"])
            name = name.removeprefix("transformer.")
            transposed = name.startswith("h.") and value.dim() == 2
            state[name] = value.T.contiguous() if transposed else value
        self.load_state_dict(state)


class Session:
    """A model in training."""

    def __init__(self, data, mode):
        if mode not in ("eager", "fused", "compiled"):
            raise ValueError(f"mode {mode!r}: expected eager, fused or compiled")
        self.model = GPT(**data["model"])
        self.model.load(data["weights"])
        self.forward = torch.compile(self.model) if mode == "compiled" else self.model
        self.clip = data["optimizer"]["clip"]
        parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.dim() > 1], "weight_decay": data["optimizer"]["weight_decay"]},
                {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
            ],
            lr=data["optimizer"]["lr"], betas=(data["optimizer"]["beta1"], data["optimizer"]["beta2"]), eps=1e-8,
            fused=mode != "eager",
        )

    def step(self, tokens, targets):
        loss = self.forward(tokens, targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return loss


def main():
    path, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    inputs, targets = torch.tensor(data["inputs"]), torch.tensor(data["targets"])
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)

    sessions = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = request["mode"], request["session"]
        if key not in sessions:
            sessions[key] = Session(data, request["mode"])
        milliseconds, losses = [], []
        for batch in request["batches"]:
            examples = torch.tensor(batch)
            begin = time.perf_counter()
            loss = sessions[key].step(inputs[examples], targets[examples])
            milliseconds.append(1e3 * (time.perf_counter() - begin))
            losses.append(loss.item())
        print(json.dumps({"milliseconds": milliseconds, "losses": losses}), flush=True)


if __name__ == "__main__":
    main()
