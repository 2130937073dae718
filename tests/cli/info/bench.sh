# The bench gives numbers above zero.
small_model
"$WKV" bench model.safetensors -p 8 -n 4 -r 1 --threads 1 --json >json
for key in decode_tokens_per_s prompt_tokens_per_s bytes_per_token memory_bytes_per_s; do
    grep -qE "\"$key\": [1-9]" json
done
"$WKV" bench model.safetensors -p 8 -n 4 -r 1 --threads 1 | grep -q 'run with *1 threads'
