# The command line is a program, not a room library: its unit tests link its objects (all but main) directly.
CLI_TEST_OBJS := $(filter-out $(O)/src/cli/main.o,$(call objs,src/cli))
$(O)/test/unit-cli: $(CLI_TEST_OBJS)
$(O)/test/unit-cli: private LDFLAGS += $(CLI_TEST_OBJS)
