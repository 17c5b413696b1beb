#!/bin/sh
# test_own_tensor: a step again on a tensor of the learner's own file: in plain mode, on the screen, by `saffron run`.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-own.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
export HOME="$work" XDG_STATE_HOME="$work/state"
blocks=$PWD/tests/vectors/blocks.gguf

say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2: $3"; fi; }

cat >"$work/own.lua" <<'LUA'
return lesson { id = "own", title = "Own", win = "see it on your own values",
  predict { id = "amax", ask = "How large is the largest?", number = { within = "10 %" },
    knobs = { times = { 1, from = 1, to = 4 } },
    compute = function(lab, knob)
      local x = lab.tensor "minilm/ffn_in"
      return { answer = x.amax * knob.times, rows = x.rows, name = x.name }
    end,
    reveal = function(o) return { "It is " .. fmt(o.answer) .. " in " .. o.name .. ", " .. o.rows .. " rows." } end,
    card = { front = "f", back = "b" } },
  predict { id = "none", ask = "And of these?", number = { within = "10 %" },
    compute = function(lab) return { answer = lab.gaussian { n = 100 }.amax } end,
    reveal = function(o) return { "It is " .. fmt(o.answer) .. "." } end, card = { front = "f", back = "b" } },
}
LUA

# shows NAME PATTERN: what the session below printed.
shows()
{
    grep -q -- "$2" "$work/out"
    say $? "$1" "no '$2' in: $(tail -n 12 "$work/out")"
}
cp "$blocks" "$work/mine.gguf"
printf '%s\n' '10@50' ":tensor $blocks q4_k" ':knob times=2' ":tensor $blocks nope" ":tensor $work/none x" ':tensor' \
    ':tensor ~/mine.gguf q6_k' '' '3@50' ":tensor $blocks q4_k" ':quit' |
    timeout 60 "$SAFFRON" --plain --seed 7 "$work/own.lua" >"$work/out" 2>&1
shows "its own tensor first" "It is 28.8 in minilm/ffn_in, 128 rows"
shows "then the learner's" "It is 67.2 in q4_k of blocks.gguf, 3 rows"
shows "the guess was for another" "^On your tensor; your guess was for the step's own"
shows "a knob goes on with it" "It is 134.* in q4_k of blocks.gguf"
shows "what computed it is named" "^computed now, cpu, .*, q4_k of blocks.gguf, seed"
shows "no such tensor" "no tensor 'nope' in '.*blocks.gguf'"
shows "no such file" "cannot read '$work/none': No such file"
shows "nothing: its own again" "It is 57.6 in minilm/ffn_in"
shows "a file in the home folder" "in q6_k of mine.gguf"
shows "a step without a tensor says so" "this step reads no tensor"

out=$("$SAFFRON" run "$work/own.lua:amax" --tensor "$blocks" q6_k 2>&1)
echo "$out" | grep -q "in q6_k of blocks.gguf" && echo "$out" | grep -q -- "--tensor '$blocks' q6_k"
say $? "run --tensor, and the command that does it again" "$out"
out=$("$SAFFRON" run "$work/own.lua:amax" 2>&1)
echo "$out" | grep -q "in minilm/ffn_in" && ! echo "$out" | grep -q "blocks.gguf"
say $? "what was stored is the step's own outcome" "$out"
"$SAFFRON" run "$work/own.lua:amax" --tensor "$blocks" zz >"$work/out" 2>"$work/err"
[ $? -eq 2 ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q "no tensor 'zz'" "$work/err"
say $? "run with no such tensor" "$(cat "$work/err")"

# --- a file that shrinks, before, while and after it is read: whichever it is, that is done or one line names the file
file=$work/shrinks.safetensors wrong=
header='{"big":{"dtype":"I8","shape":[16,1000000],"data_offsets":[0,16000000]}}'
for pause in 0.01 0.03 0.05 0.07 0.09 0.12; do
    printf "\\$(printf %03o ${#header})\\000\\000\\000\\000\\000\\000\\000%s" "$header" >"$file"
    truncate -s $((8 + ${#header} + 16000000)) "$file"
    "$SAFFRON" run "$work/own.lua:amax" --tensor "$file" big >"$work/out" 2>"$work/err" &
    job=$!
    sleep $pause
    truncate -s 100 "$file"
    wait $job
    status=$?
    [ $status -eq 0 ] || { [ $status -eq 2 ] && [ "$(wc -l <"$work/err")" -eq 1 ] &&
        grep -q "shrinks.safetensors' became shorter\|shrinks.safetensors': .* past the end" "$work/err"; } ||
        wrong="exit $status: $(cat "$work/err")"
done
[ -z "$wrong" ]
say $? "run --tensor on a file that shrinks" "$wrong"

. tests/terminal.sh
terminal_open 100 30 "$SAFFRON $work/own.lua:amax"
sees "the reveal" "minilm/ffn_in, 128 rows"
terminal_keys t
sees "t asks for a file" "A tensor of your own"
terminal_keys "$blocks q4_k" Enter
sees "and computes the step on it" "67.2 in q4_k of blocks.gguf"
terminal_keys t Escape
sees "Esc leaves it" "67.2 in q4_k of blocks.gguf"
