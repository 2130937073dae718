# Killed at random moments, what has an .idx is whole: the old set or the new one.  KILLS says
# how many times (10), KILL_SEED which moments.
kills=${KILLS:-10}
seed=${KILL_SEED:-$$}
text >old.txt
i=0
while [ $i -lt 3000 ]; do
    echo "{\"prompt\":\"question $i\",\"response\":\"answer $i $i $i\"}"
    i=$((i + 1))
done >new.jsonl
"$WKV" prepare -o old old.txt >/dev/null 2>&1
"$WKV" prepare -o new new.jsonl >/dev/null 2>&1
"$WKV" prepare -o set old.txt >/dev/null 2>&1
whole() { # NAME: set is all of it
    for suffix in bin idx mask.bin mask.idx; do
        if [ -e "$1.$suffix" ]; then cmp -s set.$suffix "$1.$suffix"; else [ ! -e set.$suffix ]; fi || return 1
    done
}
done=0
i=0
while [ $done -lt "$kills" ]; do
    i=$((i + 1))
    pause=$(awk -v seed=$((seed + i)) 'BEGIN { srand(seed); printf "%.4f", rand() * 0.03 }')
    if [ $((i % 2)) -eq 0 ]; then input=old.txt; else input=new.jsonl; fi
    "$WKV" prepare -o set --threads $((1 + i % 3)) $input >/dev/null 2>&1 &
    pid=$!
    sleep "$pause"
    kill -9 $pid 2>/dev/null || :
    code=0
    wait $pid 2>/dev/null || code=$?
    [ $code -ne 137 ] || done=$((done + 1))
    [ ! -e set.idx ] || whole old || whole new ||
        die "KILL_SEED=$seed: after $pause s: a set that is neither"
done
echo "KILL_SEED=$seed: $done kills in $i runs" >&2

# Ctrl-C cleans up; and so does the next run after the kills.
"$WKV" prepare -o set new.jsonl >/dev/null 2>&1
whole new || die 'the last run made something else'
ls | grep tmp && die 'temporary files are left' || :
mkfifo pipe
exec 3<>pipe # which never ends
"$WKV" prepare -o stopped - <pipe >/dev/null 2>err &
pid=$!
cat new.jsonl >&3
sleep 0.3
kill -INT $pid
status=0
wait $pid || status=$?
[ $status -eq 130 ] || die "status $status after Ctrl-C"
says 'stopped; nothing is written'
ls | grep stopped || :
