# A stop text ends the output before it, though every byte is a token of its own.
small_model
"$WKV" generate model.safetensors --ids -p 119 -n 60 --seed 3 --presence 0 --frequency 0 >ids
# Three tokens from the middle, as text; shell arguments hold no zero bytes.
stop=$(cut -d ' ' -f 20-22 ids)
case " $stop " in *' 0 '* | *' 10 '*) stop=$(cut -d ' ' -f 30-32 ids) ;; esac
text=$(echo "$stop" | "$WKV" tokenize bytes -d)
"$WKV" tokenize bytes -d ids >whole
"$WKV" generate model.safetensors -p w -n 60 --seed 3 --presence 0 --frequency 0 \
    --stop 'never to be seen in this text' --stop "$text" >cut
n=$(wc -c <cut)
[ "$n" -lt 60 ]
head -c "$n" whole | cmp - cut
[ "$(tail -c +$((n + 1)) whole | head -c ${#text})" = "$text" ] ||
    [ "$(tail -c +$((n + 1)) whole | head -c 3 | od -An -tu1 | xargs)" = "$stop" ]
"$WKV" generate model.safetensors -p w -n 60 --seed 3 --presence 0 --frequency 0 --json \
    --stop "$text" | grep -q '"end": "stop"}$'
