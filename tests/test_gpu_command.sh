#!/bin/sh
# test_gpu_command: --device as a user meets it, on tests/fake_cuda.c's two cards: what doctor lists, and that a card
# which refuses, breaks down or is not there leaves the work to the CPU in one line. Its launches do nothing, so what
# they "compute" is not looked at.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
build=$(cd "$(dirname "$SAFFRON")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-gpu.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
export HOME="$work" XDG_STATE_HOME="$work/state" TERM=dumb LC_ALL=C.UTF-8 SAFFRON_DATA="$build/data"

# An installation whose CUDA module is the fake one.
mkdir -p "$work/place/lib" && cp "$build/saffron" "$work/place/" &&
    cp "$build/tests/fake_cuda.so" "$work/place/lib/saffron_cuda.so" || exit 2

# says NAME FAKE PATTERN ARGS...: the line, from a run in which the card fails as FAKE says.
says()
{
    name=$1 fake=$2 pattern=$3
    shift 3
    FAKE_CUDA=$fake timeout 60 "$work/place/saffron" "$@" >"$work/out" 2>"$work/err" </dev/null
    if grep -q -- "$pattern" "$work/out"; then
        echo "ok $name"
    else
        echo "not ok $name: exit $?: no '$pattern' in $(head -c 300 "$work/out") $(head -c 300 "$work/err")"
    fi
}

says "the first of two GPUs" "" '^GPU: cuda:0 Fake 0' doctor
says "the second of two GPUs" "" '^GPU: cuda:1 Fake 1' doctor
says "the freest is used" "" '^GPU in use: cuda:1 Fake 1, for tensors of 1 or more' doctor --device cuda
says "a GPU that is not there" "" '^GPU: not used: there is no device cuda:7: the driver lists 2' doctor --device cuda:7
says "an old driver" driver '^GPU: not used: the NVIDIA driver knows CUDA 12.4' doctor --device cuda

quality() { says "$1" "$2" "$3" quality lessons/model --tokens 70 --format int8 --json $4; }
quality "quality by the GPU that was asked for" "" '"device": "cuda:0 Fake 0"' "--device cuda:0"
quality "little text stays on the CPU by itself" "" '"device": "cpu",' ""
quality "quality without memory" memory '"device": "cpu (cannot allocate 1.0 MiB on Fake 1: out of memory)"' "--device cuda"
quality "quality after the card broke down" lost '"device": "cpu (cannot finish a kernel on Fake 1: unsp' "--device cuda"
says "people read which card it was" "" 'Computed by cuda:1 Fake 1' quality lessons/model --tokens 70 --format int8 \
    --device cuda
says "people read why it was none" memory 'Computed by cpu (cannot allocate' quality lessons/model --tokens 70 \
    --format int8 --device cuda
FAKE_CUDA=memory "$work/place/saffron" quality lessons/model --tokens 70 --format int8 --json --device cuda \
    2>/dev/null | grep -v '"device"\|"isa"\|seconds"' >"$work/there"
"$SAFFRON" quality lessons/model --tokens 70 --format int8 --json --device cpu \
    2>/dev/null | grep -v '"device"\|"isa"\|seconds"' >"$work/here"
if [ -s "$work/here" ] && cmp -s "$work/here" "$work/there"; then
    echo "ok the CPU's figures stand in for a card without memory"
else
    echo "not ok the CPU's figures stand in for a card without memory: $(diff "$work/here" "$work/there" | head -3)"
fi

# A card that broke down while a lesson timed it is not asked again.
cat >"$work/lost.lua" <<'END'
return lesson { id = "lost", title = "Lost", win = "know it", explore { id = "twice", ask = "?", compute = function(lab)
  local function try() return select(2, pcall(lab.gemv, { device = "cuda", formats = { "bf16" } })) end
  local first, second = try(), try()
  error("first " .. tostring(first) .. "; second " .. tostring(second))
end, reveal = function() return { "done" } end } }
END
says "a card lost in a lesson" lost 'unspecified launch failure; second .*no GPU is in use' check "$work/lost.lua" \
    --device cuda
