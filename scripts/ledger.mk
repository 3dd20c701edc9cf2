# The ledger's tests: one Check program against a throw-away PostgreSQL, which the ledger's own code makes in a temporary folder.
LEDGER_TEST := $(O)/test/ledger-tests
LEDGER_CLUSTER := $(O)/test/ledger-cluster
LEDGER_FAKE := $(patsubst %,$(O)/test/sim/%.o,sim store ledger)
LEDGER_LIBS := $(patsubst %,$(O)/lib%.a,base loop model ledger)

$(LEDGER_TEST): $(call objs,test/ledger) $(LEDGER_FAKE) $(O)/test/unit/main.o $(LEDGER_LIBS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(call objs,test/ledger) $(LEDGER_FAKE) $(O)/test/unit/main.o -Wl,--start-group $(LEDGER_LIBS) -Wl,--end-group $(LDLIBS) $$(pkg-config --libs check)
$(LEDGER_CLUSTER): $(call objs,test/ledger/cluster) $(LEDGER_LIBS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(call objs,test/ledger/cluster) -Wl,--start-group $(LEDGER_LIBS) -Wl,--end-group $(LDLIBS)

.PHONY: test-ledger
test-ledger: $(LEDGER_TEST) $(LEDGER_CLUSTER) ## ledger tests on a throw-away PostgreSQL
	$(Q)$(LEDGER_CLUSTER) $(LEDGER_TEST)
