#!/bin/sh
# test_plain: golden transcripts. Each transcripts/NAME.in holds commands ("$ saffron ...") with the lines that they
# read, run one after the other on one database; NAME.out is what they print. "# now TIME" sets the clock.
# fake-*.in run on tests/plain: a lesson of every kind, and a lab that answers by rote.
#
# test_plain.sh --bless [NAME...] writes the .out files anew: look at the diff.
set -u
cd "$(dirname "$0")/.." || exit 2
SAFFRON=${SAFFRON:-$PWD/build/saffron}
bless= only= limit=200
[ -z "${SAN:-}" ] || limit=600 # a sanitizer is slow
for word in "$@"; do case $word in --bless) bless=1 ;; *) only="$only $word" ;; esac; done
work=$(mktemp -d "${TMPDIR:-/tmp}/saffron-plain.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME="$work/state" XDG_CACHE_HOME="$work/cache" SAFFRON_MASK=1 LC_ALL=C.UTF-8 TERM=dumb

# The command of the section that ends here, with its lines as input.
flush()
{
    [ -n "$begun" ] || return 0
    echo "$ saffron$command" >>"$work/out"
    eval "timeout $limit \"\$SAFFRON\" --db \"\$work/progress.db\" --isa scalar --seed 7 $more $command" \
        <"$work/in" >>"$work/out" 2>&1
    status=$?
    [ "$status" -eq 0 ] || echo "[exit $status]" >>"$work/out"
    begun=
    : >"$work/in"
}

transcript()
{
    command= more= begun=
    rm -f "$work"/progress.db* && : >"$work/in" && : >"$work/out"
    export SAFFRON_NOW=2026-01-01T09:00:00Z
    unset SAFFRON_DATA
    case $1 in */fake-*) export SAFFRON_DATA="$PWD/tests/plain"; more="--lab 'sh tests/plain/lab.sh'" ;; esac
    while IFS= read -r line; do
        case $line in
        '# now '*) flush; SAFFRON_NOW=${line#\# now } ;;
        '$ saffron'*) flush; begun=1 command=${line#\$ saffron} ;;
        *) printf '%s\n' "$line" >>"$work/in" ;;
        esac
    done <"$1"
    flush
}

for in in tests/transcripts/*.in; do
    name=$(basename "$in" .in)
    out=tests/transcripts/$name.out
    case " ${only:-$name} " in *" $name "*) ;; *) continue ;; esac
    transcript "$in"
    sed -i "s|$PWD/||g; s|$work|WORK|g" "$work/out"
    if [ -n "$bless" ]; then
        cp "$work/out" "$out" && echo "ok $name, blessed"
    elif cmp -s "$work/out" "$out"; then
        echo "ok transcript $name"
    else
        diff "$out" "$work/out" | head -20
        echo "not ok transcript $name: differs from $out (sh tests/test_plain.sh --bless $name)"
    fi
done
