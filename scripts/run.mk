# The programs at work: make run, make demo. scripts/cell.py starts and ends the processes for both, and for test/e2e.
.PHONY: run demo
run: all ## a server with three bases and a module, until Ctrl-C (RUN_DIR=folder, default build/run)
	@BERTH_BIN_DIR=$(abspath $(O)) PYTHONDONTWRITEBYTECODE=1 scripts/run
demo: all ## the whole story unattended: fifteen claims, each measured
	@BERTH_BIN_DIR=$(abspath $(O)) PYTHONDONTWRITEBYTECODE=1 scripts/demo
