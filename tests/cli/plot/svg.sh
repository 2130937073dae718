# The curves of two runs in one picture: well-formed, of bounded size, with a line and a
# mark for each; of a run that is no run, an error that names it.
train --val-fraction 0.2 --val-every 4 --out one >/dev/null 2>&1
train --seed 2 --out 'two & <half>' >/dev/null 2>&1
printf '{"step": 13, "lo' >>one/metrics.jsonl # killed while it wrote
"$WKV" plot one 'two & <half>' --x tokens --log-x -o both.svg
[ "$(grep -c "class='line'.*d='M[^h]*$" both.svg)" -ge 3 ]
grep -q 'two &amp; &lt;half&gt;</text>' both.svg
grep -q 'one, validation</text>' both.svg
! grep -q 'two.*validation' both.svg
"$WKV" plot one/metrics.jsonl -o - >a
"$WKV" plot one/ -o - >b
cmp a b

# A long run makes no longer picture.
awk 'BEGIN { for (i = 1; i <= 50000; i++) printf "{\"step\": %d, \"loss\": %g}\n", i, 2 + sin(i) }' >long
"$WKV" plot long -o long.svg
[ "$(wc -c <long.svg)" -lt 100000 ]

"$WKV" plot one 'two & <half>' --y lr >drawn
grep -q 'one' drawn
expect 1 "$WKV" plot nowhere -o none.svg
says 'nowhere: cannot open'
[ ! -e none.svg ]
"$WKV" plot one --y val_bits_per_byte >drawn
expect 1 "$WKV" plot 'two & <half>' --y val_bits_per_byte
says 'no val_bits_per_byte against step'
expect 2 "$WKV" plot
says 'RUN is missing'
