.PHONY: deps deps-check
deps-check:
