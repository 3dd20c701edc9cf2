/* The page for people at "/". Self-contained; every text that comes from elsewhere is escaped. */
#include "page.h"

#include "base.h"
#include "base/buf.h"
#include "http/server.h"

static void add_escaped(struct buf *b, const char *s) {
	for (; *s; s++)
		switch (*s) {
		case '<':
			buf_add_str(b, "&lt;");
			break;
		case '>':
			buf_add_str(b, "&gt;");
			break;
		case '&':
			buf_add_str(b, "&amp;");
			break;
		case '"':
			buf_add_str(b, "&quot;");
			break;
		default:
			buf_add_char(b, *s);
		}
}

static void add_cell(struct buf *b, const char *s) {
	buf_add_str(b, "<td>");
	add_escaped(b, s);
}

static void add_row(struct buf *b, const struct biz *m) {
	buf_add_str(b, "<tr>");
	add_cell(b, m->info.name);
	add_cell(b, m->info.version);
	add_cell(b, biz_state_name(m->state));
	buf_add_str(b, "<td>");
	if (m->state == BIZ_ACTIVATED) {
		buf_add_str(b, "<a href=\"");
		add_escaped(b, m->info.context_path);
		buf_add_str(b, "\">");
		add_escaped(b, m->info.context_path);
		buf_add_str(b, "</a>");
	} else {
		add_escaped(b, m->info.context_path);
	}
	buf_printf(b, "<td>%llu<td>%u", (unsigned long long)m->served, m->inside);
	add_cell(b, m->health ? m->health_text : "fine");
	add_cell(b, m->info.description);
	buf_add_str(b, "\n");
}

void page_reply(struct base *base, struct http_req *r) {
	BUF_AUTO b = BUF_INIT;
	const struct biz *m;
	buf_add_str(&b, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>");
	add_escaped(&b, base->opt.name);
	buf_add_str(&b, "</title><style>body{font:15px system-ui,sans-serif;margin:2em;color-scheme:light "
	                "dark}td,th{text-align:left;padding:.2em 1.2em .2em 0}</style>\n<h1>");
	add_escaped(&b, base->opt.name);
	buf_printf(&b, "</h1><p>A native base of Berth %s with %u module%s.</p>\n", BERTH_VERSION, base->registry.count,
	    base->registry.count == 1 ? "" : "s");
	if (base->registry.count)
		buf_add_str(&b, "<table><tr><th>module<th>version<th>state<th>path<th>served<th>inside<th>health<th>\n");
	TAILQ_FOREACH(m, &base->registry.bizs, link)
		add_row(&b, m);
	buf_add_str(&b, base->registry.count ? "</table>\n" : "");
	http_reply(r, 200, "text/html; charset=utf-8", buf_str(&b), b.len);
}
