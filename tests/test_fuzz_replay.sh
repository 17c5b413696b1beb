# Every fuzz driver replays its corpus, and small damages of it, without a crash.
cd "$(dirname "$0")/.." || exit 1
for driver in "${SAFFRON_BUILD:-build}"/tests/fuzz_*; do
    case $driver in *.d | *'*'*) continue ;; esac
    name=$(basename "$driver")
    log=$(timeout 120 "$driver" 2>&1)
    status=$?
    printf '%s\n' "$log" | sed -n "s/^ok /ok $name /p; s/^not ok /not ok $name /p"
    if [ "$status" -gt 1 ]; then
        echo "not ok $name: exit status $status after: $(printf '%s\n' "$log" | grep '^ok' | tail -n 1)"
        printf '%s\n' "$log" | grep -v '^ok ' | head -n 30
    fi
done
