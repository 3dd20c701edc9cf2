/* The order is what matters here: data is synced before the rename, the folder after it. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/secret.h"

static int open_error(const char *path, struct err *err) {
	if (errno == ENOENT)
		return err_set(err, E_NOT_FOUND, "%s: no such file", path);
	if (errno == EACCES || errno == EPERM)
		return err_set(err, E_FORBIDDEN, "%s: %s", path, strerror(errno));
	return err_errno(err, errno, "open %s", path);
}

/* Reads up to max + 1 bytes, so that a file that grows while it is read is noticed too. */
static int read_all(int fd, const char *path, size_t max, char **ret, size_t *ret_n, struct err *err) {
	size_t size = 4096, n = 0;
	char *data = malloc(size + 1);
	while (data != NULL) {
		ssize_t got = read(fd, data + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int e = errno;
			free(data);
			return err_errno(err, e, "read %s", path);
		}
		n += (size_t)got;
		if (n > max) {
			free(data);
			return err_set(err, E_TOO_LARGE, "%s is larger than %zu bytes", path, max);
		}
		if (got == 0)
			break;
		if (n == size) {
			size *= 2;
			char *more = realloc(data, size + 1);
			if (more == NULL)
				free(data);
			data = more;
		}
	}
	if (data == NULL)
		return err_set(err, E_NOMEM, "%s: out of memory after %zu bytes", path, n);
	data[n] = '\0';
	*ret = data;
	if (ret_n != NULL)
		*ret_n = n;
	return 0;
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_n, struct err *err) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return open_error(path, err);
	int r = read_all(fd, path, max, ret, ret_n, err);
	close(fd);
	return r;
}

static int write_all(int fd, const char *path, const char *p, size_t n, struct err *err) {
	while (n > 0) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_errno(err, errno, "write %s", path);
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int write_synced(const char *temp, const void *p, size_t n, mode_t mode, struct err *err) {
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return open_error(temp, err);
	int r = write_all(fd, temp, p, n, err);
	if (r == 0 && fchmod(fd, mode) != 0)
		r = err_errno(err, errno, "chmod %s", temp);
	if (r == 0 && fsync(fd) != 0)
		r = err_errno(err, errno, "fsync %s", temp);
	if (close(fd) != 0 && r == 0)
		r = err_errno(err, errno, "close %s", temp);
	return r;
}

int file_write(const char *path, const void *p, size_t n, mode_t mode, struct err *err) {
	char temp[PATH_MAX];
	uint32_t unique;
	random_bytes(&unique, sizeof unique);
	if (snprintf(temp, sizeof temp, "%s.tmp-%08x", path, unique) >= (int)sizeof temp)
		return err_set(err, E_INVALID, "path is too long: %.200s…", path);
	int r = write_synced(temp, p, n, mode, err);
	if (r == 0 && rename(temp, path) != 0)
		r = err_errno(err, errno, "rename %s to %s", temp, path);
	if (r != 0) {
		unlink(temp);
		return r;
	}
	return dir_sync_parent(path, err);
}

int file_remove(const char *path, struct err *err) {
	if (unlink(path) != 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "remove %s", path);
	return dir_sync_parent(path, err);
}

int dir_sync(const char *path, struct err *err) {
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return open_error(path, err);
	int r = fsync(fd) != 0 ? err_errno(err, errno, "fsync %s", path) : 0;
	close(fd);
	return r;
}

int dir_sync_parent(const char *path, struct err *err) {
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return dir_sync(".", err);
	size_t n = slash == path ? 1 : (size_t)(slash - path);
	if (n >= sizeof parent)
		return err_set(err, E_INVALID, "path is too long: %.200s…", path);
	memcpy(parent, path, n);
	parent[n] = '\0';
	return dir_sync(parent, err);
}

/* One level. The mode is set explicitly: mkdir(2) would apply the umask, and a data folder must not end up wider or narrower. */
static int make_level(const char *path, mode_t mode, struct err *err) {
	if (mkdir(path, 0700) == 0) {
		if (chmod(path, mode) != 0)
			return err_errno(err, errno, "chmod %s", path);
		return 0;
	}
	int e = errno;
	struct stat st;
	if (e == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	if (e == EACCES || e == EPERM)
		return err_set(err, E_FORBIDDEN, "cannot make folder %s: %s", path, strerror(e));
	return err_errno(err, e, "cannot make folder %s", path);
}

int dir_make(const char *path, mode_t mode, struct err *err) {
	char part[PATH_MAX];
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof part)
		return err_set(err, E_INVALID, "not a usable folder name: '%.200s'", path);
	memcpy(part, path, n + 1);
	for (size_t i = 1; i < n; i++) {
		if (part[i] != '/')
			continue;
		part[i] = '\0';
		int r = make_level(part, mode, err);
		part[i] = '/';
		if (r != 0)
			return r;
	}
	return make_level(part, mode, err);
}
