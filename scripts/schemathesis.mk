# schemathesis over /openapi.json is a test of test/e2e; it comes from PyPI into a folder of its own below build/. Where PyPI is not reached the
# test says so and counts as skipped.
SCHEMATHESIS_VERSION := 4.32.5
SCHEMATHESIS := $(abspath build/schemathesis-$(SCHEMATHESIS_VERSION))

.PHONY: schemathesis
schemathesis: ## fetch schemathesis, once; the end to end tests use it
	$(Q)[ -x $(SCHEMATHESIS)/bin/schemathesis ] || { rm -rf $(SCHEMATHESIS) && /usr/bin/python3 -m venv $(SCHEMATHESIS) && \
		timeout 300 $(SCHEMATHESIS)/bin/pip install -q --disable-pip-version-check --retries 1 --timeout 15 schemathesis==$(SCHEMATHESIS_VERSION); \
		} > /dev/null 2>&1 || rm -rf $(SCHEMATHESIS)
