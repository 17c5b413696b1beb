#!/bin/sh
# test_cli: the command line: exit status, one line of error, what a script can rely on.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-cli.XXXXXX") || exit 2
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
export HOME="$work" XDG_STATE_HOME="$work/state" XDG_CACHE_HOME="$work/cache" SAFFRON_DATA="$PWD/tests/plain" TERM=dumb
export SAFFRON_NOW=2026-01-01T09:00:00Z LC_ALL=C.UTF-8

# expect NAME STATUS PATTERN ARGS...: the exit status, and a line that matches: of stderr, which then has one line, when the
# status is not 0, else of stdout.
expect()
{
    name=$1 status=$2 pattern=$3
    shift 3
    timeout 20 "$SAFFRON" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    where=$work/out
    [ "$status" -eq 0 ] || where=$work/err
    if [ "$got" -ne "$status" ]; then
        echo "not ok $name: exit status $got, not $status: $(head -c 300 "$work/err")"
    elif [ "$status" -ne 0 ] && [ "$(wc -l <"$work/err")" -ne 1 ]; then
        echo "not ok $name: not one line on stderr: $(cat "$work/err")"
    elif ! grep -q -- "$pattern" "$where"; then
        echo "not ok $name: no '$pattern' in: $(head -c 300 "$where")"
    else
        echo "ok $name"
    fi
}

# --- usage
expect "help" 0 "saffron read" --help
expect "help of a command" 0 "--knob NAME=VALUE" run --help
expect "help says what is not built" 0 "Not built yet:.* fit" --help
expect "version" 0 "^saffron [0-9]" --version
for command in fit probe cluster new dev; do
    expect "$command is not built yet" 2 "^saffron: '$command' is not built yet" $command --whatever x --gpu H100
done
expect "unknown option" 2 "unknown option '--plian', did you mean '--plain'?" --plian
expect "option without its value" 2 "^saffron: --db needs a value: FILE" list --db
expect "option of another command" 2 "'list' does not take --knob" list --knob a=1
expect "bad instruction set" 2 "--isa cannot be 'mmx'" list --isa mmx
expect "bad device" 2 "--device cannot be 'tpu'" list --device tpu
expect "bad count" 2 "--threads cannot be '-3'" list --threads=-3
expect "seed without its value" 2 "--seed needs a value" list --seed
for seed in x "" -1 1.5 0x 551d37b1ef15481b 99999999999999999999999; do
    expect "bad seed '$seed'" 2 "--seed cannot be '$seed', it is a whole number" list "--seed=$seed"
done
expect "a seed as a reveal names it" 0 "" list --seed 0x551d37b1ef15481b
expect "missing word" 2 "'read' needs LESSON" read
expect "word too many" 2 "'stats' does not know what to do with 'x'" stats x
expect "two lessons" 2 "one lesson at a time: what is 'b'" a b
SAFFRON_NOW=yesterday expect "bad SAFFRON_NOW" 2 "SAFFRON_NOW cannot be 'yesterday'" list

expect "quantize needs a file" 2 "'quantize' needs FILE" quantize

# --- lessons
expect "the map without a terminal" 0 "1. Every kind"
expect "unknown lesson" 2 "^saffron: no lesson 'kindz', did you mean 'kinds'?" kindz
expect "unknown lesson, nothing near" 2 "'saffron list' shows" mahjong
expect "a command misspelt" 2 "did you mean 'doctor'?" docter
expect "missing lesson file" 2 "cannot read lesson './none.lua': No such file" ./none.lua
mkfifo "$work/pipe.lua"
expect "a pipe without a writer as a lesson" 2 "cannot read lesson '.*pipe.lua': it is a pipe that nothing" "$work/pipe.lua"
expect "a folder as a lesson" 2 "cannot read lesson './tests/': it is a folder" ./tests/
expect "unknown step" 2 "has no step 'zz'" run kinds:zz
expect "run before the commit" 2 "waits for your prediction first" run kinds:num
expect "lesson as prose" 0 "^A cup is a cup" read kinds
expect "outcome hidden" 0 "Your answer opens what comes here" read kinds
expect "list as JSON" 0 '"lesson": "kinds"' list --json
expect "search with a typo" 0 "^E4M3 or E5M2" ask salint chanels
expect "search without a hit" 1 "nothing found for 'xyzzy'" ask xyzzy
expect "kv without its file" 2 "cannot read 'none.json'" kv none.json
expect "check without its file" 2 "cannot read 'none.lua'" check none.lua
expect "shot without a file" 2 "shot needs '-o FILE.svg'" shot kinds:num
expect "shot of a bad size" 2 "--size cannot be '80'" shot kinds:num -o "$work/x.svg" --size 80
expect "shot in a bad theme" 2 "--theme cannot be 'pink'" shot kinds:num -o "$work/x.svg" --theme pink
expect "shot with a knob before its outcome" 2 "cannot turn 'a=1': no knobs here" shot kinds:num -o "$work/x.svg" --knob a=1
expect "shot to nowhere" 2 "cannot write '/none/x.svg'" shot kinds:num -o /none/x.svg
"$SAFFRON" shot kinds:num -o "$work/x.svg" --size 60x20 --theme light && grep -q "many?" "$work/x.svg" &&
    echo "ok the picture shows the question" || echo "not ok picture: no question in it"

# --- settings
expect "a setting" 0 "^theme light" set theme light
expect "a setting is kept" 0 "^theme light" set theme
expect "unknown setting" 2 "no setting 'tehme', did you mean 'theme'?" set tehme
expect "bad value" 2 "'lite' is no value for 'theme'" set theme lite
expect "no predictions yet" 0 "No scored predictions yet" stats
expect "calibration as JSON" 0 '"n": 0' stats --json

# --- databases that are no good
printf 'no database at all, but long enough to be read as one %01000d' 7 >"$work/bad.db"
expect "a damaged database is set aside" 0 "^theme dark" set theme dark --db "$work/bad.db"
grep -q "bad.db.damaged" "$work/err" && echo "ok the learner is told where" || echo "not ok damaged database: where is it?"
expect "an empty name" 2 "--db cannot be ''" set theme dark --db ""
expect "full disk" 2 "full" set theme dark --db /dev/full
env -u HOME XDG_STATE_HOME= "$SAFFRON" list >/dev/null 2>&1; [ $? -le 2 ] && echo "ok no home" || echo "not ok no home: crash"
if [ "$(id -u)" -ne 0 ]; then
    mkdir "$work/locked" && chmod 500 "$work/locked"
    export XDG_STATE_HOME="$work/locked"
    expect "read-only home" 2 "locked" set theme dark
else
    XDG_STATE_HOME=/proc/none expect "a home that takes no file" 2 "cannot make the folder" set theme dark
fi
XDG_STATE_HOME=/proc/none expect "the lesson goes on unsaved" 0 "How many?" kinds

# --- data and terminals
SAFFRON_DATA=$work/none expect "no data" 2 "cannot find the lessons" list
TERM=nonsense expect "unknown TERM" 0 "How many?" kinds
LC_ALL=C expect "no UTF-8" 0 "How many?" kinds
"$SAFFRON" doctor --lab 'exit 7' >"$work/out" 2>&1
[ $? -eq 1 ] && echo "ok doctor misses the lab" || echo "not ok doctor: exit status"
"$SAFFRON" doctor >"$work/out" 2>&1
grep -qE "^GPU: (cuda:0 .*|not used: .{9,})" "$work/out" && echo "ok doctor says which GPU there is, or why none" ||
    echo "not ok doctor: no GPU line"
