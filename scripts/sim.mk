# The simulation: the real core and the agent's brain on virtual time. make sim SEEDS=n SEED=first
SEEDS ?= 2000
SEED ?= 1
SIM_BRAIN := $(patsubst %.c,$(O)/%.o,$(filter-out agent/agent/main.c,$(wildcard agent/agent/brain*.c agent/agent/op*.c agent/agent/state.c)))
$(O)/test/sim/%.o: CPPFLAGS += -Iagent/agent
$(O)/test/berth-sim: $(call objs,test/sim) $(SIM_BRAIN) $(call libs,base loop http proto model sched plan core)
	$(call say,LINK,$@)
	$(Q)$(call link,$(call objs,test/sim) $(SIM_BRAIN),$(call libs,base loop http proto model sched plan core))

# The same with one deliberate defect at a time (test/sim/mutants.def), compiled into a copy of the rooms: 300 seeds must find each.
MUTANT_SRC := $(sort $(wildcard src/model/*.c src/sched/*.c src/plan/*.c src/core/*.c test/sim/*.c)) $(SIM_BRAIN:$(O)/%.o=%.c)
MUTANT_OBJS := $(MUTANT_SRC:%.c=$(O)/mutants/%.o)
$(O)/mutants/%.o: %.c | $(GENERATED)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Iagent/agent -Itest/sim -DBERTH_MUTANTS $(CFLAGS) -MMD -MP -c $< -o $@
$(O)/test/berth-sim-mutants: $(MUTANT_OBJS) $(call libs,base loop http proto)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(call link,$(MUTANT_OBJS),$(call libs,base loop http proto))

.PHONY: sim test-sim test-mutants
test-mutants: $(O)/test/berth-sim-mutants ## deliberate defects that the simulation has to find: MUTANT=name for one
	$(Q)$(O)/test/berth-sim-mutants --seeds 300 $(MUTANT)
sim test-sim: $(O)/test/berth-sim ## the simulation: SEEDS=n SEED=first
	$(Q)$(O)/test/berth-sim --seeds $(SEEDS) --first $(SEED)
	$(Q)$(O)/test/berth-sim --seeds 50 --first $(SEED) --twice
