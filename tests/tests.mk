# SPDX-License-Identifier: Apache-2.0
# Targets that test, measure and show; included by the Makefile at the top. The work is done by the
# scripts in tests/run/ and tests/demo.sh, which count and say what came out.

BENCH_SRC := $(wildcard tests/bench/bench_*.c)
BENCH_BIN := $(BENCH_SRC:tests/bench/%.c=$(B)/bench/%)
C_FILES    = $(wildcard lib/*/*.[ch] daemons/*/*.[ch] daemons/*/*/*.[ch] tests/*/*.[ch] \
             tests/unit/*/*.[ch] tests/services/*/*.[ch])

.PHONY: away versions bench-compare search torture torture-bins check-bins fuzz-bins demo-stop demo-watermelon demo-watermelon-stop test-systemd test-systems newcomer

check: $(BINS) check-bins  ## quick, offline, no root: unit tests, fuzz corpora, tree, configurations
	$(Q)tests/run/check.sh $(B) $(B)/results/check -- $(UNIT_BIN) -- $(FUZZ_NAMES)

check-bins: $(UNIT_BIN) $(REPLAY_BIN)

test:  ## everything: check, end to end with real Kafka and ClickHouse, sanitizers (root or sudo)
	$(Q)MAKE='$(MAKE)' tests/run/test.sh

test-systemd: deb $(B)/services/eventstreams $(B)/services/make-events  ## the packages installed and run in a booted container (root)
	$(Q)mkdir -p $(B)/results
	$(Q)tests/systemd/run.sh $(B)

test-systems: deb  ## the packages built here installed on Debian 13, its systemd asked about the units (root)
	$(Q)tests/systemd/systems.sh $(B)

search: check-bins  ## what is too long for test: the sink's protocol searched further (5 minutes, 1.5 GB), 1,500 commits into Iceberg
	$(Q)CK_TIMEOUT_MULTIPLIER=30 PARTITION_SEARCH=full $(B)/unit/chsinkd/check_partition
	$(Q)tests/services/duckdb.sh fetch
	$(Q)CK_TIMEOUT_MULTIPLIER=30 ICEBERG_COMMITS=1500 \
	  DUCKDB_LIBRARY=$$(tests/services/duckdb.sh library) $(B)/unit/chsinkd/check_iceberg_output

torture:  ## seeded runs in which everything is broken, exactly once all the same (SEED=1 RUNS=20; tests/torture/run.py)
	+$(Q)$(MAKE) --no-print-directory B=$(B)/steps STEPS=1 torture-bins
	$(Q)tests/services/duckdb.sh fetch
	$(Q)/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/torture/check_torture.py
	$(Q)BUILD=$(B)/steps /usr/bin/python3 tests/torture/run.py --seed $(or $(SEED),1) --runs $(or $(RUNS),20)

torture-bins: $(BINS) $(SERVICES)

away:  ## Kafka, then ClickHouse, is away for ten minutes under load (AWAY_SECONDS=600; tests/torture/away.py)
	+$(Q)$(MAKE) --no-print-directory all $(B)/services/eventstreams $(B)/services/make-events
	$(Q)BUILD=$(B) /usr/bin/python3 tests/torture/away.py

versions:  ## other versions of Kafka, ClickHouse and librdkafka, a table (tests/torture/versions.py)
	+$(Q)$(MAKE) --no-print-directory all $(B)/services/eventstreams $(B)/services/make-events
	$(Q)BUILD=$(B) /usr/bin/python3 tests/torture/versions.py

demo:  ## the live stream into a table, and what is in it (OUTPUT=duckdb or iceberg, DEMO_SECONDS=30, KEEP=1; root or sudo)
	$(Q)MAKE='$(MAKE)' tests/demo.sh

newcomer:  ## the time from git clone to the demo's first rows in a bare chroot, with its stages (root)
	$(Q)tests/run/newcomer.sh

demo-stop:  ## stop what `make demo KEEP=1` left running
	$(Q)tests/demo.sh stop

demo-watermelon:  ## Keycloak, an API, both daemons, a table and its queries (KEEP=1; root or sudo)
	$(Q)MAKE='$(MAKE)' tests/demo-watermelon.sh

demo-watermelon-stop:  ## stop what `make demo-watermelon KEEP=1` left running
	$(Q)tests/demo-watermelon.sh stop

# ---- benchmarks ----

$(B)/bench/%: $(B)/tests/bench/%.o $$(call links,tests/bench/%.c) $(B)/libpipeline.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

bench: $(BENCH_BIN) $(BINS) $(B)/services/make-events $(B)/services/eventstreams  ## loaders side by side on this machine; what chooses parts and sizes says tests/run/bench.sh
	$(Q)tests/run/bench.sh $(B)

bench-compare:  ## two commits of make bench side by side (OLD=commit NEW=commit; else the last two runs)
	$(Q)/usr/bin/python3 tests/bench/report.py compare $(or $(BENCH_HISTORY),$(B)/bench/history.jsonl) $(OLD) $(NEW)

# ---- fuzzing: objects of their own, by clang ----

FUZZ_SECONDS ?= 60
FUZZ_MAKE = $(MAKE) B=$(B)/clang CC=clang SANITIZE=fuzzer-no-link,address,undefined \
            CFLAGS='-O1 -g' fuzz-bins

$(B)/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $$(call links,tests/fuzz/fuzz_%.c) $(B)/libpipeline.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

fuzz-bins: $(FUZZ_NAMES:%=$(B)/fuzz/fuzz_%)

fuzz:  ## each fuzzer for FUZZ_SECONDS=60, from its corpus (needs clang)
	$(Q)command -v clang >/dev/null || { echo 'make fuzz needs clang and its runtime: apt-get install clang libclang-rt-14-dev' >&2; \
	  exit 69; }
	+$(Q)$(FUZZ_MAKE) --no-print-directory
	$(Q)tests/run/fuzz.sh $(B) $(FUZZ_SECONDS) $(FUZZ_NAMES)

# ---- form ----

lint:  ## form: clang-format, 100 columns, shellcheck (where installed)
	$(Q)tests/run/lint.sh $(C_FILES)

format:  ## put all C files into form (needs clang-format)
	$(Q)clang-format -i $(C_FILES)
