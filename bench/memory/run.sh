#!/bin/bash
#
# run.sh
#	  Memory of one backend and of the worker while the backend makes 100,000
#	  calls to a provider that answers at once, each on record.
#
# Private memory (RssAnon of /proc), resident memory (VmRSS: also the shared
# memory touched so far) and memory contexts, in kB, after 1,000, 10,000 and
# 100,000 calls; CALLS names other numbers.  A third of the calls is made by
# statements of its own, the rest by statements that make 100.  Needs PGHOST,
# a superuser of a server with the library preloaded, as bench/run.sh gives it;
# without PGHOST it calls that.

set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
if [ -z "${PGHOST:-}" ]
then
	ONLY=memory exec "$TOP/bench/run.sh"
fi

CALLS=${CALLS:-1000 10000 100000}
DATABASE=modelroute_bench_memory
UPSTREAM_PID=
WORK=$(mktemp -d)
trap clean_up EXIT

clean_up()
{
	psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $DATABASE" || true
	[ -z "$UPSTREAM_PID" ] || kill "$UPSTREAM_PID" 2>/dev/null || true
	rm -rf "$WORK"
}

start_upstream()
{
	local try

	make -s -C "$TOP/test/upstream"
	echo '[{"name": "bench", "request_ids": false}]' >"$WORK/models.json"
	"$TOP/test/upstream/upstream" --port 0 --portfile "$WORK/port" \
		--config "$WORK/models.json" >"$WORK/upstream.log" &
	UPSTREAM_PID=$!
	for try in $(seq 200)
	do
		[ ! -s "$WORK/port" ] || return 0
		sleep 0.02
	done
	cat "$WORK/upstream.log" >&2
	exit 1
}

# What the session does: calls until each number is reached, then a look.
write_steps()
{
	local done=0 number many

	for number in $CALLS
	do
		many=$(((number - done) * 2 / 300))
		yes "SELECT count(modelroute.complete('hello', 'bench'))
			FROM generate_series(1, 100);" | head -n $((2 * many)) || true
		yes "EXECUTE call;" | head -n $((number - done - 100 * many)) || true
		echo "SELECT pg_temp.note_memory($number);"
		done=$number
	done
}

start_upstream
psql -Xq -d postgres -c "SET client_min_messages = warning" \
	-c "DROP DATABASE IF EXISTS $DATABASE" -c "CREATE DATABASE $DATABASE"
psql -XAtq -v ON_ERROR_STOP=1 -d "$DATABASE" -o /dev/null \
	-c "CREATE EXTENSION modelroute" \
	-c "SELECT modelroute.add_provider('sim',
		'http://127.0.0.1:$(cat "$WORK/port")/v1')" \
	-c "SELECT modelroute.add_model('bench', 'sim', input_price => 1,
		output_price => 1)"
write_steps >"$WORK/steps.sql"
logged=$(cat "$PGHOST/log" 2>/dev/null | wc -l)
psql -Xq -v ON_ERROR_STOP=1 -d "$DATABASE" -v steps="$WORK/steps.sql" \
	-f "$HERE/measure.sql"

# The worker writes its contexts to the server's log.
tail -n +$((logged + 1)) "$PGHOST/log" 2>/dev/null |
	sed -n 's/.*Grand total: /worker, contexts at each look: /p' || true
