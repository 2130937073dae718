# One line a logit; one token at a time as well as in one sequence.
small_model
"$WKV" logits model.safetensors --ids 34,105,110,7,8,9,200 >sequence
[ "$(wc -l <sequence)" -eq 256 ]
"$WKV" logits model.safetensors --ids 34,105,110,7,8,9,200 --step >steps
paste sequence steps | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d
                              m = $1 < 0 ? -$1 : $1; if (m > most) most = m }
                            END { exit worst > 1e-5 * most }'
echo 34 105 110 7 8 9 200 | "$WKV" logits model.safetensors | cmp - sequence
"$WKV" logits model.safetensors --ids 34 --json | tr ',[]' '\n' | grep -c '[0-9]'
expect 1 "$WKV" logits model.safetensors --ids ''
says 'expected at least one token id'
expect 1 "$WKV" logits model.safetensors --ids 3,x
says '--ids: item 2: expected a token id'
