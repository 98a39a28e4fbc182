#!/bin/sh
# Writes the assembly and its declarations anew from the generators in _asm; the same generators give the same bytes.
set -eu
cd "$(dirname "$0")/_asm"
for part in gemm elementwise attention; do
	go run "./$part" -out "../${part}_amd64.s" -stubs "../${part}_stubs_amd64.go" -pkg kernel
done

# AVX2 has 16 registers, but the allocator knows 32 and the assembler would turn to AVX-512 without a word.
awk '/^TEXT/ { avx2 = /AVX2\(/; name = $2 }
	avx2 && /Y(1[6-9]|2[0-9]|3[01])|Z[0-9]|K[1-7]/ { print FILENAME ": " name " is not AVX2: " $0; bad = 1 }
	END { exit bad }' ../*_amd64.s
