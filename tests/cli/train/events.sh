# TensorBoard itself reads what a run wrote, after it was killed and resumed too: each step
# once, with its loss.
command -v python3 >/dev/null && python3 -c 'import tensorboard' 2>/dev/null || exit 77
text >text
# shellcheck disable=SC2086
"$WKV" train $train_args --steps 300 --save-every 5 --val-fraction 0.2 --val-every 100 --guard 0 \
    --out run >/dev/null 2>&1 &
pid=$!
await has_lines run/metrics.jsonl 20
kill -9 $pid
wait $pid 2>/dev/null || :
"$WKV" train --resume --out run >/dev/null 2>&1
python3 - run <<'PYTHON' 2>/dev/null
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
lines = [json.loads(line) for line in open(sys.argv[1] + "/metrics.jsonl")]
train = events.Scalars("loss/train")
assert [e.step for e in train] == list(range(1, 301)), train
for e, line in zip(train, lines):
    assert abs(e.value - line["loss"]) <= 1e-6 * line["loss"]
held = [(line["step"], line["val_loss"]) for line in lines if "val_loss" in line]
print([e.step for e in events.Scalars("loss/validation")], [step for step, _ in held])
PYTHON
