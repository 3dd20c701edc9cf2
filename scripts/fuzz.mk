# Fuzz targets, of the rooms that read what outsiders send: make BUILD=fuzz fuzz [FUZZ_SECONDS=n] runs each test/fuzz/NAME.c on its corpus
# (test/fuzz/corpus/NAME). What it finds stays in $(O)/test/fuzz-NAME.finds.
FUZZ_SECONDS ?= 30
FUZZ_TARGETS := $(patsubst test/fuzz/%.c,$(O)/test/fuzz-%,$(wildcard test/fuzz/*.c))
$(FUZZ_TARGETS): $(O)/test/fuzz-%: $(O)/test/fuzz/%.o $(call libs,$(AGENT_ROOMS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< -Wl,--start-group $(call libs,$(AGENT_ROOMS)) -Wl,--end-group $(LDLIBS)

.PHONY: fuzz
ifeq ($(BUILD),fuzz)
fuzz: $(FUZZ_TARGETS)
	$(Q)for t in $(FUZZ_TARGETS); do \
		corpus=test/fuzz/corpus/$${t##*/fuzz-}; mkdir -p $$t.finds; [ -d $$corpus ] || corpus=; \
		$$t -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$$t.finds/ $$t.finds $$corpus || exit 1; done
else
fuzz: ## fuzz every parser that outsiders reach (BUILD=fuzz, FUZZ_SECONDS=n each)
	@echo "fuzzing needs a build of its own: make BUILD=fuzz fuzz" >&2; exit 1
endif
