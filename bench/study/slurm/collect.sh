#!/bin/sh
# The job behind the array: takes the stores of all shards into one and reports. Slurm starts it
# (submit.sh) when they have ended, however that was. Ends with 0 when every cell is done.
# collect.sh PROGRAM STUDY STORE SHARDS LATENCY
program=$1 study=$2 store=$3 shards=$4 latency=$5
status=0
for shard in $(seq "$shards"); do
    one=${store%.sqlite}.shard-$shard-of-$shards.sqlite
    if [ -f "$one" ]; then
        "$program" study merge --store "$store" "$one" || exit
    else
        echo "$one is missing: shard $shard came to nothing; its log says why" >&2
        status=1
    fi
done
if [ "$latency" = yes ] && [ $status -eq 0 ]; then
    "$program" study run "$study" --store "$store" || status=$?
fi
"$program" study report "$study" --store "$store" || exit
counts=$("$program" study status "$study" --store "$store" --format csv) || exit
"$program" study status "$study" --store "$store"
echo "$counts" | awk -F, '$1 == "all" { left = $2 - $3; seen = 1 } END { exit !seen || left }' || {
    echo "not all cells are done: a second submit.sh with as many shards tries again" >&2
    status=1
}
exit $status
