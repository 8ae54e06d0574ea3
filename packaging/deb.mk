# SPDX-License-Identifier: Apache-2.0
# `make deb`, and the check of what it built; included by the Makefile at the top. The work is done
# by the scripts beside this file.

.PHONY: deb deb-check

deb:  ## Debian packages of the three daemons, in build/deb/ (installs what building them needs)
	$(Q)tests/services/deps.sh deb
	$(Q)packaging/deb.sh $(B)/deb

deb-check: deb  ## lintian, and a second build that must come out the same
	$(Q)packaging/deb-check.sh $(B)
