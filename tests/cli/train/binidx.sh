# Ids in a .bin and .idx: the model carries no tokenizer, and speaks in ids.
little_endian() { # VALUE BYTES
    value=$1 left=$2
    while [ "$left" -gt 0 ]; do
        printf "\\$(printf %03o $((value % 256)))"
        value=$((value / 256)) left=$((left - 1))
    done
}
text >text
# shellcheck disable=SC2059
printf "$(od -An -v -tu1 text | awk '{ for (i = 1; i <= NF; i++) printf "\\%03o\\000", $i }')" >d.bin
{
    printf 'MMIDIDX\000\000'
    little_endian 1 8 # version
    little_endian 8 1 # 16-bit ids
    little_endian 1 8 # sequences
    little_endian 2 8 # documents and one
    little_endian "$(wc -c <text)" 4
    little_endian 0 8
    little_endian 0 8
    little_endian 1 8
} >d.idx
# The same ids in the same order: the same losses, whatever form they come in.
train --vocab bytes --order sequential --out text-run >/dev/null 2>&1
train --data d --vocab-size 256 --order sequential --out run >/dev/null 2>&1
for run in text-run run; do
    sed 's/, "seconds.*//' $run/metrics.jsonl >$run.metrics
done
cmp text-run.metrics run.metrics

train --data d --vocab-size 300 --out run >/dev/null 2>&1
"$WKV" info run/model.safetensors | grep -E '^(vocabulary|tokenizer) '
[ "$("$WKV" generate run/model.safetensors --ids -p 3 -n 4 | wc -w)" -eq 4 ]
expect 1 "$WKV" generate run/model.safetensors -p x
says 'the model carries no tokenizer; say --vocab FILE, or --ids'
expect 1 "$WKV" generate run/model.safetensors --ids -p 3 --stop x
says '--stop needs text'
"$WKV" generate run/model.safetensors --vocab bytes -p x -n 1 >out
# A vocabulary may be given back to it.
"$WKV" convert run/model.safetensors with.safetensors --vocab bytes 2>err
"$WKV" info with.safetensors | grep '^tokenizer '
