#!/bin/sh
# test_bench_command: `saffron bench`: its lines, its JSON, what it refuses; on a terminal a screen that can be left.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-bench.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
export HOME="$work" XDG_STATE_HOME="$work/state"

say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2: $3"; fi; }
quick="--size cache --rounds 1"

# --- as lines
SAFFRON_MASK=1 "$SAFFRON" bench $quick --only decode:e4m3 --isa scalar >"$work/out" 2>"$work/err"
cat >"$work/meant" <<'TEXT'
<measured>, <measured> threads, instruction set scalar, second cache <measured> KiB, last cache <measured> MiB.
Medians of <measured> rounds.
plain loops read only: in cache, best <measured> B/s
plain loops read <measured>, write <measured>: in cache, best <measured> B/s
plain loops read <measured>, write <measured>: in cache, best <measured> B/s
plain loops read <measured>, write <measured>: in cache, best <measured> B/s
plain loops memcpy: in cache, best <measured> B/s
decode, in cache: % of the plain loop
e4m3: <measured> %, <measured> B/s, scalar
limit: <measured>
TEXT
cmp -s "$work/out" "$work/meant" && [ ! -s "$work/err" ]
say $? "lines, masked" "$(diff "$work/meant" "$work/out" | head -n 3)$(cat "$work/err")"

# --- as JSON
"$SAFFRON" bench $quick --only gemv --json >"$work/out" 2>"$work/err"
say $? "JSON" "$(cat "$work/err")"
missing=
for key in machine limits kernels cpu caches l2_bytes last_bytes isa op format activations size threads bytes us gb_per_s \
    of_stream of_read of_f16; do
    grep -q "^ *\"$key\": " "$work/out" || missing="$missing $key"
done
[ -z "$missing" ]
say $? "JSON has every key" "no$missing"
! grep '"op"' "$work/out" | grep -qv '"gemv"'
say $? "only what --only names" "$(grep '"op"' "$work/out" | sort | uniq -c)"
threads=$("$SAFFRON" bench $quick --only gemv:int8 --threads 2 --json | grep -c '"threads": 2,')
[ "$threads" -ge 2 ]
say $? "two threads" "$threads rows say so"

# --- what it refuses
# expect NAME PATTERN ARGS...: exit 2 and one line that says PATTERN.
expect()
{
    name=$1 pattern=$2
    shift 2
    timeout 60 "$SAFFRON" bench "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    [ $got -eq 2 ] && [ "$(wc -l <"$work/err")" -eq 1 ] && [ ! -s "$work/out" ] && grep -q -- "$pattern" "$work/err"
    say $? "$name" "exit $got: $(cat "$work/err")"
}
expect "unknown operation" "did you mean 'decode'" --only decod
expect "unknown format, nothing near" "unknown format 'zebra': the README lists them" --only decode:zebra
expect "unknown format" "did you mean 'e4m3'" --only decode:e4m
expect "no such kernel" "no kernel does 'gemv' for format 'nf4'" --only gemv:nf4
expect "a size that is none" "--size cannot be '80x24'" --size 80x24
expect "no rounds" "--rounds cannot be '0'" --rounds 0
expect "too many rounds" "--rounds is a number from 1 to 101" --rounds 1000
expect "a word" "does not know what to do with 'e4m3'" e4m3

# --- on a terminal
. tests/terminal.sh
terminal_run bench $quick --only decode:e4m3 --isa scalar
sees "a screen with bars" "GB/s, scalar"
leaves "q leaves it" 0 q
terminal_run bench --size dram --only encode
sees "progress on the screen" "from memory\|memory itself"
leaves "Esc cancels" 2 Escape
