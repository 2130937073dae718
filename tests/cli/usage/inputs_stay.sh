# What a command reads it does not write over.
small_model
expect 1 "$WKV" generate model.safetensors -p w -n 1 --state-out ./model.safetensors
says './model.safetensors: is to be read, and cannot be written'
"$WKV" info model.safetensors >/dev/null
"$WKV" generate model.safetensors -p w -n 1 --state-out state >/dev/null
"$WKV" generate model.safetensors -p w -n 1 --state-in state --state-out state >/dev/null

mkdir run
echo '{"step":1,"loss":2}' >run/metrics.jsonl
for runs in run run/metrics.jsonl; do
    expect 1 "$WKV" plot $runs -o run/metrics.jsonl
    says 'run/metrics.jsonl: is to be read, and cannot be written'
done
[ "$(cat run/metrics.jsonl)" = '{"step":1,"loss":2}' ]

text >t.bin
expect 1 "$WKV" prepare t.bin -o t --input text
says 't.bin: is to be read, and cannot be written'
text | cmp - t.bin
