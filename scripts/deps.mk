# Packages. build/deps.stamp is a makefile that make brings up to date before anything else and then starts over, so that the first make on a
# fresh machine installs what is missing and builds in one go. SKIP_DEPS=1 leaves that out.
.PHONY: deps deps-check
deps: ## install the Debian packages that are missing
	$(Q)scripts/deps
deps-check:
ifeq ($(SKIP_DEPS)$(filter help clean format deps check-includes,$(MAKECMDGOALS)),)
-include build/deps.stamp
build/deps.stamp: scripts/packages.txt scripts/deps
	@scripts/deps
	@mkdir -p build && echo '# every package of scripts/packages.txt is installed' > $@
endif
