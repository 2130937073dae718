#!/bin/sh
# headers.sh INCLUDE CC [CXX] - does each public header compile alone, as C and as C++?
set -eu
include=$1 cc=$2 cxx=${3:-}

for header in "$include"/wkv/*.h; do
    name=wkv/$(basename "$header")
    echo "#include <$name>" |
        "$cc" -std=c17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$include" -x c -
    if [ -n "$cxx" ]; then
        echo "#include <$name>" |
            "$cxx" -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$include" -x c++ -
    fi
    echo "ok: $name"
done
[ -n "$cxx" ] || echo "no C++ compiler: the headers were compiled as C only"
