# The simulation: the real core and the agent's brain on virtual time. make sim SEEDS=n SEED=first
SEEDS ?= 2000
SEED ?= 1
SIM_BRAIN := $(patsubst %.c,$(O)/%.o,$(filter-out agent/agent/main.c,$(wildcard agent/agent/brain*.c agent/agent/op*.c agent/agent/state.c)))
$(O)/test/sim/%.o: CPPFLAGS += -Iagent/agent
$(O)/test/berth-sim: $(call objs,test/sim) $(SIM_BRAIN) $(call libs,base loop http proto model sched plan core)
	$(call say,LINK,$@)
	$(Q)$(call link,$(call objs,test/sim) $(SIM_BRAIN),$(call libs,base loop http proto model sched plan core))
.PHONY: sim test-sim
sim test-sim: $(O)/test/berth-sim ## the simulation: SEEDS=n SEED=first
	$(Q)$(O)/test/berth-sim --seeds $(SEEDS) --first $(SEED)
	$(Q)$(O)/test/berth-sim --seeds 50 --first $(SEED) --twice
