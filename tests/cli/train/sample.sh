# Prompts are gone on with every so many steps, in the same way when the run is stopped in between.
printf 'a line\\nand another\n\nplain\n' >prompts
options='--steps 60 --save-every 7 --sample-every 20 --sample-tokens 12'
# shellcheck disable=SC2086
train $options --sample-prompt 'The ' --sample-prompt 'int' --sample-file prompts --out whole \
    >/dev/null 2>err
[ "$(wc -l <whole/samples.jsonl)" -eq 12 ]
[ "$(grep -c '^{"step": [246]0, "prompt": ".*", "text": ".*", "tokens": 1*[0-9]}$' whole/samples.jsonl)" -eq 12 ]
sed -n 's/^{"step": 40, "prompt": \("[^"]*"\).*/\1/p' whole/samples.jsonl
says '---- step 20 goes on with: The '
[ "$(grep -c '^---- step' err)" -eq 12 ]
# Nothing that a terminal would obey is shown.
! grep -q "$(printf '[\001-\010\013-\037\177]')" err

# shellcheck disable=SC2086
"$WKV" train $train_args $options --sample-prompt 'The ' --sample-prompt int --sample-file prompts \
    --out cut >/dev/null 2>&1 &
pid=$!
await has_lines cut/metrics.jsonl 30
kill -9 $pid 2>/dev/null || :
wait $pid 2>/dev/null || :
"$WKV" train --resume --out cut >/dev/null 2>&1
cmp whole/samples.jsonl cut/samples.jsonl
cmp whole/model.safetensors cut/model.safetensors

# Without samples the model is the same; what cannot be sampled is said at the beginning, while an
# earlier run is still there.
train --steps 60 --out none >/dev/null 2>&1
cmp whole/model.safetensors none/model.safetensors
[ ! -e none/samples.jsonl ]
ls none >before
: >empty
expect 1 train --sample-file empty --out none
says 'empty: expected a prompt a line, found none'
expect 1 train --sample-file absent --out none
says 'absent: cannot open'
"$WKV" prepare -o ids text >/dev/null 2>&1
expect 1 train --data ids --sample-prompt x --out none
says 'prompts to sample from need a vocabulary; give --vocab'
expect 1 train --arch aft-full --sample-prompt 'a text longer than the model can read' --out none
says 'prompt 1 cannot be sampled from: it has 37 tokens, but texts of aft-full end at 16'
ls none | cmp - before
cmp whole/model.safetensors none/model.safetensors
