#!/bin/sh
# test_start: what a terminal sees: the first prediction at the first start, later the map; plain mode is remembered.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-start.XXXXXX") || exit 2
. tests/terminal.sh

# Keys typed before the program has gone would be its own: every start waits for this.
left() { sees "$1" "^prompt"; }

start() { terminal_keys "clear; $1 XDG_STATE_HOME=$work/state $SAFFRON $2" Enter; }

terminal_open 80 30 "env PS1='prompt ' TERM=xterm-256color LC_ALL=C.UTF-8 sh"
start "" ""
sees "the first start opens the first prediction" "your guess"
terminal_keys q
left "q leaves the lesson"
start "" ""
sees "a later start opens the map" "The other lever .*step 1"
terminal_keys q
left "q leaves the map"
start TERM=nonsense ""
sees "an unknown terminal shows the map all the same" "step 1"
terminal_keys q
left "q leaves it"
start "" "--plain coarse-cup"
sees "plain mode in a terminal waits after what is read" "^Enter goes on:"
terminal_keys Enter
sees "and prompts for an answer" "^your answer:"
terminal_keys "54 @50" Enter
sees "and computes it" "^outcome: computed"
terminal_keys ":quit" Enter
left ":quit leaves the lesson"
start "" ""
sees "plain mode is remembered" "^[0-9]*. The other lever, step 1"
terminal_keys ":quit" Enter
left ":quit leaves the map"
start "" "set plain off"
sees "and can be given up" "^plain off"
start "" "read coarse-cup | head -2"
sees "output into a pipe" "^After this you can"
