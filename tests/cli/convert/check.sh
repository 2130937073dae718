# Two files compared, whatever their forms; the exit status says whether they agree.
"$WKV" random-model a.safetensors --layers 2 --width 64 --vocab 300 2>/dev/null
"$WKV" convert a.safetensors a/ 2>/dev/null
"$WKV" convert a/ a.pth 2>/dev/null
"$WKV" convert --check a.safetensors a.pth
"$WKV" convert a.pth half.gguf --dtype f16 2>/dev/null
expect 1 "$WKV" convert --check a.pth half.gguf >lines
grep -q '^head.weight: f32 against f16, differs by .* of the largest$' lines
"$WKV" convert --check a.pth half.gguf --tolerance 0.001 | grep -q ' close; most apart, '
"$WKV" random-model b.safetensors --layers 1 --width 64 --vocab 300 2>/dev/null
expect 1 "$WKV" convert --check a.pth b.safetensors --json >json
grep -qF '"name": "blocks.1.ln1.weight", "result": "only first"}' json
grep -qF '"same": false' json
expect 1 "$WKV" convert --check a.pth none.pth
says 'none.pth'
expect 2 "$WKV" convert --check a.pth a.pth --tolerance 2
