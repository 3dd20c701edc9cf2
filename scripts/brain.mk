# The agent's brain also works inside the server, one per base that has no agent of its own (src/drive/direct.c). It is linked into the room
# as one object that shows nothing but brain_*: its inner names are the agent's business.
BRAIN_OBJS := $(patsubst %.c,$(O)/%.o,$(filter-out agent/agent/main.c,$(wildcard agent/agent/brain*.c agent/agent/op*.c agent/agent/state.c)))
BRAIN_OBJS := $(filter-out $(O)/agent/agent/options.o,$(BRAIN_OBJS))
$(O)/brain.o: $(BRAIN_OBJS)
	$(call say,LINK,$@)
	$(Q)ld -r -o $@ $^ && objcopy --wildcard --keep-global-symbol='brain_*' $@
$(O)/libdrive.a: $(O)/brain.o
$(call objs,src/drive): CPPFLAGS += -Iagent/agent
