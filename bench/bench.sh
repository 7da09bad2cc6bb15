#!/bin/sh
# Runs a study and reports: sh bench/bench.sh PROGRAM STUDY-FILE. What is in the results store
# already is not run again; see `PROGRAM study --help`. Ends with a status other than 0 when a cell
# or the latency part failed; the report is written all the same.
program=$1
study=$2
if [ ! -x "$program" ] || [ ! -f "$study" ]; then
    echo "usage: sh bench/bench.sh PROGRAM STUDY-FILE" >&2
    exit 2
fi
"$program" study run "$study"
status=$?
"$program" study report "$study" || exit
exit $status
