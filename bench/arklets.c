/* Bases that take no time: arklets on ports of their own, in one process, that answer health, help, queryAllBiz, installBiz, uninstallBiz
 * as a base of runtime 2.1.6 does (no headers, the end of the answer is the end of the connection) and keep only what they hold.
 *
 *   arklets COUNT      prints "ports P1 P2 …"; then, for a line "seen" on its input, "seen INSTALLS OTHERS" since the last one */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_HELD 64

struct held {
	char name[80], version[80];
};
struct base {
	struct held held[MAX_HELD];
	int n_held;
};

static struct event_base *loop;
static long installs, others;

static double uptime(void) {
	static struct timespec began;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	if (began.tv_sec == 0)
		began = t;
	return 600.0 + (double)(t.tv_sec - began.tv_sec) + (double)(t.tv_nsec - began.tv_nsec) / 1e9;
}

/* ---- answers --------------------------------------------------------------------------------------------------------------------- */
static struct held *held_find(struct base *b, const char *name, const char *version) {
	for (int i = 0; i < b->n_held; i++)
		if (strcmp(b->held[i].name, name) == 0 && strcmp(b->held[i].version, version) == 0)
			return &b->held[i];
	return NULL;
}

static json_t *biz_info(const struct held *h) {
	return json_pack("{s:s, s:s, s:s, s:s, s:[{}]}", "bizName", h->name, "bizVersion", h->version, "bizState", "activated",
	    "webContextPath", "/", "bizStateRecords");
}

static json_t *result(const char *outer, const char *code, json_t *infos) {
	return json_pack("{s:s, s:{s:s, s:s, s:o}}", "code", outer, "data", "code", code, "message", code, "bizInfos", infos);
}

static json_t *install(struct base *b, const char *name, const char *version) {
	if (held_find(b, name, version) != NULL || b->n_held == MAX_HELD)
		return result("FAILED", "REPEAT_BIZ", json_array());
	struct held *h = &b->held[b->n_held++];
	snprintf(h->name, sizeof h->name, "%s", name);
	snprintf(h->version, sizeof h->version, "%s", version);
	return result("SUCCESS", "SUCCESS", json_pack("[o]", biz_info(h)));
}

static json_t *uninstall(struct base *b, const char *name, const char *version) {
	struct held *h = held_find(b, name, version);
	if (h == NULL)
		return result("FAILED", "NOT_FOUND_BIZ", json_array());
	*h = b->held[--b->n_held];
	return result("SUCCESS", "SUCCESS", json_array());
}

static json_t *all(const struct base *b) {
	json_t *list = json_array();
	for (int i = 0; i < b->n_held; i++)
		json_array_append_new(list, biz_info(&b->held[i]));
	return json_pack("{s:s, s:o}", "code", "SUCCESS", "data", list);
}

static json_t *health(void) {
	return json_pack("{s:s, s:{s:{s:{s:f, s:i, s:i}, s:{s:s, s:s, s:s}}}}", "code", "SUCCESS", "data", "healthData", "jvm",
	    "run time(s)", uptime(), "java used metaspace", 62914560, "java max metaspace", -1, "masterBizInfo", "bizName", "bench",
	    "bizVersion", "1.0.0", "bizState", "activated");
}

static json_t *answer(struct base *b, const char *command, const json_t *body) {
	const char *name = json_string_value(json_object_get(body, "bizName")),
	           *version = json_string_value(json_object_get(body, "bizVersion"));
	if (strcmp(command, "installBiz") == 0 && name != NULL && version != NULL) {
		installs++;
		return install(b, name, version);
	}
	others++;
	if (strcmp(command, "uninstallBiz") == 0 && name != NULL && version != NULL)
		return uninstall(b, name, version);
	if (strcmp(command, "queryAllBiz") == 0)
		return all(b);
	if (strcmp(command, "health") == 0)
		return health();
	if (strcmp(command, "help") == 0)
		return json_pack("{s:s, s:[{s:s}, {s:s}, {s:s}, {s:s}]}", "code", "SUCCESS", "data", "id", "installBiz", "id",
		    "uninstallBiz", "id", "queryAllBiz", "id", "health");
	return json_pack("{s:s, s:s}", "code", "CMD_NOT_FOUND", "message", "please follow the doc");
}

/* ---- the wire -------------------------------------------------------------------------------------------------------------------- */
static void on_over(struct bufferevent *bev, short what, void *arg) {
	bufferevent_free(bev);
}

static void on_written(struct bufferevent *bev, void *arg) {
	bufferevent_free(bev);
}

static void on_readable(struct bufferevent *bev, void *arg) {
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n = evbuffer_get_length(in);
	char *text = (char *)evbuffer_pullup(in, -1);
	char *end = memmem(text, n, "\r\n\r\n", 4), *length = memmem(text, n, "ontent-Length:", 14), command[64] = "";
	if (end == NULL)
		return;
	size_t body = length != NULL && length < end ? strtoul(length + 14, NULL, 10) : 0, head = (size_t)(end + 4 - text);
	if (n < head + body)
		return;
	sscanf(text, "POST /%63[A-Za-z]", command);
	json_t *given = json_loadb(text + head, body, 0, NULL), *said = answer(arg, command, given);
	char *out = json_dumps(said, JSON_COMPACT);
	evbuffer_drain(in, n);
	bufferevent_disable(bev, EV_READ);
	bufferevent_setcb(bev, NULL, on_written, on_over, arg);
	evbuffer_add_printf(bufferevent_get_output(bev), "HTTP/1.1 200 OK\r\n\r\n%s", out);
	free(out);
	json_decref(said);
	json_decref(given);
}

static void on_client(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len, void *arg) {
	struct bufferevent *bev = bufferevent_socket_new(loop, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_readable, NULL, on_over, arg);
	bufferevent_enable(bev, EV_READ);
}

static int listen_for(struct base *b) {
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	struct evconnlistener *l =
	    evconnlistener_new_bind(loop, on_client, b, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 512, (struct sockaddr *)&at, sizeof at);
	if (l == NULL || getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&at, &len) != 0) {
		perror("arklets");
		exit(1);
	}
	return ntohs(at.sin_port);
}

static void on_question(evutil_socket_t fd, short what, void *arg) {
	char line[64];
	if (fgets(line, sizeof line, stdin) == NULL)
		exit(0);
	printf("seen %ld %ld\n", installs, others);
	fflush(stdout);
	installs = others = 0;
}

int main(int argc, char **argv) {
	int count = argc > 1 ? atoi(argv[1]) : 1;
	struct base *bases = calloc((size_t)count, sizeof *bases);
	loop = event_base_new();
	if (bases == NULL || loop == NULL)
		return 1;
	uptime();
	printf("ports");
	for (int i = 0; i < count; i++)
		printf(" %d", listen_for(&bases[i]));
	printf("\n");
	fflush(stdout);
	event_add(event_new(loop, 0, EV_READ | EV_PERSIST, on_question, NULL), NULL);
	event_base_dispatch(loop);
	return 0;
}
