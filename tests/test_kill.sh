# The whole tutor is killed at random moments: a guess that it has acknowledged is there afterwards.
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CACHE_HOME="$dir"
round=0 acknowledged=0 lost=
while [ $round -lt 40 ]; do
    round=$((round + 1))
    db=$dir/$round.db
    printf '54 @75\n:again\n' | "$SAFFRON" --plain coarse-cup --db "$db" >"$dir/out" 2>/dev/null &
    pid=$!
    sleep "0.$(printf %03d $((round * 37 % 380 + 5)))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    # An outcome is computed only once the guess is stored.
    grep -q 'outcome: computed' "$dir/out" || continue
    acknowledged=$((acknowledged + 1))
    "$SAFFRON" run coarse-cup:zeros --db "$db" >/dev/null 2>&1 || lost="$lost $round"
done
if [ -n "$lost" ]; then
    echo "not ok an acknowledged guess survives kill -9: lost in rounds$lost"
elif [ $acknowledged -lt 5 ]; then
    echo "not ok an acknowledged guess survives kill -9: only $acknowledged of $round rounds acknowledged one"
else
    echo "ok an acknowledged guess survives kill -9"
fi
