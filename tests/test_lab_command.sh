#!/bin/sh
# test_lab_command: --lab COMMAND: another program's lab, with a banner, through a shell, absent, hostile.
cd "$(dirname "$0")/.." || exit 2
config=lessons/configs/qwen3.6-27b-fp8.json

say() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2: $3"; fi; }

help=$("$SAFFRON" lab --help 2>&1) && echo "$help" | grep -q -- --stubs
say $? "the lab's help" "$help"
own=$("$SAFFRON" kv $config --json 2>&1)
say $? "the own lab answers" "$own"
far=$("$SAFFRON" kv $config --json --lab "'$SAFFRON' lab" 2>&1)
[ "$far" = "$own" ]
say $? "a lab by command answers the same" "$far"
far=$("$SAFFRON" kv $config --json --lab "echo 'Last login: today'; sh -c \"'$SAFFRON' lab\"" 2>&1)
[ "$far" = "$own" ]
say $? "a banner is skipped" "$far"

# fails NAME PATTERN COMMAND: one line on stderr that says PATTERN, nothing on stdout, exit status not 0.
fails()
{
    out=$(timeout 30 "$SAFFRON" kv $config --json --lab "$3" 2>"$TMPDIR/lab-command.err")
    status=$?
    lines=$(wc -l <"$TMPDIR/lab-command.err")
    [ $status -ne 0 ] && [ $status -ne 124 ] && [ -z "$out" ] && [ "$lines" -eq 1 ] && grep -q "$2" "$TMPDIR/lab-command.err"
    say $? "$1" "exit $status, $lines lines: $(head -n 1 "$TMPDIR/lab-command.err")$out"
}
: "${TMPDIR:=/tmp}"

fails "a command that is not there" "not found" "no-such-program lab"
fails "a host that refuses" "Permission denied" "echo 'Permission denied (publickey).' >&2; exit 255"
fails "a lab of another version" "protocol 9" "echo '{\"type\":\"hello\",\"protocol\":9,\"api\":1}'; cat >/dev/null"
fails "a lab that says anything" "64 KiB" "cat /dev/urandom"
hello='echo "{\"type\":\"hello\",\"protocol\":1,\"api\":1}"; read open; echo "{\"type\":\"ready\"}"; read ask'
fails "a lab that answers garbage" "garbage" "$hello; head -c 1000 /dev/urandom; echo; sleep 20"
fails "a lab that dies" "status 3" "$hello; exit 3"
fails "escape codes in its stderr" "?\[2J" "printf '\\033[2Jx\\n' >&2; exit 1"
rm -f "$TMPDIR/lab-command.err"
