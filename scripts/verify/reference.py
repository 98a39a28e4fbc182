#!/usr/bin/env python3
"""Computes with PyTorch what scripts/verify compares the trainer with.

usage: reference.py MODEL OUT [--seed N]

MODEL is a folder with config.json and model.safetensors of a GPT-2 or a Llama, such as a run of cmd/train, or with model.safetensors.index.json
and the files that it lists. Weights of 16 bits are taken as they are: both sides compute with the rounded numbers. OUT becomes a reference folder: a copy of
the model, and ref_f32.safetensors and ref_f64.safetensors, whose tensors the doc comment of internal/verify describes. Needs torch and transformers.
"""

import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

SEQUENCES, LONGEST, STEPS = 4, 32, 10
MASKED = -100  # the target that cross_entropy ignores


def make_inputs(vocabulary, context, seed):
    """Random tokens: they reach more of the embeddings than text would."""
    random = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randint(vocabulary, shape, generator=random)
    length = min(context, LONGEST)
    text, texts = draw(SEQUENCES, length + 1), draw(STEPS, SEQUENCES, length + 1)
    y = text[:, 1:].contiguous()
    return {
        "x": text[:, :-1].contiguous(),
        "y": y,
        "y_masked": torch.where(torch.rand(y.shape, generator=random) < 0.5, MASKED, y),
        "xs": texts[..., :-1].contiguous(),
        "ys": texts[..., 1:].contiguous(),
        "prompt": draw(max(1, length // 4)),
    }


def mean_loss(model, tokens, targets):
    return cross_entropy(model(tokens).logits.flatten(0, 1), targets.flatten())


def gradients(model, loss, prefix):
    model.zero_grad()
    loss.backward()
    return {prefix + name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def continue_greedily(model, prompt, length):
    tokens, margins = prompt, []
    while len(tokens) < length:
        best = model(tokens[None]).logits[0, -1].topk(2)
        margins.append(best.values[0] - best.values[1])
        tokens = torch.cat([tokens, best.indices[:1]])
    return tokens, torch.stack(margins)


def take_steps(model, xs, ys):
    """Changes the model's weights."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for x, y in zip(xs, ys):
        optimizer.zero_grad()
        loss = mean_loss(model, x, y)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, 1.0))
        losses.append(loss.detach())
        optimizer.step()
    return torch.stack(losses), torch.stack(norms)


def compute(folder, fixed_positions, inputs, dtype):
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=dtype).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    if fixed_positions:
        model.transformer.wpe.weight.requires_grad_(False)
    x, out = inputs["x"], dict(inputs)
    out["logits"] = model(x).logits.detach()
    for loss_name, prefix, targets in ("loss", "grad.", "y"), ("loss_masked", "gradm.", "y_masked"):
        loss = mean_loss(model, x, inputs[targets])
        out[loss_name] = loss.detach().reshape(1)
        out |= gradients(model, loss, prefix)
    out["loss_hf"] = model(x, labels=x).loss.detach().reshape(1)
    out["greedy"], out["margins"] = continue_greedily(model, inputs["prompt"], x.shape[1])
    out["losses"], out["gnorms"] = take_steps(model, inputs["xs"], inputs["ys"])
    out |= {"after." + name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    return {name: tensor.contiguous() for name, tensor in out.items()}


def files_of(folder):
    """The names of the files that a model is made of."""
    names, index = ["config.json"], "model.safetensors.index.json"
    if not (folder / "model.safetensors").is_file() and (folder / index).is_file():
        names += [index, *sorted(set(json.loads((folder / index).read_text())["weight_map"].values()))]
    else:
        names.append("model.safetensors")
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.use_deterministic_algorithms(True)

    files = files_of(arguments.model)
    for name in files:
        if not (arguments.model / name).is_file():
            parser.error(f"{arguments.model / name}: no such file: expected the folder of a GPT-2 or a Llama, such as a run of cmd/train")
    config = json.loads((arguments.model / "config.json").read_text())
    if config["model_type"] not in ("gpt2", "llama"):
        parser.error(f"{arguments.model} is a model of type {config['model_type']}: expected gpt2 or llama, which transformers computes, too")
    context = config["n_positions" if config["model_type"] == "gpt2" else "max_position_embeddings"]
    inputs = make_inputs(config["vocab_size"], context, arguments.seed)
    fixed_positions = config.get("position_embedding") == "sinusoidal"
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in files:
        shutil.copyfile(arguments.model / name, arguments.out / name)
    for file, dtype in ("ref_f32", torch.float32), ("ref_f64", torch.float64):
        save_file(compute(arguments.model, fixed_positions, inputs, dtype), arguments.out / (file + ".safetensors"))


if __name__ == "__main__":
    main()
