# The strict HTTP parser against llhttp: make test-http-diff [MUTANTS=n] [SEED=n]. llhttp's C sources come from Debian's node-llhttp.
LLHTTP ?= /usr/share/llhttp
MUTANTS ?= 2000000
HTTP_DIFF := $(O)/test/http-diff
LLHTTP_O := $(patsubst %,$(O)/test/llhttp/%.o,api http llhttp)

$(LLHTTP_O): $(O)/test/llhttp/%.o: $(LLHTTP)/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -isystem $(LLHTTP)/../include/llhttp -std=gnu17 $(MODE_$(BUILD)) -fPIE -w -c $< -o $@
$(O)/test/diff/llhttp.o: CPPFLAGS += -isystem $(LLHTTP)/../include/llhttp
$(HTTP_DIFF): $(O)/test/diff/llhttp.o $(LLHTTP_O) $(O)/libhttp.a $(O)/libbase.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

# Debian's package is one of scripts/packages.txt, so that it is there; other systems (SKIP_DEPS=1) may do without, and are told so.
.PHONY: test-http-diff
ifeq ($(and $(SKIP_DEPS),$(if $(wildcard $(LLHTTP)/llhttp.c),,absent)),)
test-http-diff: $(HTTP_DIFF) ## the HTTP parser against llhttp: MUTANTS=n SEED=n
	$(Q)$(HTTP_DIFF) $(MUTANTS) $(or $(SEED),1)
else
test-http-diff:
	$(Q)echo "skipped: the HTTP parser against llhttp needs llhttp's sources in $(LLHTTP) (LLHTTP=folder; Debian: node-llhttp)"
endif
