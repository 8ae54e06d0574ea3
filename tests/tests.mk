# SPDX-License-Identifier: Apache-2.0
# Targets that test; included by the Makefile at the top.

check: $(UNIT_BIN) $(REPLAY_BIN) $(BINS)  ## quick, offline: unit tests and fuzz corpora
	$(Q)fail=0; for t in $(UNIT_BIN); do echo "== $$t"; CK_VERBOSITY=$${CK_VERBOSITY:-minimal} $$t || fail=1; done; \
	for f in $(FUZZ_NAMES); do $(B)/fuzz/replay_$$f tests/fuzz/corpus/$$f || fail=1; done; exit $$fail
