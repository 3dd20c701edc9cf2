/* Options of berth-base: one table, see options.c. */
#ifndef BERTH_NATIVE_OPTIONS_H
#define BERTH_NATIVE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/opt.h"

struct base_options {
	char *listen_arklet, *listen, *name, *identity, *work_dir, *heartbeat, *port_file, *log_level, *log_format;
	int64_t workers, operations, queue, max_body, max_reply, max_artifact;
	int64_t uninstall_wait, stop_wait, health_interval, heartbeat_interval;
	bool insecure_listen, keep_broken, activate_new, help, version, show_config;
};

extern const struct opt_def base_option_table[];
extern const size_t base_option_count;

#endif
