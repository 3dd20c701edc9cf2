/* Inside of the ledger: one struct, one file per duty. Only src/ledger and its tests include this. */
#ifndef BERTH_LEDGER_PG_IMPL_H
#define BERTH_LEDGER_PG_IMPL_H

#include "base/rng.h"
#include "ledger/conn.h"
#include "ledger/ledger.h"
#include "ledger/target.h"

/* Raises the epoch on the commit connection. only: E_FENCED unless this epoch is in force (0: any). done exactly once. */
typedef void (*raise_fn)(void *arg, int64_t epoch, const struct err *err);
struct raise {
	struct exchange x, unblock;
	struct pgconn *killer; /* only while blocked */
	struct timer blocked;
	bool unblocking;
	int64_t epoch, only;
	int64_t sent_pid, lost_pid; /* backends: of this raise, of one whose answer was lost (-1 none) */
	raise_fn done;
	void *arg;
};

typedef void (*migrate_fn)(void *arg, const struct err *err);
struct migrate {
	struct exchange x;
	int64_t newest; /* number of the newest applied one */
	migrate_fn done;
	void *arg;
};

struct commit {
	bool busy;
	struct exchange x;
	const struct changeset *cs;
	ledger_done done;
	void *arg;
};

struct load {
	bool busy;
	bool waiting; /* for a recovery that is still under way */
	struct exchange x;
	int table;
	struct arena *rows;
	void *row;
	struct ledger_loaded loaded;
	ledger_row_fn on_row;
	ledger_loaded_fn done;
	void *arg;
};

struct recover {
	bool busy;
	struct exchange x;
	struct timer again;
	struct ledger_loaded loaded;
	ledger_loaded_fn done;
	void *arg;
};

struct dash {
	struct exchange x;
	struct timer timer;
	bool busy, made, there;
	bool told; /* that it is not there, or why not */
};

struct check {
	struct check *next;
	ledger_done done;
	void *arg;
};

LIST_HEAD(upload_list, ledger_upload);
LIST_HEAD(reading_list, reading);

struct ledger_pg {
	struct ledger ledger; /* first: what the core holds */
	struct ledger_pg_config cfg;
	struct loop *loop;
	const struct clock *clock;
	struct rng rng;
	struct stmts stmts;
	struct migration *migrations;
	size_t n_migrations;
	struct target *target;
	struct pgconn *commit_conn, *lease_conn, *read_conn, *bytes_conn;
	int64_t epoch, epoch_floor; /* ours, 0 before the first load */
	struct raise raise;
	struct migrate migrate;
	struct commit commit;
	struct load load;
	struct recover recover;
	struct dash dash;
	struct exchange adopt, lease_ready; /* what a new connection begins with */
	bool lease_exists;
	bool unsure; /* something on the commit connection was lost: a raise comes next, and names the backend */
	struct check *checks;
	struct deferred tell_checks;
	struct upload_list uploads;
	struct reading_list readings;
	bool closing;
};

static inline struct ledger_pg *pg_of(struct ledger *l) {
	return (struct ledger_pg *)l;
}
#define owner_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

struct pgconn *pg_conn_make(struct ledger_pg *l, const char *name, int64_t lock_us, size_t max_queue, void (*up)(void *, struct pgconn *),
    void (*down)(void *, const struct err *), struct err *err);

void raise_start(struct ledger_pg *l, int64_t only, raise_fn done, void *arg);
void raise_deinit(struct ledger_pg *l);
void raise_floor(struct ledger *l, int64_t epoch);
void migrate_start(struct ledger_pg *l, migrate_fn done, void *arg);
/* Fills the answer of the statement cell_state. */
int cell_state_read(const PGresult *res, struct ledger_loaded *ret, struct err *err);

void commit_start(struct ledger *l, const struct changeset *cs, ledger_done done, void *arg);
void commit_up(void *arg, struct pgconn *c); /* a new commit connection */
void load_start(struct ledger *l, ledger_row_fn row, ledger_loaded_fn done, void *arg);
void load_go_on(struct ledger_pg *l); /* the recovery it waited for is over */
void recover_start(struct ledger *l, ledger_loaded_fn done, void *arg);
void recover_deinit(struct ledger_pg *l);
void read_start(struct ledger *l, const struct ledger_read *spec, ledger_rows_fn done, void *arg);
void lease_up(void *arg, struct pgconn *c); /* a new lease connection: makes the lease row when the database is new */
void lease_read(struct ledger *l, ledger_lease_fn done, void *arg);
void lease_take(struct ledger *l, int64_t expected, const struct lease_view *me, ledger_lease_fn done, void *arg);
void lease_renew(struct ledger *l, const struct lease_view *me, ledger_lease_fn done, void *arg);
void lease_release(struct ledger *l, const struct lease_view *me, ledger_done done, void *arg);
struct ledger_upload *upload_begin(struct ledger *l, const char *sha256);
void upload_add(struct ledger_upload *u, const void *p, size_t n, ledger_done done, void *arg);
void upload_end(struct ledger_upload *u, const char *sha256, ledger_done done, void *arg);
void upload_abort(struct ledger_upload *u);
void *bytes_read(struct ledger *l, const char *sha256, int64_t offset, ledger_bytes_fn piece, void *arg);
void bytes_more(void *reading);
void bytes_cancel(void *reading);
void uploads_deinit(struct ledger_pg *l); /* after the connection went: those that had no exchange under way */
void readings_deinit(struct ledger_pg *l);
void bytes_collect(struct ledger *l, ledger_done done, void *arg);
void dash_init(struct ledger_pg *l);
void dash_start(struct ledger_pg *l); /* after a load */
void dash_deinit(struct ledger_pg *l);
void prune_start(struct ledger *l, const struct ledger_retention *before, ledger_done done, void *arg);

#endif
