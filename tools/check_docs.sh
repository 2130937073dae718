#!/bin/sh
# check_docs.sh [ROOT] - do the documents name things that exist?
#
# Looks at every relative link and at every path in backticks that starts with a folder of the
# project and is neither a pattern (*, <, {), stands for several (NAME, FAMILY) nor is cut short (...).
set -eu
cd "${1:-$(dirname "$0")/..}"

# shellcheck disable=SC2016
missing=$(find . -name '*.md' -not -path './build/*' -not -path './wkv-demo/*' | while read -r file; do
    grep -o '](\([^)#:]*\))' "$file" | sed 's/^](//; s/)$//' | while read -r link; do
        [ -z "$link" ] || [ -e "$(dirname "$file")/$link" ] || echo "$file: no such file: $link"
    done
    grep -o '`[^` ]*`' "$file" | tr -d '`' |
        grep -E '^(src|include|apps|tests|tools|docs|cmake|bench|examples|abi)/' |
        grep -v '[*<{]\|\.\.\.\|NAME\|FAMILY' | while read -r path; do
        [ -e "$path" ] || echo "$file: no such file: $path"
    done
done)
if [ -n "$missing" ]; then
    echo "$missing" | LC_ALL=C sort -u
    exit 1
fi
