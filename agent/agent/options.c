/* The option table of berth-agent: parser, --help, --show-config and the environment (BERTH_AGENT_…) come from it. */
#include "options.h"

#define OPT(field, opt_kind, opt_name, opt_letter, opt_section, opt_fallback, low, high, opt_value, opt_secret, text) \
	{ .name = opt_name,                                                                                           \
		.letter = opt_letter,                                                                                 \
		.section = opt_section,                                                                               \
		.kind = opt_kind,                                                                                     \
		.offset = offsetof(struct agent_options, field),                                                      \
		.fallback = opt_fallback,                                                                             \
		.min = low,                                                                                           \
		.max = high,                                                                                          \
		.value = opt_value,                                                                                   \
		.help = text,                                                                                         \
		.secret = opt_secret },

const struct opt_def agent_option_table[] = {
#include "options.def"
};
const size_t agent_option_count = sizeof agent_option_table / sizeof *agent_option_table;
