/* The data directory: made at the first start, locked while a server runs on it. */
#ifndef BERTH_SERVER_DATADIR_H
#define BERTH_SERVER_DATADIR_H

struct err;

struct datadir {
	const char *path;
	int lock;
};

/* E_EXISTS names the process that holds it. path must outlive it. */
int datadir_open(const char *path, struct datadir *ret, struct err *err);
void datadir_close(struct datadir *d);

#endif
