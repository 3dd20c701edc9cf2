/* What can be asked of the fleet: the domain operations that api's handlers call inside core_op.apply(). Each validates everything first
 * and changes nothing when it returns an error; errors name the field by JSON pointer where it is one field. Names were syntax-checked
 * by the caller; everything that needs the fleet is checked here. */
#ifndef BERTH_CORE_CHANGE_H
#define BERTH_CORE_CHANGE_H

#include "core/core.h"

struct row_artifact;
struct row_base_group;

enum if_busy { IF_BUSY_WAIT, IF_BUSY_SUPERSEDE, IF_BUSY_REFUSE };

/* A deployment as asked for; fields not given keep their value (or default when new). */
struct deploy_spec {
	const char *name;             /* NULL: module's name */
	const char *module, *version; /* module may be NULL when the deployment exists; version NULL keeps (new: the newest) */
	const char *group;            /* NULL keeps; new: the only group there is, else an error that lists them */
	bool has_replicas;
	int64_t replicas; /* -1 = all */
	bool has_args, has_env, has_labels;
	const char *args, *env, *labels; /* canonical JSON */
	const struct strategy *strategy; /* NULL keeps; merged over the kept one */
	bool only_existing;              /* PATCH: E_NOT_FOUND when there is none */
	bool only_new;
	int64_t if_match; /* etag, 0 = any: E_PRECONDITION */
	enum if_busy if_busy;
	bool online;          /* also bring an offline one back (a deploy does, a PATCH of strategy does not) */
	char *const *victims; /* bases to leave first where fewer are wanted than now */
	size_t n_victims;
	const char *at; /* JSON pointer of this part of a larger request: "/changes/1"; NULL = it is the request */
};
/* ret_plan: the new plan; the running one when the same change is already under way (joined); NULL when everything already is so. */
int change_deploy(struct core *c, const struct core_who *who, const struct deploy_spec *spec, struct deployment **ret,
    struct plan **ret_plan, struct err *err);
/* Several at once, as one plan (at most PLAN_MAX_CHANGES): all are checked before anything is done, required modules come first, and it
 * takes all their deployments at once or waits. What is already so is left out of it. ret (n places) may be NULL. if_busy is the first
 * one's. */
int change_deploy_all(struct core *c, const struct core_who *who, const struct deploy_spec *specs, size_t n, struct deployment **ret,
    struct plan **ret_plan, struct err *err);
int change_offline(struct core *c, const struct core_who *who, struct deployment *d, struct plan **ret_plan, struct err *err);
int change_delete(struct core *c, const struct core_who *who, struct deployment *d, struct plan **ret_plan,
    struct err *err); /* plan NULL: gone at once */
/* Its instances anew, all or those on one base: elsewhere (replace), or where they are (restart). ret_plan NULL: there is none. */
int change_anew(struct core *c, const struct core_who *who, struct deployment *d, const struct base *only, bool restart,
    struct plan **ret_plan, struct err *err);
/* now, here and below: in one batch and whatever max_unavailable says; `who` must give the reason, which stays with the plan. */
int change_rollback(struct core *c, const struct core_who *who, struct deployment *d, int64_t to /* 0 = the completed one before */,
    bool now, struct plan **ret_plan, struct err *err);

/* The catch-up plan of a deployment that is not as wanted although nothing newer is asked. ret_plan NULL: it is as wanted. */
int change_retry(struct core *c, const struct core_who *who, struct deployment *d, struct plan **ret_plan, struct err *err);

/* Verbs on plans; idempotent: already so is a success. E_STATE says why not and what is allowed. */
enum plan_verb { VERB_PAUSE, VERB_RESUME, VERB_CONFIRM, VERB_RETRY, VERB_IGNORE, VERB_UNDO, VERB_STOP, VERB_COUNT };
/* What a verb is about: confirm takes a batch; retry a base, a task, a batch or nothing (all that failed); ignore a base or a task. */
struct verb_spec {
	int64_t batch, task;
	const struct base *base;
	bool now; /* of undo */
};
const char *plan_verb_name(enum plan_verb v);
/* ret_plan: the plan to look at now: p, or the one that undoes it. */
int change_plan_verb(struct core *c, const struct core_who *who, struct plan *p, enum plan_verb v, const struct verb_spec *s,
    struct plan **ret_plan, struct err *err);
/* Taking back what a plan did, finished ones too, until one of its deployments has a newer revision. Facts of the plan as its rows have
 * them. */
struct undo_change {
	int64_t deployment_id, from_revision, to_revision;
};
struct undo {
	int64_t plan;
	enum plan_kind kind;
	const struct undo_change *changes;
	size_t n;
};
void undo_of(const struct plan *p, struct arena *a, struct undo *ret);
int change_undo(struct core *c, const struct core_who *who, const struct undo *u, bool now, struct plan **ret_plan, struct err *err);
unsigned plan_verbs_allowed(struct core *c, const struct plan *p); /* bit set */

/* A base that is reached by its arklet's address, without an agent. Already so: a success. The group is there. Texts are copied. */
struct direct_spec {
	const char *name, *url, *identity, *labels, *taints, *zone;
	int64_t limit;
	struct group *group;
};
int change_base_add(struct core *c, const struct core_who *who, const struct direct_spec *s, struct base **ret, struct err *err);
/* It may be away so long without counting for the brake (P10), and nothing of it is placed elsewhere meanwhile; over when it is back. */
int change_expect_restart(struct core *c, const struct core_who *who, struct base *b, int64_t us, struct err *err);
/* Ends the brake of a zone (NULL: of every zone of the group): what is lost there is replaced, those that are gone now do not put it on
 * again. Where there is none: a success. */
int change_release_brake(struct core *c, const struct core_who *who, struct group *g, const char *zone, struct err *err);
/* A base without an agent leaves. E_STATE: its agent says goodbye itself. */
int change_leave(struct core *c, const struct core_who *who, struct base *b, struct err *err);
void change_base_farewell(struct core *c, struct base *b, const char *reason); /* it says that it is going */
int change_base(struct core *c, const struct core_who *who, struct base *b, bool has_limit, int64_t limit, const char *labels,
    const char *taints, struct err *err);
int change_cordon(struct core *c, const struct core_who *who, struct base *b, bool cordon, struct err *err);
/* Everything on them goes elsewhere (of a deployment on all bases: away) in one plan, then they stay cordoned and empty. Those that are
 * drained already are left to their plan. ret_plan NULL: they are empty already. */
int change_drain(struct core *c, const struct core_who *who, struct base *const *bases, size_t n, struct plan **ret_plan, struct err *err);
/* Everything on it anew: elsewhere (replace), or where it is (restart). ret_plan NULL: there is nothing. */
int change_base_anew(struct core *c, const struct core_who *who, struct base *b, bool restart, struct plan **ret_plan, struct err *err);
/* Ends a drain that is under way, and lets placements come again. */
int change_undrain(struct core *c, const struct core_who *who, struct base *b, struct err *err);
int change_forget(struct core *c, const struct core_who *who, struct base *b, struct err *err);
/* No plan starts in a frozen group. The reason is the caller's and is needed; both are harmless when repeated. */
int change_freeze(struct core *c, const struct core_who *who, struct group *g, bool freeze, struct err *err);
/* A new group, or a change of `self`: does its row get along with the other groups? */
int change_group_check(const struct tenant *t, const struct group *self, const struct row_base_group *row, struct err *err);
int change_group(struct core *c, const struct core_who *who, struct group *g, const struct row_base_group *row,
    struct err *err); /* whole new row, validated against the fleet */

/* Modules that nobody told Berth about. Adopting records what runs as wanted, and sends nothing; dry: only says what it would record. All
 * in the arena, one row per module and group. */
struct adopt_spec {
	const struct finding *finding; /* this one; NULL: all of the group, or of a module there */
	const struct group *group;
	const char *module;
	bool dry;
	bool by_policy; /* only what the group's policy may act on now, and no more than the deployment wants */
};
struct adopted {
	const char *base, *version;
	bool behind;
};
struct adoption {
	const char *deployment, *module, *version, *group; /* deployment NULL: nothing could be adopted */
	bool created;
	struct adopted *instances;
	size_t n;
	const char **not_restorable; /* versions without an artifact */
	size_t n_not_restorable;
	const char **notes;
	size_t n_notes;
};
int change_adopt(struct core *c, const struct core_who *who, const struct adopt_spec *spec, struct arena *a, struct adoption **ret,
    size_t *ret_n, struct err *err);
/* An adopted version's bytes are known now, and what they say of it. */
void change_version_whole(struct core *c, struct version *v, struct artifact *a, const struct row_version *row);
int change_ignore(
    struct core *c, const struct core_who *who, struct finding *f, bool ignore, struct err *err); /* E_INVALID without a reason */

/* Takes a module that nobody told Berth about out of its base, after a grace in which adopting or ignoring it, or stopping the plan, calls
 * it off. Already under way: that plan. E_CONFLICT when others on the base require it, unless `who` forces it and says why. */
#define EVICT_GRACE_US (10 * US_PER_S)
#define EVICT_GRACE_MAX_US (24 * 3600 * US_PER_S)
int change_evict(struct core *c, const struct core_who *who, struct finding *x, int64_t grace_us, struct plan **ret_plan, struct err *err);

/* Why things wait. Rows in the arena. */
struct waiting {
	const char *rule;
	const char *text;
	const char *command;
	wall_t since;
	int count;
};
size_t explain_plan(struct core *c, const struct plan *p, struct arena *a, struct waiting **ret);
size_t explain_base(struct core *c, const struct base *b, struct arena *a, struct waiting **ret);
/* All that is known of one instance and why it is as it is. Texts may be NULL; times 0: never, unknown. */
struct account {
	const struct instance *instance;
	const char *text, *next; /* what it needs, and the command for it ("": none) */
	wall_t wanted_since;
	const char *wanted_by, *wanted_reason;
	const char *command, *report, *cause; /* the last one sent, the last one heard */
	wall_t command_at, next_try;
};
void account_instance(struct core *c, const struct instance *i, struct arena *a, struct account *ret);
/* A note for a plan that exchanges one for the other side by side in a JVM, where switching moves labels and no traffic; else NULL. */
const char *explain_labels(const struct version *old, const struct version *to, struct arena *a);
size_t explain_deployment(struct core *c, const struct deployment *d, struct arena *a, struct waiting **ret);
const char *explain_rule(
    struct core *c, const struct deployment *d, struct arena *a); /* the first one's, "" when there is none; no words are made */
/* Per rule: how many bases of the deployment's group it refuses for one more instance, with up to 5 names; candidates that fit. */
struct refusal {
	const char *rule, *text, *command;
	int bases;
	const char *examples[5];
	int n_examples;
};
size_t explain_placement(struct core *c, const struct deployment *d, const struct base *only, struct arena *a, struct refusal **ret,
    struct base ***ret_fit, size_t *ret_n_fit);

/* What changes would do (core/dry.h). */
struct dry_peak { /* of a base the plan touches */
	const char *base;
	int64_t units, limit;
	bool interrupted; /* a module is gone there for a while */
};
struct dry_placed {
	const char *base, *deployment, *action;
	int batch;
};
struct dry_change {
	const char *deployment, *module;
	const char *from_version, *to_version;
	int64_t from_replicas, to_replicas, from_revision, to_revision;
};
struct dry_run {
	enum plan_kind kind;
	int n_batches;
	int64_t batch_size[STRATEGY_MAX_BATCHES];
	const char *batch_label[STRATEGY_MAX_BATCHES];
	struct dry_change *changes;
	size_t n_changes;
	struct dry_placed *placed;
	size_t n_placed;
	struct waiting *waiting;
	size_t n_waiting;
	const char **notes;
	size_t n_notes;
	struct dry_peak *peaks;
	size_t n_peaks;
	int64_t ready, lowest; /* instances that answer now, and at the worst moment */
	int64_t duration_us; /* until its end, without the time it waits for people; of tasks that take no time when there are no samples */
	int samples, confirmations;
};

#endif
