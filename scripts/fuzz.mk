# Fuzz targets, of the rooms that read what outsiders send, and of the life cycles: make fuzz [FUZZ_SECONDS=n] runs each test/fuzz/NAME.c on
# its corpus (test/fuzz/corpus/NAME), FUZZ_JOBS at a time. What it finds stays in $(O)/test/fuzz-NAME.finds. make test runs each for 20 s.
FUZZ_SECONDS ?= 30
FUZZ_JOBS ?= 2
FUZZ_ROOMS := $(AGENT_ROOMS) model sched plan
FUZZ_NAMES := $(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/*.c))
FUZZ_TARGETS := $(FUZZ_NAMES:%=$(O)/test/fuzz-%)
# The agent's state is read by the agent's own objects; they are no room's library.
FUZZ_STATE := $(patsubst %.c,$(O)/%.o,$(filter-out agent/agent/main.c,$(wildcard agent/agent/brain*.c agent/agent/op*.c agent/agent/state.c agent/agent/store.c)))
$(O)/test/fuzz/agent_state.o: CPPFLAGS += -Iagent/agent
$(O)/test/fuzz-agent_state: $(FUZZ_STATE)
# The plan engine plays on the stage of its unit tests.
$(O)/test/fuzz/plan_events.o: CPPFLAGS += -Itest/unit/plan
$(O)/test/fuzz-plan_events: $(O)/test/unit/plan/world.o
$(O)/test/fuzz-plan_events: LDLIBS += $(shell pkg-config --libs check 2>/dev/null)
$(FUZZ_TARGETS): $(O)/test/fuzz-%: $(O)/test/fuzz/%.o $(call libs,$(FUZZ_ROOMS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $(filter %.o,$^) -Wl,--start-group $(call libs,$(FUZZ_ROOMS)) -Wl,--end-group $(LDLIBS)

# One line per target, and the log of one that found something.
FUZZ_RUN := run-fuzz-
.PHONY: fuzz fuzz-short test-fuzz $(FUZZ_NAMES:%=$(FUZZ_RUN)%)
$(FUZZ_NAMES:%=$(FUZZ_RUN)%): $(FUZZ_RUN)%: $(O)/test/fuzz-%
	$(Q)mkdir -p $<.finds; \
		$< -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$<.finds/ -print_final_stats=1 -verbosity=0 $<.finds $(wildcard test/fuzz/corpus/$*) > $<.log 2>&1 \
		|| { tail -60 $<.log; echo "fuzz $*: failed"; exit 1; }; \
		echo "fuzz $*: $$(sed -n 's/^stat::number_of_executed_units: *//p' $<.log) inputs, nothing found"
ifeq ($(BUILD),fuzz)
fuzz: $(FUZZ_TARGETS)
	+$(Q)$(MAKE) --no-print-directory -j$(FUZZ_JOBS) -k $(FUZZ_NAMES:%=$(FUZZ_RUN)%) FUZZ_SECONDS=$(FUZZ_SECONDS)
else
fuzz: ## fuzz every parser that outsiders reach and the life cycles (FUZZ_SECONDS=n each), in a build of its own
	+$(Q)$(MAKE) --no-print-directory $(call variant,fuzz) fuzz FUZZ_SECONDS=$(FUZZ_SECONDS)
endif
fuzz-short: FUZZ_SECONDS := 5
fuzz-short: fuzz ## fuzz each of them for 5 seconds
test-fuzz: FUZZ_SECONDS := 20
test-fuzz: $(if $(shell command -v clang),fuzz) ## fuzz each of them for 20 seconds
	$(Q)$(if $(shell command -v clang),:,echo "skipped: fuzzing needs clang")
