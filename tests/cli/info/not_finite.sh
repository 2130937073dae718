# A model whose weights are no numbers: what has no answer says so, and of which file.
"$WKV" random-model good.safetensors --layers 1 --width 64 --vocab 256 2>/dev/null
size=$(wc -c <good.safetensors)
begin=$((8 + $(od -An -tu8 -N8 good.safetensors)))
head -c $begin good.safetensors >bad.safetensors
head -c $((size - begin)) /dev/zero | tr '\0' '\377' >>bad.safetensors
echo 'a text' >text
expect 1 "$WKV" eval perplexity bad.safetensors text >out
says 'bad.safetensors: the logits for token 1 are not finite'
[ ! -s out ]
expect 1 "$WKV" eval perplexity good.safetensors text --against bad.safetensors
says 'bad.safetensors: the logits for token 1 are not finite'
expect 1 "$WKV" generate bad.safetensors -p a
says 'bad.safetensors: the model gave no finite logit'
expect 1 "$WKV" quantize bad.safetensors out.gguf
says "wkv quantize: bad.safetensors: tensor 'emb.weight' has values that are not finite"
[ ! -e out.gguf ]
