#!/bin/sh
# test_quantize_screen: `saffron quantize` on a terminal: the picture, the bar and its cancel; lines where asked for.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-quantize.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
export HOME="$work" XDG_STATE_HOME="$work/state"
minilm=lessons/tensors/minilm.safetensors

say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2: $3"; fi; }
. tests/terminal.sh

# --- what came of it
terminal_run quantize $minilm ffn_weight --format int4 --scale group:128 --out "$work/o.safetensors"
sees "bits and error first" "^ *int4 group:128 · 4.125 bits/weight · 18.0 dB"
sees "which tensor" "minilm.safetensors · ffn_weight"
sees "where it was written" "Written: o.safetensors"
sees "the codes" "┼───┼───┼───┼"
terminal_keys End
sees "a map of the error below" "1536 rows .* 384 columns"
terminal resize-window -x 40 -y 12
terminal_keys Home
sees "the same on a small screen" "^ *int4 group:128"
terminal resize-window -x 200 -y 60
sees "figures beside the text on a large one" "row 69 .*dB"
leaves "q leaves it" 0 q
"$SAFFRON" quantize "$work/o.safetensors" dequant --format fp32 --json >"$work/out" 2>&1
say $? "the file is whole" "$(cat "$work/out")"

terminal_run quantize $minilm ffn_weight --format int8 --scale channel --method smoothquant --calib $minilm ffn_in
sees "the output's error" "dB, output [0-9.]* dB"
leaves "Esc leaves it too" 0 Escape

# --- while it works
terminal_run quantize $minilm ffn_out_weight --format int4 --scale channel --method gptq --isa scalar --calib $minilm \
    ffn_out_in --out "$work/c.safetensors"
sees "a bar while it works" "Esc cancel"
leaves "Esc cancels" 2 Escape
sees "and says so" "^saffron: canceled"
nothing_left() { [ -z "$(find "$work" -name '*.part' -o -name 'c.safetensors')" ]; }
until_true nothing_left
say $? "nothing half-written is left" "$(find "$work" -name '*.part' -o -name 'c.safetensors')"

# --- what stays lines
terminal_run quantize $minilm ffn_weight --format int9
sees "a bad recipe is one line" "^saffron: unknown format 'int9'"
terminal_run quantize $minilm ffn_weight --format int4 --plain
sees "lines with --plain" "^bits per weight: 4"
terminal_run quantize $minilm ffn_weight --format int4 --json
sees "JSON with --json" '^  "sqnr_db": '
