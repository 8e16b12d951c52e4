#!/bin/bash
#
# run.sh
#	  Measures routers: how good they are on public evals, how that grows with
#	  evals, how long a decision takes, how long and how much memory training.
#
# MEASURE names what to run: quality, time, training; the default is all.
# PROTOCOLS is a regular expression for the names in protocols.sql, TRAININGS
# the sizes, prompts x models, of trainings.
# ROUTING_DATA is the directory of the evals, gzip CSV; without it the quality
# part is left out.  Needs PGHOST, a superuser of a server with the library
# preloaded, as bench/run.sh gives it; without PGHOST it calls that.

set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
if [ -z "${PGHOST:-}" ]
then
	ONLY=router exec "$TOP/bench/run.sh"
fi

MEASURE=${MEASURE:-quality time training}
PROTOCOLS=${PROTOCOLS:-.}
TRAININGS=${TRAININGS:-1500x2 9000x11 2000x5 200000x5 3000x100 3000x512}
ROUTING_DATA=${ROUTING_DATA:-$TOP/../shared/routing}
DATABASE=modelroute_bench_router
trap drop_database EXIT

main()
{
	local part

	date '+%Y-%m-%d %H:%M'
	echo "$(nproc) cores, load $(cut -d ' ' -f 1-3 /proc/loadavg)"
	for part in $MEASURE
	do
		echo
		echo "--- $part"
		create_database
		"measure_$part"
		echo "load $(cut -d ' ' -f 1-3 /proc/loadavg)"
	done
}

sql()
{
	psql -Xq -v ON_ERROR_STOP=1 -d "$DATABASE" "$@"
}

drop_database()
{
	psql -Xq -d postgres -c "SET client_min_messages = warning" \
		-c "DROP DATABASE IF EXISTS $DATABASE" || true
}

create_database()
{
	drop_database
	psql -Xq -d postgres -c "CREATE DATABASE $DATABASE"
	sql -c "CREATE EXTENSION modelroute" -c "ALTER DATABASE $DATABASE
		SET modelroute.allowed_hosts = '127.0.0.1'"
}

measure_quality()
{
	if [ ! -r "$ROUTING_DATA/routellm_mmlu.csv.gz" ]
	then
		echo "no data in $ROUTING_DATA (ROUTING_DATA): left out"
		return
	fi
	make -s -C "$HERE" PG_CONFIG="${PG_CONFIG:-pg_config}"
	sql -f "$HERE/load.sql"
	load_file mmlu routellm_mmlu
	load_file gsm8k routellm_gsm8k
	load_file llmrouter9 llmrouter9
	load_file mmlupro11 mmlupro11
	load_file zeroeval16 zeroeval16
	sql -c "ANALYZE" -f "$HERE/protocols.sql"
	sql -v protocols="$PROTOCOLS" -f "$HERE/quality.sql"
	sql -At -c "SELECT block FROM score_input" | "$HERE/score" |
		sql -c "COPY metric FROM STDIN"
	sql -f "$HERE/report.sql"
}

# The columns of table wide are those of the file: text, or numbers where the
# name begins with score or cost.
load_file()
{
	local file=$ROUTING_DATA/$2.csv.gz columns

	columns=$(gzip -dc "$file" 2>/dev/null | head -n 1 | tr -d '\r' |
		tr ',' '\n' | sed -E 's/^((score|cost):.*)$/"\1" float8/; t
			s/.*/"&" text/' | paste -sd ,) || true
	sql -c "CREATE UNLOGGED TABLE wide ($columns)"
	gzip -dc "$file" | sql -c "COPY wide FROM STDIN (FORMAT csv, HEADER)"
	sql -c "CALL load('$1')"
}

measure_time()
{
	sql -f "$HERE/synthetic.sql"
	make_prompts train 3000 500
	make_prompts 100 2000 =100
	make_prompts 1000 2000 =1000
	make_prompts 10000 2000 =10000
	sql -c "ANALYZE" -f "$HERE/time.sql"
}

measure_training()
{
	local size

	sql -f "$HERE/synthetic.sql"
	make_prompts long "$(printf '%s\n' $TRAININGS | sort -n | tail -n 1 |
		cut -d x -f 1)" 500
	sql -c "ANALYZE"
	echo "| prompts x models | rows | s | s of processor | peak MB | of that private | prompts used | artifact bytes |"
	echo "|---|---|---|---|---|---|---|---|"
	for size in $TRAININGS
	do
		sql -v prompts="${size%x*}" -v models="${size#*x}" \
			-f "$HERE/training.sql"
	done
}

# make_prompts SET PROMPTS BYTES
make_prompts()
{
	perl "$HERE/synthetic.pl" "$2" "$3" | sed "s/^/$1\t/" |
		sql -c "COPY prompt FROM STDIN"
}

main
