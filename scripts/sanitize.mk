# The sanitizers: make test-asan (every tier under AddressSanitizer, LeakSanitizer and UBSan) and
# make test-tsan (all that has more than one thread, under ThreadSanitizer). Each builds in a folder of its own. What a sanitizer finds in
# any process, also in one that a test kills or lets fail, lands as a file in REPORTS; one such file fails the target.
TSAN_UNITS := $(patsubst %,$(O)/test/unit-%,agent drive http loop rpc)
TSAN_E2E := $(patsubst %,test/e2e/test_%.py,native_base agent_stream agent_alone deploy)
REPORTS := $(abspath $(O))/test/reports
# The folder of the other build: next to O when that was chosen, else the usual one.
variant = BUILD=$(1) O=$(if $(filter command line,$(origin O)),$(O)-$(1),build/$(1))
reported = for r in $(REPORTS)/*; do [ -e "$$r" ] || continue; echo "$$r:"; head -60 "$$r"; failed=1; done; [ -z "$$failed" ]

.PHONY: test-asan test-tsan
test-asan: export ASAN_OPTIONS = detect_stack_use_after_return=1:strict_string_checks=1:log_path=$(REPORTS)/asan
test-asan: export UBSAN_OPTIONS = print_stacktrace=1:halt_on_error=1:log_path=$(REPORTS)/ubsan
test-tsan: export TSAN_OPTIONS = suppressions=$(CURDIR)/test/tsan.supp:second_deadlock_stack=1:print_suppressions=0:log_path=$(REPORTS)/tsan
# Above the bound of test/e2e/pytest.ini: everything takes several times as long.
test-asan test-tsan: export PYTEST_TIMEOUT ?= 900
ifeq ($(BUILD),asan)
test-asan: all
	$(Q)rm -rf $(REPORTS) && mkdir -p $(REPORTS)
	+$(Q)failed=; scripts/tally "$(MAKE)" $(TIERS) || failed=1; $(reported)
else
test-asan: ## every tier under ASan, LSan and UBSan, in a build of its own
	+$(Q)$(MAKE) --no-print-directory $(call variant,asan) test-asan
endif
ifeq ($(BUILD),tsan)
test-tsan: all $(TSAN_UNITS)
	$(Q)rm -rf $(REPORTS) && mkdir -p $(REPORTS)
	$(Q)failed=; for t in $(TSAN_UNITS); do $$t || failed=1; done; \
		BERTH_BIN_DIR=$(abspath $(O)) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -q -p no:cacheprovider $(TSAN_E2E) $(E2E) || failed=1; $(reported)
else
test-tsan: ## what has threads under TSan, in a build of its own
	+$(Q)$(MAKE) --no-print-directory $(call variant,tsan) test-tsan
endif
