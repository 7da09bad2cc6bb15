#!/bin/sh
# Writes the header that says what made this build. Arguments: compiler, flags, implementations.
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
# Results are an outcome, not a part of the program: a change there does not make a build "dirty".
if [ "$commit" != unknown ] && [ -n "$(git status --porcelain -- impls bench datasets Makefile 2>/dev/null)" ]; then
    commit="$commit-dirty"
fi
cat <<END
#define BUILD_COMMIT "$commit"
#define BUILD_COMPILER "$($1 --version | head -n 1 | sed 's/["\\]//g')"
#define BUILD_FLAGS "$(echo "$2" | sed 's/["\\]//g')"
#define BUILD_IMPLS "$3"
END
