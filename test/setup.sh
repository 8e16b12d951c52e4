#!/bin/bash
#
# setup.sh
#	  Installs the Debian packages that are missing to build and test.
#
# Does nothing, and needs no rights, when all are there.  Otherwise it calls
# apt-get as root or through sudo.  A PostgreSQL that PG_CONFIG points to is
# taken as it is; without one, Debian's version 15 is installed, without the
# cluster "main" that Debian would create with the server package.

set -euo pipefail

DEFAULT_PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config

PACKAGES=(gcc libc6-dev make perl curl procps libcurl4-openssl-dev libcjson-dev
	libipc-run-perl pg-bsd-indent)
SERVER_PACKAGES=(postgresql-15 postgresql-server-dev-15)

AS_ROOT=()
LOG=

main()
{
	local missing

	if ! have_server "${PG_CONFIG:-}" && ! have_server $DEFAULT_PG_CONFIG
	then
		PACKAGES+=("${SERVER_PACKAGES[@]}")
	fi
	missing=$(missing_packages)
	if [ -n "$missing" ]
	then
		install_packages $missing
	fi
}

# A server with its build files, its headers and the means to test, as
# pg_config sees it: Debian has the first two in packages of their own.
have_server()
{
	local pgxs

	pgxs=$("$1" --pgxs 2>/dev/null) &&
		[ -f "$pgxs" ] &&
		[ -f "$("$1" --includedir-server)/postgres.h" ] &&
		[ -x "$("$1" --bindir)/postgres" ]
}

missing_packages()
{
	local package

	if ! command -v dpkg-query >/dev/null
	then
		echo "setup.sh: not a Debian system; these must be there:" \
			"${PACKAGES[*]}" >&2
		return
	fi
	for package in "${PACKAGES[@]}"
	do
		if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2>/dev/null)" != installed ]
		then
			echo "$package"
		fi
	done
}

install_packages()
{
	if [ "$(id -u)" -ne 0 ]
	then
		if ! command -v sudo >/dev/null
		then
			echo "setup.sh: as root, run: apt-get install $*" >&2
			exit 1
		fi
		AS_ROOT=(sudo)
	fi
	LOG=$(mktemp)
	trap 'allow_main_cluster; rm -f "$LOG"' EXIT

	echo "installing packages: $*"
	run_apt update
	if [[ " $* " == *" postgresql-15 "* ]]
	then
		run_apt install postgresql-common
		forbid_main_cluster
	fi
	run_apt install "$@"
}

# apt-get, silent unless it fails; waits for another apt-get to finish.
run_apt()
{
	if ! "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -y -q -o DPkg::Lock::Timeout=600 \
		--no-install-recommends "$@" >"$LOG" 2>&1 </dev/null
	then
		cat "$LOG" >&2
		echo "setup.sh: apt-get $* failed" >&2
		exit 1
	fi
}

# Debian creates and starts a cluster with the server package, unless this
# says otherwise.  It is said only while the package is being installed.
CREATECLUSTER=/etc/postgresql-common/createcluster.conf
FORBID='create_main_cluster = false # while modelroute installs the server'

forbid_main_cluster()
{
	echo "$FORBID" | "${AS_ROOT[@]}" tee -a $CREATECLUSTER >/dev/null
}

allow_main_cluster()
{
	if grep -qsxF "$FORBID" $CREATECLUSTER
	then
		"${AS_ROOT[@]}" sed -i "\|^$FORBID\$|d" $CREATECLUSTER
	fi
}

main
