#!/usr/bin/env python3
"""Build the CUDA kernels: internal/cuda/kernels/*.cu -> built/*.ptx, built/*.cubin, built/manifest.txt and docs/kernels.md.

Run by `go generate ./internal/cuda/kernels`; with --headers it only says where cuda.h is. No GPU, driver or CUDA toolkit is
needed: the compiler (NVRTC), its headers and ptxas are PyPI wheels of exact versions, installed once into a virtual environment
in the user's cache folder. A kernel that spills registers to memory fails the build.
"""
import ctypes
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[2]
KERNELS = ROOT / "internal/cuda/kernels"
BUILT = KERNELS / "built"
REPORT = ROOT / "docs/kernels.md"
WHEELS = ("nvidia-cuda-runtime-cu12==12.9.79", "nvidia-cuda-nvrtc-cu12==12.9.86", "nvidia-cuda-nvcc-cu12==12.9.86")

PTX_FOR = 80  # what the emulator runs, and a driver compiles for GPUs newer than the cubins
CUBINS_FOR = (80, 90)


def fix_addresses() -> None:
    """Start this program anew without address randomisation, where it is on.

    Of equally good code NVRTC chooses by the addresses of its own data. With fixed ones a machine gives the same bytes for the same
    sources.
    """
    no_randomisation = 0x0040000  # ADDR_NO_RANDOMIZE of linux/personality.h
    libc = ctypes.CDLL(None)
    now = libc.personality(0xFFFFFFFF)
    if now & no_randomisation:
        return
    if libc.personality(now | no_randomisation) == -1:
        print("address randomisation cannot be switched off here: some binaries may change though their sources did not", file=sys.stderr)
        return
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "XDG_CACHE_HOME") if name in os.environ}
    os.chdir(ROOT)
    os.execve(sys.executable, [sys.executable, str(HERE)], {**kept, "PYTHONHASHSEED": "0"})


def install() -> pathlib.Path:
    """Return the folder `nvidia` of an environment that holds exactly WHEELS, made where it is missing."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    key = hashlib.sha256("\n".join(WHEELS).encode()).hexdigest()[:12]
    home = cache / "trainer-kernels" / key
    complete = home / "complete"
    if not complete.exists():
        print(f"installing {', '.join(WHEELS)} into {home}", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([home / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", *WHEELS], check=True)
        complete.touch()
    return next(home.glob("lib/python*/site-packages/nvidia"))


class Compiler:
    """NVRTC: CUDA C in, PTX or a cubin out."""

    def __init__(self, nvidia: pathlib.Path):
        self.nvrtc = ctypes.CDLL(str(nvidia / "cuda_nvrtc/lib/libnvrtc.so.12"))
        self.includes = (nvidia / "cuda_runtime/include", KERNELS)

    def compile(self, source: pathlib.Path, architecture: str) -> bytes:
        """architecture is compute_80 for PTX or sm_80 for a cubin."""
        program = ctypes.c_void_p()
        text = source.read_bytes()
        self.check(self.nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, source.name.encode(), 0, None, None))
        options = [f"--gpu-architecture={architecture}", "--std=c++17", *(f"-I{i}" for i in self.includes)]
        encoded = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
        if self.nvrtc.nvrtcCompileProgram(program, len(options), encoded):
            sys.exit(f"{source.name} for {architecture}:\n{self.output(program, 'ProgramLog').decode()}")
        binary = self.output(program, "CUBIN" if architecture.startswith("sm_") else "PTX")
        self.check(self.nvrtc.nvrtcDestroyProgram(ctypes.byref(program)))
        return binary

    def output(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self.check(getattr(self.nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        data = ctypes.create_string_buffer(size.value)
        self.check(getattr(self.nvrtc, f"nvrtcGet{what}")(program, data))
        return data.raw if what == "CUBIN" else data.value

    def check(self, status: int) -> None:
        if status:
            self.nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
            sys.exit(f"NVRTC: {self.nvrtc.nvrtcGetErrorString(status).decode()}")


USAGE = re.compile(
    r"Function properties for (?P<kernel>\S+)\s+"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads\s+"
    r"ptxas info\s+: Used (?P<registers>\d+) registers(?P<rest>[^\n]*)"
)


def usage(ptxas: pathlib.Path, ptx: bytes, sm: int) -> dict[str, tuple[int, int]]:
    """Return registers a thread and bytes of static shared memory a block, by kernel. Exit where a kernel spills."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "kernel.ptx"
        source.write_bytes(ptx)
        command = [ptxas, "-v", f"-arch=sm_{sm}", "-o", os.devnull, source]
        report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    kernels = {}
    for found in USAGE.finditer(report):
        if int(found["stack"]) or int(found["stores"]) or int(found["loads"]):
            sys.exit(f"{found['kernel']} for sm_{sm} keeps {found['stack']} bytes of a thread in memory: use fewer registers")
        shared = re.search(r"(\d+) bytes smem", found["rest"])
        kernels[found["kernel"]] = int(found["registers"]), int(shared[1]) if shared else 0
    if not kernels:
        sys.exit(f"ptxas -v reported no kernel; it wrote:\n{report}")
    return kernels


def main() -> None:
    nvidia = install()
    if sys.argv[1:] == ["--headers"]:
        print(nvidia / "cuda_runtime/include")
        return
    fix_addresses()  # after it, so that the run that compiles never is the one that installs
    compiler, ptxas = Compiler(nvidia), nvidia / "cuda_nvcc/bin/ptxas"
    BUILT.mkdir(exist_ok=True)
    for stale in BUILT.iterdir():
        stale.unlink()
    rows = []
    for source in sorted(KERNELS.glob("*.cu")):
        ptx = compiler.compile(source, f"compute_{PTX_FOR}")
        (BUILT / f"{source.stem}.ptx").write_bytes(ptx)
        used = {}
        for sm in CUBINS_FOR:
            (BUILT / f"{source.stem}.sm_{sm}.cubin").write_bytes(compiler.compile(source, f"sm_{sm}"))
            used[sm] = usage(ptxas, ptx if sm == PTX_FOR else compiler.compile(source, f"compute_{sm}"), sm)
        for kernel in sorted(used[PTX_FOR]):
            registers = " | ".join(str(used[sm][kernel][0]) for sm in CUBINS_FOR)
            rows.append(f"| `{source.name}` | `{kernel}` | {registers} | {used[PTX_FOR][kernel][1]} |\n")
        print(source.name)

    files = [*KERNELS.glob("*.cu"), *KERNELS.glob("*.cuh"), *BUILT.iterdir()]
    hashes = {f.relative_to(KERNELS).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    (BUILT / "manifest.txt").write_text("".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)))

    text = REPORT.read_text()
    head, marker, _ = text.partition("<!-- generated from here on by scripts/kernels/build.py -->\n")
    if not marker:
        sys.exit(f"{REPORT} has lost the line that says where its table begins")
    table = f"| file | kernel | {' | '.join(f'registers sm_{sm}' for sm in CUBINS_FOR)} | static shared bytes |\n|---|---|{'---:|' * 3}\n"
    REPORT.write_text(f"{head}{marker}\n{table}{''.join(rows)}")


if __name__ == "__main__":
    main()
