#!/bin/sh
# Compares two commits: sh bench/regress/run.sh BASE [HEAD]
# Builds both in git worktrees below build/regress/, counts and times them against each other, and
# leaves there: verdict (one line; its first word is ok, regressed, inconclusive, incomparable or
# error), counts.* and pair.* in several formats, the logs of the builds. The exit status is that of
# `cbam-bench regress`: 0 ok, 1 regressed, 2 usage or a fault, 3 incomparable, 4 inconclusive (with
# STRICT=1), 5 nothing measured. make turns every failure into 2: a CI calls this script, or reads
# the verdict. From the environment: ALLOW='CASE=PCT,...', ALLOW_RESULTS='CASE,...', FILTER=PATTERN
# (only these cases), STRICT=1, BUDGET=SECONDS (of the timing; 240), HISTORY=DIR.
set -u

usage() {
    echo "usage: sh bench/regress/run.sh BASE [HEAD]" >&2
    exit 2
}

# The one line that is left behind, and the end.
finish() {
    mkdir -p "$out"
    echo "$2" > "$out/verdict"
    echo "regress: $2" >&2
    exit "$1"
}

[ $# -ge 1 ] && [ $# -le 2 ] && [ -n "$1" ] || usage
cd "$(dirname "$0")/../.." || exit 2
root=$(pwd)
out=$root/build/regress
rm -f "$out/verdict" "$out"/counts.* "$out"/pair.*
base=$(git rev-parse --verify --quiet "$1^{commit}") || finish 2 "error: '$1' is no commit"
head=$(git rev-parse --verify --quiet "${2:-HEAD}^{commit}") || finish 2 "error: '${2:-HEAD}' is no commit"
if [ $# -eq 1 ] && [ -n "$(git status --porcelain -- impls bench datasets Makefile)" ]; then
    echo "regress: note: changes that are not committed are not measured" >&2
fi

# A worktree of a commit; one that is there already is moved to it, so only changes are compiled.
checkout() {
    if [ -e "$out/$1/.git" ] && git -C "$out/$1" checkout --quiet --detach --force "$2"; then
        return 0
    fi
    rm -rf "${out:?}/$1"
    git worktree prune
    git worktree add --quiet --detach --force "$out/$1" "$2"
}

# Compiles what the commit changed. Objects do not know the flags they were made with: where the
# Makefile is another one, all of them are made anew.
build() {
    echo "regress: building $1 ($(git log -1 --format='%h %s' "$2"))" >&2
    checkout "$1" "$2" || return 1
    cmp -s "$out/$1/Makefile" "$out/$1/build/Makefile.built" || rm -rf "$out/$1/build"
    make -C "$out/$1" -j "$(nproc)" all > "$out/build-$1.log" 2>&1 &&
        cp "$out/$1/Makefile" "$out/$1/build/Makefile.built"
}

# Base starts as head with head's objects, where it is not there from before: then only what differs
# is compiled. Both trees are checked out before anything is built, so that objects are newer.
mkdir -p "$out"
fresh=
[ -e "$out/base/.git" ] && [ -d "$out/base/build" ] || fresh=yes
[ -z "$fresh" ] || checkout base "$head" || finish 2 "error: no work tree of '$head'"
build head "$head" || finish 2 "error: head does not build: build/regress/build-head.log"
[ -z "$fresh" ] || cp -a "$out/head/build" "$out/base/"
build base "$base" || finish 3 "incomparable: base does not build: build/regress/build-base.log"

# What both gates are told.
set --
[ -z "${ALLOW:-}" ] || set -- "$@" --allow "$ALLOW"
[ -z "${ALLOW_RESULTS:-}" ] || set -- "$@" --allow-results "$ALLOW_RESULTS"
[ -z "${FILTER:-}" ] || set -- "$@" --filter "$FILTER"
[ -z "${STRICT:-}" ] || set -- "$@" --strict
case ${HISTORY:-} in
'') ;;
/*) set -- "$@" --history "$HISTORY" ;;
*) set -- "$@" --history "$root/$HISTORY" ;;
esac

# One gate, in head's folder: the cases are head's. The table goes to GATE.txt and to stdout.
gate() {
    name=$1
    shift
    files=
    for kind in verdict json csv md junit github bencher; do
        files=$files${files:+,}$kind=$out/$name.$kind
    done
    (cd "$out/head" && build/cbam-bench regress "$name" --base "$out/base" --head "$out/head" \
        --write "$files" "$@") > "$out/$name.txt"
    status=$?
    cat "$out/$name.txt"
    [ -f "$out/$name.verdict" ] || echo "error: $name ended with status $status" \
        > "$out/$name.verdict"
    return $status
}

gate counts --no-accuracy "$@"
counts=$?
gate pair --budget "${BUDGET:-240}" \
    --write "gbench-base=$out/pair.gbench-base.json,gbench-head=$out/pair.gbench-head.json" "$@"
pair=$?

# The worse of the two; without valgrind the times decide alone.
for worst in 1 2 3 4; do
    for name in counts pair; do
        eval "status=\$$name"
        [ "$status" -ne "$worst" ] || finish "$worst" "$(cat "$out/$name.verdict") ($name)"
    done
done
if [ "$pair" -eq 5 ]; then
    finish 5 "$(cat "$out/pair.verdict") (pair)"
fi
finish 0 "$(cat "$out/pair.verdict")"
