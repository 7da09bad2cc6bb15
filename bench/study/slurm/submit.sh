#!/bin/sh
# Runs a study on a Slurm cluster: an array of jobs, each a shard with a store of its own on the
# shared file system, and a job behind them that merges the stores and reports. README.md says how.
usage() {
    cat <<'END'
usage: sh bench/study/slurm/submit.sh [OPTION...] STUDY.yaml [-- SBATCH-OPTION...]

  --shards N       jobs of the array (4); a study of S source groups has work for S
  --at-once K      of these, so many at the same time (all)
  --cpus C         processors of each (1); cells at once are these / the study's threads
  --partition P    as sbatch has it
  --time T         as sbatch has it; a shard that is not through by then is queued again
  --restarts R     so often at most (10)
  --store FILE     the results store (results/store.sqlite), on the shared file system; the stores
                   of the shards and the trained networks are kept beside it
  --program FILE   cbam-bench (build/cbam-bench)
  --latency        the last job has a node for itself and runs the study's latency part too
  --wait           wait for the last job; its exit status is this command's
END
}

refuse() {
    echo "submit.sh: $1" >&2
    exit 2
}

# The value of option $1 is $2: there has to be one; a whole number above 0 if $3 says so.
check() {
    [ -n "$2" ] || refuse "$1 has no value"
    [ -z "$3" ] && return
    case $2 in
    *[!0-9]* | 0*) refuse "$1 is '$2': a whole number above 0 was expected" ;;
    esac
}

shards=4 cpus=1 restarts=10 at_once= partition= time= latency=no wait=
store=results/store.sqlite program=build/cbam-bench study=
while [ $# -gt 0 ]; do
    option=$1
    case $option in
    --shards | --cpus | --at-once | --restarts) check "$option" "$2" number ;;
    --partition | --time | --store | --program) check "$option" "$2" ;;
    esac
    case $option in
    --shards) shards=$2 && shift ;;
    --cpus) cpus=$2 && shift ;;
    --at-once) at_once=%$2 && shift ;;
    --restarts) restarts=$2 && shift ;;
    --partition) partition=$2 && shift ;;
    --time) time=$2 && shift ;;
    --store) store=$2 && shift ;;
    --program) program=$2 && shift ;;
    --latency) latency=yes ;;
    --wait) wait=yes ;;
    --help) usage && exit ;;
    --) shift && break ;;
    -*) refuse "'$option' is not known: --help lists the options" ;;
    *)
        [ -z "$study" ] || refuse "one study was expected, not '$study' and '$option'"
        study=$option
        ;;
    esac
    shift
done
[ -n "$study" ] || refuse "a study file is missing; --help tells the rest"
[ -f "$study" ] || refuse "$study: there is no such study file"
[ -x "$program" ] || refuse "$program: there is no such program; make builds it"
command -v sbatch >/dev/null 2>&1 || refuse "sbatch is not installed here: is this a Slurm cluster?"

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit
case $store in
*/*) logs=${store%/*}/slurm ;;
*) logs=slurm ;;
esac
mkdir -p "$logs" || exit
name=$(basename "$study" .yaml)

# What is left of the arguments are the user's own options of sbatch, for both jobs.
set -- --chdir="$PWD" --job-name="cbam-$name" --ntasks=1 "$@"
[ -z "$partition" ] || set -- "$@" --partition="$partition"
[ -z "$time" ] || set -- "$@" --time="$time"

# The signal comes in time to stop and to be queued again.
array=$(sbatch --parsable --array="1-$shards$at_once" --cpus-per-task="$cpus" --requeue \
    --open-mode=append --signal=B:USR1@60 --output="$logs/$name-%A-%a.log" "$@" \
    "$here/shard.sh" "$program" "$study" "$store" "$shards" "$restarts") || exit
array=${array%%;*}
echo "shards: job $array, $shards of them; logs $logs/$name-$array-*.log"

[ $latency = no ] || set -- "$@" --exclusive
echo "then, merged: $store, and the report beside it; log $logs/$name-$array.log"
sbatch ${wait:+--wait} --dependency="afterany:$array" --cpus-per-task=1 \
    --output="$logs/$name-$array.log" "$@" \
    "$here/collect.sh" "$program" "$study" "$store" "$shards" "$latency"
