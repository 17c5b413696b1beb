#!/bin/sh
# test_quality: `saffron quality`: figures as text and JSON, token files, one line for each bad input.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-quality.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
export HOME="$work" XDG_STATE_HOME="$work/state" TERM=dumb SAFFRON_MASK=1
model=lessons/model

say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2: $3"; fi; }

# expect NAME STATUS PATTERN ARGS...: as `saffron quality ARGS` ends, and a line of what it says; one on stderr where
# the status is not 0.
expect()
{
    name=$1 status=$2 pattern=$3
    shift 3
    timeout 60 "$SAFFRON" quality "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    where=$work/out
    [ "$status" -eq 0 ] || where=$work/err
    [ "$got" -eq "$status" ] && grep -q -- "$pattern" "$where" &&
        { [ "$status" -eq 0 ] || { [ "$(wc -l <"$work/err")" -eq 1 ] && [ ! -s "$work/out" ]; }; }
    say $? "$name" "exit $got: $(head -c 300 "$where")"
}

# 12 tokens for the tiny model: .npy of U16.
header="{'descr': '<u2', 'fortran_order': False, 'shape': (12,), }"
start=$(printf '\\223NUMPY\\001\\000\\%03o\\000' $((${#header} + 1)))
{ printf "$start"; echo "$header"; printf '\1\0\2\0\3\0\4\0\5\0\6\0\7\0\10\0\11\0\12\0\13\0\14\0'; } >"$work/tokens.npy"

expect "a scheme beside FP32" 0 "scheme int4 group:128" $model --format int4 --tokens 600
expect "it says that it is simulated" 0 "simulated" $model --format int8 --tokens 100
expect "several formats" 0 "scheme mxfp4" $model --format int8,mxfp4 --tokens 100
expect "a method" 0 "int4 group:64 gptq" $model --format int4 --scale group:64 --method gptq --tokens 100
expect "activations and cache" 0 "activations int8 tensor, KV e4m3 token" $model --tokens 100 --activations int8 \
    --activation-scale tensor --kv-format e4m3
expect "outliers planted" 0 '"outliers": 3' $model --tokens 100 --format int8 --outliers 3x32 --json
expect "json" 0 '"bits_per_byte": [12]' $model --tokens 600 --format int8 --json
grep -q '"seconds": "<measured>"' "$work/out" && grep -q '"simulated": true' "$work/out" &&
    [ "$(grep -c '"label"' "$work/out")" -eq 2 ]
say $? "json has every run, timings masked" "$(head -c 300 "$work/out")"
cp "$work/out" "$work/first"
timeout 60 "$SAFFRON" quality $model --tokens 600 --format int8 --json --threads 3 >"$work/out" 2>/dev/null
cmp -s "$work/out" "$work/first"
say $? "the same for any number of threads" "$(diff "$work/out" "$work/first" | head -3)"
expect "tokens of another vocabulary" 0 '"bits_per_token"' tests/models/qwen3 --text "$work/tokens.npy" --format e4m3 --json

# Names that are cut for people are cut between characters: 280 bytes of two each.
e=$(printf '\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251')
e7=$e$e$e$e$e$e$e
mkdir -p "$work/x$e7/$e7" && cp tests/models/qwen3/config.json tests/models/qwen3/model.safetensors "$work/x$e7/$e7" &&
    expect "a long name" 0 "million parameters" "$work/x$e7/$e7" --text "$work/tokens.npy" --format int8
odd=$(printf '%s/lat\351.npy' "$work")
if cp "$work/tokens.npy" "$odd" 2>/dev/null; then
    expect "a name that is not UTF-8" 2 "multibyte\|byte sequence" tests/models/qwen3 --text "$odd" --format int8
fi

expect "what each writes" 0 "goes on from the beginning of the text" $model --format int2 --tokens 64 --sample 40
expect "the same as JSON" 0 '"sample": "' $model --format int2 --tokens 64 --sample 40 --json
[ "$(grep -c '"sample"' "$work/out")" -eq 2 ] && grep -q '"prompt": "' "$work/out"
say $? "FP32 and the scheme write" "$(head -c 300 "$work/out")"

expect "clipping without a format" 2 "--clip needs a format for the weights: --format int4" $model --clip mse
expect "a scale of activations that nothing rounds" 2 "--activation-scale needs a format" $model --format int4 \
    --activation-scale tensor

# The README's figures of two schemes are what comes out now.
SAFFRON="$SAFFRON" sh lessons/model/table.sh --format int4,nvfp4 >"$work/table"
grep -q "fp32" "$work/table" && sed 's/^| [0-9]* | //' "$work/table" | while read -r row; do
    grep -qF "$row" README.md || exit 1
done
say $? "the README's figures" "$(cat "$work/table")"

expect "no model" 2 "^saffron: cannot open '/nowhere': No such file or directory" /nowhere
expect "a file instead of a folder" 2 "^saffron: cannot open 'README.md'" README.md
expect "a folder without a model" 2 "^saffron: cannot open .*config.json" tests --text README.md
expect "no text" 2 "^saffron: quality needs --text FILE" tests/models/qwen3
expect "no such text" 2 "^saffron: cannot read '/nowhere': No such file or directory" $model --text /nowhere
expect "text for a model of tokens" 2 "npy of token numbers" tests/models/qwen3 --text README.md
expect "unknown format, nothing near" 2 "unknown format 'zebra': the README lists them" $model --format zebra
expect "unknown format" 2 "int9" $model --format int9
expect "unknown method" 2 "unknown method 'magic'" $model --format int4 --method magic
expect "method without a format" 2 "needs a format" $model --activations int8 --method gptq
expect "scale that waits for later tokens" 2 "activations take a scale" $model --activations int8 --activation-scale tile:2x2
expect "bad outliers" 2 "--outliers cannot be '4'" $model --outliers 4
expect "too many outliers" 2 "1 to 256 channels" $model --outliers 300x2
expect "bad alpha" 2 "--alpha cannot be '2'" $model --format int8 --alpha 2
expect "a sample beyond the context" 2 "at most 508 bytes" $model --format int8 --sample 600
expect "a sample of a model without letters" 2 "only a model of bytes" tests/models/qwen3 --text "$work/tokens.npy" --sample 4
expect "no folder named" 2 "'quality' needs DIR" --json

# --- on a terminal: rows come in, Esc keeps what is there, Enter shows what a scheme writes
. tests/terminal.sh
terminal_run quality $model --tokens 300 --format int8,int2
sees "a screen with dots" "^ *int2 group:128 .*●"
terminal_keys End Enter
sees "what 2 bits write" "│ int2 group:128"
terminal resize-window -x 40 -y 12
sees "the same on a small screen" "goes on for 200"
terminal_keys Escape
sees "back to the table" "▸ int2 group:128"
leaves "q leaves it" 0 q
terminal_run quality $model --calib $model/heldout.txt
sees "a table that grows" "^ *bf16 .*●"
terminal_keys Escape
sees "Esc keeps what is done" "stopped after"
leaves "Esc leaves it then" 0 Escape
