#!/bin/sh
# test_quantize_command: `saffron quantize`: figures, files, one line for each bad input, and no half-written file.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-quantize.XXXXXX") || exit 2
trap 'umount "$work/small" 2>/dev/null; chmod -R u+w "$work"; rm -rf "$work"' EXIT
export HOME="$work" XDG_STATE_HOME="$work/state" TERM=dumb SAFFRON_MASK=1
minilm=lessons/tensors/minilm.safetensors

say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2: $3"; fi; }

# expect NAME STATUS PATTERN ARGS...: as `saffron quantize ARGS` ends, and a line of what it says: on stderr alone, and only
# that one line, where the status is not 0.
expect()
{
    name=$1 status=$2 pattern=$3
    shift 3
    timeout 60 "$SAFFRON" quantize "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    where=$work/out
    [ "$status" -eq 0 ] || where=$work/err
    [ "$got" -eq "$status" ] && grep -q -- "$pattern" "$where" &&
        { [ "$status" -eq 0 ] || { [ "$(wc -l <"$work/err")" -eq 1 ] && [ ! -s "$work/out" ]; }; }
    say $? "$name" "exit $got: $(head -c 300 "$where")"
}

# npy FILE DESCR SHAPE: an .npy file whose data is standard input.
npy()
{
    header=$(printf "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" "$2" "$3")
    start=$(printf '\\223NUMPY\\001\\000\\%03o\\000' $((${#header} + 1)))
    { printf "$start"; echo "$header"; cat; } >"$1"
}

nothing_left() # nothing_left NAME FOLDER: no output and no part of one
{
    left=$(find "$2" -name '*.part' -o -name 'o.safetensors')
    [ -z "$left" ]
    say $? "$1" "$left"
}

# --- figures
printf '\000\000\000\000\000\000\200\077\000\000\000\300\000\000\100\100' | npy "$work/four.npy" '<f4' '(2, 2)'
expect "a tensor as text" 0 "bits per weight" $minilm ffn_weight --format int4 --scale group:128
expect "as JSON" 0 '"format": "mxfp4"' $minilm ffn_weight --format mxfp4 --json
for key in tensor shape format scale method bits_per_weight mse sqnr_db max_abs_error zero_fraction clipped_fraction \
    nonfinite device isa elapsed_ms gb_per_s; do
    grep -q "^  \"$key\": " "$work/out" || say 1 "JSON says $key" "$(cat "$work/out")"
done
expect "a tail group is said" 0 "shorter: it has 84 values" $minilm ffn_weight --format int4 --scale group:100
expect "and in JSON" 0 '"last_group": 84' $minilm ffn_weight --format int4 --scale group:100 --json
expect "a name that no message holds" 2 "is not UTF-8" $minilm ffn_weight --format int8 --out "$work/$(printf '\377')"
expect "npy" 0 '"zero_fraction": 0.25' "$work/four.npy" --format int8 --json
expect "npy, to the value" 0 '"max_abs_error": 0.0078' "$work/four.npy" --format int8 --json
expect "output error with --calib" 0 "output_sqnr_db" $minilm ffn_weight --format int8 --scale channel --json \
    --calib $minilm ffn_in
same=$(for isa in scalar avx2 avx512; do
    "$SAFFRON" quantize $minilm ffn_weight --format nvfp4 --json --isa $isa 2>/dev/null | grep -v '"isa"' | cksum
done | sort -u | wc -l)
[ "$same" -le 2 ] # one, and perhaps that of an instruction set that is not here
say $? "the same figures by every instruction set" "$same different ones"

# --- files
expect "written" 0 "bits per weight" "$work/four.npy" --format int8 --out "$work/o.safetensors"
expect "what is written can be read" 0 '"sqnr_db": "inf"' "$work/o.safetensors" dequant --format fp32 --json
expect "a part of it" 0 "bits per weight" "$work/four.npy" --format int8 --out "$work/o.safetensors" --emit codes
expect "only that part" 2 "no tensor 'dequant'" "$work/o.safetensors" dequant --format fp32
rm -f "$work/o.safetensors"

# --- bad input
: | npy "$work/empty.npy" '<f4' '(0, 4)'
head -c 4096 /dev/zero | npy "$work/zeros.npy" '<f4' '(32, 32)'
printf '\000\000\300\177\000\000\300\177' | npy "$work/nan.npy" '<f4' '(2,)'
printf '\000\000\000\100' | npy "$work/one.npy" '<f4' '(1,)'
head -c 100 "$work/zeros.npy" >"$work/short.npy"
expect "one element" 0 '"shape": \[' "$work/one.npy" --format int8 --json
expect "unknown format" 2 "unknown format 'int44'; did you mean 'int4'?" $minilm ffn_weight --format int44
expect "no format" 2 "needs --format" $minilm ffn_weight
expect "unknown scale" 2 "scale" $minilm ffn_weight --format int8 --scale rows
expect "group of 0" 2 "group" $minilm ffn_weight --format int8 --scale group:0
expect "a scale that the format has no use for" 2 "brings its own scale" $minilm ffn_weight --format mxfp4 --scale tensor
expect "unknown method" 2 "unknown method 'gtpq'" $minilm ffn_weight --format int4 --method gtpq
for method in gptq awq smoothquant; do
    expect "$method without --calib" 2 "method '$method' needs --calib" $minilm ffn_weight --format int8 \
        --scale channel --method $method
done
expect "shapes that do not match" 2 "features a token, but the weights take" $minilm ffn_weight --format int4 \
    --method gptq --calib $minilm ffn_out_in
expect "--alpha that is no number" 2 "--alpha cannot be 'x'" $minilm ffn_weight --format int8 --alpha x
expect "--alpha of another method" 2 "--alpha belongs to" $minilm ffn_weight --format int8 --alpha 0.5
expect "empty tensor" 2 "is empty" "$work/empty.npy" --format int8
expect "all zeros" 2 "is 0: there is nothing to round" "$work/zeros.npy" --format int8
expect "all NaN" 2 "is finite: there is nothing to round" "$work/nan.npy" --format int8
expect "truncated file" 2 "cannot read" "$work/short.npy" --format int8
expect "no such file" 2 "cannot read '$work/none.npy': No such file or directory" "$work/none.npy" --format int8
expect "no such tensor" 2 "did you mean 'ffn_weight'" $minilm ffn_weights --format int8
expect "which tensor?" 2 "has 4 tensors, name one" $minilm --format int8
expect "a folder" 2 "cannot read" lessons --format int8
expect "an option of another command" 2 "does not take --context" $minilm ffn_weight --format int8 --context 4

# --- outputs that cannot be
expect "no such folder" 2 "cannot write" "$work/four.npy" --format int8 --out "$work/none/o.safetensors"
expect "a folder as output" 2 "it is a folder" "$work/four.npy" --format int8 --out "$work"
expect "/dev/full" 2 "not a plain file" "$work/four.npy" --format int8 --out /dev/full
expect "emit what is not" 2 "cannot emit 'code'" "$work/four.npy" --format int8 --emit code --out "$work/o.safetensors"
expect "emit without --out" 2 "needs --out" "$work/four.npy" --format int8 --emit codes
nothing_left "what was refused left nothing" "$work"
mkdir "$work/small"
if mount -t tmpfs -o size=64k none "$work/small" 2>/dev/null; then
    expect "full" 2 "cannot write the output: No space" $minilm ffn_weight --format int8 --out "$work/small/o.safetensors"
    nothing_left "a full file system keeps nothing of it" "$work/small"
else
    echo "ok a full file system # SKIP mounting needs root"
fi
if [ "$(id -u)" -ne 0 ]; then
    mkdir "$work/closed"; chmod 555 "$work/closed"
    expect "not writable" 2 "cannot write" "$work/four.npy" --format int8 --out "$work/closed/o.safetensors"
fi

# --- interrupted. A shell's background jobs ignore SIGINT, so that env is to give it back.
default=
env --default-signal=INT true 2>/dev/null && default="env --default-signal=INT"
for signal in ${default:+INT} TERM KILL; do
    $default "$SAFFRON" quantize $minilm ffn_out_weight --format int4 --scale channel --method gptq --isa scalar \
        --calib $minilm ffn_out_in --out "$work/o.safetensors" >"$work/out" 2>"$work/err" &
    job=$!
    tries=0
    until ls "$work" | grep -q part; do
        sleep 0.02
        tries=$((tries + 1))
        [ $tries -lt 500 ] || break
    done
    kill -$signal $job
    wait $job 2>/dev/null
    status=$?
    [ $status -gt 128 ] || [ $status -eq 2 ]
    say $? "SIG$signal ends it" "exit $status: $(cat "$work/err")"
    rm -f "$work/out"
    tries=0
    while ls "$work" | grep -q part && [ $tries -lt 250 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    nothing_left "SIG$signal leaves nothing half-written" "$work"
done
