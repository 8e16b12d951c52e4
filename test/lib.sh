# lib.sh
#	  Shell functions for scripts that need a throw-away server.
#
# A script sources this file and calls start_work.  From then on it has a
# directory of its own, $WORK, that a trap removes together with every process
# whose program lives there, whatever way the script ends.  In it:
#
#	$WORK/root	a private copy of the PostgreSQL installation, with the
#				extension built from this checkout.  PostgreSQL finds its
#				files relative to its programs, so nothing is installed into
#				the system and checkouts cannot disturb each other.
#	$WORK/tree	a copy of the checkout that the server's user may read and
#				write; tests run there.
#	$WORK/NAME	the data directory and socket of cluster NAME.
#
# initdb refuses root: a script run by root runs the server as SERVER_USER.
# KEEP=1 in the environment keeps $WORK for a look at what is left.

set -euo pipefail
umask 022

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
DEFAULT_PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
PG_CONFIG=${PG_CONFIG:-$DEFAULT_PG_CONFIG}
SANITIZE=${SANITIZE:-}
JOBS=$(nproc)
WORK=

# Of the caller's environment, only what is about building stays.
for name in ${!PG@}
do
	[ "$name" = PG_CONFIG ] || unset "$name"
done
unset name http_proxy https_proxy all_proxy no_proxy
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
unset MAKEFLAGS MAKELEVEL MFLAGS TZ
export LC_ALL=C PG_CONFIG SANITIZE

die()
{
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# ----------
# The working directory
# ----------

# Installs what is missing on the machine, then makes $WORK.
start_work()
{
	"$TOP/test/setup.sh"
	if [ ! -f "$("$PG_CONFIG" --pgxs 2>/dev/null)" ]
	then
		PG_CONFIG=$DEFAULT_PG_CONFIG
	fi
	BINDIR=$("$PG_CONFIG" --bindir)

	AS_SERVER=()
	if [ "$(id -u)" -eq 0 ]
	then
		id postgres >/dev/null 2>&1 ||
			die "run by root, this needs a user postgres for the server"
		AS_SERVER=(setpriv --reuid=postgres --regid=postgres --init-groups)
	fi
	make_work_directory
	SERVER_ENV=(HOME="$WORK" TMPDIR="$WORK/tmp"
		PATH="$WORK/root$BINDIR:$PATH"
		PG_CONFIG="$WORK/root$BINDIR/pg_config")
	as_server mkdir "$WORK/root" "$WORK/tree" "$WORK/tmp"
}

# A directory that the server's user can reach, write and run programs in,
# with a path short enough for sockets.
make_work_directory()
{
	local parent probe

	[ -n "$(trap -p EXIT)" ] || trap stop_work EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	for parent in "${TMPDIR:-/tmp}" /tmp /var/tmp
	do
		[ ${#parent} -le 40 ] && [ -d "$parent" ] || continue
		WORK=$(mktemp -d "$parent/modelroute.XXXXXX")
		if [ "$(id -u)" -eq 0 ]
		then
			chown postgres "$WORK"
		fi
		probe=$WORK/probe
		if "${AS_SERVER[@]}" cp /bin/true "$probe" 2>/dev/null &&
			(cd / && "${AS_SERVER[@]}" "$probe" 2>/dev/null)
		then
			rm -f "$probe"
			return
		fi
		rm -rf "$WORK"
	done
	WORK=
	die "no directory for temporary files that the server's user may use"
}

# Runs a command as the server's user, with the private server first in PATH.
as_server()
{
	(cd "$WORK" && exec "${AS_SERVER[@]}" env "${SERVER_ENV[@]}" "$@")
}

# The same, inside the copy of the checkout.
in_tree()
{
	(cd "$WORK/tree" && exec "${AS_SERVER[@]}" env "${SERVER_ENV[@]}" "$@")
}

stop_work()
{
	local status=$?

	trap '' INT TERM HUP
	if [ -n "$WORK" ]
	then
		stop_processes
		if [ -n "${KEEP:-}" ]
		then
			echo "kept $WORK" >&2
		else
			rm -rf "$WORK"
		fi
	fi
	return $status
}

# Ends every process that runs a program from $WORK: servers at once but with
# their shared memory released, and what is left after 5 seconds by force.
stop_processes()
{
	local try

	for try in $(seq 100)
	do
		[ -n "$(work_processes)" ] || return 0
		case $try in
			1) signal_work_processes QUIT ;;
			50) signal_work_processes KILL ;;
		esac
		sleep 0.1
	done
}

signal_work_processes()
{
	local pid

	for pid in $(work_processes)
	do
		kill -"$1" "$pid" 2>/dev/null || true
	done
}

work_processes()
{
	find /proc -mindepth 2 -maxdepth 2 -name exe -lname "$WORK/*" \
		-printf '%h\n' 2>/dev/null | sed 's|/proc/||' || true
}

# ----------
# Building
# ----------

# Builds the extension in the checkout and installs it in a private copy of
# the PostgreSQL installation.
build_server()
{
	make -s -C "$TOP" -j "$JOBS" all
	copy_installation
	make -s -C "$TOP" install DESTDIR="$WORK/root"
	if [ -n "$SANITIZE" ]
	then
		wrap_postgres
	fi
}

copy_installation()
{
	local root=$WORK/root share lib dir

	share=$("$PG_CONFIG" --sharedir)
	lib=$("$PG_CONFIG" --pkglibdir)
	as_server mkdir -p "$root$BINDIR" "$root$share" "$root$lib"
	as_server cp -a "$BINDIR/." "$root$BINDIR"
	as_server cp -rs "$share/." "$root$share"
	as_server cp -rs "$lib/." "$root$lib"
	as_server find "$root" -name 'modelroute*' -delete

	for dir in --includedir --includedir-server --libdir
	do
		dir=$("$PG_CONFIG" $dir)
		if [ ! -e "$root$dir" ]
		then
			as_server mkdir -p "$(dirname "$root$dir")"
			as_server ln -s "$dir" "$root$dir"
		fi
	done
}

# The sanitizers' run-time must be loaded before all else, and only into the
# server: postgres becomes a script that sees to that.  The program still takes
# the script's path for its own, so that pg_ctl restart finds the script.
wrap_postgres()
{
	local bin=$WORK/root$BINDIR

	as_server gcc -shared -fPIC -Wl,-z,initfirst -x c - \
		-o "$WORK/root/asan_first.so" <"$TOP/test/asan_first.c"
	as_server mv "$bin/postgres" "$bin/postgres.bin"
	as_server tee "$bin/postgres" >/dev/null <<-END
		#!/bin/bash
		given=\$LD_PRELOAD
		LD_PRELOAD="$(gcc -print-file-name=libasan.so)"
		LD_PRELOAD="\$LD_PRELOAD $(gcc -print-file-name=libubsan.so)"
		LD_PRELOAD="\$LD_PRELOAD $WORK/root/asan_first.so \$given"
		ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
		UBSAN_OPTIONS=print_stacktrace=1
		export LD_PRELOAD ASAN_OPTIONS UBSAN_OPTIONS
		exec -a "$bin/postgres" "$bin/postgres.bin" "\$@"
	END
	as_server chmod 755 "$bin/postgres"
}

# The sanitizers write to the servers' logs.  Shows what they found so far, and
# fails when that is something.
no_sanitizer_reports()
{
	! grep -rhE -A 30 ':[0-9]+: runtime error: |ERROR: AddressSanitizer' \
		"$WORK"/*/log "$WORK/tree/tmp_check/log" 2>/dev/null
}

build_upstream()
{
	make -s -C "$TOP/test/upstream" -j "$JOBS" SANITIZE=
}

# Brings the checkout, as it is now, to where the server's user can use it.
copy_tree()
{
	tar -C "$TOP" --exclude=./.git --exclude=./tmp_check --exclude=./results \
		-cf - . | as_server tar -C "$WORK/tree" -xf -
}

# ----------
# Clusters and the simulated provider
# ----------

# start_cluster NAME [SETTING...]: a new cluster that only listens on a socket
# in a directory of its own.  PGHOST, PGPORT, PGUSER and PGDATABASE lead to it.
start_cluster()
{
	local dir=$WORK/$1 setting

	shift
	as_server mkdir "$dir"
	as_server initdb -D "$dir/data" -U postgres -A trust -E UTF8 \
		--locale=C --no-sync >"$WORK/initdb.log" 2>&1 ||
		{ cat "$WORK/initdb.log" >&2; die "initdb failed"; }
	for setting in "listen_addresses = ''" "unix_socket_directories = '$dir'" \
		"port = 5432" "fsync = off" "$@"
	do
		echo "$setting"
	done | as_server tee -a "$dir/data/postgresql.conf" >/dev/null

	as_server pg_ctl -D "$dir/data" -l "$dir/log" -t 120 -w start \
		>/dev/null 2>&1 ||
		{ tail -n 50 "$dir/log" >&2; die "the server did not start"; }
	SERVER_ENV+=(PGHOST="$dir" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres)
}

stop_cluster()
{
	as_server pg_ctl -D "$WORK/$1/data" -m fast -t 120 -w stop >/dev/null
}

# start_upstream [OPTION...]: the simulated provider, from the copied tree, on
# a port that the kernel picks.  UPSTREAM_URL leads to it.
start_upstream()
{
	local portfile=$WORK/upstream.port try

	rm -f "$portfile"
	in_tree test/upstream/upstream --port 0 --portfile "$portfile" "$@" \
		>"$WORK/upstream.log" 2>&1 &
	UPSTREAM_PID=$!
	for try in $(seq 100)
	do
		if [ -s "$portfile" ]
		then
			UPSTREAM_URL=http://127.0.0.1:$(cat "$portfile")
			SERVER_ENV+=(UPSTREAM_URL="$UPSTREAM_URL")
			return
		fi
		sleep 0.1
	done
	cat "$WORK/upstream.log" >&2
	die "the simulated provider did not start"
}

stop_upstream()
{
	kill "$UPSTREAM_PID" 2>/dev/null || true
	wait "$UPSTREAM_PID" 2>/dev/null || true
}
