#!/bin/bash
#
# run.sh
#	  What make test runs: installs what is missing, builds, and runs lint,
#	  unit, provider, fuzz, regress, isolation and TAP tests.
#
# The last line is "N passed, N failed"; the exit status is 0 when something
# passed and nothing failed.  Regress and isolation tests run twice, with and
# without the library preloaded.  SANITIZE=1 builds with AddressSanitizer and
# UndefinedBehaviorSanitizer and fails when either reports anything.  ONLY
# names the parts to run, for example ONLY="regress tap", and TESTS the TAP
# tests in Perl, for example TESTS="test/t/02*.pl".

PASSED=0
FAILED=0
trap finish EXIT

. "$(dirname "$0")/lib.sh"

# A test that hangs is ended, and fails, after this many seconds.
LIMIT=600

main()
{
	start_work
	heading "build"
	build_server
	build_upstream
	copy_tree

	part lint run_lint
	part unit run_unit
	part unit run_tap_scripts training/check.sh
	part upstream run_tap_scripts test/upstream/selftest.sh
	part fuzz run_tap_scripts test/fuzz/run.sh
	part regress run_regress preloaded "shared_preload_libraries = modelroute"
	part regress run_regress not_preloaded
	part tap run_tap_perl
	if [ -n "$SANITIZE" ]
	then
		heading "sanitizer reports"
		check no_sanitizer_reports
	fi
}

part()
{
	local name=$1 start=$SECONDS

	shift
	if [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $name "* ]]
	then
		heading "$name"
		"$@"
		echo "    $((SECONDS - start)) s"
	fi
}

heading()
{
	echo
	echo "=== $*"
}

# A command that is a test by itself.
check()
{
	if "$@"
	then
		PASSED=$((PASSED + 1))
	else
		FAILED=$((FAILED + 1))
	fi
}

# ----------
# Tests that speak TAP
# ----------

run_lint()
{
	run_tap --exec perl test/lint/lint.t
	run_tap_scripts test/lint/selftest.sh
}

run_unit()
{
	run_tap_scripts test/unit/run.sh
	SERVER_ENV+=(ROUTER_METRICS="$TOP/../shared/routing/router_metrics.py")
	run_tap --exec perl test/unit/metrics_peer.pl
}

run_tap_scripts()
{
	if [ -x "$TOP/$1" ]
	then
		run_tap --exec bash "$@"
	fi
}

run_tap_perl()
{
	local pgxs perl

	pgxs=$(dirname "$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")")
	perl=$pgxs/src/test/perl
	cd "$TOP"
	set -- ${TESTS:-test/t/*.pl}
	if [ -e "$1" ]
	then
		SERVER_ENV+=(PERL5LIB="$perl" TESTDIR="$WORK/tree"
			PG_REGRESS="$pgxs/src/test/regress/pg_regress")
		run_tap --jobs "$JOBS" "$@"
	fi
}

run_tap()
{
	local result=$WORK/tree/tap_result passed=0 failed=1

	rm -f "$result"
	in_tree perl test/tap.pl --limit $LIMIT --result "$result" "$@" 2>&1 ||
		true
	if [ -s "$result" ]
	then
		read -r passed failed <"$result"
	fi
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
}

# ----------
# pg_regress and pg_isolation_regress, as make installcheck runs them
# ----------

run_regress()
{
	local cluster=$1

	shift
	echo "$cluster"
	start_cluster "$cluster" "max_prepared_transactions = 10" "$@"
	run_installcheck ISOLATION=
	run_installcheck REGRESS=
	check server_survived "$cluster"
	stop_cluster "$cluster"
}

run_installcheck()
{
	local log=$WORK/installcheck.log status=0 passed failed

	in_tree timeout --foreground -k 10 $LIMIT \
		make -s installcheck TAP_TESTS= "$@" 2>&1 | tee "$log" |
		grep --line-buffered '\.\.\. ' || status=$?
	passed=$(grep -c '\.\.\. ok ' "$log" || true)
	failed=$(grep -cE '\.\.\. (FAILED|failed)' "$log" || true)
	if [ $status -ne 0 ]
	then
		[ "$failed" -ne 0 ] || { failed=1; tail -n 30 "$log"; }
		head -n 400 "$WORK/tree/regression.diffs" 2>/dev/null || true
	fi
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
}

server_survived()
{
	! grep -E 'PANIC:|TRAP:|terminated by signal' "$WORK/$1/log"
}

# ----------
# The end
# ----------

finish()
{
	local status=$?

	stop_work || true
	if [ $status -ne 0 ] && [ $FAILED -eq 0 ]
	then
		FAILED=1
	fi
	echo
	echo "$PASSED passed, $FAILED failed"
	if [ $FAILED -eq 0 ] && [ $PASSED -gt 0 ]
	then
		exit 0
	fi
	exit 1
}

main
