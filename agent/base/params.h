/* Parameters of arklet commands, read as leniently as stock bases do: numbers and booleans where texts are expected, "false" for a
 * boolean, one text for a list, unknown keys ignored. */
#ifndef BERTH_NATIVE_PARAMS_H
#define BERTH_NATIVE_PARAMS_H

#include <stdbool.h>

#include <jansson.h>

#include "install.h"

struct arena;
struct err;

/* NULL when absent, null or blank; a text otherwise. E_INVALID for lists and objects. */
int param_text(struct arena *a, const json_t *params, const char *key, const char **ret, struct err *err);
int param_bool(const json_t *params, const char *key, bool *ret, struct err *err); /* false when absent */
int param_list(struct arena *a, const json_t *params, const char *key, const char *const **ret, int *ret_n,
    struct err *err); /* NULL-terminated; empty when absent */
/* The parameters of installBiz, all checks included. */
int param_install(struct arena *a, const json_t *params, struct install_spec *ret, struct err *err);
/* bizName and bizVersion, both required. */
int param_identity(struct arena *a, const json_t *params, const char **ret_name, const char **ret_version, struct err *err);

#endif
