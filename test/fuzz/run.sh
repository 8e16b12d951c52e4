#!/bin/bash
#
# run.sh
#	  Builds the fuzzer, runs it for FUZZ_SECONDS (10) from the corpus here,
#	  and prints TAP.
#
# clang's libFuzzer is used when it is there; else gcc builds a program that
# mutates the corpus in a fixed order.  Both run with AddressSanitizer.

set -euo pipefail
cd "$(dirname "$0")/../.."

PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
SECONDS_TO_RUN=${FUZZ_SECONDS:-10}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main()
{
	echo "1..2"
	if build_libfuzzer >"$work/log" 2>&1
	then
		run=run_libfuzzer
	elif build_standalone >>"$work/log" 2>&1
	then
		run=run_standalone
	else
		sed 's/^/# /' "$work/log"
		echo "not ok 1 - the fuzzer compiles"
		return 1
	fi
	echo "ok 1 - the fuzzer compiles"

	if $run >"$work/log" 2>&1
	then
		grep -E 'runs' "$work/log" | tail -n 1 | sed 's/^#* */# /'
		echo "ok 2 - no input breaks the readers of replies"
	else
		tail -n 60 "$work/log" | sed 's/^/# /'
		show_crash
		echo "not ok 2 - no input breaks the readers of replies"
		return 1
	fi
}

build_libfuzzer()
{
	command -v clang && build clang -fsanitize=fuzzer,address,undefined
}

build_standalone()
{
	build "${CC:-gcc}" -fsanitize=address,undefined -DSTANDALONE
}

build()
{
	local cc=$1 lib

	shift
	lib=$("$PG_CONFIG" --pkglibdir)
	"$cc" -std=gnu11 -g -O1 -fno-sanitize-recover=undefined "$@" \
		-I"$("$PG_CONFIG" --includedir-server)" -Isrc -Itest/fuzz \
		-o "$work/parse_fuzz" test/fuzz/parse_fuzz.c test/fuzz/shim.c \
		src/base/json.c src/base/failure.c src/base/endpoint.c \
		src/provider/*.c \
		"$lib/libpgcommon.a" "$lib/libpgport.a" -lcjson -lm
}

# New inputs stay in the working directory: the corpus is changed by hand.
run_libfuzzer()
{
	mkdir "$work/corpus"
	"$work/parse_fuzz" -max_total_time="$SECONDS_TO_RUN" -timeout=5 \
		-max_len=4096 -dict=test/fuzz/json.dict -print_final_stats=0 \
		-artifact_prefix="$work/" "$work/corpus" test/fuzz/corpus
}

run_standalone()
{
	timeout $((SECONDS_TO_RUN + 60)) \
		"$work/parse_fuzz" "$SECONDS_TO_RUN" test/fuzz/corpus/*
}

show_crash()
{
	local input

	for input in "$work"/crash-* "$work"/timeout-* "$work"/oom-*
	do
		[ -e "$input" ] || continue
		echo "# $(basename "$input"):"
		base64 "$input" | sed 's/^/#   /'
	done
}

export ASAN_OPTIONS=detect_leaks=0
main
