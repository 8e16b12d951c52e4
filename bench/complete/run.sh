#!/bin/bash
#
# run.sh
#	  Measures complete() against its floor: a C program that sends the same
#	  request through one reused libcurl handle and reads the reply by cJSON.
#
# Measures everything in turn, ROUNDS times, and prints medians beside the
# targets; bench/README.md says what each figure means.  Needs PGHOST, a
# superuser of a server that is not used otherwise, with the library preloaded
# and fsync on, as bench/run.sh gives it; without PGHOST it calls that.
#
#	ROUNDS=5			rounds; a figure is a median of so many
#	PGBENCH_SECONDS=1	length of one run of pgbench
#	MEMORY_CALLS=100000	calls of the session whose memory is watched; 0 = none

set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
if [ -z "${PGHOST:-}" ]
then
	ONLY=complete exec "$TOP/bench/run.sh"
fi

ROUNDS=${ROUNDS:-5}
PGBENCH_SECONDS=${PGBENCH_SECONDS:-1}
MEMORY_CALLS=${MEMORY_CALLS:-100000}
SESSION_COUNTS="1 8 32"
DATABASE=modelroute_bench_complete

# A prompt of 1,000 bytes.
SENTENCE="The quick brown fox, who lives in the forest near Berlin, asked his \
friends how a function in python can compute 3 + 4 = 7 items from a list of \
12, and why. "
PROMPT=$(for i in 1 2 3 4 5 6 7; do printf %s "$SENTENCE"; done)
PROMPT=${PROMPT:0:1000}

# How complete() is called: name, model, settings.
MODES=(
	"off bench modelroute.ledger=off"
	"async auto synchronous_commit=off"
	"durable auto synchronous_commit=on"
	"strict auto modelroute.ledger=strict"
)

main()
{
	WORK=$(mktemp -d)
	trap clean_up EXIT
	make -s -C "$HERE"
	start_upstream
	prepare_database
	write_scripts
	check_same_request
	find_peer
	tell_conditions
	for round in $(seq "$ROUNDS")
	do
		measure_round
	done
	if [ "$MEMORY_CALLS" -gt 0 ]
	then
		measure_memory
	fi
	report
}

die()
{
	echo "$0: $*" >&2
	exit 1
}

clean_up()
{
	set_fsync on || true
	in_postgres -c "DROP DATABASE IF EXISTS $DATABASE" || true
	kill "$UPSTREAM_PID" 2>/dev/null || true
	rm -rf "$WORK"
}

# ----------
# What is measured, and what it runs on
# ----------

UPSTREAM_PID=

start_upstream()
{
	local try

	make -s -C "$TOP/test/upstream"
	cat >"$WORK/models.json" <<-'END'
		[{"name": "*", "request_ids": false},
		 {"name": "bench-20", "latency_ms": 20, "request_ids": false},
		 {"name": "bench-200", "latency_ms": 200, "request_ids": false}]
	END
	"$TOP/test/upstream/upstream" --port 0 --portfile "$WORK/port" \
		--config "$WORK/models.json" >"$WORK/upstream.log" &
	UPSTREAM_PID=$!
	for try in $(seq 200)
	do
		[ ! -s "$WORK/port" ] || break
		kill -0 "$UPSTREAM_PID"
		sleep 0.02
	done
	URL=http://127.0.0.1:$(cat "$WORK/port")
}

prepare_database()
{
	in_postgres -c "DROP DATABASE IF EXISTS $DATABASE" \
		-c "CREATE DATABASE $DATABASE"
	export PGDATABASE=$DATABASE
	sql -v url="$URL" -f "$HERE/catalog.sql"
	POSTMASTER=$(sql -c "SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)")
	[ "$(sql -c 'SHOW fsync')" = on ] || die "the server runs with fsync off"
}

in_postgres()
{
	PGOPTIONS="-c client_min_messages=warning" psql -X -q -d postgres "$@"
}

sql()
{
	PGOPTIONS="-c jit=off ${PGOPTIONS:-}" \
		psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

write_scripts()
{
	local mode name model settings

	printf '{"model":"bench","messages":[{"role":"user","content":"%s"}]}' \
		"$PROMPT" >"$WORK/body"
	echo "SELECT 1;" >"$WORK/nothing.pgbench"
	for mode in "${MODES[@]}"
	do
		read -r name model settings <<<"$mode"
		echo "SELECT modelroute.complete('$PROMPT', '$model');" \
			>"$WORK/$name.pgbench"
	done
	cp "$WORK/durable.pgbench" "$WORK/durable-nofsync.pgbench"
}

# The floor sends the body that complete() sends.
check_same_request()
{
	local sent

	sent=$(sql -v prompt="$PROMPT" <<-'END'
		SELECT modelroute.complete(:'prompt', 'bench') IS NULL \g /dev/null
		SELECT request_bytes FROM modelroute.attempt;
	END
	)
	[ "$sent" = "$(stat -c %s "$WORK/body")" ] ||
		die "complete() sends $sent bytes, the floor another body"
}

# pgsql-http, where it is installed.
PEER=
PEER_SETTINGS="http.keepalive=on http.curlopt_tcp_keepalive=1"

find_peer()
{
	local found

	found=$(sql -c "SELECT count(*) FROM pg_available_extensions
		WHERE name = 'http'")
	[ "$found" = 1 ] || return 0
	PEER=http
	sql -c "CREATE EXTENSION http"
	printf "SELECT content FROM http_post('%s', '%s', 'application/json');\n" \
		"$URL/v1/chat/completions" "$(cat "$WORK/body")" >"$WORK/peer.pgbench"
}

tell_conditions()
{
	local synced

	synced=$(dd if=/dev/zero of="$WORK/synced" bs=8k count=500 oflag=dsync 2>&1 |
		awk 'END { print int($(NF - 3) * 2000) }')
	echo "cores $(nproc), load $(cut -d ' ' -f 1-3 /proc/loadavg)," \
		"one synced write of 8 kB $synced us," \
		"$ROUNDS rounds, $(date -u +%Y-%m-%d)"
}

# ----------
# Which cores
# ----------

# place one|many.  One session: the provider and the worker on the first core,
# the backend and its client, of which one waits for the other, on the second.
# Many: the kernel decides.
place()
{
	local helpers=0 server=1 pid

	CLIENT=()
	if [ "$(nproc)" -lt 2 ] || ! command -v taskset >/dev/null
	then
		return
	fi
	if [ "$1" = many ]
	then
		helpers=0-$(($(nproc) - 1))
		server=$helpers
	fi
	CLIENT=(taskset -c "$server")
	for pid in $POSTMASTER $(pgrep -P "$POSTMASTER")
	do
		move "$server" "$pid"
	done
	move "$helpers" "$UPSTREAM_PID"
	move "$helpers" "$(worker_pid)"
}

# A process may be gone by now.
move()
{
	taskset -acp "$1" "$2" >/dev/null 2>&1 || true
}

worker_pid()
{
	sql -c "SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'modelroute worker'
		  AND datname = current_database()"
}

# ----------
# One round
# ----------

measure_round()
{
	local sessions pass=1

	place one
	for pass in 1 2
	do
		measure_statements
	done
	measure_slow bench-20 20 20
	measure_slow bench-200 200 5
	measure_sessions 1
	place many
	for sessions in ${SESSION_COUNTS#1 }
	do
		measure_sessions "$sessions"
	done
}

# note SECTION WHAT SESSIONS PROVIDER_MS US PER_SECOND
note()
{
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$round.$pass" "$@" \
		>>"$WORK/figures"
}

# One session, all calls in one statement: what a call costs by itself.
measure_statements()
{
	local mode name model settings

	floor statement 1 0 bench 2000
	for mode in "${MODES[@]}"
	do
		read -r name model settings <<<"$mode"
		statement statement "$name" 0 "$model" 1000 "$settings"
	done
	set_fsync off
	statement statement durable-nofsync 0 auto 1000 synchronous_commit=on
	set_fsync on
}

# measure_slow MODEL PROVIDER_MS CALLS
measure_slow()
{
	floor slow 1 "$2" "$1" "$3"
	statement slow off "$2" "$1" "$3" modelroute.ledger=off
	statement slow durable "$2" "$1" "$3" synchronous_commit=on
}

# Sessions that send one statement per call.
measure_sessions()
{
	local mode name model settings

	floor sessions "$1" 0 bench $((8000 / $1))
	sessions nothing "$1"
	for mode in "${MODES[@]}"
	do
		read -r name model settings <<<"$mode"
		sessions "$name" "$1" "$settings"
	done
	if [ -n "$PEER" ]
	then
		sessions peer "$1" $PEER_SETTINGS
	fi
	set_fsync off
	sessions durable-nofsync "$1" synchronous_commit=on
	set_fsync on
}

# floor SECTION SESSIONS PROVIDER_MS MODEL REQUESTS: the median time, or for
# sessions, as pgbench does, the mean.
floor()
{
	local line

	sed "s/\"bench\"/\"$4\"/" "$WORK/body" >"$WORK/floor.body"
	line=$("${CLIENT[@]}" "$HERE/floor" --body "$WORK/floor.body" \
		--url "$URL/v1/chat/completions" \
		--header "Content-Type: application/json" \
		--header "Accept: application/json" \
		--sessions "$2" --requests "$5")
	set -- "$1" floor "$2" "$3" $line
	if [ "$1" = sessions ]
	then
		note "$1" "$2" "$3" "$4" "${12}" "${16}"
	else
		note "$1" "$2" "$3" "$4" "${10}" "${16}"
	fi
}

# PGOPTIONS for settings
options()
{
	printf -- '-c %s ' jit=off "$@"
}

# statement SECTION WHAT PROVIDER_MS MODEL CALLS SETTING...
statement()
{
	local section=$1 what=$2 provider_ms=$3 model=$4 calls=$5 us

	shift 5
	us=$(PGOPTIONS=$(options "$@") sql -v model="$model" -v calls="$calls" \
		-v prompt="$PROMPT" -f "$HERE/measure.sql")
	note "$section" "$what" 1 "$provider_ms" "$us" ''
}

# sessions WHAT SESSIONS SETTING...
sessions()
{
	local what=$1 count=$2 output us per_second

	shift 2
	output=$(PGOPTIONS=$(options "$@") "${CLIENT[@]}" pgbench -n -M prepared -c "$count" -j 1 \
		-T "$PGBENCH_SECONDS" -f "$WORK/$what.pgbench" 2>&1) ||
		die "pgbench: $output"
	us=$(awk '/^latency average/ { print $4 * 1000 }' <<<"$output")
	per_second=$(awk '/^tps/ { print $3 }' <<<"$output")
	note sessions "$what" "$count" 0 "$us" "$per_second"
}

# set_fsync on|off
set_fsync()
{
	sql -c "ALTER SYSTEM SET fsync = $1" -c "SELECT pg_reload_conf()" \
		>/dev/null
	until [ "$(sql -c 'SHOW fsync')" = "$1" ]
	do
		sleep 0.01
	done
}

# ----------
# Memory and report
# ----------

# Half of the calls are statements of their own, half rows of a statement.
measure_memory()
{
	local tenth=$((MEMORY_CALLS / 10)) step

	place one
	for step in $(seq 0 10)
	do
		echo "SELECT pg_temp.note_memory($((step * tenth)));"
		[ "$step" -lt 10 ] || break
		echo "SELECT count(modelroute.complete(:'prompt', 'auto'))" \
			"FROM generate_series(1, $((tenth / 2)));"
		yes "EXECUTE call;" | head -n $((tenth - tenth / 2)) || true
	done >"$WORK/memory.sql"
	PGOPTIONS=$(options synchronous_commit=off) sql -v prompt="$PROMPT" \
		-v calls="$WORK/memory.sql" -f "$HERE/memory.sql"
}

report()
{
	echo "load at the end $(cut -d ' ' -f 1-3 /proc/loadavg)"
	sql -P tuples_only=off -P format=aligned -P footer=off \
		-f "$HERE/report.sql" <"$WORK/figures"
}

main
