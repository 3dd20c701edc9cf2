/* The plain ways of a command: list, get, show, change one resource; and the texts of options as JSON. */
#ifndef BERTH_CLI_RESOURCE_H
#define BERTH_CLI_RESOURCE_H

#include <jansson.h>

#include "cli/output.h"

struct cli;
struct err;

/* All pages of a list, printed. */
int resource_list(struct cli *c, const struct view *v, const char *path, const char *query, struct err *err);
/* All pages of a list; *ret is the caller's. */
int resource_items(struct cli *c, const struct view *v, const char *path, const char *query, json_t **ret, struct err *err);
int resource_get(struct cli *c, const char *path, json_t **ret, struct err *err);
int resource_show(struct cli *c, const struct view *v, const char *path, struct err *err);
/* A change that is no plan, with reason, link and key of the options; ret may be NULL. */
int resource_change(struct cli *c, const char *method, const char *path, const json_t *body, json_t **ret, struct err *err);
/* The same, then "base n3 cordoned" on standard output, or the resource as a document. */
int resource_changed(
    struct cli *c, const struct view *v, const char *method, const char *path, const json_t *body, const char *said, struct err *err);

/* "3", "25%", "all" as the API's Amount; NULL for nothing given. */
json_t *amount_json(const char *text);
/* KEY=VALUE texts as an object. what: "--env", for the error. */
int pairs_json(struct cli *c, char *const *pairs, const char *what, json_t **ret, struct err *err);
json_t *words_json(const char *list); /* "a,b" as ["a","b"] */
json_t *strings_json(char *const *texts);
/* Puts the option's text, or what is in the file of "@FILE" (without the line end that editors leave there), as body.field; nothing when
 * the option was not given. */
int text_put(struct cli *c, const char *option, const char *given, json_t *body, const char *field, struct err *err);

#endif
