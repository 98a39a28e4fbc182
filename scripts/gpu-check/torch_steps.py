"""Time training steps of a GPT-2 on random tokens in PyTorch: the rows that the program steps prints, for the same sizes.

Float32 is without TF32, as the trainer's is. bf16 is autocast, whose weights are float32 and are rounded in every step. "compiled" needs what
torch.compile does, among it a C compiler. The model is that of peer.py, which the kit of scripts/gpu-check/build holds too.
"""

import argparse
import statistics
import time

import torch
from torch import nn

from peer import GPT

WARM = 3  # steps that are not timed: they compile, and choose algorithms


def build(a, device):
    """Return a model with the weights' deviations of GPT-2 and a tied output layer, and its optimizer."""
    torch.manual_seed(1)
    model = GPT(a.vocabulary, a.context, a.layers, a.heads, a.d_model, 4 * a.d_model, tied=True)
    for p in model.parameters():
        if p.dim() > 1:
            nn.init.normal_(p, std=0.02)
    model.to(device)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return model, torch.optim.AdamW(groups, lr=3e-4, betas=(0.9, 0.95), eps=1e-8, fused=True)


def measure(a, device, precision, compiled, batch):
    """Return the seconds of each timed step and the loss of the first."""
    model, optimizer = build(a, device)
    forward = torch.compile(model) if compiled else model
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    seconds, first = [], None
    for step in range(WARM + a.steps):
        window = torch.randint(a.vocabulary, (batch, a.context + 1), device=device)
        wait()
        begin = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            loss = forward(window[:, :-1].contiguous(), window[:, 1:].contiguous())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        value = loss.item()
        wait()
        if step >= WARM:
            seconds.append(time.perf_counter() - begin)
        first = value if first is None else first
    return seconds, first


def main():
    p = argparse.ArgumentParser(description="Time training steps of a GPT-2 on random tokens in PyTorch.")
    p.add_argument("--device", default="cuda")
    p.add_argument("--precision", default="f32,bf16")
    p.add_argument("--mode", default="eager,compiled")
    p.add_argument("--batch", default="4,8,16")
    for name, value in {"vocabulary": 50257, "context": 1024, "d-model": 768, "layers": 12, "heads": 12, "steps": 20}.items():
        p.add_argument(f"--{name}", type=int, default=value)
    a = p.parse_args()
    if a.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(f"torch {torch.__version__} finds no GPU")
    torch.set_float32_matmul_precision("highest")
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if a.device == 'cuda' else a.device}")
    print(f"{'precision':>9} {'mode':>8} {'batch':>5} {'ms a step':>10} {'least':>10} {'tokens/s':>9} {'loss':>7}", flush=True)
    for precision in a.precision.split(","):
        for mode in a.mode.split(","):
            for batch in map(int, a.batch.split(",")):
                print(f"{precision:>9} {mode:>8} {batch:5} ", end="", flush=True)
                try:
                    seconds, loss = measure(a, a.device, precision, mode == "compiled", batch)
                except Exception as e:  # one row's failure, such as a missing compiler, leaves the others
                    print(f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else ''}")
                    continue
                median = statistics.median(seconds)
                print(f"{1e3 * median:10.3f} {1e3 * min(seconds):10.3f} {batch * a.context / median:9.0f} {loss:7.3f}", flush=True)


if __name__ == "__main__":
    main()
