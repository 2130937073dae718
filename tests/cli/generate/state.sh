# A text in two halves, the state saved between them, goes on as if never stopped.
small_model
"$WKV" generate model.safetensors -p 'wkv_status' -n 30 --temperature 0 --presence 0 \
    --frequency 0 >whole
"$WKV" generate model.safetensors -p 'wkv_status' -n 11 --temperature 0 --presence 0 \
    --frequency 0 --state-out s >first
"$WKV" generate model.safetensors -p '' -n 19 --temperature 0 --presence 0 --frequency 0 \
    --state-in s >second
cat first second | cmp - whole
expect 1 "$WKV" generate model.safetensors -p x --state-in no/such/state
says 'no/such/state'
expect 1 "$WKV" generate model.safetensors -p x -n 1 --state-out no/such/folder/state
says 'no/such/folder/state'
echo damaged >s
expect 1 "$WKV" generate model.safetensors -p x --state-in s
