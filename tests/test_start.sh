#!/bin/sh
# test_start: what a terminal sees: the first prediction at the first start, later the map; plain mode is remembered.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
command -v tmux >/dev/null || { echo "ok start # SKIP no tmux"; exit 0; }
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-start.XXXXXX") || exit 2
tmux() { command tmux -S "$work/s" -f /dev/null "$@"; }
trap 'tmux kill-server 2>/dev/null; rm -rf "$work"' EXIT

# see NAME PATTERN: waits until the screen shows it.
see()
{
    for _ in $(seq 100); do
        tmux capture-pane -p >"$work/screen" 2>/dev/null
        grep -q -- "$2" "$work/screen" && { echo "ok $1"; return; }
        sleep 0.1
    done
    echo "not ok $1: no '$2' on the screen:"
    sed 's/^/    /' "$work/screen"
}

# Keys typed before the program has gone would be its own: every start waits for this.
left() { see "$1" "^prompt"; }

start() { tmux send-keys "clear; $1 XDG_STATE_HOME=$work/state $SAFFRON $2" Enter; }

tmux new-session -d -x 80 -y 30 "env PS1='prompt ' TERM=xterm-256color LC_ALL=C.UTF-8 sh"
start "" ""
see "the first start opens the first prediction" "your guess"
tmux send-keys q
left "q leaves the lesson"
start "" ""
see "a later start opens the map" "The other lever .*step 1"
tmux send-keys q
left "q leaves the map"
start TERM=nonsense ""
see "an unknown terminal shows the map all the same" "step 1"
tmux send-keys q
left "q leaves it"
start "" "--plain coarse-cup"
see "plain mode in a terminal waits after what is read" "^Enter goes on:"
tmux send-keys Enter
see "and prompts for an answer" "^your answer:"
tmux send-keys "54 @50" Enter
see "and computes it" "^outcome: computed"
tmux send-keys ":quit" Enter
left ":quit leaves the lesson"
start "" ""
see "plain mode is remembered" "^[0-9]*. The other lever, step 1"
tmux send-keys ":quit" Enter
left ":quit leaves the map"
start "" "set plain off"
see "and can be given up" "^plain off"
start "" "read coarse-cup | head -2"
see "output into a pipe" "^After this you can"
