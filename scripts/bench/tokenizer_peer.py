"""Byte-level BPE in Hugging Face tokenizers and in tiktoken, for a comparison side by side. It is started by `go run ./scripts/bench`.

usage: tokenizer_peer.py TOKENIZER.json TEXT

The first line that it writes names the versions of what is installed: {"tokenizers": "0.23.1", "tiktoken": "0.12.0"}. Standard input has
a request a line, {"what": "encode", "with": "tiktoken"} or {"what": "learn", "with": "tokenizers", "vocabulary": 4096}, which gets an answer of
a line, {"seconds": 0.1, "tokens": 338025, "digest": "..."}: the time for the whole text on one thread, and of the ids the number and the
SHA-256 of their little-endian int32. A tokenizer is made anew for each request, outside of the time.
"""

import os

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import array
import hashlib
import importlib
import json
import sys
import time

# How GPT-2 cuts text into words (Radford et al. 2019), in the form that tiktoken takes.
WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def alphabet():
    """The bytes by the printable characters that stand for them in the file: printable ones stand for themselves, others follow from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


def tiktoken_encoder(path):
    import tiktoken

    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    special = {token["content"]: token["id"] for token in content["added_tokens"]}
    letters = alphabet()
    ranks = {bytes(letters[c] for c in token): i for token, i in content["model"]["vocab"].items() if token not in special}
    encoding = tiktoken.Encoding("bench", pat_str=WORDS, mergeable_ranks=ranks, special_tokens=special)
    return encoding.encode_ordinary


def tokenizers_encoder(path):
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(path)
    return lambda text: tokenizer.encode(text).ids


def learn(path, size):
    """Learns as tokenizers are made for GPT-2, from the words of the file."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<pad>", "<eos>"],
    )
    tokenizer.train([path], trainer)


def version(module):
    try:
        return importlib.import_module(module).__version__
    except ImportError:
        return ""


def main():
    path, text_path = sys.argv[1], sys.argv[2]
    with open(text_path, encoding="utf-8", newline="") as file:
        text = file.read()
    print(json.dumps({module: version(module) for module in ("tokenizers", "tiktoken")}), flush=True)
    encoders = {"tiktoken": tiktoken_encoder, "tokenizers": tokenizers_encoder}
    for line in sys.stdin:
        request = json.loads(line)
        if request["what"] == "learn":
            begin = time.perf_counter()
            learn(text_path, request["vocabulary"])
            answer = {"seconds": time.perf_counter() - begin}
        else:
            encode = encoders[request["with"]](path)
            begin = time.perf_counter()
            ids = encode(text)
            answer = {"seconds": time.perf_counter() - begin, "tokens": len(ids)}
            packed = array.array("i", ids)
            if sys.byteorder == "big":
                packed.byteswap()
            answer["digest"] = hashlib.sha256(packed.tobytes()).hexdigest()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
