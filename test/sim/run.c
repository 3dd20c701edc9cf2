/* The program: seeds in forked workers, one after the other in each, and what became of them.
 *
 * berth-sim [--seeds N] [--first S] [--jobs J] [--trace] [--twice]: a failing seed prints how to replay it. */
#include "sim.h"
#include "base/log.h"
#include "base/mutant.h"
#include "model/lifecycle.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_JOBS 64
#define SEED_LIMIT_S 60
#define ENOUGH_SEEDS 2000 /* for every row of lifecycle.def */
#define SOME_SEEDS 300    /* for every row of reaches.def */

/* What the workers share: the next seed to take, and what each is at. */
struct shared {
	atomic_ullong next, failed;
	unsigned long long at[MAX_JOBS];
	struct tally tallies[MAX_JOBS];
};

struct options {
	unsigned long long n, first;
	int jobs;
	bool trace, twice;
	bool until_failed; /* one that fails is enough, and what is looked for */
	const char *program;
};

static void replay(const struct options *o, unsigned long long seed, const char *why) {
	printf("seed %llu: %s\n  replay: %s --first %llu --seeds 1 --trace\n", seed, why, o->program, seed);
	fflush(stdout);
}

/* The same seed gives the same run, to the byte of its trace. */
static bool run_twice(unsigned long long seed, struct tally *tally, char *why, size_t n) {
	char *text[2] = { NULL, NULL };
	size_t len[2] = { 0, 0 };
	bool ok = true;
	for (int i = 0; i < 2; i++) {
		FILE *f = open_memstream(&text[i], &len[i]);
		if (f == NULL)
			abort();
		ok &= storm_run(seed, f, tally, why, n);
		fclose(f);
	}
	bool same = len[0] == len[1] && memcmp(text[0], text[1], len[0]) == 0;
	if (ok && !same)
		snprintf(why, n, "the same seed gave two different runs");
	free(text[0]);
	free(text[1]);
	return ok && same;
}

static bool run_one(const struct options *o, unsigned long long seed, struct tally *tally, char *why, size_t n) {
	return o->twice ? run_twice(seed, tally, why, n) : storm_run(seed, o->trace ? stdout : NULL, tally, why, n);
}

static void work(const struct options *o, struct shared *s, int job) {
	char why[512];
	for (unsigned long long k; (k = atomic_fetch_add(&s->next, 1)) < o->n;) {
		if (o->until_failed && atomic_load(&s->failed) > 0)
			break;
		s->at[job] = o->first + k;
		alarm(SEED_LIMIT_S); /* one that does not end is a failed one, too */
		if (run_one(o, s->at[job], &s->tallies[job], why, sizeof why))
			continue;
		atomic_fetch_add(&s->failed, 1);
		replay(o, s->at[job], why);
	}
	alarm(0);
}

static pid_t worker_start(const struct options *o, struct shared *s, int job) {
	pid_t pid = fork();
	if (pid < 0)
		abort();
	if (pid > 0)
		return pid;
	work(o, s, job);
	exit(0);
}

/* A seed that ends its process (an assertion, a sanitizer) is a failed one; another worker goes on behind it. */
static void worker_died(const struct options *o, struct shared *s, int job, int status) {
	char why[64];
	snprintf(why, sizeof why, WIFSIGNALED(status) ? "ended by signal %d" : "ended with status %d",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	atomic_fetch_add(&s->failed, 1);
	replay(o, s->at[job], why);
}

static void work_in_parallel(const struct options *o, struct shared *s) {
	pid_t pids[MAX_JOBS];
	int running = o->jobs, status;
	fflush(NULL);
	for (int j = 0; j < o->jobs; j++)
		pids[j] = worker_start(o, s, j);
	while (running > 0) {
		pid_t pid = waitpid(-1, &status, 0);
		if (pid < 0 && errno == EINTR)
			continue;
		for (int j = 0; j < o->jobs; j++) {
			if (pids[j] != pid)
				continue;
			if (status != 0) {
				worker_died(o, s, j, status);
				pids[j] = worker_start(o, s, j);
			} else {
				running--;
			}
		}
	}
}

#ifdef BERTH_MUTANTS
enum mutant mutant;

static const struct {
	const char *name, *text;
} mutants[MUTANT_COUNT] = {
#define M(name, text) { #name, text },
	{ "none", "" },
#include "mutants.def"
#undef M
};

static bool mutant_found(const struct options *o, struct shared *s, int which) {
	mutant = (enum mutant)which;
	atomic_store(&s->next, 0);
	atomic_store(&s->failed, 0);
	printf("-- %s: %s\n", mutants[which].name, mutants[which].text);
	work_in_parallel(o, s);
	if (atomic_load(&s->failed) == 0)
		printf("%llu seeds did not find it\n", o->n);
	return atomic_load(&s->failed) > 0;
}

/* Each mutant, or the one of that name, until a seed finds it. */
static int mutants_run(struct options *o, struct shared *s, const char *only) {
	int found = 0, missed = 0;
	o->until_failed = true;
	for (int i = 1; i < MUTANT_COUNT; i++) {
		if (only != NULL && strcmp(mutants[i].name, only) != 0)
			continue;
		bool is = mutant_found(o, s, i);
		found += is;
		missed += !is;
	}
	printf("mutants: %d found, %d missed\n", found, missed);
	return missed == 0 && found > 0 ? 0 : 1;
}
#endif

/* Says which rows of the life cycles never happened. Returns how many. */
static size_t rows_missed(const struct shared *s) {
	size_t missed = 0;
	for (size_t i = 0; i < transition_count(); i++) {
		const struct transition *t = transition_at(i);
		uint64_t n = 0;
		for (int j = 0; j < MAX_JOBS; j++)
			n += s->tallies[j].transitions[i];
		if (n == 0)
			printf("%s %s %d", missed++ == 0 ? "never happened:" : ",", lifecycle_object(t->set), t->number);
	}
	printf("%slife cycles: %zu of %zu rows happened\n", missed == 0 ? "" : "\n", transition_count() - missed, transition_count());
	return missed;
}

static const char *const reaches[][2] = {
#define R(kind, text) { kind, text },
#include "reaches.def"
#undef R
};

static size_t reaches_missed(const struct shared *s) {
	size_t missed = 0;
	for (size_t k = 0; k < sizeof reaches / sizeof *reaches; k++) {
		uint64_t n = 0;
		for (int j = 0; j < MAX_JOBS; j++)
			n += s->tallies[j].reached[k];
		missed += n == 0;
		if (n == 0)
			printf("never reached: %s (%s)\n", reaches[k][0], reaches[k][1]);
	}
	return missed;
}

static bool options_read(int argc, char **argv, struct options *o) {
	static const struct option longs[] = { { "seeds", 1, NULL, 'n' }, { "first", 1, NULL, 'f' }, { "jobs", 1, NULL, 'j' },
		{ "trace", 0, NULL, 't' }, { "twice", 0, NULL, '2' }, { 0 } };
	*o = (struct options){ .n = 200, .first = 1, .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN), .program = argv[0] };
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (c == 'n')
			o->n = strtoull(optarg, NULL, 10);
		else if (c == 'f')
			o->first = strtoull(optarg, NULL, 10);
		else if (c == 'j')
			o->jobs = (int)strtol(optarg, NULL, 10);
		else if (c == 't')
			o->trace = true;
		else if (c == '2')
			o->twice = true;
		else
			return false;
	}
	if (o->jobs < 1 || o->trace || o->n == 1)
		o->jobs = 1;
	if (o->jobs > MAX_JOBS)
		o->jobs = MAX_JOBS;
	return true;
}

int main(int argc, char **argv) {
	struct options o;
	if (!options_read(argc, argv, &o))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)mallopt(M_MXFAST, 0); /* freed arenas would have glibc consolidate its fast bins each time: a third of the run */
	if (!o.trace)
		log_setup("sim", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		abort();
#ifdef BERTH_MUTANTS
	return mutants_run(&o, s, argc > optind ? argv[optind] : NULL);
#endif
	if (o.jobs == 1 && o.n == 1) /* a debugger stays with it */
		work(&o, s, 0);
	else
		work_in_parallel(&o, s);
	unsigned long long failed = atomic_load(&s->failed);
	bool whole = (o.n < ENOUGH_SEEDS || rows_missed(s) == 0) && (o.n < SOME_SEEDS || reaches_missed(s) == 0);
	printf("simulation%s: %llu passed, %llu failed\n", o.twice ? " twice" : "", o.n - failed, failed);
	return failed == 0 && whole ? 0 : 1;
}
