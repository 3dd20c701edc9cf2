# Real Koupleless bases: make test-koupleless builds test/koupleless with Maven below $(O) and runs test/e2e/test_koupleless.py on it.
# KOUPLELESS_JARS=folder takes jars that somebody has built with another runtime instead. MVN_FLAGS are handed to Maven.
KOUPLELESS := $(O)/koupleless
KOUPLELESS_SRC := $(shell find test/koupleless -type f)
KOUPLELESS_JARS ?=
MVN_FLAGS ?=
JVM_LACKS := $(strip $(if $(shell command -v java),,java) $(if $(KOUPLELESS_JARS),,$(if $(shell command -v mvn),,mvn)))

# Built in a copy: the source tree stays as it is.
$(KOUPLELESS)/.built: $(KOUPLELESS_SRC)
	$(call say,MVN,$(KOUPLELESS))
	$(Q)mkdir -p $(KOUPLELESS) && cp -r test/koupleless/. $(KOUPLELESS)
	$(Q)cd $(KOUPLELESS) && mvn -B -q $(MVN_FLAGS) package > build.log 2>&1 || { tail -n 40 build.log >&2; exit 1; }
	$(Q)touch $@

KOUPLELESS_RUN = BERTH_BIN_DIR=$(abspath $(O)) BERTH_KOUPLELESS_DIR=$(abspath $(KOUPLELESS)) PYTHONDONTWRITEBYTECODE=1 \
	$(if $(KOUPLELESS_JARS),KOUPLELESS_JARS=$(abspath $(KOUPLELESS_JARS)))
KOUPLELESS_NEEDS := all $(if $(KOUPLELESS_JARS),,$(KOUPLELESS)/.built)

.PHONY: test-koupleless demo-koupleless bench-koupleless
ifeq ($(JVM_LACKS),)
test-koupleless: $(KOUPLELESS_NEEDS) ## real Koupleless bases (Java 17, Maven); KOUPLELESS_JARS=folder
	$(Q)$(KOUPLELESS_RUN) /usr/bin/python3 -m pytest -q -p no:cacheprovider test/e2e/test_koupleless.py $(E2E)
demo-koupleless: $(KOUPLELESS_NEEDS) ## a real Koupleless base with two modules under Berth: seven claims, each measured
	$(Q)$(KOUPLELESS_RUN) scripts/demo-koupleless
bench-koupleless: $(KOUPLELESS_NEEDS) ## a deploy to real JVMs: theirs and our share of it (RUNS=n)
	$(Q)$(KOUPLELESS_RUN) /usr/bin/python3 bench/koupleless.py
else
test-koupleless demo-koupleless bench-koupleless:
	$(Q)echo "skipped: real Koupleless bases need $(JVM_LACKS) (Java 17, Maven 3.8)"
endif
