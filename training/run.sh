#!/bin/bash
#
# run.sh
#	  Trains the prompt classifier on the prompts in this folder and writes
#	  src/router/category_weights.c; make categories runs it.
#
# usage: run.sh [--check]
#
# With --check nothing is written: prints TAP, one test that fails when the
# file is not what the prompts give.

set -euo pipefail
cd "$(dirname "$0")/.."

PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
CC=${CC:-gcc}
WEIGHTS=src/router/category_weights.c
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

main()
{
	if [ "${1:-}" = --check ]
	then
		echo "1..1"
		check
	else
		build_program
		"$build/train" training/prompts "$build/weights.c"
		cp "$build/weights.c" $WEIGHTS
	fi
}

check()
{
	local name="$WEIGHTS is what make categories writes"

	if build_program >"$build/log" 2>&1 &&
		"$build/train" training/prompts "$build/weights.c" \
			>>"$build/log" 2>&1 &&
		cmp "$build/weights.c" $WEIGHTS >>"$build/log" 2>&1
	then
		echo "ok 1 - $name"
	else
		sed 's/^/# /' "$build/log"
		echo "not ok 1 - $name"
		return 1
	fi
}

# Without fused operations, which would round otherwise on some machines.
build_program()
{
	local lib

	lib=$("$PG_CONFIG" --pkglibdir)
	"$CC" -std=gnu11 -O2 -ffp-contract=off -Wall -Wextra -Werror \
		-Wno-unused-parameter -I"$("$PG_CONFIG" --includedir-server)" \
		-Isrc -Itest/fuzz -Itraining -o "$build/train" training/*.c \
		test/fuzz/shim.c src/router/features.c src/router/surface.c \
		src/router/lexicon.c src/base/endpoint.c \
		"$lib/libpgcommon.a" "$lib/libpgport.a" -lm
}

main "$@"
