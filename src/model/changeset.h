/* One commit: rows to write and keys to delete, per table, copied into an arena of its own. */
#ifndef BERTH_MODEL_CHANGESET_H
#define BERTH_MODEL_CHANGESET_H

#include "model/row.h"

struct changeset {
	struct arena *arena;
	int64_t epoch;     /* the fence it was decided under */
	int64_t commit_no; /* cell.commit_no after it: how a lost answer is looked up */
	int64_t last_event;
	struct change_rows {
		void **upserts;
		size_t n_upserts;
		void **deletes;
		size_t n_deletes; /* rows with the key columns filled */
	} tables[TABLE_COUNT];
	size_t rows;
};

struct changeset *changeset_new(void);
void changeset_free(struct changeset *cs);
void changeset_upsert(struct changeset *cs, enum table t, const void *row); /* deep copy */
void changeset_delete(struct changeset *cs, enum table t, const void *row);

#endif
