# A preset sets what the command line does not, and a resumed run keeps it.
text >text
small='--data text --preset rwkv-lm-v7 --vocab bytes --vocab-size 256 --layers 1 --width 64
    --ctx 16 --batch 2 --threads 1'
# shellcheck disable=SC2086
"$WKV" train $small --steps 2 --out run >/dev/null 2>&1
grep -E '"(preset|layers|ctx|head-size|steps|lr|lr-final|warmup|weight-decay|beta2|adam-eps|clip|guard)"' \
    run/options.json
"$WKV" train --resume --out run >/dev/null 2>err
expect 1 "$WKV" train --resume --out run --preset rwkv-lm-v7 --lr 1e-3
says '--lr 0.001 contradicts the run that is resumed'
expect 2 "$WKV" train --data text --preset rwkv-lm
says "expected one of rwkv-lm-v7, found 'rwkv-lm'"
