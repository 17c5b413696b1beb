#!/bin/sh
# test_leave: half-written words are there again, whoever ended the program: a signal, a terminal that hung up, or q.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-leave.XXXXXX") || exit 2
. tests/terminal.sh

# ends NAME COMMAND: types words, ends the program by the command ($pid is it), and looks for them in the log.
ends()
{
    name=$1 db=$work/$(echo "$1" | tr -dc a-z).db
    terminal_open 80 24 "exec env TERM=xterm-256color LC_ALL=C.UTF-8 $SAFFRON coarse-cup:colleague --db $db"
    until_true terminal_has "in your words" || { echo "not ok $name: it did not start"; return; }
    terminal_keys -l "half a sentence"
    until_true terminal_has "half a sentence" || { echo "not ok $name: the words are not on the screen"; return; }
    pid=$(terminal_pid)
    eval "$2"
    if ! until_true gone "$pid"; then
        echo "not ok $name: it did not end"
        kill -9 "$pid"
    elif "$SAFFRON" export --to json --db "$db" | grep -q '"kind":"draft","payload":{"text":"half a sentence"}'; then
        echo "ok $name"
    else
        echo "not ok $name: no draft in the log"
    fi
}

ends "a draft survives SIGTERM" 'kill -TERM $pid'
ends "a draft survives SIGHUP" 'kill -HUP $pid'
ends "a draft survives the terminal's end" terminal_close
ends "a draft survives q" 'terminal_keys Escape; sleep 0.3; terminal_keys q'
