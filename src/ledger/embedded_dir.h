/* Files and folders of the private cluster: programs, owner, socket folder, secret, what an earlier postmaster left. Blocking, small. */
#ifndef BERTH_LEDGER_EMBEDDED_DIR_H
#define BERTH_LEDGER_EMBEDDED_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define SECRET_CHARS 48

struct cluster {
	char dir[PATH_MAX]; /* absolute */
	char data[PATH_MAX], fresh[PATH_MAX], secret_file[PATH_MAX], log[PATH_MAX];
	char bindir[PATH_MAX];
	char socket_dir[96];
	char user[64]; /* "" : as we are */
	uid_t uid;
	gid_t gid;
	int major; /* of the programs; 0 unknown */
	char secret[SECRET_CHARS + 1];
};

int cluster_open(struct cluster *k, const char *dir, const char *bindir, const char *user, struct err *err);
int cluster_programs(
    const char *dir, char ret[PATH_MAX], struct err *err); /* PostgreSQL's, of the release of that folder's cluster if it has one */
bool cluster_exists(const struct cluster *k);
int cluster_version_check(const struct cluster *k, struct err *err);
int cluster_fresh_make(struct cluster *k, struct err *err);       /* empty folder for initdb, and a new secret */
int cluster_fresh_done(const struct cluster *k, struct err *err); /* initdb was fine: it becomes the cluster */
int cluster_password_file(
    const struct cluster *k, char path[PATH_MAX], struct err *err); /* for initdb, readable by its user; remove it afterwards */
int cluster_dash_secret(const struct cluster *k, char ret[SECRET_CHARS + 1], struct err *err); /* of role berth_dash; made when absent */
int cluster_conninfo_write(const struct cluster *k, const char *conninfo, struct err *err);    /* for people and psql */
/* A restore makes its cluster in a folder within the data folder, and hands it over when it is whole. */
int cluster_stage_clear(const char *stage, struct err *err); /* an absent one is fine */
int cluster_stage_take(const char *stage, const char *dir, struct err *err);
/* The living postmaster of this data, 0 when there is none; its socket folder replaces ours. */
pid_t cluster_living(struct cluster *k);
void cluster_stale_remove(const struct cluster *k);                    /* pid file and sockets of one that is surely gone */
int cluster_log_open(const struct cluster *k, struct err *err);        /* fd or -1 */
void cluster_log_tail(const struct cluster *k, char *to, size_t size); /* the last lines, as one */

#endif
