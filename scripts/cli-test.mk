# The command line is a program, not a room library: its unit tests link its objects (all but main) and the rooms it uses.
CLI_TEST_OBJS := $(filter-out $(O)/src/cli/main.o,$(call objs,src/cli))
$(O)/test/unit-cli: $(call objs,test/unit/cli) $(O)/test/unit/main.o $(CLI_TEST_OBJS) $(call libs,$(AGENT_ROOMS))
	$(call say,LINK,$@)
	$(Q)$(call link,$(call objs,test/unit/cli) $(O)/test/unit/main.o $(CLI_TEST_OBJS),$(call libs,$(AGENT_ROOMS))) $(shell pkg-config --libs check)
UNIT_TESTS += $(O)/test/unit-cli
