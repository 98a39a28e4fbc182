#!/usr/bin/env python3
"""Rebuild kernels/*.ptx from kernels/*.cu with NVRTC, for compute_80.

Needs: pip install --no-deps nvidia-cuda-runtime-cu12==12.9.79 nvidia-cuda-nvrtc-cu12==12.9.86 nvidia-cuda-nvcc-cu12==12.9.86
Each kernel's PTX is also assembled with ptxas for sm_80, which finds what an emulator would not.
"""
import ctypes
import pathlib
import subprocess
import sys
import tempfile

import nvidia.cuda_nvcc
import nvidia.cuda_nvrtc
import nvidia.cuda_runtime

HERE = pathlib.Path(__file__).parent
NVRTC = ctypes.CDLL(str(pathlib.Path(list(nvidia.cuda_nvrtc.__path__)[0]) / "lib/libnvrtc.so.12"))
INCLUDE = pathlib.Path(list(nvidia.cuda_runtime.__path__)[0]) / "include"
PTXAS = pathlib.Path(list(nvidia.cuda_nvcc.__path__)[0]) / "bin/ptxas"


def compile_to_ptx(source: pathlib.Path) -> bytes:
    program = ctypes.c_void_p()
    NVRTC.nvrtcCreateProgram(ctypes.byref(program), source.read_bytes(), source.name.encode(), 0, None, None)
    options = [b"--gpu-architecture=compute_80", b"--std=c++17", f"-I{INCLUDE}".encode()]
    failed = NVRTC.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    if failed:
        NVRTC.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        NVRTC.nvrtcGetProgramLog(program, log)
        sys.exit(f"{source}: {log.value.decode()}")
    NVRTC.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    NVRTC.nvrtcGetPTX(program, ptx)
    NVRTC.nvrtcDestroyProgram(ctypes.byref(program))
    return ptx.value


def assemble(ptx: pathlib.Path) -> None:
    with tempfile.NamedTemporaryFile() as cubin:
        subprocess.run([PTXAS, "-arch=sm_80", "-o", cubin.name, ptx], check=True)


def main() -> None:
    for source in sorted(HERE.glob("kernels/*.cu")):
        ptx = source.with_suffix(".ptx")
        ptx.write_bytes(compile_to_ptx(source))
        assemble(ptx)
        print(ptx)


if __name__ == "__main__":
    main()
