# Fuzz targets, of the rooms that read what outsiders send: make fuzz [FUZZ_SECONDS=n] runs each test/fuzz/NAME.c on its corpus
# (test/fuzz/corpus/NAME). What it finds stays in $(O)/test/fuzz-NAME.finds.
FUZZ_SECONDS ?= 30
FUZZ_TARGETS := $(patsubst test/fuzz/%.c,$(O)/test/fuzz-%,$(wildcard test/fuzz/*.c))
# The agent's state is read by the agent's own objects; they are no room's library.
FUZZ_STATE := $(patsubst %.c,$(O)/%.o,$(filter-out agent/agent/main.c,$(wildcard agent/agent/brain*.c agent/agent/op*.c agent/agent/state.c agent/agent/store.c agent/agent/worker.c)))
$(O)/test/fuzz/agent_state.o: CPPFLAGS += -Iagent/agent
$(O)/test/fuzz-agent_state: $(FUZZ_STATE)
$(FUZZ_TARGETS): $(O)/test/fuzz-%: $(O)/test/fuzz/%.o $(call libs,$(AGENT_ROOMS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $(filter %.o,$^) -Wl,--start-group $(call libs,$(AGENT_ROOMS)) -Wl,--end-group $(LDLIBS)

.PHONY: fuzz fuzz-short
fuzz-short: FUZZ_SECONDS := 5
ifeq ($(BUILD),fuzz)
fuzz-short: fuzz
fuzz: $(FUZZ_TARGETS)
	$(Q)for t in $(FUZZ_TARGETS); do \
		name=$${t##*/fuzz-}; mkdir -p $$t.finds; \
		$$t -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$$t.finds/ -print_final_stats=1 $$t.finds test/fuzz/corpus/$$name > $$t.log 2>&1 || { tail -60 $$t.log; exit 1; }; \
		echo "fuzz $$name: $$(sed -n 's/^stat::number_of_executed_units: *//p' $$t.log) inputs, nothing found"; done
else
fuzz: ## fuzz every parser that outsiders reach (FUZZ_SECONDS=n each), in a build of its own
	+$(Q)$(MAKE) --no-print-directory $(call variant,fuzz) fuzz
fuzz-short: ## fuzz each of them for 5 seconds
	+$(Q)$(MAKE) --no-print-directory $(call variant,fuzz) fuzz-short
endif
