#!/bin/sh
# A job of the array: one shard of a study, in a store of its own. Slurm starts it (submit.sh); when
# it is started again, after a requeue or a second submit.sh, it goes on where it was.
# shard.sh PROGRAM STUDY STORE SHARDS RESTARTS
program=$1 study=$2 store=$3 shards=$4 restarts=$5
shard=$SLURM_ARRAY_TASK_ID
what="shard $shard of $shards"
mine=${store%.sqlite}.shard-$shard-of-$shards.sqlite
threads=$(sed -n 's/^threads:[[:space:]]*\([0-9][0-9]*\).*/\1/p' "$study")
jobs=$((${SLURM_CPUS_PER_TASK:-1} / ${threads:-1}))
[ "$jobs" -ge 1 ] || jobs=1

# The time is nearly over: stop, and queue this job again, unless that was done too often.
again() {
    kill -TERM "$run" 2>/dev/null
    wait "$run"
    if [ "${SLURM_RESTART_COUNT:-0}" -ge "$restarts" ]; then
        echo "$what: not through after $restarts restarts; a second submit.sh goes on"
        exit 1
    fi
    echo "$what: the time is over; queued again"
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$shard" || exit
    sleep 600 # Slurm ends this job
    exit 1
}

echo "$what on $(uname -n), $(date -u +%Y-%m-%dT%H:%M:%SZ), restart ${SLURM_RESTART_COUNT:-0}"
# What an earlier run brought home is not done again.
if [ -f "$store" ]; then
    "$program" study merge --store "$mine" "$store" || exit
fi
trap again USR1
"$program" study run "$study" --shard "$shard/$shards" --store "$mine" --jobs "$jobs" &
run=$!
wait "$run"
