# A model becomes smaller, in either format, and says so; what goes wrong leaves nothing.
small_model
"$WKV" quantize model.safetensors q8.gguf 2>err
says 'q8.gguf: q8_0'
"$WKV" quantize model.safetensors short.gguf --type q8 2>/dev/null
cmp q8.gguf short.gguf
"$WKV" quantize model.safetensors q5.bin --type q5_1 2>/dev/null
"$WKV" info q5.bin | grep '^format'
"$WKV" quantize model.safetensors q4.gguf --type q4_0 --verbose --calibrate text \
    --calibrate-tokens 600 2>/dev/null | awk '/blocks.0.att.key.weight/ { print $1, $2, $3, $4 }'
"$WKV" quantize model.safetensors q.gguf --type q4_0 --json 2>/dev/null | grep -c '"error":'
"$WKV" generate q4.gguf -p 'int' -n 8 --temperature 0 >said
[ -s said ]
expect 1 "$WKV" quantize model.safetensors out.pth
says 'gguf'
[ ! -e out.pth ]
expect 1 "$WKV" quantize model.safetensors out.bin --type q4_k
says 'q4_k'
expect 2 "$WKV" quantize model.safetensors out.gguf --type q9
expect 1 "$WKV" quantize no/such/model out.gguf
says 'no/such/model'
