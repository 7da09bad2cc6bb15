#!/bin/sh
# Fetches data sets from their publishers into $CBAM_DATA: download (it can be interrupted and goes
# on), size and checksum, unpacking into a folder that must not be there yet. Sources and licences:
# README.md beside this file. Knows no format; what is fetched and from where stands in sources.txt.
set -uf
here=$(dirname "$0")
sources=$here/sources.txt
to=${CBAM_DATA:-}
dry=
listing=

say() { printf '%s\n' "$*"; }
complain() { printf 'fetch.sh: %s\n' "$*" >&2; }
die() { complain "$*"; exit 1; }

usage() {
    cat <<TEXT
Usage: datasets/fetch.sh [--to DIR] [--dry-run] NAME...
       datasets/fetch.sh --list
  NAME            a data set of the list, or all
  --to DIR        where data sets lie (default: \$CBAM_DATA${CBAM_DATA:+, now $CBAM_DATA})
  --dry-run       say what would be done, touch nothing, need no network
  --sources FILE  another list of the same form (default: $here/sources.txt)
TEXT
}

# Lines of the list without comments.
entries() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$sources"; }

list() {
    entries | while read -r name folder bytes sum url use; do
        say "$name: $((bytes / 1000000)) MB from $url"
        say "    --data $use"
    done
}

# "md5" or "sha256" of a file, with whatever this system has.
digest() {
    if command -v "${1}sum" >/dev/null 2>&1; then
        "${1}sum" <"$2" | cut -d' ' -f1
    elif command -v openssl >/dev/null 2>&1; then
        openssl dgst "-$1" <"$2" | sed 's/.*[ =]//'
    fi
}

size_of() { wc -c <"$1" | tr -d ' '; }

# Takes an address into a file, going on where an earlier try stopped.
download() {
    case $1 in
    file://*) cp "${1#file://}" "$2" ;;
    *)
        if command -v curl >/dev/null 2>&1; then
            curl --fail --location --retry 3 --continue-at - --output "$2" "$1" && return 0
            [ $? = 33 ] || return 1 # 33: this server cannot go on in the middle
            curl --fail --location --retry 3 --output "$2" "$1"
        elif command -v wget >/dev/null 2>&1; then
            wget --continue --tries=4 --output-document="$2" "$1"
        else
            complain "neither curl nor wget is installed"
            return 1
        fi
        ;;
    esac
}

# Whether file $1 is what its publisher says of this data set; tells why not.
is_right() {
    kind=${sum%%:*}
    got=$(size_of "$1")
    if [ "$got" != "$bytes" ]; then
        complain "$1 has $got bytes, $bytes were expected"
        return 1
    fi
    got=$(digest "$kind" "$1")
    if [ -z "$got" ]; then
        complain "neither ${kind}sum nor openssl is installed: $1 cannot be checked"
        return 1
    fi
    if [ "$got" != "${sum#*:}" ]; then
        complain "$1 has the $kind sum $got, ${sum#*:} was expected"
        return 1
    fi
}

unpack() {
    case $1 in
    *.tar.gz | *.tgz) tar -xzof "$1" -C "$2" ;;
    *.zip)
        if command -v unzip >/dev/null 2>&1; then
            unzip -q "$1" -d "$2"
        elif command -v python3 >/dev/null 2>&1; then
            python3 -m zipfile -e "$1" "$2"
        else
            complain "neither unzip nor python3 is installed"
            return 1
        fi
        ;;
    *) complain "$1: .tar.gz or .zip was expected"; return 1 ;;
    esac
}

# The archive is in downloads/ when this returns 0, complete and checked.
obtain() {
    archive=$to/downloads/${url##*/}
    if [ -f "$archive" ]; then
        is_right "$archive" && return 0
        complain "remove $archive to have it fetched anew"
        return 1
    fi
    part=$archive.part
    mkdir -p "$to/downloads" || return 1
    say "$name: fetching $url"
    # A complete part file is what an interruption between download and check leaves behind.
    if ! { [ -f "$part" ] && [ "$(size_of "$part")" = "$bytes" ]; }; then
        if ! download "$url" "$part"; then
            complain "$url: the download failed; the same command goes on where it stopped"
            return 1
        fi
    fi
    if ! is_right "$part"; then
        rm -f "$part"
        complain "it was removed: $url does not give what its publisher describes"
        return 1
    fi
    mv "$part" "$archive"
}

# Unpacks beside the goal and moves it there in one step, so that an interruption leaves no half set.
install_folder() {
    work=$to/.unpacking-$name
    rm -rf "$work"
    mkdir "$work" || return 1
    if ! unpack "$archive" "$work" || ! [ -d "$work/$folder" ]; then
        rm -rf "$work"
        complain "$archive: no folder $folder came out of it"
        return 1
    fi
    mv "$work/$folder" "$to/$folder"
    status=$?
    rm -rf "$work"
    return $status
}

fetch() {
    if [ -e "$to/$folder" ]; then
        say "$name: $to/$folder is there already and stays as it is (--data $use)"
        return 0
    fi
    if [ -n "$dry" ] && [ -f "$to/downloads/${url##*/}" ]; then
        say "$name: would check $to/downloads/${url##*/} ($sum) and unpack it to $to/$folder"
        return 0
    fi
    if [ -n "$dry" ]; then
        say "$name: would fetch $url ($bytes bytes, $sum) and unpack it to $to/$folder"
        return 0
    fi
    obtain || return 1
    install_folder || return 1
    say "$name: in $to/$folder; use it as --data $use with CBAM_DATA=$to"
}

names=
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage; exit 0 ;;
    --list) listing=1 ;;
    --dry-run) dry=1 ;;
    --to | --sources)
        [ $# -ge 2 ] && [ -n "$2" ] || die "$1 needs a value"
        if [ "$1" = --to ]; then to=$2; else sources=$2; fi
        shift
        ;;
    -*) complain "unknown option $1"; usage >&2; exit 2 ;;
    *) names="$names $1" ;;
    esac
    shift
done
[ -r "$sources" ] || die "$sources cannot be read"
if [ -n "$listing" ]; then
    list
    exit 0
fi
[ -n "$names" ] || { usage >&2; exit 2; }
known=$(entries | cut -d' ' -f1 | tr '\n' ' ')
[ "$names" = " all" ] && names=$known
[ -n "$to" ] || die "set CBAM_DATA to the directory where data sets shall lie, or give --to DIR"
if [ -z "$dry" ] && ! mkdir -p "$to"; then
    die "$to cannot be made"
fi
case $to in
/*) ;;
*) to=$(pwd)/$to ;;
esac

failed=0
for wanted in $names; do
    entry=$(entries | awk -v name="$wanted" '$1 == name')
    if [ -z "$entry" ]; then
        complain "no data set '$wanted'; known are: ${known}all"
        failed=1
        continue
    fi
    read -r name folder bytes sum url use <<TEXT
$entry
TEXT
    fetch || failed=1
done
exit $failed
