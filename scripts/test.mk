# The test tiers and all of them. Each tier alone: make test-unit, test-ledger, test-sim, test-mutants, test-http-diff, test-e2e [E2E=pytest arguments].
# Nothing is shared between two runs: ports come from the kernel, folders and databases are temporary.
# Real JVM bases are a tier beside them: make test-koupleless, in .ci/run by MORE.
TIERS := test-unit test-ledger test-sim test-mutants test-http-diff test-fuzz test-e2e
MORE ?=
E2E ?=

.PHONY: test test-unit test-e2e
test: ## every test that needs no outside service, then the targets in MORE; one closing line of counts
	@+scripts/tally "$(MAKE)" $(TIERS) $(MORE)

test-unit: $(UNIT_TESTS) ## unit tests of every room and program
	$(Q)failed=; for t in $(UNIT_TESTS); do $$t || failed=1; done; [ -z "$$failed" ]

test-e2e: all schemathesis ## real processes: servers, PostgreSQL, agents, bases, command line
	$(Q)BERTH_BIN_DIR=$(abspath $(O)) BERTH_SCHEMATHESIS=$(SCHEMATHESIS) PYTHONDONTWRITEBYTECODE=1 \
		/usr/bin/python3 -m pytest -q -p no:cacheprovider test/e2e --ignore test/e2e/test_koupleless.py $(E2E)
