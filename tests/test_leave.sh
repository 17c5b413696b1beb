#!/bin/sh
# test_leave: half-written words are there again, whoever ended the program: a signal, a terminal that hung up, or q.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
command -v tmux >/dev/null || { echo "ok leave # SKIP no tmux"; exit 0; }
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-leave.XXXXXX") || exit 2
tmux() { command tmux -S "$work/s" -f /dev/null "$@"; }
trap 'tmux kill-server 2>/dev/null; rm -rf "$work"' EXIT

# wait_for PATTERN: until the screen shows it.
wait_for()
{
    for _ in $(seq 100); do
        tmux capture-pane -p 2>/dev/null | grep -q -- "$1" && return 0
        sleep 0.1
    done
    return 1
}

# ends NAME COMMAND: types words, ends the program by the command ($pid is it), and looks for them in the log.
ends()
{
    name=$1 db=$work/$(echo "$1" | tr -dc a-z).db
    tmux new-session -d -x 80 -y 24 "exec env TERM=xterm-256color LC_ALL=C.UTF-8 $SAFFRON coarse-cup:colleague --db $db"
    wait_for "in your words" || { echo "not ok $name: it did not start"; return; }
    tmux send-keys -l "half a sentence"
    wait_for "half a sentence" || { echo "not ok $name: the words are not on the screen"; return; }
    pid=$(tmux display-message -p '#{pane_pid}')
    eval "$2"
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    if kill -0 "$pid" 2>/dev/null; then
        echo "not ok $name: it did not end"
        kill -9 "$pid"
    elif "$SAFFRON" export --to json --db "$db" | grep -q '"kind":"draft","payload":{"text":"half a sentence"}'; then
        echo "ok $name"
    else
        echo "not ok $name: no draft in the log"
    fi
    tmux kill-server 2>/dev/null
    sleep 0.2
}

ends "a draft survives SIGTERM" 'kill -TERM $pid'
ends "a draft survives SIGHUP" 'kill -HUP $pid'
ends "a draft survives the terminal's end" 'tmux kill-server'
ends "a draft survives q" 'tmux send-keys Escape; sleep 0.3; tmux send-keys q'
