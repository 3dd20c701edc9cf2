# Speed, against the smallest program that does the same durable and wire work: make bench [BENCH=name], make bench-short. bench/*.c are the
# floors and load drivers, one file per program, and what they share. Always the release build, in a folder of its own.
BENCH ?=
BENCH_SHARED := db request wire work fleet
BENCH_PROGRAMS := $(filter-out $(BENCH_SHARED:%=$(O)/bench/%),$(patsubst bench/%.c,$(O)/bench/%,$(wildcard bench/*.c)))

$(O)/libbench.a: $(BENCH_SHARED:%=$(O)/bench/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BENCH_PROGRAMS): $(O)/bench/%: $(O)/bench/%.o $(O)/libbench.a $(call libs,base proto model sched plan)
	$(call say,LINK,$@)
	$(Q)$(call link,$<,$(filter %.a,$^))

.PHONY: bench bench-short
ifeq ($(BUILD),release)
bench bench-short: all $(BENCH_PROGRAMS) $(O)/test/ledger-cluster
	$(Q)BERTH_BIN_DIR=$(abspath $(O)) PYTHONDONTWRITEBYTECODE=1 $(O)/test/ledger-cluster /usr/bin/python3 bench/run.py $(if $(filter bench-short,$@),--short) $(BENCH)
else
bench: ## every speed goal against its floor, in a release build of its own: BENCH=name for one
	+$(Q)$(MAKE) --no-print-directory $(call variant,release) bench
bench-short: ## each of them with fewer and smaller runs: whether it works, and roughly how fast
	+$(Q)$(MAKE) --no-print-directory $(call variant,release) bench-short
endif
