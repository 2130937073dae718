# Through another format and back: the same logits, the same vocabulary.
small_model
"$WKV" logits model.safetensors --ids 1,2,3 >before
"$WKV" convert model.safetensors other.pth 2>/dev/null
"$WKV" info other.pth | grep '^format'
"$WKV" convert other.pth back.safetensors --json
"$WKV" logits back.safetensors --ids 1,2,3 | cmp - before
"$WKV" tokenize back.safetensors text | "$WKV" tokenize model.safetensors -d | cmp - text
"$WKV" convert model.safetensors half.safetensors --dtype bf16 2>/dev/null
"$WKV" info half.safetensors | grep '^matrices'
expect 1 "$WKV" convert model.safetensors out.unknown
[ ! -e out.unknown ]
expect 1 "$WKV" convert no/such/model out.safetensors
says 'no/such/model'
"$WKV" random-model aft.safetensors --arch aft-simple --layers 1 --width 32 --vocab 64 2>/dev/null
expect 1 "$WKV" convert aft.safetensors aft.bin
says "this is no RWKV model; rwkv.cpp's files hold no other"
# 123 is a brace, by which safetensors is known.
"$WKV" random-model brace.bin --arch rwkv4 --layers 1 --width 32 --vocab 123 2>/dev/null
"$WKV" info brace.bin | grep -q '^format *rwkv.cpp'
