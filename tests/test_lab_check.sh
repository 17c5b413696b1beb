#!/bin/sh
# test_lab_check: what `saffron check` finds in a lesson, where, and that it finds nothing in ours.
cd "$(dirname "$0")/.." || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT

# A lesson whose only step is the rest of the arguments, one a line from line 3 on.
lesson()
{
    echo 'return lesson { id = "x", title = "x", win = "x",' >"$tmp/x.lua"
    echo '  predict { id = "s", ask = "q", card = { front = "f", back = "b" },' >>"$tmp/x.lua"
    printf '    %s\n' "$@" >>"$tmp/x.lua"
    echo '  } }' >>"$tmp/x.lua"
}

# finds NAME PATTERN: check says path:line:col: PATTERN and exits 1.
finds()
{
    said=$("$SAFFRON" check "$tmp/x.lua" 2>&1)
    status=$?
    if [ $status -eq 1 ] && echo "$said" | grep -q "x\.lua:[0-9]*:[0-9]*: .*$2"; then echo "ok $1"
    else echo "not ok $1: exit $status: $(echo "$said" | head -n 1)"; fi
}

compute='compute = function(lab, knob) return { answer = 10 } end, reveal = function(o, guess) return { "r" } end,'
number='number = { within = "10 %" },'

lesson "$number" "$compute"
said=$("$SAFFRON" check "$tmp/x.lua" 2>&1) && [ -z "$(echo "$said" | grep ':[0-9]*:')" ]
[ $? -eq 0 ] && echo "ok a good step has no findings" || echo "not ok a good step has no findings: $said"

lesson "$number" 'wrong = { 1, 10.5 },' "$compute"
finds "a wrong answer that is right" "wrong answer 10.5 counts as right"
lesson "$number" 'compute = function() return { answer = 0/0 } end, reveal = { "r" },'
finds "an answer that cannot be hit" "its own answer does not count as right"
lesson "$number" 'compute = function() return { answer = 1 } end, reveal = function() return {} end,'
finds "an empty reveal" "reveals nothing"
lesson "$number" 'compute = function() return { answer = 1 } end, reveal = function() return { view.prose { big = true } } end,'
finds "a block that is wrong" "no 'text'"
lesson "$number" 'reveal = { "r" }, answer = 3,'
finds "a cited answer without a source" "needs a source"
lesson "$number" 'reveal = { "r" },'
finds "no answer at all" "no number"
lesson "$number" 'hints = { "a" }, dives = { "nowhere" },' "$compute"
finds "a dive that is not there" "'nowhere' in dives is not in the lesson"
lesson "$number" 'knobs = { k = { 1, from = 0, to = 2 } },' \
    'compute = function(lab, knob) return { answer = knob.k < 2 and 1 or nil } end, reveal = { "r" },'
finds "a knob that breaks at its end" "with k = 2"
lesson "$number" 'knobs = { k = { "a", choices = { "a", "b" } } },' \
    'compute = function(lab, knob) return { answer = ({ a = 1 })[knob.k] } end, reveal = { "r" },'
finds "a choice that breaks" 'with k = "b"'
lesson "$number" 'compute = function() return { answer = 1 } end, reveal = function() view.prose "r" end,'
finds "a reveal that returns nothing" "reveal() returns a list of blocks and texts, not a nil"
lesson 'choice = { { "a", "A" }, { "b", "B" } },' 'compute = function() return {} end, reveal = { "r" },'
finds "a choice without correct" "correct = function(outcome) returns an option's id"
lesson "$number" 'compute = function() return { answer = 1 } end,' \
    'reveal = function(o, guess) if guess then return guess.valeu.x end return { "r" } end,'
finds "a reveal that breaks on a guess" "with a guess: attempt to index"
lesson "$number" 'compute = function() return { answer = 1 } end,' \
    "reveal = function() return { view.code '$(printf %080d 0)' } end,"
finds "code that is too wide" "wider than 72 columns"
lesson "$number" "$compute" 'hints = { "\27[31mred" },'
finds "escape codes" "control characters"
lesson 'choice = { { "a", "A" }, { "b", "B" } },' 'compute = function() return {} end,' \
    'correct = function() return "c" end, reveal = { "r" },'
finds "an option that is none" "none of the choice's options"
lesson "$number" 'compute = function() while true do end end, reveal = { "r" },'
finds "an endless compute" "runs too long"
printf 'return lesson {\n  id = "x",, title = "x",\n}\n' >"$tmp/x.lua"
finds "a syntax error" "unexpected symbol near ','"
[ "$("$SAFFRON" check "$tmp/x.lua" 2>&1 | sed -n 's/.*x\.lua:\([0-9]*:[0-9]*\):.*/\1/p')" = 2:11 ]
[ $? -eq 0 ] && echo "ok its line and column" || echo "not ok its line and column: $("$SAFFRON" check "$tmp/x.lua" 2>&1)"

said=$("$SAFFRON" check lessons/example.lua 2>&1)
status=$?
[ $status -eq 0 ] && echo "ok the example has no findings" || echo "not ok the example has no findings: $said"
