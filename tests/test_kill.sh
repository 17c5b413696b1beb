# The whole tutor is killed at random moments: a guess that it has acknowledged is there afterwards.
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CACHE_HOME="$dir"
round=0 acknowledged=0 lost= wait=0 # longer on a busy machine
while [ $round -lt 40 ] || { [ $acknowledged -lt 5 ] && [ $round -lt 200 ]; }; do
    round=$((round + 1))
    db=$dir/$round.db
    printf '54 @75\n:again\n' | "$SAFFRON" --plain coarse-cup --db "$db" >"$dir/out" 2>/dev/null &
    pid=$!
    ms=$((round * 37 % 380 + 5 + wait))
    sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    # An outcome is computed only once the guess is stored.
    grep -q 'outcome: computed' "$dir/out" || { wait=$((wait < 3000 ? wait + 40 : wait)); continue; }
    wait=$((wait / 2))
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

# An import is killed at random moments: what it had stored is whole, and the same import again completes it.
awk 'BEGIN {
    print "{\"format\":\"saffron-export\",\"version\":1,\"events\":["
    for (i = 1; i <= 4000; i++) {
        printf "%s{\"uuid\":\"%08x-0000-7000-8000-000000000001\",\"learner\":\"a\",", (i > 1 ? "," : ""), i
        printf "\"device\":\"d\",\"seq\":%d,\"utc\":%d,\"offset\":0,\"course\":\"c\",\"lesson\":\"l%d\",", i, i, i % 5
        printf "\"step\":\"s\",\"rev\":1,\"kind\":\"seen\",\"payload\":{\"pad\":\"%0300d\"}}\n", i
    }
    print "]}"
}' >"$dir/many.json"
round=0 broken= stopped=0
while [ $round -lt 8 ]; do
    round=$((round + 1))
    db=$dir/import-$round.db
    "$SAFFRON" import "$dir/many.json" --db "$db" >/dev/null 2>&1 &
    pid=$!
    sleep "0.$(printf %03d $((round * 13 % 90 + 5)))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null || stopped=$((stopped + 1))
    "$SAFFRON" import "$dir/many.json" --db "$db" >"$dir/out" 2>&1 || broken="$broken $round"
    [ "$("$SAFFRON" export --to json --db "$db" | grep -c '^{"uuid"')" = 4000 ] || broken="$broken $round"
done
if [ -n "$broken" ]; then
    echo "not ok an import survives kill -9: broken in rounds$broken: $(head -c 200 "$dir/out")"
elif [ $stopped -eq 0 ]; then
    echo "not ok an import survives kill -9: none was killed in time"
else
    echo "ok an import survives kill -9"
fi
