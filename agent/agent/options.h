/* Options of berth-agent: one table, see options.def. */
#ifndef BERTH_AGENT_OPTIONS_H
#define BERTH_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/opt.h"

struct agent_options {
	char *token, *token_file, *tls_ca, *tls_cert, *tls_key, *id, *tenant, *group, *zone, *runtime, *address, *arklet, *base_url, *data,
	    *ready_listen, *ready_port_file, *log_level, *log_format;
	char **server, **label, **taint, **hook;
	int64_t limit, arklet_port, http_port, parallel, min_ready, stop_wait, cache_size, max_artifact, reserve;
	bool tls, show_config, version, help;
};

extern const struct opt_def agent_option_table[];
extern const size_t agent_option_count;

#endif
