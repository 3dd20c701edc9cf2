# Fuzz targets: make BUILD=fuzz fuzz [FUZZ_SECONDS=n] runs each test/fuzz/NAME.c on its corpus (test/fuzz/corpus/NAME); finds stay in $(O)/test/fuzz-NAME.d.
FUZZ_SECONDS ?= 30
FUZZ_TARGETS := $(patsubst test/fuzz/%.c,$(O)/test/fuzz-%,$(wildcard test/fuzz/*.c))
$(FUZZ_TARGETS): $(O)/test/fuzz-%: $(O)/test/fuzz/%.o $(call libs,$(ROOMS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< -Wl,--start-group $(call libs,$(ROOMS)) -Wl,--end-group $(LDLIBS)

.PHONY: fuzz
fuzz: $(FUZZ_TARGETS) ## fuzz every parser that outsiders reach (BUILD=fuzz, FUZZ_SECONDS=n each)
ifneq ($(BUILD),fuzz)
	@echo "fuzzing needs its own build: make BUILD=fuzz fuzz" >&2; exit 1
else
	$(Q)for t in $(FUZZ_TARGETS); do mkdir -p $$t.d && $$t -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$$t.d/ $$t.d test/fuzz/corpus/$${t##*/fuzz-} || exit 1; done
endif
