#!/bin/sh
# run.sh
#	  Measures route(): microseconds per decision over a catalog of 100
#	  endpoints, for prompts of 100 B, 1 kB and 10 kB.
#
# With PGHOST set, uses that server, in a database of its own; else starts a
# private cluster and removes it at the end.  The extension must be installed.
# Needs no network.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
database=modelroute_bench_route
pg_config=${PG_CONFIG:-pg_config}

if [ -z "${PGHOST:-}" ]; then
	bin=$("$pg_config" --bindir)
	dir=$(mktemp -d)
	as=
	if [ "$(id -u)" = 0 ]; then
		chown postgres "$dir"
		as="runuser -u postgres --"
	fi
	trap '$as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1
		rm -rf "$dir"' EXIT
	$as "$bin/initdb" -D "$dir/data" -A trust -U postgres -E UTF8 \
		--locale=C --no-sync >/dev/null
	$as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
		-o "-c listen_addresses= -k $dir" start >/dev/null
	PGHOST=$dir PGUSER=postgres
	export PGHOST PGUSER
fi

psql -X -q -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $database" \
	-c "CREATE DATABASE $database"
psql -X -q -d "$database" -v ON_ERROR_STOP=1 -f "$here/catalog.sql"
psql -X -q -d "$database" -v ON_ERROR_STOP=1 -f "$here/measure.sql"
psql -X -q -d postgres -c "DROP DATABASE $database"
