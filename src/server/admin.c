/* Two steps, because the fleet says whether a token is needed and the file must be durable before the row is: a crash in between leaves a
 * file without a row, and the next start makes the row for the secret it finds there. */
#include "server/admin.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/name.h"
#include "base/secret.h"
#include "core/core.h"
#include "loop/loop.h"

#define TENANT "default"
#define NAME "admin"
#define AGAIN_US (2 * US_PER_S)

struct admin {
	struct core_op op; /* first: the core's callbacks cast back */
	struct core *core;
	struct timer again;
	const char *address, *context;
	const char *data_dir;
	char path[600];
	char secret[64]; /* "" until one is needed */
	bool busy, done, needed, made;
};

/* ---- the row ----------------------------------------------------------------------------------------------------------------------- */

static bool is_way_in(const struct token *t, wall_t now) {
	return t->row.role == ROLE_ADMIN && t->row.revoked_at.us == 0 && (t->row.expires_at.us == 0 || t->row.expires_at.us > now.us);
}

static bool has_way_in(const struct tenant *t, wall_t now) {
	for (const struct token *x = t->tokens; x != NULL; x = x->hh_name.next)
		if (is_way_in(x, now))
			return true;
	return false;
}

static void add_token(struct admin *a, struct tenant *t) {
	char name[64] = NAME, actor[] = "berth";
	for (int i = 2; fleet_token(t, name) != NULL; i++)
		snprintf(name, sizeof name, NAME "-%d", i);
	struct row_token row = {
		.tenant_id = t->row.id, .name = name, .role = ROLE_ADMIN, .create_actor = actor, .created_at = core_now(a->core)
	};
	sha256_of(a->secret, strlen(a->secret), row.hash);
	fleet_token_add(core_fleet(a->core), t, &row);
	core_event(a->core, &(struct event_facts){ .kind = "token.created" }, "token %s with role admin was made at the first start", name);
}

static int on_apply(struct core *c, struct core_op *op, struct err *err) {
	struct admin *a = (struct admin *)(void *)op;
	struct tenant *t = fleet_tenant(core_fleet(c), TENANT);
	a->needed = a->made = false;
	if (t == NULL)
		return err_set(err, E_INTERNAL, "there is no tenant \"%s\"", TENANT);
	a->op.who.tenant_id = t->row.id;
	if (has_way_in(t, core_now(c)))
		return 0;
	a->needed = a->secret[0] == '\0';
	a->made = !a->needed;
	if (a->made)
		add_token(a, t);
	return 0;
}

/* ---- the file ---------------------------------------------------------------------------------------------------------------------- */

static int secret_read(struct admin *a, struct err *err) {
	char *text;
	int r = file_read(a->path, 256, &text, NULL, err);
	if (r != 0)
		return r;
	text[strcspn(text, "\r\n")] = '\0';
	bool fits = strlen(text) >= 20 && strlen(text) < sizeof a->secret &&
	            strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(text);
	if (fits)
		snprintf(a->secret, sizeof a->secret, "%s", text);
	free(text);
	return fits ? 0 : err_set(err, E_MALFORMED, "%s does not hold a token; remove it and start again", a->path);
}

static int secret_make(struct admin *a, struct err *err) {
	char line[80];
	int r = secret_read(a, err);
	if (r != E_NOT_FOUND)
		return r;
	token_make("berth", a->secret, sizeof a->secret);
	int n = snprintf(line, sizeof line, "%s\n", a->secret);
	r = file_write(a->path, line, (size_t)n, 0600, err);
	explicit_bzero(line, sizeof line);
	return r;
}

/* ---- in order ---------------------------------------------------------------------------------------------------------------------- */

static void finish(struct admin *a) {
	struct err err;
	a->done = true;
	explicit_bzero(a->secret, sizeof a->secret);
	if (a->made)
		log_info("admin token made", log_s("file", a->path));
	if (a->context == NULL)
		return;
	if (admin_write_context(a->context, a->address, a->data_dir, &err) != 0)
		log_error("the context could not be written", log_e(&err));
	else
		log_info("context written", log_s("context", a->context));
}

static void on_done(struct core_op *op, const struct err *failed) {
	struct admin *a = (struct admin *)(void *)op;
	struct err err;
	a->busy = false;
	if (failed != NULL) {
		if (failed->code != E_UNAVAILABLE)
			log_warn("the admin token could not be checked; trying again", log_e(failed));
		timer_set(&a->again, AGAIN_US);
	} else if (!a->needed) {
		finish(a);
	} else if (secret_make(a, &err) != 0) {
		log_error("there is no admin token, and none could be made", log_e(&err));
		timer_set(&a->again, 15 * AGAIN_US);
	} else {
		admin_ensure(a);
	}
}

void admin_ensure(struct admin *a) {
	if (a->busy || a->done)
		return;
	a->busy = true;
	timer_cancel(&a->again);
	a->op.apply = on_apply;
	a->op.done = on_done;
	a->op.tries = 0;
	a->op.who.actor = "berth";
	core_submit(a->core, &a->op);
}

/* Away, standing by or stopping: the next active mode asks again by itself. */
static void on_again(void *arg) {
	struct admin *a = arg;
	struct core_state s;
	core_state(a->core, &s);
	if (s.mode == CORE_ACTIVE)
		admin_ensure(a);
}

struct admin *admin_new(struct loop *l, struct core *c, const char *data_dir, const char *address, const char *context) {
	struct admin *a = calloc(1, sizeof *a);
	if (a == NULL)
		abort();
	a->core = c;
	a->data_dir = data_dir;
	a->address = address;
	a->context = context;
	snprintf(a->path, sizeof a->path, "%s/admin.token", data_dir);
	timer_init(&a->again, l, on_again, a);
	return a;
}

void admin_free(struct admin *a) {
	if (a == NULL)
		return;
	timer_deinit(&a->again);
	explicit_bzero(a->secret, sizeof a->secret);
	free(a);
}

/* ---- the context ------------------------------------------------------------------------------------------------------------------- */

static bool section_of(const char *line, size_t n, char name[64]) {
	while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\r'))
		n--;
	if (n < 3 || line[0] != '[' || line[n - 1] != ']' || n - 2 >= 64)
		return false;
	memcpy(name, line + 1, n - 2);
	name[n - 2] = '\0';
	return true;
}

/* Everything but [berth] and the section that is written anew. */
static void copy_others(const char *text, const char *name, struct buf *out) {
	bool skip = false;
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		char section[64];
		if (section_of(text, n, section))
			skip = strcmp(section, "berth") == 0 || strcmp(section, name) == 0;
		if (!skip) {
			buf_add(out, text, n);
			buf_add_char(out, '\n');
		}
		text += n + (text[n] == '\n');
	}
}

static int context_file(char *path, size_t size, struct err *err) {
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n = -1;
	if (xdg != NULL && xdg[0] == '/')
		n = snprintf(path, size, "%s/berth", xdg);
	else if (home != NULL && home[0] == '/')
		n = snprintf(path, size, "%s/.config/berth", home);
	if (n < 0 || (size_t)n >= size - 16)
		return err_set(err, E_INVALID, "no folder for contexts: neither XDG_CONFIG_HOME nor HOME is set");
	int r = dir_make(path, 0700, err);
	if (r == 0)
		memcpy(path + n, "/contexts.ini", sizeof "/contexts.ini");
	return r;
}

int admin_write_context(const char *name, const char *address, const char *data_dir, struct err *err) {
	char path[600], *old = NULL;
	if (!name_valid(NAME_PLAIN, name) || strcmp(name, "berth") == 0)
		return err_set(err, E_INVALID, "--write-context %.80s is not a name for a context", name);
	int r = context_file(path, sizeof path, err);
	if (r == 0)
		r = file_read(path, 1024 * 1024, &old, NULL, err);
	if (r != 0 && r != E_NOT_FOUND)
		return r;
	BUF_AUTO out = BUF_INIT;
	buf_printf(&out, "[berth]\ncurrent = %s\n", name);
	if (old != NULL)
		copy_others(old, name, &out);
	buf_printf(&out, "[%s]\naddress = %s\ntoken_file = %s/admin.token\ndata = %s\n", name, address, data_dir, data_dir);
	free(old);
	return file_write(path, buf_str(&out), out.len, 0600, err);
}
