#!/bin/sh
# The front door: runs a study (training and latency), then reports it. Arguments: program, study
# file. Finished cells are kept, so a second run only reports.
program=$1
study=$2
"$program" study run "$study"
status=$?
"$program" study report "$study" || status=$?
exit $status
