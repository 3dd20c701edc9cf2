# The agent is a program, not a room library: its unit tests link its objects (all but the one with main) and the rooms it uses.
AGENT_TEST_OBJS := $(filter-out %/main.o,$(call objs,agent/agent))
$(call objs,test/unit/agent): CPPFLAGS += -Iagent/agent
$(O)/test/unit-agent: $(call objs,test/unit/agent) $(O)/test/unit/main.o $(AGENT_TEST_OBJS) $(call libs,$(AGENT_ROOMS))
	$(call say,LINK,$@)
	$(Q)$(call link,$(call objs,test/unit/agent) $(O)/test/unit/main.o $(AGENT_TEST_OBJS),$(call libs,$(AGENT_ROOMS))) $(shell pkg-config --libs check)
UNIT_TESTS += $(O)/test/unit-agent
