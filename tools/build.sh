#!/bin/sh
# build.sh PRESET [TARGET...] - configures build/PRESET and builds it, or only some targets.
# Uses ninja where there is one.  Presets: CMakePresets.json.
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift

# A folder that is configured already keeps its generator.
generator=
if [ ! -f "build/$preset/CMakeCache.txt" ]; then
    generator="-GUnix Makefiles"
    ! command -v ninja >/dev/null 2>&1 || generator=-GNinja
fi
log=$(cmake --preset "$preset" ${generator:+"$generator"} 2>&1) || {
    printf '%s\n' "$log" >&2
    exit 1
}
cmake --build "build/$preset" --parallel "$(nproc)" ${1:+--target "$@"}
