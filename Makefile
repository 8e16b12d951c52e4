# Makefile
#	  Builds modelroute with PGXS, and starts the project's own commands.
#
#	make, make install, make installcheck	as any extension
#	make demo		install what is missing, build, show it at work
#	make test		install what is missing, build, run every test
#	make lint		check the style rules
#	make format		rewrite the C sources in the project's layout
#	make bench		run the benchmarks
#	make dist		a release archive for PGXN
#
# These but dist work on a bare Debian 12: they do not need PGXS to be there
# when make starts.  SANITIZE=1 builds, and tests, with
# AddressSanitizer and UndefinedBehaviorSanitizer.

all:

EXTENSION = modelroute
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" \
	$(EXTENSION).control)

# ----------
# The shared library
# ----------

MODULE_big = modelroute
SOURCES = $(sort $(wildcard src/*.c src/*/*.c))
OBJS = $(SOURCES:.c=.o)

PG_CPPFLAGS = -Isrc
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -MMD -MP \
	-ffp-contract=off
SHLIB_LINK = -lcurl -lcjson -Wl,--version-script=src/exports.map

ifdef SANITIZE
PG_CFLAGS += -fsanitize=address,undefined -fno-omit-frame-pointer -O1
SHLIB_LINK += -fsanitize=address,undefined
endif

# ----------
# The install script: topic fragments joined by name
# ----------

INSTALL_SQL = sql/$(EXTENSION)--$(EXTVERSION).sql
PARTS = $(sort $(wildcard sql/parts/*.sql sql/parts/*.pl))
DATA_built = $(INSTALL_SQL)
DATA = $(filter-out $(INSTALL_SQL), $(wildcard sql/$(EXTENSION)--*--*.sql))

# ----------
# Tests of make installcheck; make test runs more
# ----------

REGRESS = $(sort $(basename $(notdir $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test --load-extension=modelroute
ISOLATION = $(sort $(basename $(notdir $(wildcard test/specs/iso_*.spec))))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=modelroute
TAP_TESTS = 1
PROVE_TESTS = $(sort $(wildcard test/t/*.pl))
REGRESS_PREP = upstream

EXTRA_CLEAN = $(SOURCES:.c=.d) .build-flags tmp_check results \
	regression.diffs regression.out META.json dist \
	sql/$(EXTENSION)--$(EXTVERSION).sql.tmp test/upstream/upstream \
	$(wildcard test/upstream/*.o test/upstream/*.d)

# ----------
# PGXS
# ----------

DEFAULT_PG_CONFIG = /usr/lib/postgresql/15/bin/pg_config
PG_CONFIG ?= $(or $(wildcard $(DEFAULT_PG_CONFIG)),pg_config)
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifneq ($(wildcard $(PGXS)),)

# Bitcode for inlining SQL-callable functions gains nothing here.
override with_llvm = no
include $(PGXS)
PROVE_FLAGS += -I test/t/lib
ifdef SANITIZE
override CPPFLAGS += -U_FORTIFY_SOURCE
endif

# The inner loops over models.
src/router/ridge.o src/router/artifact.o: CFLAGS += $(CFLAGS_VECTORIZE)

# Objects are built again when the compiler or its flags change.
BUILD_FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS) $(SHLIB_LINK)
ifneq ($(file <.build-flags),$(BUILD_FLAGS))
$(file >.build-flags,$(BUILD_FLAGS))
endif
$(OBJS): .build-flags
$(shlib): .build-flags src/exports.map

-include $(wildcard $(OBJS:.o=.d))

else

all install installcheck uninstall:
	@echo "PostgreSQL's build files (PGXS) were not found." >&2
	@echo "Run test/setup.sh, or set PG_CONFIG=/path/to/pg_config." >&2
	@exit 1

clean:
	rm -f $(OBJS) $(EXTENSION).so $(DATA_built)
	rm -rf $(EXTRA_CLEAN)

endif

$(INSTALL_SQL): $(PARTS) $(wildcard sql/parts/catalog/*) $(EXTENSION).control
	@set -e; for part in $(PARTS); do \
		case $$part in \
			*.pl) perl $$part ;; \
			*) cat $$part ;; \
		esac; echo; \
	done > $@.tmp
	@mv $@.tmp $@

# The simulated provider, which the TAP tests start.
upstream:
	$(MAKE) -s -C test/upstream SANITIZE=

# ----------
# The project's own commands
# ----------

export PG_CONFIG SANITIZE

demo:
	@test/demo.sh

test:
	@test/run.sh

bench:
	@bench/run.sh

lint:
	@test/setup.sh
	@perl test/lint/lint.pl

format:
	@test/setup.sh
	@perl test/lint/format.pl $$(find src test bench -name '*.[ch]')
	@perl test/lint/map.pl

META.json: META.json.in $(EXTENSION).control
	sed 's/@VERSION@/$(EXTVERSION)/g' META.json.in > $@

DIST = $(EXTENSION)-$(EXTVERSION)

# The archive holds what git holds, and META.json.
dist: META.json
	mkdir -p dist
	git archive --prefix=$(DIST)/ --add-file=META.json \
		--output=dist/$(DIST).zip HEAD

.PHONY: all install installcheck uninstall clean
.PHONY: demo test bench lint format dist upstream
