#!/bin/sh
# test_inspect_command: `saffron inspect`: lists and portraits as lines, JSON and screens; files that are not what they say.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-inspect.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
export HOME="$work" XDG_STATE_HOME="$work/state"
minilm=lessons/tensors/minilm.safetensors blocks=tests/vectors/blocks.gguf

say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2: $3"; fi; }

# expect NAME STATUS PATTERN ARGS...: as `saffron inspect ARGS` ends, and a line of what it says: on stderr alone, and only
# that one line, where the status is not 0.
expect()
{
    name=$1 status=$2 pattern=$3
    shift 3
    timeout 60 "$SAFFRON" inspect "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    where=$work/out
    [ "$status" -eq 0 ] || where=$work/err
    [ "$got" -eq "$status" ] && grep -q -- "$pattern" "$where" &&
        { [ "$status" -eq 0 ] || { [ "$(wc -l <"$work/err")" -eq 1 ] && [ ! -s "$work/out" ]; }; }
    say $? "$name" "exit $got: $(head -c 300 "$where")"
}

expect "the list" 0 "^tensor ffn_weight: shape 1,536 x 384\|^tensor ffn_weight: shape 1536 x 384" $minilm
expect "a GGUF file and its true bits" 0 "^tensor q6_k: shape 3 x 512, type Q6_K, size 1.23 KiB, bits a value 6.562" $blocks
expect "the list as JSON" 0 '"kind": "GGUF"' $blocks --json
expect "metadata" 0 '"general.architecture": "llama"' $blocks --json
expect "a pattern" 0 "2 tensors" $minilm "ffn_out*"
expect "a portrait" 0 "^marked column" $minilm ffn_in
expect "its formats" 0 "^format nvfp4: scale two-level, bits a value 4.5" $minilm ffn_in
expect "a portrait as JSON" 0 '"outlier_columns": \[' $minilm ffn_in --json
expect "a GGUF tensor" 0 "^type: IQ4_XS, 4.25 bits a value" $blocks iq4_xs
out=$("$SAFFRON" quantize $blocks q4_k --format int8 --scale channel 2>&1)
say $? "GGUF tensors can be quantized" "$out"

# --- a model in shards: lists all of them, by the index and by the folder
mkdir "$work/model"
shard() # shard FILE TENSOR
{
    header="{\"$2\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
    { printf "\\$(printf %03o ${#header})\\000\\000\\000\\000\\000\\000\\000%s" "$header"; printf '\000\000\200\077\000\000\000\300'; } >"$1"
}
shard "$work/model/1.safetensors" first
shard "$work/model/2.safetensors" second
index=$work/model/model.safetensors.index.json
echo '{"metadata": {}, "weight_map": {"first": "1.safetensors", "second": "2.safetensors"}}' >"$index"
expect "shards by their index" 0 "safetensors, 2 shards: 2 tensors" "$index"
expect "shards by their folder" 0 "^tensor second: shape 2" "$work/model"
expect "a tensor in a shard" 0 "range: -2 to 1" "$work/model" second
rm "$work/model/2.safetensors"
expect "a shard that is missing" 2 "2.safetensors': No such file" "$index"

# --- a scalar has no sides
header='{"one":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}'
{ printf "\\$(printf %03o ${#header})\\000\\000\\000\\000\\000\\000\\000%s" "$header"; printf '\000\000\200\077'; } >"$work/one.safetensors"
expect "a scalar" 0 "^tensor one: shape one number" "$work/one.safetensors"

# --- a name that no message can hold
odd=$(printf '%s/lat\351.gguf' "$work")
if cp $blocks "$odd" 2>/dev/null; then expect "a name that is not UTF-8" 2 "multibyte\|byte sequence" "$odd"; fi

# --- files that lie
head -c 3000 $minilm >"$work/short.safetensors"
expect "truncated" 2 "past the end of the file" "$work/short.safetensors"
head -c 600 $blocks >"$work/short.gguf"
expect "truncated GGUF" 2 "cannot read '$work/short.gguf': it ends within" "$work/short.gguf"
printf 'GGUF\003\000\000\000\377\377\377\377\377\377\377\177\000\000\000\000\000\000\000\000' >"$work/wild.gguf"
expect "wild counts" 2 "its header claims 9223372036854775807 tensors" "$work/wild.gguf"
: >"$work/empty"
expect "an empty file" 2 "too short" "$work/empty"
echo hello >"$work/text"
expect "a text" 2 "cannot read" "$work/text"
expect "no such file" 2 "^saffron: cannot read .$work/none.: No such file or directory$" "$work/none"
expect "a folder without a model" 2 "cannot read" lessons
expect "no such tensor" 2 "did you mean 'ffn_in'" $minilm ffn_inn
expect "no file" 2 "'inspect' needs FILE"

# --- a file of 100 GB opens at once: a hole is as long as it is
le() # le BYTES NUMBER: little-endian
{
    le_left=$1 le_rest=$2
    while [ "$le_left" -gt 0 ]; do
        printf "\\$(printf %03o $((le_rest % 256)))"
        le_left=$((le_left - 1)) le_rest=$((le_rest / 256))
    done
}

# sparse FILE ROWS: a file, of the kind that its name says, with the tensor `big` [ROWS, 100000] of F32 and no byte stored
# of it; false where the file system takes none so long.
sparse()
{
    case $1 in
    *.safetensors)
        header="{\"big\":{\"dtype\":\"F32\",\"shape\":[$2,100000],\"data_offsets\":[0,$(($2 * 400000))]}}"
        { le 8 ${#header}; printf %s "$header"; } >"$1" ;;
    *.gguf)
        { printf GGUF; le 4 3; le 8 1; le 8 0; le 8 3; printf big; le 4 2; le 8 100000; le 8 "$2"; le 4 0; le 8 0; } >"$1"
        truncate -s 96 "$1" ;;
    *.npy)
        header="{'descr': '<f4', 'fortran_order': False, 'shape': ($2, 100000), }"
        { printf '\223NUMPY'; le 2 1; le 2 ${#header}; printf %s "$header"; } >"$1" ;;
    esac
    truncate -s $(($(wc -c <"$1") + $2 * 400000)) "$1" 2>/dev/null
}

for kind in safetensors gguf npy; do
    file=$work/big.$kind
    if ! sparse "$file" 250000; then
        echo "ok 100 GB of $kind open at once # SKIP the file system takes no such file"
        continue
    fi
    timeout 10 "$SAFFRON" inspect "$file" --json >"$work/out" 2>&1 && grep -q '"bytes": 100000000000' "$work/out"
    say $? "100 GB of $kind open at once" "$(head -c 300 "$work/out")"
    rm "$file"
done

# --- and one that shrinks while it is read
for kind in safetensors gguf npy; do
    file=$work/shrinks.$kind
    if ! sparse "$file" 20000; then
        echo "ok $kind that shrinks while it is read # SKIP the file system takes no such file"
        continue
    fi
    : >"$work/err"
    timeout 60 "$SAFFRON" inspect "$file" big >"$work/out" 2>"$work/err" &
    job=$!
    tries=0
    until grep -q "^saffron: [0-9]* %" "$work/err" || [ $tries -gt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
    truncate -s 1000 "$file"
    wait $job
    status=$?
    [ $status -eq 2 ] && [ "$(grep -cv " %$" "$work/err")" -eq 1 ] &&
        grep -q "^saffron: '.*shrinks.$kind' became shorter while it was read" "$work/err"
    say $? "$kind that shrinks while it is read" "exit $status: $(cat "$work/err")"
done

# --- on a terminal: choose, search, look, go back
. tests/terminal.sh
terminal_run inspect $blocks
sees "a list to choose from" "1 of 17 · GGUF"
terminal_keys / x s
sees "a search" "1 of 1 · GGUF"
terminal_keys Enter Enter
sees "a portrait on the screen" "IQ4_XS, 4.25 bits a value"
terminal_keys Escape
sees "back to the list" "1 of 1 · GGUF"
leaves "q leaves it" 0 q

# --- the terminal goes, and the program with it
terminal_open 80 24 "exec $SAFFRON inspect $blocks"
sees "a list once more" "1 of 17 · GGUF"
pid=$(terminal_pid)
terminal_close
until_true gone "$pid"
! kill -9 "$pid" 2>/dev/null
say $? "a terminal that hangs up ends it" "it went on"
