# Standard streams that are closed take nothing: no file gets their place, and messages into it.
"$WKV" random-model m.safetensors --layers 1 --width 32 --head-size 16 --vocab 256 2>/dev/null
"$WKV" quantize m.safetensors a.gguf -t q8_0 2>/dev/null
"$WKV" quantize m.safetensors b.gguf -t q8_0 2>&- <&- >&-
cmp a.gguf b.gguf
echo '{"text":1}' >bad.jsonl
echo '{"text":"good"}' >>bad.jsonl
"$WKV" prepare bad.jsonl -o p >/dev/null 2>&1
"$WKV" prepare bad.jsonl -o q 2>&- >/dev/null
cmp p.bin q.bin
expect 1 sh -c '"$0" help >&-' "$WKV"
says 'cannot write standard output'

# What is no file is not replaced by one.
mkfifo pipe
expect 1 "$WKV" convert m.safetensors pipe --format gguf
says 'pipe: expected a file to write, found a device, pipe or socket'
[ -p pipe ]

# A limit on the size of files is an error like a full disk.
expect 1 sh -c 'ulimit -f 8; exec "$0" convert m.safetensors big.gguf' "$WKV"
says 'big.gguf: cannot write after'
[ -z "$(ls | grep big)" ]
