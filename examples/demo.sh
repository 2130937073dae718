#!/bin/sh
# demo.sh [TEXT] - a small model learns a text for about a minute, then speaks.
#
# Without TEXT it learns what every clone has: the project's own sources and documents.
# All that it makes lies in wkv-demo/.  STEPS=n trains for n steps instead of 1500.
set -eu
case ${1:-/} in
/*) ;;
*) set -- "$PWD/$1" ;; # from where the caller stands
esac
cd "$(dirname "$0")/.."
wkv=build/release/wkv
out="wkv-demo"

mkdir -p $out
text=${1:-$out/text.txt}
if [ $# -eq 0 ]; then
    find src include apps tests docs README.md CONTRIBUTING.md -name '*.[ch]' -o -name '*.md' |
        LC_ALL=C sort | xargs cat >"$text"
fi

echo "A small RWKV-7 learns $text ($(wc -c <"$text") bytes)."
echo
$wkv train --data "$text" --vocab bytes --val-fraction 0.05 --arch rwkv7 \
    --layers 4 --width 128 --head-size 32 --ctx 128 --batch 8 --steps "${STEPS:-1500}" \
    --lr 4e-3 --lr-final 2e-4 --val-every 200 --save-every 0 --plot --out $out/model

# A prompt that suits C code, or any other text.
prompt="static "
[ $# -eq 0 ] || prompt=$(head -n 1 "$text" | cut -d ' ' -f 1-4)
echo
echo "It continues \"$prompt\":"
echo
$wkv generate $out/model/model.safetensors -p "$prompt" --echo -n 400 --temperature 0.8 \
    --presence 0 --frequency 0 --seed 3
echo
echo
echo "Try next:"
echo "  $wkv info $out/model/model.safetensors"
echo "  $wkv generate $out/model/model.safetensors -p '/* The ' --echo -n 300 --seed 4"
echo "  make demo TEXT=your-own.txt"
