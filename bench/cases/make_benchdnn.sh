#!/bin/sh
# Prints the distinct convolutions of a network as benchdnn problem descriptors, each with the number
# of layers that have it behind its name ("...*4"): what bench/cases/benchdnn-*.txt are made with.
#
#     sh bench/cases/make_benchdnn.sh resnet50 > bench/cases/benchdnn-resnet50.txt
#
# Every argument after the first is handed on to `describe` (--input 64, --attention cbam, ...).
set -eu
program=${CBAM_BENCH:-build/cbam-bench}
model=$1
shift
"$program" describe --model "$model" --format csv --layers "$@" | awk -F, -v model="$model" '
# The number behind a key of an operation in our own form: "k3" is kh3 kw3.
function number(key, both, otherwise,    i) {
    for (i = 2; i <= words; i++)
        if (word[i] ~ "^(" key "|" both ")[0-9]+$")
            return substr(word[i], match(word[i], /[0-9]/)) + 0
    return otherwise
}
function axis(letter, wide,    text) {
    text = "i" letter number(letter, letter, 1) "o" letter (wide ? out[2] : out[1])
    text = text "k" letter number("k" letter, "k", 1)
    if (number("s" letter, "s", 1) != 1)
        text = text "s" letter number("s" letter, "s", 1)
    if (number("d" letter, "d", 1) != 1)
        text = text "d" letter number("d" letter, "d", 1) - 1
    return text "p" letter number("p" letter, "p", 0)
}
$2 ~ /^conv2d / {
    words = split($2, word, " ")
    split($3, out, "x")
    high = axis("h", 0)
    wide = axis("w", 1)
    same = wide
    gsub("w", "h", same)
    groups = number("g", "g", 1)
    problem = (groups > 1 ? "g" groups : "") "ic" number("c", "c", 1) "oc" number("oc", "oc", 1)
    problem = problem "_" high (same == high ? "" : "_" wide)
    biased += $2 ~ / bias/
    if (!(problem in count)) {
        order[++problems] = problem
        name[problem] = $1
    }
    count[problem]++
    layers++
}
END {
    if (!layers)
        exit 1
    printf "# The %d convolutions of %s that differ, of %d; for benchdnn --conv --batch=FILE, too.\n", \
        problems, model, layers
    print "# Made by bench/cases/make_benchdnn.sh."
    print biased ? "--dir=FWD_B,BWD_D,BWD_WB" : "--dir=FWD_D,BWD_D,BWD_W"
    for (i = 1; i <= problems; i++)
        printf "%s_n\"%s:%s*%d\"\n", order[i], model, name[order[i]], count[order[i]]
}'
