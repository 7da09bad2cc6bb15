#!/bin/sh
# Runs a study and keeps what it found: sh bench/reference.sh PROGRAM STUDY-FILE [OPTION...]; the
# options are those of `study run` (--latency=off leaves the latency as the store has it). Writes
# results/reference/NAME: the study file, the export that the report is made from, the report with its
# pictures and plot data, and the tables worth reading as CSV. What is in the results store already is
# not run again.
set -e
program=$1
study=$2
if [ ! -x "$program" ] || [ ! -f "$study" ]; then
    echo "usage: sh bench/reference.sh PROGRAM STUDY-FILE [OPTION...]" >&2
    exit 2
fi
shift 2
name=$(sed -n 's/^name: *//p' "$study")
case $name in
'' | *[!a-z0-9_-]*)
    echo "$study: a line 'name: NAME' of a-z, 0-9, - and _ was expected" >&2
    exit 2
    ;;
esac
made=results/$name
kept=results/reference/$name
"$program" study run "$@" "$study"
rm -rf "$made" "$kept"
"$program" study report "$study" --plots-out "$made"
mkdir -p "$kept"
"$program" study export "$study" --output "$kept/$name.jsonl"
cp "$study" "$kept/study.yaml"
cp -r "$made/report.md" "$made/comparison.tex" "$made/plots" "$made"/*.png "$kept"
for table in comparison generalisation costs seeds sources networks latency made; do
    if [ -f "$made/$table.csv" ]; then
        cp "$made/$table.csv" "$kept"
    fi
done
echo "kept in $kept"
