# SPDX-License-Identifier: Apache-2.0
# The only makefile. `make help` lists what it can do.

NAME     := streaming-daemons
VERSION  := 0.2.0
DAEMONS  := wikisrcd chsinkd wmfetchd
B        := build

prefix     ?= /usr
bindir     ?= $(prefix)/bin
sbindir    ?= $(prefix)/sbin
mandir     ?= $(prefix)/share/man
sysconfdir ?= /etc
unitdir    ?= /lib/systemd/system
DESTDIR    ?=

CC         ?= cc
CFLAGS     ?= -O2 -g
PKGS       := libcurl rdkafka libcjson libsystemd yaml-0.1 libmicrohttpd liblz4 libzstd libcrypto zlib
# Asked once, and only by what is built.
PKG_CFLAGS  = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS) 2>/dev/null))$(PKG_CFLAGS)
# --as-needed: a program is linked with what it uses (lz4 and zstd are chsinkd's alone).
PKG_LIBS    = $(eval PKG_LIBS := -Wl,--as-needed $$(shell pkg-config --libs $(PKGS) 2>/dev/null) \
              -lm -lpthread)$(PKG_LIBS)
CHECK_LIBS  = $(shell pkg-config --libs check 2>/dev/null)
WARN       := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wvla \
              -Wundef -Wwrite-strings -fno-common
# WERROR=1: for developers and CI.
WARN       += $(if $(WERROR),-Werror)
SANITIZE   ?=
# As Debian's packages are built, so that tests meet what is installed. (Sanitizers do it better.)
CPPFLAGS   ?= $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
SAN        := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
# STEPS=1: with the named steps of lib/base/step.h, for make torture.
STEPS      ?=
ALL_CFLAGS  = -std=gnu11 $(WARN) $(SAN) $(CFLAGS)
ALL_CPPFLAGS = -D_GNU_SOURCE -DPL_VERSION='"$(VERSION)"' -I. $(if $(STEPS),-DPL_STEPS) $(PKG_CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = $(SAN) $(LDFLAGS)

ifneq ($(V),1)
Q := @
say = @printf '  %-5s %s\n' $(1) $(2)
endif

LIB_SRC  := $(wildcard lib/*/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
UNIT_SRC := $(wildcard tests/unit/*/check_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_NAMES := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%)
REPLAY_BIN := $(FUZZ_NAMES:%=$(B)/fuzz/replay_%)
BINS     := $(DAEMONS:%=$(B)/%)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help check test demo bench clean fuzz lint format units FORCE
all: $(BINS)  ## build the daemons (build/NAME)

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

# Objects depend on the flags they were built with.
$(B)/flags: FORCE
	$(Q)mkdir -p $(B); echo '$(CC) $(ALL_CFLAGS) $(ALL_CPPFLAGS)' | cmp -s - $@ || \
	  echo '$(CC) $(ALL_CFLAGS) $(ALL_CPPFLAGS)' > $@

# What is missing is said by name and with the command that brings it, not by the compiler.
$(B)/libraries:
	$(Q)mkdir -p $(@D)
	$(Q)command -v pkg-config >/dev/null || { echo 'missing: pkg-config; to install all that is' \
	  'needed, as root: tests/services/deps.sh build' >&2; exit 69; }
	$(Q)missing=; for p in $(PKGS); do pkg-config --exists $$p || missing="$$missing $$p"; done; \
	  [ -z "$$missing" ] || { echo "missing:$$missing; to install all that is needed, as root:" \
	  'tests/services/deps.sh build' >&2; exit 69; }
	$(Q)touch $@

$(B)/%.o: %.c $(B)/flags | $(B)/libraries
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libpipeline.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@; $(AR) rcs $@ $^

# Each daemon is an archive without main.c, which tests, fuzzers and benchmarks link as well.
define daemon
$(1)_SRC := $$(filter-out daemons/$(1)/main.c,$$(wildcard $$(foreach d,* */* */*/*,daemons/$(1)/$$(d).c)))
$(B)/$(1).a: $$($(1)_SRC:%.c=$(B)/%.o)
	$$(call say,AR,$$@)
	$(Q)rm -f $$@; $(AR) rcs $$@ $$^
$(B)/$(1): $(B)/daemons/$(1)/main.o $(B)/$(1).a $(B)/libpipeline.a
	$$(call say,LD,$$@)
	$(Q)$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS)
endef
$(foreach d,$(DAEMONS),$(eval $(call daemon,$(d))))
# A test or fuzzer names the daemon it links in its first lines: "links: chsinkd".
links = $(foreach d,$(shell sed -n 's/^.*links: \([a-z ]*\).*/\1/p' $(1) | head -1),$(B)/$(d).a)

.SECONDEXPANSION:
$(B)/unit/%: $(B)/tests/unit/%.o $$(call links,tests/unit/%.c) $(B)/libpipeline.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(CHECK_LIBS)

# The corpora replayed without a fuzzer: an ordinary program that reads files.
$(B)/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $$(call links,tests/fuzz/fuzz_%.c) $(B)/libpipeline.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# What tests and demo run against.
SERVICES := $(B)/services/eventstreams $(B)/services/make-events
$(B)/services/eventstreams: $(patsubst %.c,$(B)/%.o,$(wildcard tests/services/eventstreams/*.c))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcjson
$(B)/services/make-events: $(B)/tests/services/make-events.o
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

include tests/tests.mk
include packaging/install.mk
include packaging/deb.mk

clean:  ## remove build/
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
