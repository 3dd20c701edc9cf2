# Tests of the agent's own code link its objects besides the rooms: all but the one with main().
AGENT_TEST_OBJS := $(filter-out %/main.o,$(call objs,agent/agent))
$(call objs,test/unit/agent): CPPFLAGS += -Iagent/agent
$(O)/test/unit-agent: LDFLAGS += $(AGENT_TEST_OBJS)
$(O)/test/unit-agent: $(AGENT_TEST_OBJS)
