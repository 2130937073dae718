# A pipe where a file is needed is refused, not waited for; text may come from one.
mkfifo pipe
mkdir folder
mkfifo folder/model.safetensors
"$WKV" random-model model.gguf --layers 1 --width 64 --vocab 256 --tokenizer bytes 2>/dev/null
refused() {
    expect 1 timeout 10 "$WKV" "$@"
    says "pipe: expected a file, found a pipe"
}
refused info pipe
refused tokenize pipe model.gguf
refused logits model.gguf --ids 1 --vocab pipe
refused logits model.gguf --ids 1 --adapter pipe
refused logits model.gguf --ids 1 --state pipe
expect 1 timeout 10 "$WKV" info folder
says "folder/model.safetensors: expected a file, found a pipe"
expect 1 "$WKV" info /dev/null
says "/dev/null: expected a file, found a device"

echo text >text
"$WKV" tokenize bytes text >ids
"$WKV" tokenize bytes /dev/stdin <text | cmp - ids
"$WKV" info /dev/stdin <model.gguf >/dev/null
cat text >pipe &
"$WKV" tokenize bytes pipe | cmp - ids
wait
