# The native base exports no symbols of its own: a module's function of the same name must stay the module's.
$(O)/berth-base: LDFLAGS := $(filter-out -rdynamic,$(LDFLAGS))
