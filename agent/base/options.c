/* The option table of berth-base: parser, --help, --show-config and the environment (BERTH_BASE_…) come from it. */
#include "options.h"

#include "base/clock.h"

#define AT(field) offsetof(struct base_options, field)

const struct opt_def base_option_table[] = {
	{ "name", 'n', "base", OPT_STRING, AT(name), "native-base", .value = "NAME",
	    .help = "name of the base, shown to modules and as its own module name" },
	{ "identity", 0, "base", OPT_STRING, AT(identity), NULL, .value = "TEXT",
	    .help = "identity in answers and heartbeats; host name and arklet port when not given" },
	{ "work-dir", 'w', "base", OPT_STRING, AT(work_dir), NULL, .value = "DIR",
	    .help = "folder for private copies of modules, for this base alone; a temporary one, removed at the end, when not given" },
	{ "port-file", 0, "base", OPT_STRING, AT(port_file), NULL, .value = "FILE",
	    .help = "write addresses and ports as JSON to FILE once both listeners are open" },
	{ "listen", 'l', "listen", OPT_STRING, AT(listen), "127.0.0.1:8080", .value = "ADDR",
	    .help = "address for requests to modules, host:port; port 0: any free one" },
	{ "listen-arklet", 'a', "listen", OPT_STRING, AT(listen_arklet), "127.0.0.1", .value = "ADDR",
	    .help = "address for arklet commands, host or host:port; without a port the first free one of 1238 to 1337, 0: any free one" },
	{ "insecure-listen", 0, "listen", OPT_BOOL, AT(insecure_listen), "no",
	    .help = "allow arklet commands on an address that is not loopback: whoever reaches it can run code in this process" },
	{ "heartbeat", 0, "heartbeat", OPT_STRING, AT(heartbeat), NULL, .value = "URL",
	    .help = "prefix of the server's URL; /heartbeat is appended. None when not given" },
	{ "heartbeat-interval", 0, "heartbeat", OPT_DURATION, AT(heartbeat_interval), "12s", 100 * US_PER_MS, 3600 * US_PER_S, "TIME",
	    "time between two heartbeats" },
	{ "workers", 0, "modules", OPT_INT, AT(workers), "16", 1, 1024, "N",
	    "threads for requests; the last quarter is kept for modules that have none" },
	{ "queue", 0, "modules", OPT_INT, AT(queue), "1024", 1, 1000000, "N",
	    "requests waiting for a thread; one module may fill half. Above it: 503" },
	{ "max-body", 0, "modules", OPT_SIZE, AT(max_body), "1M", 0, INT64_C(1) << 30, "SIZE", "largest body of a request to a module" },
	{ "max-reply", 0, "modules", OPT_SIZE, AT(max_reply), "16M", 1024, INT64_C(1) << 30, "SIZE", "largest answer of a module" },
	{ "operations", 0, "modules", OPT_INT, AT(operations), "8", 1, 256, "N", "threads for loading, starting and stopping modules" },
	{ "max-artifact", 0, "modules", OPT_SIZE, AT(max_artifact), "1G", 1024, INT64_C(1) << 40, "SIZE", "largest module file" },
	{ "uninstall-wait", 0, "modules", OPT_DURATION, AT(uninstall_wait), "30s", 0, 24 * 3600 * US_PER_S, "TIME",
	    "how long an uninstall waits for requests inside the module before it gives up" },
	{ "stop-wait", 0, "modules", OPT_DURATION, AT(stop_wait), "30s", 0, 24 * 3600 * US_PER_S, "TIME",
	    "how long the end of the base waits for requests and modules" },
	{ "health-interval", 0, "modules", OPT_DURATION, AT(health_interval), "5s", 100 * US_PER_MS, 3600 * US_PER_S, "TIME",
	    "time between two health calls of a module" },
	{ "keep-broken", 0, "modules", OPT_BOOL, AT(keep_broken), "no",
	    .help = "keep a module whose start failed listed as broken until it is uninstalled" },
	{ "activate-new", 0, "modules", OPT_BOOL, AT(activate_new), "no",
	    .help = "a newly installed version becomes the active one; otherwise switchBiz does that" },
	{ "log-level", 0, "log", OPT_STRING, AT(log_level), "info", .value = "LEVEL", .help = "debug, info, warn or error" },
	{ "log-format", 0, "log", OPT_STRING, AT(log_format), "logfmt", .value = "FORMAT", .help = "logfmt or json" },
	{ "show-config", 0, "help", OPT_BOOL, AT(show_config), "no", .help = "print all values and where they come from, and exit" },
	{ "version", 'V', "help", OPT_BOOL, AT(version), "no", .help = "print the version and exit" },
	{ "help", 'h', "help", OPT_BOOL, AT(help), "no", .help = "this text" },
};
const size_t base_option_count = sizeof base_option_table / sizeof *base_option_table;
