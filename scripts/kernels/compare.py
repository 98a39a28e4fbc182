#!/usr/bin/env python3
"""Compare the PTX of two builds of the CUDA kernels: compare.py OLD NEW, folders like internal/cuda/kernels/built.

Of equally good code NVRTC chooses by the addresses of its own data, so that another machine may give other bytes for the same sources: other
registers, another order, one idiom for another. So kernels may differ in their instructions, a little, and in nothing else. That sources
and binaries belong together, to the byte, is what a test holds by built/manifest.txt; this finds PTX that was made by another compiler,
with other options or by hand.
"""
import collections
import pathlib
import re
import sys

ENTRY = re.compile(r"\.visible \.entry (?P<name>\w+)\((?P<parameters>.*?)\)(?P<limits>.*?)\n\{(?P<body>.*?)\n\}\n", re.DOTALL)
INSTRUCTION = re.compile(r"^\t(?:@!?%\w+ )?(?P<opcode>[a-z][\w.]*)", re.MULTILINE)
MOST = 0.01  # of a kernel's instructions that may be others; seen were 2 of 1855


def kernels(ptx: str) -> dict[str, tuple[str, collections.Counter]]:
    """Return what must be alike of each kernel, its parameters and limits, and how often it has each opcode."""
    return {
        found["name"]: (found["parameters"] + found["limits"], collections.Counter(INSTRUCTION.findall(found["body"])))
        for found in ENTRY.finditer(ptx)
    }


def differences(name: str, old: str, new: str) -> list[str]:
    """Return what is wrong with the new PTX of a source."""
    head_old, head_new = (text[text.index(".version"):text.index(".visible .entry")] for text in (old, new))
    if head_old.splitlines()[:3] != head_new.splitlines()[:3]:
        return [f"{name}: version and target were {head_old.splitlines()[:3]} and are {head_new.splitlines()[:3]}"]
    before, after = kernels(old), kernels(new)
    if before.keys() != after.keys():
        return [f"{name}: the kernels were {sorted(before)} and are {sorted(after)}"]
    wrong = []
    for kernel, (signature, opcodes) in before.items():
        other_signature, other_opcodes = after[kernel]
        if signature != other_signature:
            wrong.append(f"{kernel}: parameters or limits were\n{signature}\nand are\n{other_signature}")
        changed = (opcodes - other_opcodes).total() + (other_opcodes - opcodes).total()
        if changed > MOST * opcodes.total():
            wrong.append(f"{kernel}: {changed} of {opcodes.total()} instructions are others")
    return wrong


def main() -> None:
    old, new = (pathlib.Path(folder) for folder in sys.argv[1:])
    names = sorted(f.name for f in old.glob("*.ptx"))
    if names != sorted(f.name for f in new.glob("*.ptx")):
        sys.exit(f"the sources were {names} and are {sorted(f.name for f in new.glob('*.ptx'))}")
    wrong, other = [], []
    for name in names:
        texts = (old / name).read_text(), (new / name).read_text()
        if texts[0] != texts[1]:
            other.append(name)
            wrong += differences(name, *texts)
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(names) - len(other)} of {len(names)} sources give the same PTX; code as good: {', '.join(other) or 'none'}")


if __name__ == "__main__":
    main()
