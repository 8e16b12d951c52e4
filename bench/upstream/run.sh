#!/usr/bin/env bash
# Measures the simulated provider: requests a second, and many slow requests.
# Usage: bench/upstream/run.sh [REQUESTS]; it takes well under a minute.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
requests=${1:-200000}
slow=5000
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

make -s -C "$top/test/upstream"
make -s -C "$here"
ulimit -n "$(ulimit -Hn)"

# Server and client each on a core of their own, where there are two.
on_core()
{
	local core=$1
	shift
	if command -v taskset >/dev/null && taskset -c "$core" true 2>/dev/null
	then
		exec taskset -c "$core" "$@"
	fi
	exec "$@"
}

cat > "$work/models.json" <<'JSON'
[{"name": "bench", "request_ids": false},
 {"name": "slow", "latency_ms": 1000, "request_ids": false}]
JSON
(on_core 0 "$top/test/upstream/upstream" --port 0 --portfile "$work/port" \
	--config "$work/models.json" > "$work/log") &
server=$!
for _ in $(seq 200)
do
	[ -s "$work/port" ] && break
	kill -0 "$server"
	sleep 0.02
done
port=$(cat "$work/port")

measure()
{
	(on_core 1 "$here/loadgen" --port "$port" --timeout 20 "$@") || true
}

row()
{
	awk -v name="$1" '{ printf "%-26s %9s %6s %9s %9s %9s %9s\n",
		name, $4, $6, $10, $12, $14, $16 }'
}

printf '%-26s %9s %6s %9s %9s %9s %9s\n' case completed errors 'req/s' \
	'p50 ms' 'p99 ms' 'max ms'
measure --connections 1 --requests 20000 --model bench | row '1 connection, 0 ms'
measure --connections 64 --requests "$requests" --model bench |
	row '64 connections, 0 ms'
measure --connections "$slow" --requests "$slow" --model slow |
	row "$slow connections, 1 s"
grep -E 'VmHWM|VmRSS' "/proc/$server/status" | awk '{ printf "server %s %.1f MB\n", $1, $2 / 1024 }'
