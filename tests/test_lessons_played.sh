#!/bin/sh
# test_lessons_played: every lesson of the map's first parts can be finished in plain mode from a script of answers, also
# where it times this machine, so that no output can be told in advance. What the others say is in transcripts/.
cd "$(dirname "$0")/.." || exit 1
saffron=${SAFFRON:-build/saffron}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# played LESSON: the answers come on standard input; the lesson must reach its end, and every guess its outcome.
played()
{
    XDG_STATE_HOME=$work timeout 200 "$saffron" --plain --seed 7 "$1" >"$work/out" 2>"$work/err"
    said=$(grep -c '^To remember$' "$work/out")
    if grep -q '^The end of this lesson$' "$work/out" && [ ! -s "$work/err" ] && [ "$said" -eq "$2" ]; then
        echo "ok $1 is played to its end"
    else
        echo "not ok $1 is played to its end: $said reveals; $(tail -n 3 "$work/out" "$work/err" | tr '\n' ' ')"
    fi
}

printf '%s\n' 50@75 100@50 '1 2 3 4@75' 0.1@50 16@75 830@95 'It counts time.' | played memory-wall 6
printf '%s\n' 512@75 '4 3 2 1@50' 496@75 2@75 8784@50 '3 2 1@50' :next 8@95 'Which heads?' | played kv-cache 7

# An installation that lost its lessons' files, but not what the map is drawn from.
mkdir -p "$work/bare/lessons" && cp "$(dirname "$saffron")"/data/lessons/*.json "$work/bare/lessons/"
echo 50@75 | SAFFRON_DATA=$work/bare XDG_STATE_HOME=$work/bare timeout 20 "$saffron" --plain memory-wall \
    >"$work/out" 2>&1
status=$?
if [ "$status" -ne 124 ] && grep -q "the lesson's file cannot be read or has changed" "$work/out"; then
    echo "ok a lesson without its file says so"
else
    echo "not ok a lesson without its file says so: exit $status: $(tail -n 3 "$work/out")"
fi
printf '%s\n' '2 3 4 1@75' '2 4 1 3@50' 2@95 '3 1 2@50' 50@75 7000@75 2 'It makes room.' |
    played kv-quant 6
