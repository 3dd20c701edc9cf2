/* A port is free when it can be bound right now; between that and the base's own bind somebody else may take it, then the base fails to
 * start and the next attempt chooses again. */
#include "ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

/* port 0: any. The socket stays open until the caller closes it, so that two choices differ. */
static int bind_port(int port, int *ret_port) {
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); /* connections that just ended do not count */
	if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1) != 0 || getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
		close(fd);
		return -1;
	}
	*ret_port = ntohs(a.sin_port);
	return fd;
}

bool ports_load(struct ports *p, const char *dir) {
	char path[PATH_MAX], *text;
	struct ports found;
	snprintf(path, sizeof path, "%s/ports", dir);
	if (file_read(path, 256, &text, NULL, NULL) != 0)
		return false;
	bool ok = sscanf(text, "arklet=%d\nhttp=%d", &found.arklet, &found.http) == 2 && found.arklet > 0 && found.arklet < 65536 &&
	          found.http > 0 && found.http < 65536;
	free(text);
	if (ok)
		*p = found;
	return ok;
}

static int choose(int given, int kept, const char *what, int *ret_port, int *ret_fd, struct err *err) {
	if (given != 0) { /* taken or not is for the base to find out: somebody may be about to give it up */
		*ret_port = given;
		*ret_fd = -1;
		return 0;
	}
	*ret_fd = kept != 0 ? bind_port(kept, ret_port) : -1;
	if (*ret_fd < 0)
		*ret_fd = bind_port(0, ret_port);
	return *ret_fd < 0 ? err_errno(err, errno, "no free port for %s", what) : 0;
}

int ports_choose(struct ports *p, const char *dir, int given_arklet, int given_http, struct err *err) {
	struct ports kept = { 0 }, now;
	char path[PATH_MAX], text[64];
	int arklet_fd = -1, http_fd = -1;
	ports_load(&kept, dir);
	int rc = choose(given_arklet, kept.arklet, "arklet", &now.arklet, &arklet_fd, err);
	if (rc == 0)
		rc = choose(given_http, kept.http, "the modules' requests", &now.http, &http_fd, err);
	if (arklet_fd >= 0)
		close(arklet_fd);
	if (http_fd >= 0)
		close(http_fd);
	if (rc != 0)
		return rc;
	*p = now;
	if (now.arklet == kept.arklet && now.http == kept.http)
		return 0;
	snprintf(path, sizeof path, "%s/ports", dir);
	int n = snprintf(text, sizeof text, "arklet=%d\nhttp=%d\n", now.arklet, now.http);
	return file_write(path, text, (size_t)n, 0644, err);
}
