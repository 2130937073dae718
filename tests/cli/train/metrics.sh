# Bad lines among the metrics are skipped and said, and no good line is lost over them: resuming
# cuts off what comes after its step and what a crash left of the last line, nothing else.
train --save-every 4 --out run >/dev/null 2>&1
lines=run/metrics.jsonl
rm run/checkpoint-00000012.safetensors
sed -i '5s/.*/garbage/; 7s/^.\{20\}/{"st/' $lines
head -n 8 $lines >kept
sed -i '8a after the step' $lines
printf '{"step": 13, "lo' >>$lines
expect 0 "$WKV" train --resume --out run >/dev/null
says 'going on after step 8'
says "wkv train: $lines: line 5 skipped, and 1 more like it: expected a JSON object with a step"
head -n 8 $lines | cmp - kept
[ "$(sed -n 's/^{"step": \([0-9]*\),.*/\1/p' $lines | tr '\n' ' ')" = '1 2 3 4 6 8 9 10 11 12 ' ]
[ "$(wc -l <$lines)" -eq 12 ]
# A file that is in order is nothing to speak of.
sed -i '5d; 7d' $lines
rm run/checkpoint-00000012.safetensors
printf '{"step": 13, "lo' >>$lines
expect 0 "$WKV" train --resume --out run >/dev/null
! grep -q skipped err
