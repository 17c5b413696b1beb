# The test runner itself: what counts as a failure, on a tree of small tests of each kind.
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/tests" "$work/build/tests"
cp tests/run "$work/tests"
test_of() { printf '%s\n' "$2" >"$work/tests/$1.sh"; }
test_of test_good 'echo "ok one"; echo "ok two"'
test_of test_bad 'echo "ok one"; echo "not ok two: it is bad"; exit 1'
test_of test_crash 'echo "ok one"; kill -SEGV $$'
test_of test_hang 'echo "ok one"; sleep 60'
test_of test_silent ':'
test_of test_skip 'echo "ok one # SKIP no reason"; echo "not ok 2 # SKIP as old cmocka says it"'
test_of test_home 'case $HOME$XDG_STATE_HOME in *saffron-test*saffron-test*) echo "ok home" ;; *) echo "not ok home" ;; esac'

out=$(cd "$work" && env -u TESTS -u TEST_JOBS TEST_TIMEOUT=1 sh tests/run build 2>&1)
status=$?

says() # says NAME LINE
{
    if printf '%s\n' "$out" | grep -qx "$2"; then echo "ok $1"; else echo "not ok $1: no line '$2' in: $out"; fi
}
says "good tests are counted" '     test_good: 2 passed'
says "a failing test is named" 'FAIL test_bad: 1 passed, 1 failed'
says "what it printed is shown" 'not ok two: it is bad'
says "a crash is a failure" 'FAIL test_crash: 1 passed, 1 failed (exit status 139)'
says "a test without an end is a failure" 'FAIL test_hang: 1 passed, 1 failed (no end within 1 s)'
says "a test that reports nothing is a failure" 'FAIL test_silent: 0 passed, 1 failed (it reported no test)'
says "skipped tests are no failures" '     test_skip: 0 passed, 2 skipped'
says "each test has a home of its own" '     test_home: 1 passed'
says "the last line counts" '6 passed, 4 failed, 2 skipped'
if [ "$status" -ne 0 ]; then echo "ok a failure is the exit status"; else echo "not ok a failure is the exit status"; fi
out=$(cd "$work" && TESTS="test_good" sh tests/run build 2>&1)
says "all passed" '2 passed, 0 failed'
