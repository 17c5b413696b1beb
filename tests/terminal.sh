# terminal.sh: terminals of a test's own, by tmux; a shell test reads it (`. tests/terminal.sh`) once $work is a folder.
# Every terminal has a server and a socket of its own: one on its way out takes the next one's client with it ("server
# exited unexpectedly"). A terminal ends with the next one, or with the test.

if ! command -v tmux >/dev/null; then
    echo "ok a screen # SKIP no tmux"
    exit 0
fi
terminals=0
terminal() { tmux -S "$work/terminal.$terminals" -f /dev/null "$@"; } # terminal COMMAND...: tells this terminal's tmux
terminal_close() { [ -S "$work/terminal.$terminals" ] && terminal kill-server 2>/dev/null; }
trap 'terminal_close; rm -rf "$work"' EXIT

# terminal_open WIDTH HEIGHT COMMAND: a new one, in which a shell runs COMMAND.
terminal_open()
{
    terminal_close
    terminals=$((terminals + 1))
    terminal new-session -d -x "$1" -y "$2" "export TERM=tmux-256color; $3"
}

# terminal_run ARGS...: the program with them on 80x24; its exit status comes into $work/status.
terminal_run()
{
    rm -f "$work/status"
    terminal_open 80 24 "$SAFFRON $*; echo \$? >$work/status; sleep 60"
}

terminal_keys() { terminal send-keys "$@"; }
terminal_text() { terminal capture-pane -p 2>/dev/null; }
terminal_pid() { terminal display-message -p '#{pane_pid}'; }

# until_true COMMAND...: 20 seconds long; false if it never was.
until_true()
{
    for _ in $(seq 400); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

# terminal_has PATTERN: whether it shows that now.
terminal_has() { terminal_text | grep -q -- "$1"; }

# sees NAME PATTERN: a test: the terminal comes to show it.
sees()
{
    if until_true terminal_has "$2"; then
        echo "ok $1"
    else
        echo "not ok $1: no '$2' on the screen:"
        terminal_text | sed 's/^/    /'
    fi
}

# leaves NAME STATUS KEY: a test: after KEY, `terminal_run`'s program ends with STATUS.
leaves()
{
    terminal_keys "$3"
    until_true test -s "$work/status"
    if [ "$(cat "$work/status" 2>/dev/null)" = "$2" ]; then
        echo "ok $1"
    else
        echo "not ok $1: exit $(cat "$work/status" 2>/dev/null)"
    fi
}

# gone PID: it has ended.
gone() { ! kill -0 "$1" 2>/dev/null; }
