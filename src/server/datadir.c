/* The lock is flock on a file that stays: it goes with the process, however that ends, and the file's text is only for people. */
#include "server/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

static int held(int fd, const char *path, struct err *err) {
	char pid[32] = "";
	ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
	pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
	return err_set(err, E_EXISTS, "another berthd (process %s) runs on %s; stop it, or choose another folder with --data",
	    pid[0] != '\0' ? pid : "unknown", path);
}

int datadir_open(const char *path, struct datadir *ret, struct err *err) {
	char lock[600], pid[32];
	/* As root, the embedded PostgreSQL runs as another user, who has to get through to its folder. Secrets have modes of their own. */
	int r = dir_make(path, geteuid() == 0 ? 0711 : 0700, err);
	if (r != 0)
		return err_context(err, "data folder (--data)");
	snprintf(lock, sizeof lock, "%s/lock", path);
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, errno, "%s", lock);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		r = errno == EWOULDBLOCK ? held(fd, path, err) : err_errno(err, errno, "lock on %s", lock);
		close(fd);
		return r;
	}
	int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
		r = err_errno(err, errno, "%s", lock);
		close(fd);
		return r;
	}
	*ret = (struct datadir){ path, fd };
	return 0;
}

void datadir_close(struct datadir *d) {
	if (d->path != NULL)
		close(d->lock);
	d->path = NULL;
}
