#!/bin/bash
#
# run.sh
#	  Builds and runs the unit tests, each *_test.c here, and prints one TAP
#	  stream for all.
#
# A test program needs no server: test/fuzz/shim.c stands in for the functions
# of the server that the code under test uses.  The line "Sources:" in the
# program's first comment names the files and folders under src that it links.

set -euo pipefail
cd "$(dirname "$0")/../.."

PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
CC=${CC:-gcc}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

main()
{
	local test

	for test in test/unit/*_test.c
	do
		run_one "$test" || true
	done | number_lines
}

run_one()
{
	local test=$1 name

	name=$(basename "$1" .c)
	echo "# $name"
	if build_one "$test" "$build/$name" >"$build/log" 2>&1
	then
		"$build/$name" || [ $? -eq 1 ] || echo "not ok - $name crashed"
	else
		sed 's/^/# /' "$build/log"
		echo "not ok - $name does not compile"
	fi
}

build_one()
{
	local sources lib

	lib=$("$PG_CONFIG" --pkglibdir)
	sources=$(sed -n 's/^.*Sources: *//p' "$1")
	sources=$(cd src && find $sources -name '*.c' -printf 'src/%p\n')
	"$CC" -std=gnu11 -g -O1 -Wall -Wextra -Werror -Wno-unused-parameter \
		-fsanitize=address,undefined -fno-sanitize-recover=undefined \
		-I"$("$PG_CONFIG" --includedir-server)" -Isrc -Itest/fuzz -Itest/unit \
		-o "$2" "$1" test/unit/check.c test/fuzz/shim.c $sources \
		"$lib/libpgcommon.a" "$lib/libpgport.a" -lcjson -lm
}

# Numbers the lines of several programs as one, and makes their plan.
number_lines()
{
	awk '
		/^1\.\.[0-9]+$/ { next }
		/^(not )?ok/ {
			n++
			failed += /^not/
			sub(/^ok( [0-9]+)?/, "ok " n)
			sub(/^not ok( [0-9]+)?/, "not ok " n)
		}
		{ print }
		END { print "1.." n; exit failed > 0 }'
}

export ASAN_OPTIONS=detect_leaks=0
main
