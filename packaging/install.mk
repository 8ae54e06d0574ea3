# SPDX-License-Identifier: Apache-2.0
# `make install`, into DESTDIR; included by the Makefile at the top. `make install DAEMONS=chsinkd`
# installs one of them; without COMMON, which is what they share, or with it alone (DAEMONS=): that
# is how the Debian packages are filled. A configuration that is there already is kept: the new one
# goes beside it as NAME.yaml.new.

COMMON        ?= yes

docdir        ?= $(prefix)/share/doc/$(NAME)
completiondir ?= $(prefix)/share/bash-completion/completions
# systemd looks for catalogs here only.
catalogdir    ?= /usr/lib/systemd/catalog

$(B)/man/%.yaml.5: etc/%.yaml packaging/man5.awk
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)awk -f packaging/man5.awk -v name=$* -v version=$(VERSION) $< > $@

# ---- the manual for a browser, where there is mandoc ----

PAGES := $(wildcard daemons/*.7) $(foreach d,wikisrcd wmfetchd chsinkd,daemons/$(d)/$(d).8 \
         $(B)/man/$(d).yaml.5 $(wildcard daemons/$(d)/*.5))
HTML  := $(if $(shell command -v mandoc),$(B)/html/index.html)

$(B)/html/index.html: $(PAGES) packaging/html.sh packaging/manual.css
	$(call say,HTML,$(@D))
	$(Q)packaging/html.sh $(@D) $(PAGES)

.PHONY: html
html: $(B)/html/index.html  ## the manual for a browser: build/html/index.html (needs mandoc)

# $(call install_conf,FROM,TO)
define install_conf
	$(Q)if [ -e '$(DESTDIR)$(2)' ] && ! cmp -s '$(1)' '$(DESTDIR)$(2)'; then \
	  echo '  kept  $(DESTDIR)$(2); the new one is $(2).new'; \
	  install -m 644 '$(1)' '$(DESTDIR)$(2).new'; \
	else install -D -m 644 '$(1)' '$(DESTDIR)$(2)'; fi

endef

# $(call install_into,DIRECTORY,FILES)
define install_into
	$(Q)install -D -m 644 -t '$(DESTDIR)$(1)' $(2)

endef

# $(call install_daemon,NAME). Secrets are for root alone: systemd hands them to the daemon.
define install_daemon
	$(Q)install -D -m 755 -t '$(DESTDIR)$(bindir)' $(B)/$(1)
	$(call install_conf,etc/$(1).yaml,$(sysconfdir)/$(1)/$(1).yaml)
	$(Q)install -d -m 700 '$(DESTDIR)$(sysconfdir)/$(1)/secrets'
	$(call install_into,$(unitdir),units/$(1).service units/$(1)@.service)
	$(Q)sed -i 's|/usr/bin/$(1)|$(bindir)/$(1)|' '$(DESTDIR)$(unitdir)/$(1).service' \
	  '$(DESTDIR)$(unitdir)/$(1)@.service'
	$(call install_into,$(mandir)/man8,daemons/$(1)/$(1).8)
	$(call install_into,$(mandir)/man5,$(B)/man/$(1).yaml.5 $(wildcard daemons/$(1)/*.5))

endef

define install_routes
	$(foreach r,$(notdir $(wildcard etc/routes/*.yaml)),$(call \
	  install_conf,etc/routes/$(r),$(sysconfdir)/chsinkd/routes/$(r)))
endef

# bash-completion looks for a file of the program's name. The queries are those that the tables of
# chsinkd's routes answer.
define install_common
	$(call install_into,$(catalogdir),packaging/journal/streaming-daemons.catalog)
	$(Q)install -D -m 644 packaging/completion.bash '$(DESTDIR)$(completiondir)/chsinkd'
	$(Q)ln -sf chsinkd '$(DESTDIR)$(completiondir)/wikisrcd'
	$(Q)ln -sf chsinkd '$(DESTDIR)$(completiondir)/wmfetchd'
	$(call install_into,$(mandir)/man7,$(wildcard daemons/*.7))
	$(call install_into,$(docdir),README.md)
	$(if $(HTML),$(call install_into,$(docdir)/html,$(B)/html/*))
	$(call install_into,$(docdir)/examples,$(wildcard packaging/monitoring/*))
	$(foreach q,$(notdir $(wildcard etc/queries/*)),$(call \
	  install_into,$(docdir)/examples/queries/$(q),$(wildcard etc/queries/$(q)/*)))
endef

.PHONY: install
install: all $(DAEMONS:%=$(B)/man/%.yaml.5) $(if $(COMMON),$(HTML))  ## programs, configurations, manual, units into DESTDIR
	$(foreach d,$(DAEMONS),$(call install_daemon,$(d)))
	$(if $(filter chsinkd,$(DAEMONS)),$(install_routes))
	$(if $(COMMON),$(install_common))
