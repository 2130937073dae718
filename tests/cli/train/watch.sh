# The page of a run: whole in itself, on loopback alone, the drawing of `wkv plot`, and neither
# rude requests nor many idle connections stop it, or the training.
command -v python3 >/dev/null || exit 77
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
text >text
if ! "$WKV" train $train_args --steps 1 --watch "$port" --out probe >/dev/null 2>err &&
    grep -q 'was built without libevent' err; then
    [ ! -e probe ] # it is said before anything is done
    exit 77
fi

# A run of which much is known already: more lines than are held.
# shellcheck disable=SC2086
"$WKV" train $train_args --steps 1000000 --save-every 0 --out run >/dev/null 2>&1 &
first=$!
trap 'kill -9 $first ${pid:-} 2>/dev/null || :' EXIT
await has_lines run/metrics.jsonl 20
kill -TERM $first 2>/dev/null || :
wait $first
awk 'BEGIN { for (i = 1; i <= 150000; i++) printf "{\"step\": 1, \"tokens\": %d, \"loss\": %g}\n", i, 2 + sin(i) }' \
    >run/metrics.jsonl
"$WKV" train --resume --watch "$port" --out run >/dev/null 2>watched &
pid=$!
await grep -q "^watch it on http://127.0.0.1:$port/\$" watched
train --steps 2 --out taken >/dev/null 2>&1
expect 1 "$WKV" train $train_args --watch "$port" --out taken
says "--watch: port $port of 127.0.0.1 cannot be served: Address already in use"
[ -e taken/model.safetensors ] # what was there is there
python3 - "$port" run <<'PYTHON' || die 'the page is not as it should be'
import json, re, socket, sys, time, urllib.error, urllib.request
import xml.etree.ElementTree as xml

port, run = int(sys.argv[1]), sys.argv[2]
base = "http://127.0.0.1:%d" % port

def get(path, **headers):
    request = urllib.request.Request(base + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as refused:
        return refused.code, "", {}

def raw(text, timeout=30):
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(text)
        return s.recv(65536)

def lines():
    return open(run + "/metrics.jsonl").read().count("\n")

for _ in range(100): # until it is there
    try:
        status, page, headers = get("/")
        break
    except OSError:
        time.sleep(0.1)
assert status == 200 and page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
assert "default-src 'none'" in headers["Content-Security-Policy"]
assert not re.search(r'(src|href)\s*=\s*["\']?(https?:)?//|@import|url\(', page) # nothing from outside

def curves(query):
    status, text, headers = get("/curves.svg" + query)
    assert status == 200 and headers["Content-Type"] == "image/svg+xml", (query, status)
    assert len(text) < 100000
    return xml.fromstring(text), text

svg, text = curves("?x=tokens&y=loss&log_x=1")
assert svg.tag.endswith("svg") and "class='line'" in text and ">tokens<" in text and ">run<" in text
curves("")
curves("?x=seconds&y=val_loss&log_y=1")
for path in "/x", "/curves.svg?x=foo", "/curves.svg?x=", "/curves.svg?y=" + "z" * 100, "/../etc/passwd":
    assert get(path)[0] in (400, 404), path
assert get("/", Host="example.org")[0] == 403 and get("/", Host="localhost:%d" % port)[0] == 200
assert b" 501 " in raw(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
big = raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100000 + b"\r\n\r\n")
assert b" 200 " not in big, big
raw(b"\0\xff nonsense\r\n\r\n")
try:
    socket.create_connection(("127.0.0.2", port), 5)
    raise SystemExit("it listens elsewhere too")
except OSError:
    pass

# It lives: the line moves on, and so does the run, whoever sits on connections.
idle = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(100)]
before = lines()
for _ in range(600):
    if lines() > before:
        break
    time.sleep(0.1)
else:
    raise SystemExit("the run stands still")
for s in idle:
    s.close()
assert re.match(r"step \d+/1000000  loss ", get("/line.txt")[1])
PYTHON
kill -TERM $pid
wait $pid
