#!/usr/bin/env bash
# Checks the trainer on this machine's NVIDIA GPU, times it, and writes report.txt, which is to be sent back. It needs the driver alone; cuBLASLt
# is used where it is found (put libcublasLt.so.12 of CUDA 12 beside this file, or name it in TRAINER_LIBCUBLASLT), and PyTorch where
# TRAINER_PYTHON, or python3, has it. About a quarter of an hour.
#
#     ./run.sh            # on the first GPU; CUDA_VISIBLE_DEVICES chooses another
#     ./run.sh -quick     # with models for a GPU that is emulated: a rehearsal
#
# Exit codes: 0 all is well, 1 a check failed, 2 wrong usage, 4 there is no GPU that can be used. No check stops those behind it.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

QUICK=
case "$#${1-}" in
0) ;;
1-quick) QUICK=1 ;;
*)
	echo "usage: $0 [-quick]" >&2
	exit 2
	;;
esac

REPORT=report.txt
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
PYTHON=${TRAINER_PYTHON:-python3}
export TRAINER_LIBCUDA=${TRAINER_LIBCUDA:-libcuda.so.1} # also has the tests of package native not look for a stand-in
export TRAINER_TEST_DEVICE=cuda
# found VARIABLE FOLDER NAME has a library be found that PyTorch for CUDA 12 brings along, where the dynamic linker does not look, unless the variable
# names it or it lies here.
found() {
	local file
	[ -z "${!1-}" ] && [ ! -e "$3" ] || return 0
	file=$("$PYTHON" -c 'import glob, site, sys; print(*[f for d in site.getsitepackages() + [site.getusersitepackages()]
		for f in glob.glob(d + "/nvidia/" + sys.argv[1])], sep="\n")' "$2/lib/$3" 2>/dev/null | head -n 1) || return 0
	[ -z "$file" ] || export "$1=$file"
}
found TRAINER_LIBCUBLASLT cublas libcublasLt.so.12
found TRAINER_LIBNCCL nccl libnccl.so.2

FAILED=0
SUMMARY=()

# limited COMMAND... runs a program for at most LIMIT seconds.
limited() { timeout -k 10 "$LIMIT" "$@"; }

# check TITLE LIMIT COMMAND... runs a command, in which programs are limited, and keeps what it printed.
check() {
	local title=$1 LIMIT=$2 begin=$SECONDS code=0 verdict=ok
	shift 2
	"$@" >"$WORK/output" 2>&1 </dev/null || code=$?
	case $code in
	0)
		if grep -q '^--- SKIP' "$WORK/output"; then verdict=skipped; fi
		if grep -q 'no tests to run' "$WORK/output"; then code=1 verdict="FAILED: there is no such test"; fi
		;;
	124 | 137) verdict="FAILED: not done after $LIMIT s" ;;
	*) verdict="FAILED: exit code $code" ;;
	esac
	[ $code = 0 ] || FAILED=$((FAILED + 1))
	SUMMARY+=("$(printf '%4d s  %-70s %s' $((SECONDS - begin)) "$title" "$verdict")")
	printf '%s\n' "${SUMMARY[-1]}"
	{
		printf '\n== %s: %s\n' "$title" "$verdict"
		if [ $code = 0 ]; then tail -n 40 "$WORK/output"; else tail -n 200 "$WORK/output"; fi
	} >>"$WORK/details"
}

# each TITLE PROGRAM [TEST]... runs tests, all of a program's where none is named, each in a process of its own: a fault of the GPU ends its process.
each() {
	local title=$1 program=$2 test
	shift 2
	[ $# -gt 0 ] || set -- $("./$program" -test.list .)
	[ $# -gt 0 ] || set -- "no test of $program"
	for test in "$@"; do check "$title: $test" 300 limited "./$program" -test.v ${QUICK:+-test.short} -test.run "^$test\$"; done
}

machine() {
	date -u '+%Y-%m-%d %H:%M UTC'
	cat kit.txt
	uname -srm
	sed -n 's/^PRETTY_NAME=//p' /etc/os-release
	echo "$(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	echo "TRAINER_LIBCUDA=$TRAINER_LIBCUDA TRAINER_LIBCUBLASLT=${TRAINER_LIBCUBLASLT-} TRAINER_LIBNCCL=${TRAINER_LIBNCCL-} CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES-}"
	if command -v nvidia-smi >/dev/null; then
		nvidia-smi
		nvidia-smi --query-gpu=name,driver_version,vbios_version,pstate,clocks.sm,clocks.max.sm,clocks.mem,power.limit,ecc.mode.current --format=csv
	else
		echo "nvidia-smi: not found"
	fi
}

# field FILE NAME prints a number or text of a summary.json.
field() { sed -n "s/^ *\"$2\": \"\{0,1\}\(.*[^\",]\)\"\{0,1\},\{0,1\}\$/\1/p" "$1"; }

# calculator NAME FLAG... trains the calculator, and says what came of it.
calculator() {
	local name=$1 run=$WORK/$1
	shift
	limited ./train "${CALCULATOR[@]}" -out "$run" -quiet "$@" || return
	echo "$(field "$run/summary.json" device): $(field "$run/summary.json" steps) steps in $(field "$run/summary.json" seconds) s," \
		"held out $(field "$run/summary.json" held_out_accuracy), final loss $(field "$run/summary.json" final_loss)"
}

# alike NAME BOUND compares the losses of the first steps of a run with those of the CPU's: they may be a part `BOUND` off.
alike() {
	local run
	for run in cpu "$1"; do
		sed -n 's/^{"step":\([0-9]*\),.*"loss":\([^,]*\),.*"gradient_norm".*/\1 \2/p' "$WORK/$run/metrics.jsonl" >"$WORK/$run.losses"
	done
	awk -v bound="$2" '
		FNR == NR { if ($1 <= 20) { want[$1] = $2; all++ } next }
		$1 in want { d = ($2 - want[$1]) / want[$1]; if (d < 0) d = -d; if (d > worst) worst = d; n++ }
		END {
			printf "losses of the first %d steps: off by %.2g of those on the CPU at most, expected up to %g\n", n, worst, bound
			exit !(n > 0 && n == all && worst <= bound)
		}' "$WORK/cpu.losses" "$WORK/$1.losses"
}

# learns NAME looks at how many held-out questions a run answers.
learns() {
	local held_out
	held_out=$(field "$WORK/$1/summary.json" held_out_accuracy)
	awk -v got="$held_out" 'BEGIN { printf "%g of the held-out answers are right, expected at least 0.99\n", got; exit !(got >= 0.99) }'
}

# on_gpu NAME BOUND FLAG... trains the calculator on the GPU and compares with the CPU's run.
on_gpu() {
	local name=$1 bound=$2
	shift 2
	calculator "$name" -device=cuda "$@" && alike "$name" "$bound" && { [ -n "$QUICK" ] || learns "$name"; }
}

asked() {
	local answer
	answer=$(limited ./generate -device=cuda -quiet -model "$WORK/own-f32" "$QUESTION") && echo "$QUESTION $answer" && [ "$answer" = "$ANSWER" ]
}

if [ -n "$QUICK" ]; then
	printf '%s equals one\n' zero two three four >"$WORK/few.txt"
	CALCULATOR=(-data "$WORK/few.txt" -held-out 0 -layers 1 -heads 1 -d-model 8 -batch 4 -steps 4)
	QUESTION="two equals" ANSWER=one
	SIZES=(-vocabulary 50 -context 8 -d-model 16 -layers 1 -heads 2 -batch 2 -steps 2)
	VERIFIED=auto # a run on an emulator takes ten seconds
	TORCH=(--vocabulary 50 --context 8 --d-model 16 --layers 1 --heads 2 --batch 2 --steps 2 --device cpu --mode eager)
else
	CALCULATOR=()
	QUESTION="two plus three equals" ANSWER=five
	VERIFIED="own auto"
	SIZES=() TORCH=()
fi

# A step that fails in another way than for want of a GPU is what the checks are for.
timeout -k 10 300 ./train "${CALCULATOR[@]}" -device=cuda -quiet -out "$WORK/first" -steps 1 >"$WORK/output" 2>&1 </dev/null
if [ $? = 4 ]; then
	cat "$WORK/output" >&2
	echo "run.sh: there is no GPU that the trainer can use" >&2
	exit 4
fi
machine >"$WORK/machine"
cat "$WORK/machine"

each native native.test
each backend cuda.test
each training train.test $(cat train.tests)
for gemm in $VERIFIED; do
	for precision in f32 bf16; do
		check "verify -precision=$precision -gemm=$gemm" 600 limited ./verify -ref reference -device cuda -precision $precision -gemm $gemm
	done
done
check "calculator on the CPU" 900 calculator cpu -device=cpu
for gemm in own auto; do
	check "calculator -precision=f32 -gemm=$gemm" 900 on_gpu $gemm-f32 1e-3 -gemm=$gemm
	check "calculator -precision=bf16 -gemm=$gemm" 900 on_gpu $gemm-bf16 2e-2 -gemm=$gemm -precision=bf16
done
check "generate on the GPU" 60 asked
check "training steps of a GPT-2" 1800 limited ./steps -device cuda "${SIZES[@]}"
if "$PYTHON" -c 'import torch' 2>/dev/null; then
	check "the same steps in PyTorch" 1800 limited "$PYTHON" torch_steps.py "${TORCH[@]}"
fi
# NVIDIA's own search for wrong accesses and races, where the CUDA toolkit is installed.
if [ -z "$QUICK" ] && command -v compute-sanitizer >/dev/null; then
	for tool in memcheck racecheck; do
		check "compute-sanitizer $tool" 1200 limited compute-sanitizer --tool $tool --error-exitcode 9 ./cuda.test -test.run Models
	done
fi

{
	echo "GPU check: $FAILED of ${#SUMMARY[@]} checks failed"
	printf '\n== Machine\n'
	cat "$WORK/machine"
	printf '\n== Summary\n'
	printf '%s\n' "${SUMMARY[@]}"
	cat "$WORK/details"
} >$REPORT
printf '\n%d of %d checks failed: see %s\n' $FAILED ${#SUMMARY[@]} "$PWD/$REPORT"
[ $FAILED = 0 ]
