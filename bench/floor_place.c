/* Floor of place_rate: the rows of N placements (instance, task, events), inserted as arrays, 10,000 rows per transaction.
 *
 * usage: floor_place FROM TO
 * prints: place PLACEMENTS US */
#include <stdio.h>

#include "work.h"

int main(int argc, char **argv) {
	if (argc != 3)
		die("usage", "floor_place FROM TO");
	struct work work;
	PGconn *db = db_open(argv[2]);
	work_load_installs(&work, db_open(argv[1]));
	work_prepare(&work, db);
	int step = 10000 / work_rows(work.placed, work.n_placed);
	int64_t begun = now_us();
	for (int i = 0; i < work.units; i += step) {
		work_send_placed(&work, db, i, i + step < work.units ? step : work.units - i);
		db_commit(db);
	}
	printf("place %d %lld\n", work.units, (long long)(now_us() - begun));
	return 0;
}
