#!/bin/bash
#
# run.sh
#	  What make bench runs: every benchmark, bench/NAME/run.sh, against a
#	  throw-away server with the extension.
#
# A benchmark runs in a copy of the checkout with PGHOST and the like leading
# to the server, PG_CONFIG to its installation, and UPSTREAM_URL to the
# simulated provider.  ONLY names the benchmarks to run.  ROUTING_DATA leads to
# evals for bench/router.

. "$(dirname "$0")/../test/lib.sh"

start_work
build_server
build_upstream
copy_tree
start_cluster server "shared_preload_libraries = modelroute" \
	"modelroute.allowed_hosts = '127.0.0.1'" \
	"shared_buffers = 512MB" "max_connections = 200" "fsync = on"
start_upstream

ROUTING_DATA=$(realpath -m "${ROUTING_DATA:-$TOP/../shared/routing}")
export ROUTING_DATA

cd "$TOP"
failed=0
for script in bench/*/run.sh
do
	name=$(basename "$(dirname "$script")")
	if [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $name "* ]]
	then
		echo
		echo "=== $name"
		in_tree bash "$script" || failed=1
	fi
done
exit $failed
