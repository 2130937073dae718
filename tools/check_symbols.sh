#!/bin/sh
# check_symbols.sh SHARED STATIC LIST - does the library show what it should and no more?
#
# The shared library's symbols are exactly those of LIST (abi/wkv.sym), and every global
# symbol of the static library starts with wkv_.  A new public function is added to LIST
# by hand: that is the moment to think about its name.
set -eu
shared=$1 static=$2 list=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LC_ALL=C
export LC_ALL

nm -D --defined-only "$shared" | awk '{ print $3 }' | sort >"$work/exported"
sort "$list" >"$work/listed"
if ! diff "$work/listed" "$work/exported" >"$work/diff"; then
    echo "The shared library's symbols differ from $list (< listed only, > exported only):"
    cat "$work/diff"
    exit 1
fi

# Names that start with two underscores are the compiler's (the sanitizers' among them).
nm -g --defined-only "$static" 2>/dev/null |
    awk 'NF == 3 && $3 !~ /^wkv_/ && $3 !~ /^__/ { print $3 }' >"$work/foreign"
if [ -s "$work/foreign" ]; then
    echo "Global symbols of the static library that do not start with wkv_:"
    cat "$work/foreign"
    exit 1
fi
