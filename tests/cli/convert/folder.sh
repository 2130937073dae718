# A Hugging Face folder and back: the same weights and logits, the same vocabulary; nothing of what is there
# is touched.
"$WKV" random-model seven.safetensors --layers 2 --width 64 --vocab 300 2>/dev/null
"$WKV" random-model four.safetensors --arch rwkv4 --layers 2 --width 32 --vocab 300 2>/dev/null
"$WKV" random-model six.safetensors --arch rwkv6 --layers 2 --width 64 --vocab 300 2>/dev/null
printf "1 'a' 1\n2 'b' 1\n3 'ab' 2\n" >vocab.txt
for model in four seven; do
    "$WKV" convert $model.safetensors $model/ --vocab vocab.txt 2>/dev/null
    [ -f $model/config.json ] && cmp vocab.txt $model/rwkv_vocab_v20230424.txt
    "$WKV" info $model | grep -q '^format *hf$'
    "$WKV" logits $model.safetensors --ids 1,2,3 >before
    "$WKV" logits $model --ids 1,2,3 >after
    near after before # low-rank factors lie the other way: sums come in another order
    "$WKV" logits $model/model.safetensors --ids 1,2,3 | cmp - after
    "$WKV" convert $model/ back.pth 2>/dev/null
    "$WKV" logits back.pth --ids 1,2,3 | cmp - before
    printf ab | "$WKV" tokenize back.pth | grep -qx 3
    printf ab | "$WKV" tokenize $model | grep -qx 3
    "$WKV" convert $model.safetensors back.safetensors --vocab $model 2>/dev/null
done
ls -A seven >listing
expect 1 "$WKV" convert seven.safetensors seven
says 'seven: the folder is not empty'
ls -A seven | cmp - listing
mkdir empty
"$WKV" convert seven.safetensors empty --dtype bf16 2>/dev/null
grep -q '"torch_dtype": "bfloat16"' empty/config.json
expect 1 "$WKV" convert six.safetensors six --format hf
says 'this file holds rwkv6'
expect 1 "$WKV" convert seven.safetensors no/such/folder/x/
says 'no/such/folder/x'
"$WKV" random-model odd.safetensors --layers 2 --width 64 --head-size 32 --vocab 300 2>/dev/null
expect 1 "$WKV" convert odd.safetensors odd/
says "32 x 1e-05 = 0.00032; this model's is 0.00064"
expect 1 sh -c 'trap "" XFSZ; ulimit -f 8; exec "$0" convert seven.safetensors full/' "$WKV"
says 'wkv convert: full/model.safetensors: cannot write after'
[ ! -e full ]
[ ! -e six ] && [ ! -e odd ] && [ -z "$(ls | grep tmp)" ]
