# A model that becomes shorter while it is read ends the program with a message.
"$WKV" random-model m.safetensors --layers 2 --width 128 --vocab 256 2>/dev/null
mkfifo pipe
"$WKV" generate m.safetensors --vocab bytes -n 1 <pipe >/dev/null 2>err &
pid=$!
exec 3>pipe
is_open() { grep -qs m.safetensors "/proc/$pid/maps"; }
[ -e /proc/self/maps ] || exit 77
await is_open
: >m.safetensors
echo text >&3
exec 3>&-
status=0
wait $pid || status=$?
[ $status -eq 1 ] || die "exit status $status"
says 'a file became shorter while it was being read'
