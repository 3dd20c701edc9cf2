# Berth. One documented GNU Makefile, no configure step.
#
#   make run       build, start a server with three bases, deploy a module, stay until Ctrl-C
#   make test      every test that needs no outside service; one closing line of counts
#   make help      all targets and variables
#
# How it is put together: one static library per room (src/ROOM), four programs, generated code only in $(O)/gen.
# Rooms and their order are in ROOMS: a room includes headers of rooms to its left only (make check-includes).

BUILD ?= debug
O     ?= build/$(BUILD)
CC    ?= gcc
PREFIX ?= /usr/local
V     ?=

ROOMS := base loop http proto model sched plan core api rest rpc ledger drive

PKGS := libevent libevent_openssl libevent_pthreads libcurl openssl jansson libprotobuf-c libpq grpc libsodium libarchive libxxhash inih libsystemd yaml-0.1
HAVE_PKGS := $(shell pkg-config --exists $(PKGS) 2>/dev/null && echo yes)
PKG_CFLAGS := $(if $(HAVE_PKGS),$(shell pkg-config --cflags $(PKGS)))
PKG_LIBS := $(if $(HAVE_PKGS),$(shell pkg-config --libs $(PKGS)))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
        -Wundef -Wformat=2 -Wvla -Wimplicit-fallthrough -Wno-unused-parameter -Wno-missing-field-initializers -Werror
HARDEN := -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2 -fPIE
# BERTH_FAULTS: the builds that tests run have fault points (src/base/faultpoint.h); what is shipped has none.
MODE_debug   := -O1 -g -DBERTH_FAULTS
MODE_release := -O2 -g -DNDEBUG_SLOW
MODE_asan    := -O1 -g -DBERTH_FAULTS -fsanitize=address,undefined -fno-omit-frame-pointer -U_FORTIFY_SOURCE
MODE_tsan    := -O1 -g -DBERTH_FAULTS -fsanitize=thread -U_FORTIFY_SOURCE
MODE_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -U_FORTIFY_SOURCE
ifeq ($(filter $(BUILD),debug release asan tsan fuzz),)
$(error BUILD=$(BUILD) is unknown; one of debug release asan tsan fuzz)
endif
ifeq ($(BUILD),fuzz)
CC := clang
endif
VERSION := $(shell cat VERSION 2>/dev/null || echo 0.0.0)

CPPFLAGS += -D_GNU_SOURCE -DBERTH_VERSION='"$(VERSION)"' -Isrc -Iinclude -I$(O)/gen $(PKG_CFLAGS)
CFLAGS   += -std=gnu17 $(WARN) $(HARDEN) $(MODE_$(BUILD)) -pthread
LDFLAGS  += -pie -Wl,-z,relro,-z,now $(filter -fsanitize%,$(MODE_$(BUILD))) -pthread -rdynamic
LDLIBS   += $(PKG_LIBS) -lm -ldl

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(patsubst $(O)/%,%,$(2))')

# ---- generated code -----------------------------------------------------------------------------------------------------------
PROTOS   := $(sort $(wildcard proto/berth/v1/*.proto))
PROTO_EXT := $(sort $(patsubst proto/%,%,$(wildcard proto/google/rpc/*.proto proto/grpc/*/*/*.proto)))
WKT_SYS  := google/protobuf/timestamp.proto google/protobuf/duration.proto google/protobuf/any.proto
PB_NAMES := $(patsubst proto/%.proto,%,$(PROTOS)) $(patsubst %.proto,%,$(PROTO_EXT)) $(patsubst %.proto,%,$(WKT_SYS))
PB_C     := $(patsubst %,$(O)/gen/%.pb-c.c,$(PB_NAMES))
PB_H     := $(PB_C:.c=.h)
PB_O     := $(PB_C:.c=.o)
GEN_STAMP := $(O)/gen/.protos

$(GEN_STAMP): $(PROTOS) $(addprefix proto/,$(PROTO_EXT))
	$(call say,PROTO,berth/v1)
	@mkdir -p $(O)/gen
	$(Q)protoc-c -Iproto -I/usr/include --c_out=$(O)/gen $(patsubst proto/%,%,$(PROTOS)) $(PROTO_EXT) $(WKT_SYS)
	$(Q)protoc -Iproto -I/usr/include --include_imports --include_source_info --descriptor_set_out=$(O)/gen/berth.desc $(patsubst proto/%,%,$(PROTOS)) $(PROTO_EXT)
	@# protobuf-c calls the header of each message struct "base", which is a field name of ours: it becomes "pb"
	$(Q)find $(O)/gen -name '*.pb-c.[ch]' -exec sed -i 's/ProtobufCMessage base;/ProtobufCMessage pb;/; s/message->base\.descriptor/message->pb.descriptor/' {} +
	@# what was made has to be newer than the stamp it depends on, or every make (and make -q) takes it for stale
	$(Q)touch $@ && touch $(PB_C) $(PB_H) $(O)/gen/berth.desc
$(PB_C) $(PB_H) $(O)/gen/berth.desc: $(GEN_STAMP) ;

$(O)/gen/%.pb-c.o: $(O)/gen/%.pb-c.c
	$(Q)$(CC) $(CPPFLAGS) -std=gnu17 $(HARDEN) $(MODE_$(BUILD)) -w -c $< -o $@
$(O)/libpb.a: $(PB_O)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# SQL statements and migrations, embedded as byte tables. The folder is a prerequisite, too: its time tells of files renamed or gone.
SQL_FILES := $(sort $(wildcard src/ledger/sql/*.sql))
MIGRATIONS := $(sort $(wildcard migrations/*.sql))
$(O)/gen/sql.inc: $(SQL_FILES) src/ledger/sql scripts/embed
	@mkdir -p $(@D)
	$(Q)scripts/embed $(SQL_FILES) > $@.tmp && mv $@.tmp $@
$(O)/gen/migrations.inc: $(MIGRATIONS) migrations scripts/embed
	@mkdir -p $(@D)
	$(Q)scripts/embed $(MIGRATIONS) > $@.tmp && mv $@.tmp $@
WEB_FILES := $(sort $(wildcard web/*))
$(O)/gen/web.inc: $(WEB_FILES) web scripts/embed
	@mkdir -p $(@D)
	$(Q)scripts/embed $(WEB_FILES) > $@.tmp && mv $@.tmp $@
$(O)/gen/desc.inc: $(GEN_STAMP) scripts/embed
	$(Q)scripts/embed $(O)/gen/berth.desc > $@.tmp && mv $@.tmp $@
GENERATED := $(GEN_STAMP) $(O)/gen/sql.inc $(O)/gen/migrations.inc $(O)/gen/web.inc $(O)/gen/desc.inc

# ---- rooms --------------------------------------------------------------------------------------------------------------------
objs = $(patsubst %.c,$(O)/%.o,$(sort $(wildcard $(1)/*.c)))
define room
$(O)/lib$(1).a: $$(call objs,src/$(1)) src/$(1)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$(filter %.o,$$^)
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

$(O)/%.o: %.c | $(GENERATED)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

libs = $(patsubst %,$(O)/lib%.a,$(1)) $(O)/libpb.a
link = $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(1) -Wl,--start-group $(2) -Wl,--end-group $(LDLIBS)
AGENT_ROOMS := base loop http proto

$(O)/berthd: $(call objs,src/server) $(call libs,$(ROOMS))
	$(call say,LINK,$@)
	$(Q)$(call link,$(call objs,src/server),$(call libs,$(ROOMS)))
$(O)/berth: $(call objs,src/cli) $(call libs,$(AGENT_ROOMS))
	$(call say,LINK,$@)
	$(Q)$(call link,$(call objs,src/cli),$(call libs,$(AGENT_ROOMS)))
$(O)/berth-agent: $(call objs,agent/agent) $(call libs,$(AGENT_ROOMS))
	$(call say,LINK,$@)
	$(Q)$(call link,$(call objs,agent/agent),$(call libs,$(AGENT_ROOMS)))
$(O)/berth-base: $(call objs,agent/base) $(call libs,$(AGENT_ROOMS))
	$(call say,LINK,$@)
	$(Q)$(call link,$(call objs,agent/base),$(call libs,$(AGENT_ROOMS)))
PROGRAMS := $(O)/berthd $(O)/berth $(O)/berth-agent $(O)/berth-base

EXAMPLES := $(patsubst %/Makefile,%,$(wildcard examples/*/Makefile))
.PHONY: all examples
all: deps-check $(PROGRAMS) examples ## build the programs and the example modules (default BUILD=debug)
examples: $(EXAMPLES:examples/%=$(O)/examples/.%) ## build the example modules
define example
$(O)/examples/.$(1): $(wildcard examples/$(1)/*.c) examples/$(1)/Makefile include/berth/module.h
	$$(call say,MAKE,examples/$(1))
	+$$(Q)$$(MAKE) --no-print-directory -s -C examples/$(1) INCLUDE=$$(CURDIR)/include OUT=$$(abspath $$(O))/examples CC='$$(CC)' && touch $$@
endef
$(foreach e,$(EXAMPLES:examples/%=%),$(eval $(call example,$(e))))
.DEFAULT_GOAL := all

# ---- tests --------------------------------------------------------------------------------------------------------------------
# test/unit/ROOM/*.c with test/unit/main.c is one Check program per room; it links the room and those to its left.
UNIT_ROOMS := $(filter-out agent cli,$(sort $(notdir $(patsubst %/,%,$(wildcard test/unit/*/)))))
define unit
$(O)/test/unit-$(1): $$(call objs,test/unit/$(1)) $(O)/test/unit/main.o $$(call libs,$(ROOMS))
	$$(call say,LINK,$$@)
	$$(Q)$$(call link,$$(call objs,test/unit/$(1)) $(O)/test/unit/main.o,$$(call libs,$(ROOMS))) $$(shell pkg-config --libs check)
endef
$(foreach r,$(UNIT_ROOMS),$(eval $(call unit,$(r))))
UNIT_TESTS := $(UNIT_ROOMS:%=$(O)/test/unit-%)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
include $(wildcard scripts/*.mk)

.PHONY: help check-includes format clean
check-includes: ## includes go to rooms further left only
	$(Q)scripts/check-includes "$(ROOMS)"
format: ## clang-format decides layout
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')
help: ## this text
	@sed -n '2,8s/^# \{0,1\}//p' Makefile
	@echo "Targets:"; grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | LC_ALL=C sort -t: -k1,1 -u | awk -F':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'
	@echo "Variables: BUILD=debug|release|asan|tsan|fuzz (now $(BUILD)), O=folder (now $(O)), CC, PREFIX, DESTDIR, V=1 shows commands"
clean: ## remove what was built
	rm -rf build
