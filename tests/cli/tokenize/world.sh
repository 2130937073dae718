# The World vocabulary from the program's side; CRLF gives the same ids.
need_data rwkv_vocab_v20230424.txt tokenizers/variant_crlf_rwkvlm_v5.txt
printf 'Today is a beautiful day. 今天是美好的一天。' >text
for v in rwkv_vocab_v20230424.txt tokenizers/variant_crlf_rwkvlm_v5.txt; do
    "$WKV" tokenize "$DATA/$v" text
    "$WKV" tokenize "$DATA/$v" text | "$WKV" tokenize "$DATA/$v" -d | cmp - text
done
