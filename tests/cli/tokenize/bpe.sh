# A tokenizer.json by itself and inside a model; the build may be without it.
cp "$SOURCE/tests/fuzz/seeds/tokenizer_json/small" v.json
"$WKV" tokenize v.json --count /dev/null 2>err || { grep -q 'without it' err && exit 77; }
printf 'ab ab  ab<|e|>' | "$WKV" tokenize v.json
printf 'ab ab  ab<|e|>' | "$WKV" tokenize v.json | "$WKV" tokenize v.json -d
echo
expect 1 sh -c 'printf abc | "$0" tokenize v.json >out' "$WKV"
says 'byte 0x63 at offset 2 is not in the vocabulary'
small_model
"$WKV" convert model.safetensors with.safetensors --vocab v.json 2>/dev/null
"$WKV" convert with.safetensors with.pth 2>/dev/null
printf 'ab ab  ab<|e|>' | "$WKV" tokenize with.pth
# Any number of bytes on one line.
awk 'BEGIN { for (i = 0; i < 200000; i++) printf "ab ab"; }' >line
"$WKV" tokenize v.json line | "$WKV" tokenize v.json -d | cmp - line
"$WKV" tokenize v.json --count line
