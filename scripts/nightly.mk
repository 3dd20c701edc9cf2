# make nightly: the long forms, for a machine that has the night. Each line is a target of its own as well; the first that fails does not
# keep the others from running. NIGHTLY_SEEDS of the simulation, NIGHTLY_FUZZ seconds for each fuzz target.
NIGHTLY_SEEDS ?= 10000
NIGHTLY_FUZZ ?= 300
NIGHTLY := "test-unit" "test-ledger" "test-sim SEEDS=$(NIGHTLY_SEEDS)" "test-http-diff MUTANTS=20000000" "test-e2e BERTH_NIGHTLY=1 PYTEST_TIMEOUT=3600" "test-koupleless" \
           "test-asan" "test-tsan" "fuzz FUZZ_SECONDS=$(NIGHTLY_FUZZ)"

.PHONY: nightly
nightly: ## the long forms of all tests, the sanitizers, fuzzing; hours
	@+scripts/tally "$(MAKE)" $(NIGHTLY)
