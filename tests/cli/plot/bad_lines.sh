# What is no line of metrics is skipped and said; a file that has none is named, with what was
# expected; a line that is still being written is nothing to speak of.
awk 'BEGIN { for (i = 1; i <= 9; i++) printf "{\"step\": %d, \"loss\": %g}\n", i, 9 - i }' >good
sed '4s/.*/{"step": 4, "lo{"step": 4, "loss": 5}/' good >one
"$WKV" plot one -o one.svg 2>err
says 'wkv plot: one: line 4 skipped: expected a JSON object with a step'
grep -v '"step": 4,' good >without
"$WKV" plot without --title loss -o - | sed 's/without/one/' | cmp - one.svg
sed '2s/.*//; 4s/.*/[4]/; 6s/.*/{"step": "six"}/' good >three
expect 0 "$WKV" plot three -o three.svg
says 'three: line 2 skipped, and 2 more like it: expected a JSON object with a step'
printf '{"step": 10, "lo' >>good
expect 0 "$WKV" plot good -o good.svg
[ ! -s err ]

text >text
printf 'no line at all' >short
for file in text short; do
    expect 1 "$WKV" plot $file
    says "wkv plot: $file: line 1: expected a JSON object with a step"
done
printf '{"step": 1, "lo' >begun
expect 1 "$WKV" plot begun
says 'begun: no loss against step there yet'
