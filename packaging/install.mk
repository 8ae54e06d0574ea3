# SPDX-License-Identifier: Apache-2.0
# `make install`, into DESTDIR; included by the Makefile at the top. A configuration that is there
# already is kept: the new one goes beside it as NAME.yaml.new.

MAN_PAGES = $(wildcard daemons/*/*.8)
UNITS     = $(wildcard units/*.service)

# $(call install_conf,FROM,TO)
define install_conf
	$(Q)if [ -e '$(DESTDIR)$(2)' ] && ! cmp -s '$(1)' '$(DESTDIR)$(2)'; then \
	  echo '  kept  $(DESTDIR)$(2); the new one is $(2).new'; \
	  install -m 644 '$(1)' '$(DESTDIR)$(2).new'; \
	else install -m 644 '$(1)' '$(DESTDIR)$(2)'; fi

endef

.PHONY: install
install: all  ## binaries, configurations, man pages and units, into DESTDIR
	$(Q)install -d $(foreach d,$(DAEMONS),'$(DESTDIR)$(sysconfdir)/$(d)') \
	  '$(DESTDIR)$(bindir)' '$(DESTDIR)$(sysconfdir)/chsinkd/routes'
	$(Q)install -m 755 $(BINS) '$(DESTDIR)$(bindir)/'
	$(foreach d,$(DAEMONS),$(call install_conf,etc/$(d).yaml,$(sysconfdir)/$(d)/$(d).yaml))
	$(foreach r,$(notdir $(wildcard etc/routes/*.yaml)),$(call \
	  install_conf,etc/routes/$(r),$(sysconfdir)/chsinkd/routes/$(r)))
	$(if $(MAN_PAGES),$(Q)install -d '$(DESTDIR)$(mandir)/man8' && \
	  install -m 644 $(MAN_PAGES) '$(DESTDIR)$(mandir)/man8/')
	$(if $(UNITS),$(Q)install -d '$(DESTDIR)$(unitdir)' && \
	  install -m 644 $(UNITS) '$(DESTDIR)$(unitdir)/')
