#!/bin/bash
#
# demo.sh
#	  What make demo runs: installs what is missing, builds, starts a
#	  throw-away server and the simulated provider, and shows demo.sql at work.
#
# Nothing is left behind.  SHELL_AFTER=1 opens psql at the end for a look
# around; leaving it ends the server.

. "$(dirname "$0")/lib.sh"

say()
{
	echo "-- $*"
}

start_work
say "building the extension"
build_server
build_upstream
copy_tree

say "starting a server and the simulated provider, which costs nothing"
start_upstream --seed 1 --config "$WORK/tree/test/demo_models.json"
start_cluster server "shared_preload_libraries = modelroute" \
	"modelroute.allowed_hosts = '${UPSTREAM_URL#http://}'"

echo
in_tree psql -X -v ON_ERROR_STOP=1 -v upstream_url="$UPSTREAM_URL" \
	-P pager=off -P footer=off --echo-all -f test/demo.sql
echo
say "that was it; the server is gone, nothing was installed but packages"
if [ -n "${SHELL_AFTER:-}" ]
then
	in_tree psql -X -v upstream_url="$UPSTREAM_URL"
fi
