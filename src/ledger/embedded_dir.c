/* Everything about the cluster that is a file. Traps: initdb and postgres refuse root; a user that may not search one of the folders
 * above the data fails with a message nobody understands; a pid file whose number was given to another process stops a start for ever. */
#include "ledger/embedded_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"

#define OLDEST_MAJOR 14
#define LOG_MAX_BYTES (16 * 1024 * 1024)

static int join(char *to, size_t size, const char *a, const char *b, struct err *err) {
	if ((size_t)snprintf(to, size, "%s/%s", a, b) >= size)
		return err_set(err, E_INVALID, "path is too long: %.200s…/%s", a, b);
	return 0;
}

/* ---- programs -------------------------------------------------------------------------------------------------------------------- */

static bool has_programs(const char *bindir) {
	char path[PATH_MAX];
	if (join(path, sizeof path, bindir, "postgres", NULL) != 0 || access(path, X_OK) != 0)
		return false;
	return join(path, sizeof path, bindir, "initdb", NULL) == 0 && access(path, X_OK) == 0;
}

/* Major version of existing data, 0 for none. */
static int data_major(const struct cluster *k) {
	char path[PATH_MAX], *text;
	if (join(path, sizeof path, k->data, "PG_VERSION", NULL) != 0 || file_read(path, 64, &text, NULL, NULL) != 0)
		return 0;
	int major = (int)strtol(text, NULL, 10);
	free(text);
	return major;
}

static void find_installed(struct cluster *k) {
	static const char *const patterns[] = { "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin" };
	int wanted = data_major(k);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		glob_t g;
		if (glob(patterns[i], 0, NULL, &g) != 0)
			continue;
		for (size_t j = 0; j < g.gl_pathc; j++) {
			const char *digits = strpbrk(g.gl_pathv[j], "0123456789");
			int major = digits == NULL ? 0 : (int)strtol(digits, NULL, 10);
			bool better = *k->bindir == '\0' || (k->major != wanted && (major == wanted || major > k->major));
			if (better && has_programs(g.gl_pathv[j])) {
				snprintf(k->bindir, sizeof k->bindir, "%s", g.gl_pathv[j]);
				k->major = major;
			}
		}
		globfree(&g);
	}
}

static void find_in_path(struct cluster *k) {
	const char *path = getenv("PATH");
	while (path != NULL && *path != '\0' && *k->bindir == '\0') {
		char part[PATH_MAX];
		int n = (int)strcspn(path, ":");
		if (snprintf(part, sizeof part, "%.*s", n, path) < (int)sizeof part && has_programs(part))
			memcpy(k->bindir, part, sizeof part);
		path += n;
		path += *path == ':';
	}
}

static int find_programs(struct cluster *k, const char *bindir, struct err *err) {
	if (bindir != NULL) {
		if (!has_programs(bindir))
			return err_set(err, E_UNSUPPORTED, "%s has no postgres and initdb", bindir);
		snprintf(k->bindir, sizeof k->bindir, "%s", bindir);
		return 0;
	}
	find_installed(k);
	find_in_path(k);
	if (*k->bindir == '\0')
		return err_set(err, E_UNSUPPORTED,
		    "no PostgreSQL server is installed; install one (Debian: apt install postgresql), or give --database-url");
	if (k->major != 0 && k->major < OLDEST_MAJOR)
		return err_set(
		    err, E_UNSUPPORTED, "PostgreSQL %d in %s is too old; install 14 or newer, or give --database-url", k->major, k->bindir);
	return 0;
}

int cluster_programs(const char *dir, char ret[PATH_MAX], struct err *err) {
	struct cluster k = { 0 };
	int r = join(k.data, sizeof k.data, dir, "pg", err);
	if (r == 0)
		r = find_programs(&k, NULL, err);
	if (r == 0)
		memcpy(ret, k.bindir, sizeof k.bindir);
	return r;
}

int cluster_version_check(const struct cluster *k, struct err *err) {
	int data = data_major(k);
	if (data == 0 || k->major == 0 || data == k->major)
		return 0;
	return err_set(err, E_UNSUPPORTED,
	    "the data in %s is of PostgreSQL %d and only %d is installed. Install postgresql-%d to go on as before; or install both, stop "
	    "this "
	    "server and move the data with pg_upgrade; or dump it with pg_dumpall of %d and load it into a new folder",
	    k->data, data, k->major, data, data);
}

/* ---- owner and folders ------------------------------------------------------------------------------------------------------------ */

static int find_owner(struct cluster *k, const char *user, struct err *err) {
	k->uid = geteuid();
	k->gid = getegid();
	if (k->uid != 0)
		return 0;
	const char *name = user == NULL ? "postgres" : user;
	struct passwd *pw = getpwnam(name);
	if (pw == NULL)
		return err_set(err, E_UNSUPPORTED,
		    "PostgreSQL does not run as root and there is no user %s; make one, start berthd as an ordinary user, or give "
		    "--database-url",
		    name);
	if (pw->pw_uid == 0)
		return err_set(err, E_INVALID, "user %s is root, as whom PostgreSQL does not run", name);
	snprintf(k->user, sizeof k->user, "%s", name);
	k->uid = pw->pw_uid;
	k->gid = pw->pw_gid;
	return 0;
}

static bool may_search(const struct cluster *k, const struct stat *st) {
	if (st->st_uid == k->uid)
		return (st->st_mode & S_IXUSR) != 0;
	gid_t groups[256];
	int n = 256;
	if (getgrouplist(k->user, k->gid, groups, &n) >= 0)
		for (int i = 0; i < n; i++)
			if (st->st_gid == groups[i])
				return (st->st_mode & S_IXGRP) != 0;
	return (st->st_mode & S_IXOTH) != 0;
}

/* Each folder from / down to the data folder. Ours gets the right to be searched; those above are not ours to change. */
static int check_reach(const struct cluster *k, struct err *err) {
	if (*k->user == '\0')
		return 0;
	char part[PATH_MAX];
	size_t n = strlen(k->dir);
	for (size_t i = 1; i <= n; i++) {
		if (k->dir[i] != '/' && k->dir[i] != '\0')
			continue;
		memcpy(part, k->dir, i);
		part[i] = '\0';
		struct stat st;
		if (stat(part, &st) != 0)
			return err_errno(err, errno, "%s", part);
		if (may_search(k, &st))
			continue;
		if (i < n)
			return err_set(err, E_FORBIDDEN,
			    "user %s, as whom PostgreSQL runs, cannot reach %s: %s has mode %04o. Choose a data folder elsewhere (for "
			    "example /var/lib/berth), or start berthd as an ordinary user",
			    k->user, k->dir, part, (unsigned)(st.st_mode & 07777));
		if (chmod(part, (st.st_mode & 07777) | S_IXOTH) != 0)
			return err_errno(err, errno, "chmod o+x %s", part);
	}
	return 0;
}

/* A folder of that owner, 0700, that is really one: /tmp is everybody's. */
static int own_dir(const struct cluster *k, const char *path, struct err *err) {
	struct stat st;
	if (mkdir(path, 0700) == 0 && *k->user != '\0' && lchown(path, k->uid, k->gid) != 0)
		return err_errno(err, errno, "chown %s", path);
	if (lstat(path, &st) != 0)
		return err_errno(err, errno, "cannot make folder %s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != k->uid)
		return err_set(err, E_FORBIDDEN, "%s is there and is not a folder of the user that PostgreSQL runs as; remove it", path);
	if ((st.st_mode & 07777) != 0700 && chmod(path, 0700) != 0)
		return err_errno(err, errno, "chmod %s", path);
	return 0;
}

static int make_socket_dir(struct cluster *k, struct err *err) {
	uint8_t digest[SHA256_BYTES];
	char tag[17];
	sha256_of(k->dir, strlen(k->dir), digest);
	hex_encode(digest, 8, tag);
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0 && access("/run", W_OK) == 0) {
		snprintf(k->socket_dir, sizeof k->socket_dir, "/run/berth-%s", tag);
		if (own_dir(k, k->socket_dir, err) == 0)
			return 0;
	}
	if (geteuid() != 0 && xdg != NULL && *xdg == '/' && strlen(xdg) < 60 && access(xdg, W_OK) == 0) {
		snprintf(k->socket_dir, sizeof k->socket_dir, "%s/berth-%s", xdg, tag);
		if (own_dir(k, k->socket_dir, err) == 0)
			return 0;
	}
	snprintf(k->socket_dir, sizeof k->socket_dir, "/tmp/berth-%u-%s", (unsigned)k->uid, tag);
	return own_dir(k, k->socket_dir, err);
}

int cluster_open(struct cluster *k, const char *dir, const char *bindir, const char *user, struct err *err) {
	memset(k, 0, sizeof *k);
	int r = dir_make(dir, 0711, err);
	if (r != 0)
		return r;
	if (realpath(dir, k->dir) == NULL)
		return err_errno(err, errno, "%s", dir);
	if ((r = join(k->data, sizeof k->data, k->dir, "pg", err)) != 0 ||
	    (r = join(k->fresh, sizeof k->fresh, k->dir, "pg.new", err)) != 0 ||
	    (r = join(k->secret_file, sizeof k->secret_file, k->dir, "pg.secret", err)) != 0 ||
	    (r = join(k->log, sizeof k->log, k->dir, "pg.log", err)) != 0)
		return r;
	if ((r = find_owner(k, user, err)) != 0 || (r = check_reach(k, err)) != 0 || (r = find_programs(k, bindir, err)) != 0)
		return r;
	return make_socket_dir(k, err);
}

/* ---- the cluster's folder and secret ------------------------------------------------------------------------------------------------ */

static int read_secret(struct cluster *k, struct err *err) {
	char *text;
	int r = file_read(k->secret_file, SECRET_CHARS + 1, &text, NULL, err);
	if (r != 0) {
		err_context(err, "the password of the private cluster is gone; without it nobody can log in (put pg.secret back, or set "
		                 "one with postgres --single)");
		return r;
	}
	snprintf(k->secret, sizeof k->secret, "%.*s", (int)strcspn(text, "\n"), text);
	free(text);
	return 0;
}

bool cluster_exists(const struct cluster *k) {
	return data_major(k) != 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
	return remove(path);
}

int cluster_stage_clear(const char *stage, struct err *err) {
	if (nftw(stage, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
		return err_errno(err, errno, "cannot remove %s", stage);
	return 0;
}

/* The cluster's folder goes last: it is what makes the others count. */
int cluster_stage_take(const char *stage, const char *dir, struct err *err) {
	static const char *const names[] = { "pg.secret", "pg.dash.secret", "pg" };
	char from[PATH_MAX], to[PATH_MAX];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int r = join(from, sizeof from, stage, names[i], err);
		if (r == 0)
			r = join(to, sizeof to, dir, names[i], err);
		if (r != 0)
			return r;
		if (rename(from, to) != 0)
			return err_errno(err, errno, "rename %s to %s", from, to);
	}
	return dir_sync(dir, err);
}

int cluster_fresh_make(struct cluster *k, struct err *err) {
	uint8_t bytes[SECRET_CHARS / 2];
	/* Left by an initdb that was interrupted: it never became the cluster. */
	int r = cluster_stage_clear(k->fresh, err);
	if (r == 0)
		r = own_dir(k, k->fresh, err);
	if (r != 0)
		return r;
	random_bytes(bytes, sizeof bytes);
	hex_encode(bytes, sizeof bytes, k->secret);
	return file_write(k->secret_file, k->secret, SECRET_CHARS, 0600, err);
}

int cluster_fresh_done(const struct cluster *k, struct err *err) {
	if (rename(k->fresh, k->data) != 0)
		return err_errno(err, errno, "rename %s to %s", k->fresh, k->data);
	return dir_sync_parent(k->data, err);
}

int cluster_dash_secret(const struct cluster *k, char ret[SECRET_CHARS + 1], struct err *err) {
	char path[PATH_MAX], *text;
	uint8_t bytes[SECRET_CHARS / 2];
	int r = join(path, sizeof path, k->dir, "pg.dash.secret", err);
	if (r != 0)
		return r;
	r = file_read(path, SECRET_CHARS + 1, &text, NULL, err);
	if (r == 0) {
		snprintf(ret, SECRET_CHARS + 1, "%.*s", (int)strcspn(text, "\n"), text);
		free(text);
	}
	if (r != E_NOT_FOUND)
		return r;
	random_bytes(bytes, sizeof bytes);
	hex_encode(bytes, sizeof bytes, ret);
	return file_write(path, ret, SECRET_CHARS, 0600, err);
}

int cluster_conninfo_write(const struct cluster *k, const char *conninfo, struct err *err) {
	char path[PATH_MAX];
	int r = join(path, sizeof path, k->dir, "pg.conninfo", err);
	return r != 0 ? r : file_write(path, conninfo, strlen(conninfo), 0600, err);
}

int cluster_password_file(const struct cluster *k, char path[PATH_MAX], struct err *err) {
	int r = join(path, PATH_MAX, k->socket_dir, "password", err);
	if (r == 0)
		r = file_write(path, k->secret, SECRET_CHARS, 0600, err);
	if (r == 0 && *k->user != '\0' && lchown(path, k->uid, k->gid) != 0)
		r = err_errno(err, errno, "chown %s", path);
	return r;
}

/* ---- what an earlier postmaster left --------------------------------------------------------------------------------------------------
 */

static const char *line(const char *text, int n) {
	for (; text != NULL && n > 0; n--)
		if ((text = strchr(text, '\n')) != NULL)
			text++;
	return text;
}

/* A postmaster works in its data folder; another process that got its number does not. */
static bool is_postmaster(const struct cluster *k, pid_t pid) {
	char link[64];
	struct stat its, ours;
	if (pid <= 1 || (kill(pid, 0) != 0 && errno != EPERM))
		return false;
	snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
	if (stat(link, &its) != 0)
		return errno == EACCES || errno == EPERM; /* somebody else's: better believe it */
	return stat(k->data, &ours) == 0 && its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
}

pid_t cluster_living(struct cluster *k) {
	char path[PATH_MAX], *text;
	struct err ignored;
	if (cluster_exists(k) && *k->secret == '\0' && read_secret(k, &ignored) != 0)
		return 0;
	if (join(path, sizeof path, k->data, "postmaster.pid", NULL) != 0 || file_read(path, 4096, &text, NULL, NULL) != 0)
		return 0;
	pid_t pid = (pid_t)strtol(text, NULL, 10);
	if (!is_postmaster(k, pid))
		pid = 0;
	const char *socket_dir = line(text, 4);
	if (pid != 0 && socket_dir != NULL && *socket_dir == '/')
		snprintf(k->socket_dir, sizeof k->socket_dir, "%.*s", (int)strcspn(socket_dir, "\n"), socket_dir);
	free(text);
	return pid;
}

void cluster_stale_remove(const struct cluster *k) {
	static const char *const names[] = { ".s.PGSQL.5432", ".s.PGSQL.5432.lock" };
	char path[PATH_MAX], *text;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (join(path, sizeof path, k->socket_dir, names[i], NULL) == 0)
			unlink(path);
	/* A pid file whose process is gone is PostgreSQL's own affair: it also looks whether old backends still use the memory. One whose
	 * number was given to another process makes it refuse for ever. */
	if (join(path, sizeof path, k->data, "postmaster.pid", NULL) != 0 || file_read(path, 4096, &text, NULL, NULL) != 0)
		return;
	pid_t pid = (pid_t)strtol(text, NULL, 10);
	free(text);
	if (pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) && !is_postmaster(k, pid))
		unlink(path);
}

/* ---- log ---------------------------------------------------------------------------------------------------------------------------- */

int cluster_log_open(const struct cluster *k, struct err *err) {
	int fd = open(k->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	if (fd < 0) {
		err_errno(err, errno, "open %s", k->log);
		return -1;
	}
	if (fstat(fd, &st) == 0 && st.st_size > LOG_MAX_BYTES && ftruncate(fd, 0) != 0) {
		close(fd);
		err_errno(err, errno, "truncate %s", k->log);
		return -1;
	}
	return fd;
}

void cluster_log_tail(const struct cluster *k, char *to, size_t size) {
	to[0] = '\0';
	int fd = open(k->log, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	off_t end = lseek(fd, 0, SEEK_END), want = (off_t)size - 1;
	ssize_t n = pread(fd, to, size - 1, end > want ? end - want : 0);
	close(fd);
	if (n < 0)
		n = 0;
	to[n] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (to[i] == '\n')
			to[i] = ' ';
}
