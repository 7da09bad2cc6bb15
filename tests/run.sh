#!/bin/sh
# Runs test programs one after the other, each with a time limit; prints what failed at the end.
# cmocka's own lines are left as they are, so that a CI can read them.
# TEST_SECONDS: the limit; TEST_WRAPPER: a command that each program is run by.
failed=
start=$(date +%s)
for test in "$@"; do
    name=$(basename "$test")
    echo "== $name"
    timeout "${TEST_SECONDS:-300}" $TEST_WRAPPER "$test" 2>&1
    status=$?
    if [ $status -ne 0 ]; then
        [ $status -eq 124 ] && echo "$name: more than ${TEST_SECONDS:-300} seconds"
        failed="$failed $name($status)"
    fi
done
echo "== $# test programs in $(($(date +%s) - start)) s"
if [ -n "$failed" ]; then
    echo "FAILED:$failed"
    exit 1
fi
echo "all passed"
