#!/bin/sh
# install.sh CMAKE BUILD CC VERSION LIBDIR - does the installed library serve a stranger?
# Installs into ./prefix and builds the same small program four ways.
set -eu
cmake=$1 build=$2 cc=$3 version=$4 libdir=$5
here=$(cd "$(dirname "$0")" && pwd)
prefix=$PWD/prefix

rm -rf prefix outside
"$cmake" --install "$build" --prefix "$prefix" >install.log

check() { # check PROGRAM...: it runs and knows its version
    said=$(LD_LIBRARY_PATH="$prefix/$libdir" "$@")
    if [ "$said" != "$version" ]; then
        echo "$1: expected version $version, found '$said'" >&2
        exit 1
    fi
    echo "ok: $1"
}

PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig
export PKG_CONFIG_PATH
# Word splitting is what pkg-config's output is for.
# shellcheck disable=SC2046
"$cc" -std=c17 -o pc_shared "$here/outside/outside.c" $(pkg-config --cflags --libs wkv)
check ./pc_shared
# shellcheck disable=SC2046
"$cc" -std=c17 -o pc_static "$here/outside/outside.c" \
    $(pkg-config --static --cflags --libs wkv | sed 's/-lwkv/-l:libwkv.a/')
check ./pc_static

"$cmake" -S "$here/outside" -B outside -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" >outside.log
"$cmake" --build outside >>outside.log
check outside/with_shared
check outside/with_static

# The program runs from where it was installed, and what it trains, the example in
# examples/ speaks.
export LD_LIBRARY_PATH="$prefix/$libdir"
"$prefix/bin/wkv" train --data "$here/install.sh" --layers 1 --width 32 --head-size 16 \
    --ctx 16 --batch 2 --steps 2 --out run >run.log 2>&1
# shellcheck disable=SC2046
"$cc" -std=c17 -o speak "$here/../../examples/speak.c" $(pkg-config --cflags --libs wkv)
said=$(./speak run/model.safetensors "set -eu" | wc -c)
[ "$said" -gt 10 ] || { echo "speak said only $said bytes" >&2; exit 1; }
echo "ok: speak"
man=$prefix/share/man/man1/wkv.1
grep -q '^.SH COMMANDS' "$man" || { echo "no manual page at $man" >&2; exit 1; }
