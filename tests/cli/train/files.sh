# What a run leaves in its folder: a line a step with all its numbers, the options, a
# model that carries its vocabulary.
train --val-fraction 0.2 --val-every 5 --save-every 4 --out run >summary 2>progress
[ "$(wc -l <run/metrics.jsonl)" -eq 12 ]
awk '{ if ($0 !~ "^{\"step\": " NR ", \"loss\": [0-9.]+, \"lr\": [0-9.e-]+, \"grad_norm\": [0-9.e-]+, \"tokens\": " NR * 32 ", \"flops\": [0-9.e+]+, \"seconds\": [0-9.e-]+, \"tokens_per_s\": [0-9.e+]+(, \"val_loss\": [0-9.]+, \"val_bits_per_byte\": [0-9.]+)?}$") { print; exit 1 } }' run/metrics.jsonl
[ "$(grep -c val_loss run/metrics.jsonl)" -eq 3 ]
sed -n 12p run/metrics.jsonl | grep -q val_loss
grep -q '^step 12/12  loss ' progress
[ "$(grep -c '^step [0-9]*: validation loss [0-9.]*, [0-9.]* bits per byte$' progress)" -eq 3 ]
grep -q 'run/model.safetensors' summary
"$WKV" info run/model.safetensors | grep -E '^(architecture|layers|width|heads|vocabulary|tokenizer) '
[ -f run/checkpoint-00000012.safetensors ] && [ -f run/options.json ]
[ -z "$(ls run | grep -F .tmp)" ]
