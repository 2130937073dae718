# bench/compare runs wkv and a peer's programs in turns and prints medians of ratios.  The peer
# here is a script that says what llama.cpp's programs say.
command -v python3 >/dev/null || exit 77
small_model
cat >llama-bench <<'END'
#!/bin/sh
echo "$*" >>called
rate=$((10 * $(wc -l <called)))
echo "[{\"build_commit\": \"abc1234\", \"n_prompt\": 8, \"n_gen\": 0, \"avg_ts\": $rate},
    {\"build_commit\": \"abc1234\", \"n_prompt\": 0, \"n_gen\": 4, \"avg_ts\": $rate}]"
END
cat >llama-batched-bench <<'END'
#!/bin/sh
[ "$1" != --version ] || { echo "version: 1 (def5678)" >&2; exit 0; }
echo '{"pl": 3, "speed_tg": 50.0}'
END
chmod +x llama-bench llama-batched-bench
compare() {
    python3 "$SOURCE/bench/compare" --wkv "$WKV" --wkv-commit 1 --threads 1 "$@"
}
compare model.safetensors --llama-bench ./llama-bench --llama-batched-bench ./llama-batched-bench \
    --rounds 3 --batch 1,3 --prompt 8 --tokens 4 --seconds 0.01 --first-token --save saved \
    --format json >json
[ "$(wc -l <called)" -eq 3 ] || die "one call a round was expected"
[ "$(head -n 1 called)" = "-m model.safetensors -t 1 -r 1 -o json -p 8 -n 4" ]

# The peer's medians: 20 of 10, 20, 30; ratios are of the same round.
python3 - <<'END'
import json
a, b = json.load(open("json")), json.load(open("saved"))
assert a == b
rows = {r["measure"]: r for r in a[0]["rows"]}
assert list(rows) == ["decode, batch 1", "decode, batch 3", "prompt of 8", "first token"]
one = rows["decode, batch 1"]
peer = one["peers"]["llama.cpp"]
assert peer["rate"] == {"median": 20, "lowest": 10, "highest": 30}
assert one["wkv"]["lowest"] / 10 <= peer["ratio"]["highest"] <= one["wkv"]["highest"] / 10
assert rows["decode, batch 3"]["peers"]["llama.cpp"]["rate"]["median"] == 50
assert rows["first token"]["peers"] == {}
assert a[0]["commits"] == {"wkv": "1", "llama.cpp": "def5678"}
END
compare --load saved --format markdown | grep -qE '^\| model.safetensors \| 1 \| prompt of 8 \| [0-9]'
compare --load saved | grep -qE '^decode, batch 3 .* 50\.0 '

expect 1 compare model.safetensors --llama-bench false --rounds 1
says "false -m model.safetensors"
expect 2 compare
says "a MODEL was expected"
