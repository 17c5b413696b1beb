#!/bin/sh
# test_lesson.sh: the flagship lesson's seeded outcomes hold at several seeds, its arithmetic is that of the config, and
# every shipped lesson passes `saffron check`. (What it says is in transcripts/quantization.out.)
cd "$(dirname "$0")/.." || exit 1
saffron=${SAFFRON:-build/saffron}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
status=0

# Steps compute again only after their commit.
{
    for guess in 237@75 4@75 2@95 256@75 30@50 1@50 outlier@75 '1 2 3 4@50' 95@50 :next 2; do echo "$guess"; done
    for cell in 2 2 1 1 2 2 2 2 1 1 2 3 1 1 3 4; do echo "$cell"; done
    for guess in :next 2 61@75 14@50; do echo "$guess"; done
} | XDG_STATE_HOME=$work "$saffron" --plain --seed 7 quantization >/dev/null 2>&1

# answer STEP SEED: what the step computes, as one line of JSON.
answer()
{
    XDG_STATE_HOME=$work "$saffron" run "quantization:$1" --seed "0x$2" --json | tr -d ' \n' |
        sed -n 's/^{"answer":\(\[[^]]*\]\|[^,]*\),.*/\1/p'
}

why=
for seed in 1 2a 3b7 4c11 5d2e0f; do
    zeros=$(answer zeros $seed)
    case ${zeros%.*} in 4[89]|5?|6?|7[01]) ;; *) why="$why zeros $seed: $zeros;" ;; esac
    whose=$(answer whose $seed)
    [ "$whose" = '"ordinary"' ] || why="$why whose $seed: $whose;"
    rank=$(answer rank $seed)
    [ "$rank" = '["int8","e4m3","fp4","int4"]' ] || why="$why rank $seed: $rank;"
done
[ "$(answer chats 1)" = 48 ] || why="$why chats: $(answer chats 1);"
[ "$(answer kv-token 1)" = 64 ] || why="$why kv-token: $(answer kv-token 1);"
case $(answer int4-speed 1) in 3.3[89]*) ;; *) why="$why int4-speed: $(answer int4-speed 1);" ;; esac
case $(answer fp8-speed 1) in 1.90*) ;; *) why="$why fp8-speed: $(answer fp8-speed 1);" ;; esac
case $(answer kv-gain 1) in 3.79*) ;; *) why="$why kv-gain: $(answer kv-gain 1);" ;; esac
if [ -z "$why" ]; then
    echo "ok the outcomes hold at several seeds"
else
    echo "not ok the outcomes hold at several seeds:$why"
    status=1
fi

for lesson in lessons/*.lua; do
    findings=$(XDG_STATE_HOME=$work "$saffron" check "$lesson" 2>&1)
    [ -z "${SAN:-}" ] || findings=$(echo "$findings" | grep -v 'takes longer than 20 s') # a sanitizer is slow
    if [ -z "$findings" ]; then
        echo "ok check finds nothing in $lesson"
    else
        echo "$findings"
        echo "not ok check finds nothing in $lesson: see above"
        status=1
    fi
done
exit $status
