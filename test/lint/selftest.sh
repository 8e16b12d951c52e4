#!/bin/bash
#
# selftest.sh
#	  Checks that each rule of lint finds what it is for; prints TAP.
#
# A good tree has no fault.  Then each case changes one file of it and names
# the rule and a text that must be told, and after that the tree is good again.

set -uo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
WORK=$(mktemp -d)
TREE=$WORK/tree
COUNT=0
FAILED=0
declare -A TESTED
trap 'rm -rf "$WORK"' EXIT

main()
{
	local rule

	make_good_tree
	is "a good tree has no fault" "$(lint)" ""
	test_rules
	for rule in $(perl "$HERE/lint.pl" --list)
	do
		is "rule $rule has a case here" "${TESTED[$rule]:-no}" yes
	done
	echo "1..$COUNT"
	[ $FAILED -eq 0 ]
}

test_rules()
{
	finds layers 'base may not include http/pool.h' src/base/bad.h <<-END
		$(c_head bad.h)
		#include "http/pool.h"
	END
	finds gatekeepers '<curl/ has no place' src/router/good.c <<-END
		$(c_head good.c)
		#include <curl/curl.h>
	END
	finds gatekeepers 'SPI_connect has no place' src/http/bad.c <<-END
		$(c_head bad.c)
		int			connected = SPI_connect;
	END
	finds gatekeepers 'usleep( has no place' src/router/good.c <<-END
		$(c_head good.c)
		int			slept = usleep(1);
	END
	finds gatekeepers 'sleep has no place' test/t/001_bad.pl <<-END
		# Waits for luck.
		sleep 1;
	END
	finds errcode 'ereport(ERROR) without errcode' src/router/good.c <<-END
		$(c_head good.c)
		$(c_function '	ereport(ERROR, (errmsg("it failed")));')
	END
	finds messages 'errmsg starts with a capital' src/router/good.c <<-END
		$(c_head good.c)
		$(c_function '	ereport(ERROR, (errcode(1), errmsg("It failed")));')
	END
	finds messages 'errhint is not a sentence' src/router/good.c <<-END
		$(c_head good.c)
		$(c_function '	ereport(LOG, (errmsg("x"), errhint("set it")));')
	END
	finds functions 'mr_good has 61 lines' src/router/good.c <<-END
		$(c_head good.c)
		$(c_function "$(repeat 59 '	mr_one();')")
	END
	finds functions 'mr_good has 7 parameters' src/router/good.c <<-END
		$(c_head good.c)
		void
		mr_good(int a, int b, int c, int d, int e, int f, int g)
		{
		}
	END
	finds files 'has 604 lines' src/router/good.c <<-END
		$(c_head good.c)
		$(repeat 600 'extern int	mr_one;')
	END
	finds columns 'has 82 columns' src/router/good.c <<-END
		$(c_head good.c)
		/* $(repeat 76 x | tr -d '\n') */
	END
	finds heads 'does not open' src/router/good.c <<-END
		extern int	mr_one;
	END
	finds heads 'does not open' test/sql/good.sql <<-END
		SELECT 1;
	END
	finds unfinished 'TODO' src/router/good.c <<-END
		$(c_head good.c)
		/* TODO: write this */
	END
	finds expected 'expected/bad.out is missing' test/sql/bad.sql <<-END
		-- A test whose output nobody looks at.
	END
	finds expected 'belongs to no test' expected/orphan.out <<-END
	END
	finds expected 'pg_regress would run it' sql/good.sql <<-END
	END
	finds sql 'does not state its volatility' sql/parts/10_good.sql <<-END
		-- Bad
		CREATE FUNCTION mr.f() RETURNS int PARALLEL SAFE RETURN 1;
	END
	finds sql 'does not state its parallel safety' sql/parts/10_good.sql <<-END
		-- Bad
		CREATE FUNCTION mr.f() RETURNS int STABLE RETURN 1;
	END
	finds sql 'DEFINER without search_path' sql/parts/10_good.sql <<-END
		-- Bad
		CREATE PROCEDURE mr.f() SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
	END
	finds version 'the version is stated in' README.md <<-END
		This is version 1.2.3 of it.
	END
	finds map 'no marks for the map' src/README.md <<-END
		# Nothing
	END
	finds layout 'make format would change this line' src/router/good.c <<-END
		$(c_head good.c)
		extern int mr_one;
	END
	finds_symbol
}

# An object in place of a source whose names would be wrong.
finds_symbol()
{
	echo 'int stray;' | gcc -x c -c -o "$TREE/src/router/good.o" -
	found symbols 'exports stray'
	rm "$TREE/src/router/good.o"
}

make_good_tree()
{
	mkdir -p "$TREE"/{expected,sql/parts,test/sql,test/t,src/{base,http,router}}
	write modelroute.control <<-END
		default_version = '1.2.3'
	END
	write src/http/pool.h <<<"$(c_head pool.h)"
	write src/router/good.c <<-END
		$(c_head good.c)
		#include "base/good.h"

		$(c_function '	ereport(ERROR, (errcode(1), errmsg("it failed")));')
	END
	write src/base/good.h <<<"$(c_head good.h)"
	write test/sql/good.sql <<<'-- A good test.'
	write expected/good.out <<<''
	write sql/parts/10_good.sql <<-END
		-- Good
		CREATE FUNCTION mr.f() RETURNS int STABLE PARALLEL SAFE RETURN 1;
	END
}

c_head()
{
	printf '/*\n * %s\n *\t  A file of the test.\n */\n' "$1"
}

c_function()
{
	printf 'void\nmr_good(void)\n{\n%s\n}\n' "$1"
}

repeat()
{
	yes "$2" | head -n "$1"
}

write()
{
	cat >"$TREE/$1"
}

lint()
{
	perl "$HERE/lint.pl" --root "$TREE" "$@" 2>&1
}

# finds RULE TEXT FILE: with standard input as FILE, RULE tells TEXT.
finds()
{
	local rule=$1 text=$2 file=$3

	[ ! -e "$TREE/$file" ] || mv "$TREE/$file" "$WORK/kept"
	write "$file"
	found "$rule" "$text"
	rm "$TREE/$file"
	[ ! -e "$WORK/kept" ] || mv "$WORK/kept" "$TREE/$file"
}

found()
{
	local output

	TESTED[$1]=yes
	output=$(lint "$1")
	[[ "$output" == *": $1: "*"$2"* ]]
	ok $? "$1: $2" "$output"
}

is()
{
	[ "$2" = "$3" ]
	ok $? "$1" "$2"
}

ok()
{
	COUNT=$((COUNT + 1))
	if [ "$1" -eq 0 ]
	then
		echo "ok $COUNT - $2"
	else
		FAILED=$((FAILED + 1))
		echo "not ok $COUNT - $2"
		echo "# ${3//$'\n'/$'\n# '}"
	fi
}

main
