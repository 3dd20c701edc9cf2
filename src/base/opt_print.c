/* What people read of the option table: --help, --show-config, the annotated file, the man page. All from the same rows. */
#include <ctype.h>
#include <string.h>

#include "base/opt_impl.h"

#define HELP_COLUMN 30
#define HELP_WIDTH 100

static const char *placeholder(const struct opt_def *d) {
	static const char *const by_kind[] = {
		[OPT_STRING] = "TEXT",
		[OPT_INT] = "N",
		[OPT_BOOL] = NULL,
		[OPT_DURATION] = "TIME",
		[OPT_SIZE] = "SIZE",
		[OPT_LIST] = "ITEM",
	};
	return d->kind == OPT_BOOL ? NULL : d->value != NULL ? d->value : by_kind[d->kind];
}

/* A default that says something: "false" for a flag and "" for a text do not. */
static const char *telling_default(const struct opt_def *d) {
	if (d->fallback == NULL || *d->fallback == '\0' || (d->kind == OPT_BOOL && strcmp(d->fallback, "false") == 0))
		return NULL;
	return d->fallback;
}

static bool first_of_section(const struct opt_def *defs, size_t i) {
	for (size_t k = 0; k < i; k++)
		if (defs[k].section == defs[i].section ||
		    (defs[k].section != NULL && defs[i].section != NULL && strcmp(defs[k].section, defs[i].section) == 0))
			return false;
	return true;
}

static bool same_section(const struct opt_def *a, const struct opt_def *b) {
	return a->section == b->section || (a->section != NULL && b->section != NULL && strcmp(a->section, b->section) == 0);
}

/* Words from column `at`, wrapped at width, each further line starting with `indent` and `lead`. */
static void print_wrapped(FILE *out, const char *text, size_t at, size_t indent, const char *lead, size_t width) {
	while (*text != '\0') {
		size_t n = strcspn(text, " ");
		if (at > indent && at + n + 1 > width) {
			fprintf(out, "\n%s%*s", lead, (int)(indent - strlen(lead)), "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, n, out);
		at += n;
		text += n + (text[n] == ' ');
	}
}

static void print_help_row(const struct opt_def *d, FILE *out) {
	char head[96], text[1024];
	char letter[8] = "    ";
	if (d->letter != 0)
		snprintf(letter, sizeof letter, "-%c, ", d->letter);
	const char *value = placeholder(d), *fallback = telling_default(d);
	snprintf(head, sizeof head, "  %s--%s%s%s", letter, d->name, value != NULL ? " " : "", value != NULL ? value : "");
	snprintf(text, sizeof text, "%s%s%s%s%s", d->help, d->kind == OPT_LIST ? " (may be repeated)" : "",
	    fallback != NULL ? " (default: " : "", fallback != NULL ? fallback : "", fallback != NULL ? ")" : "");
	size_t n = strlen(head);
	if (n + 2 > HELP_COLUMN)
		fprintf(out, "%s\n%*s", head, HELP_COLUMN, "");
	else
		fprintf(out, "%-*s", HELP_COLUMN, head);
	print_wrapped(out, text, HELP_COLUMN, HELP_COLUMN, "", HELP_WIDTH);
	fputc('\n', out);
}

void opt_print_help(const struct opt_def *defs, size_t n, FILE *out) {
	for (size_t i = 0; i < n; i++) {
		if (!first_of_section(defs, i))
			continue;
		const char *section = defs[i].section != NULL ? defs[i].section : "general";
		fprintf(out, "%s%c%s options:\n", i > 0 ? "\n" : "", toupper((unsigned char)section[0]), section + 1);
		for (size_t k = i; k < n; k++)
			if (same_section(&defs[i], &defs[k]))
				print_help_row(&defs[k], out);
	}
}

static void print_value(const struct opt_def *d, const struct opt_slot *slot, FILE *out) {
	if (!slot->set) {
		fputs("(unset)", out);
	} else if (d->secret) {
		fputs("(set)", out);
	} else if (d->kind == OPT_LIST) {
		for (size_t i = 0; i < slot->n_items; i++)
			fprintf(out, "%s%s", i > 0 ? ", " : "", slot->items[i]);
	} else {
		fputs(slot->text, out);
	}
}

void opt_print_config(const struct opts *o, FILE *out) {
	static const char *const origins[] = { "default", "file", "environment", "argument" };
	for (size_t i = 0; i < o->n; i++) {
		fprintf(out, "%s = ", o->defs[i].name);
		print_value(&o->defs[i], &o->slots[i], out);
		fprintf(out, "  (%s)\n", origins[o->slots[i].origin]);
	}
}

void opt_print_file(const struct opt_def *defs, size_t n, const char *title, FILE *out) {
	fprintf(out, "# %s\n#\n# Every option with its default. Arguments and environment variables go before this file.\n", title);
	for (size_t i = 0; i < n; i++) {
		if (defs[i].section == NULL || !first_of_section(defs, i))
			continue;
		fprintf(out, "\n[%s]\n", defs[i].section);
		for (size_t k = i; k < n; k++) {
			if (!same_section(&defs[i], &defs[k]))
				continue;
			fputs("\n# ", out);
			print_wrapped(out, defs[k].help, 2, 2, "# ", HELP_WIDTH);
			if (defs[k].kind == OPT_LIST)
				fputs("\n# One item per line; repeat the line for more.", out);
			fprintf(out, "\n#%s = %s\n", defs[k].name, defs[k].fallback != NULL ? defs[k].fallback : "");
		}
	}
}

static void print_roff(const char *s, FILE *out) {
	if (*s == '.' || *s == '\'')
		fputs("\\&", out);
	for (; *s != '\0'; s++) {
		if (*s == '-' || *s == '\\')
			fputc('\\', out);
		fputs(*s == '\\' ? "e" : (const char[]){ *s, '\0' }, out);
	}
}

void opt_print_man(const struct opt_def *defs, size_t n, FILE *out) {
	for (size_t i = 0; i < n; i++) {
		const char *value = placeholder(&defs[i]), *fallback = telling_default(&defs[i]);
		fputs(".TP\n", out);
		if (defs[i].letter != 0)
			fprintf(out, "\\fB\\-%c\\fR, ", defs[i].letter);
		fputs("\\fB\\-\\-", out);
		print_roff(defs[i].name, out);
		fputs("\\fR", out);
		if (value != NULL)
			fprintf(out, " \\fI%s\\fR", value);
		fputc('\n', out);
		print_roff(defs[i].help, out);
		if (fallback != NULL) {
			fputs(" (default: ", out);
			print_roff(fallback, out);
			fputc(')', out);
		}
		fputc('\n', out);
	}
}
