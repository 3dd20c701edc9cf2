# make install [PREFIX=/usr/local] [DESTDIR=…]: programs, module.h, examples to copy, configuration, systemd units, manual pages, completion.
# A configuration that is there already is kept.
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR ?= $(if $(filter /usr,$(PREFIX)),/lib/systemd/system,$(PREFIX)/lib/systemd/system)
D = $(DESTDIR)$(PREFIX)
INSTALLED = $(D)/bin/berth $(D)/bin/berthd $(D)/bin/berth-agent $(D)/bin/berth-base $(D)/include/berth/module.h $(D)/share/doc/berth \
            $(D)/share/man/man1/berth.1 $(D)/share/man/man8/berthd.8 $(D)/share/bash-completion/completions/berth \
            $(D)/share/zsh/site-functions/_berth $(D)/share/fish/vendor_completions.d/berth.fish \
            $(DESTDIR)$(UNITDIR)/berthd.service $(DESTDIR)$(UNITDIR)/berth-agent@.service

.PHONY: install uninstall
install: all ## PREFIX (now /usr/local unless given), DESTDIR; BUILD=release is what to install
	$(Q)install -d $(D)/bin $(D)/include/berth $(D)/share/man/man1 $(D)/share/man/man8 $(D)/share/doc/berth/examples \
		$(D)/share/bash-completion/completions $(D)/share/zsh/site-functions $(D)/share/fish/vendor_completions.d \
		$(DESTDIR)$(SYSCONFDIR)/berth $(DESTDIR)$(UNITDIR)
	$(Q)install -m 755 $(PROGRAMS) $(D)/bin
	$(Q)install -m 644 include/berth/module.h $(D)/include/berth
	$(Q)install -m 644 README.md docs/*.md $(D)/share/doc/berth
	$(Q)cp -r examples/. $(D)/share/doc/berth/examples
	$(Q)[ -e $(DESTDIR)$(SYSCONFDIR)/berth/berthd.conf ] || install -m 640 conf/berthd.conf $(DESTDIR)$(SYSCONFDIR)/berth
	$(Q)for u in berthd berth-agent@; do \
		sed 's|@BINDIR@|$(PREFIX)/bin|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g' conf/$$u.service.in > $(DESTDIR)$(UNITDIR)/$$u.service && chmod 644 $(DESTDIR)$(UNITDIR)/$$u.service || exit 1; done
	$(Q)$(O)/berth man > $(D)/share/man/man1/berth.1
	$(Q)$(O)/berthd --man > $(D)/share/man/man8/berthd.8
	$(Q)$(O)/berth completion bash > $(D)/share/bash-completion/completions/berth
	$(Q)$(O)/berth completion zsh > $(D)/share/zsh/site-functions/_berth
	$(Q)$(O)/berth completion fish > $(D)/share/fish/vendor_completions.d/berth.fish
	@echo "installed below $(D); units in $(DESTDIR)$(UNITDIR), configuration in $(DESTDIR)$(SYSCONFDIR)/berth"
uninstall: ## takes away what install put there; configuration and data stay
	$(Q)rm -rf $(INSTALLED)
