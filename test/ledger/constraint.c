/* Every named constraint refuses with its name, and nothing of the commit is stored. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#define FIRST(cs, t) ((struct row_##t *)(cs)->tables[TABLE_##t].upserts[0])
#define SECOND(cs, t) ((struct row_##t *)(cs)->tables[TABLE_##t].upserts[1])

/* A changeset of good rows 1…3 is spoilt in one place. */
static void same_tenant_name(struct changeset *cs) {
	SECOND(cs, tenant)->name = FIRST(cs, tenant)->name;
}
static void token_owner(struct changeset *cs) {
	FIRST(cs, token)->tenant_id = 99;
}
static void same_token_hash(struct changeset *cs) {
	memcpy(SECOND(cs, token)->hash, FIRST(cs, token)->hash, 32);
}
static void same_token_name(struct changeset *cs) {
	SECOND(cs, token)->name = FIRST(cs, token)->name;
	SECOND(cs, token)->tenant_id = FIRST(cs, token)->tenant_id;
}
static void token_role(struct changeset *cs) {
	FIRST(cs, token)->role = 0;
}
static void webhook_owner(struct changeset *cs) {
	FIRST(cs, webhook)->tenant_id = 99;
}
static void same_webhook_name(struct changeset *cs) {
	SECOND(cs, webhook)->name = FIRST(cs, webhook)->name;
	SECOND(cs, webhook)->tenant_id = FIRST(cs, webhook)->tenant_id;
}
static void webhook_numbers(struct changeset *cs) {
	FIRST(cs, webhook)->failures = -1;
}
static void artifact_owner(struct changeset *cs) {
	FIRST(cs, artifact)->tenant_id = 99;
}
static void same_artifact(struct changeset *cs) {
	SECOND(cs, artifact)->sha256 = FIRST(cs, artifact)->sha256;
	SECOND(cs, artifact)->tenant_id = FIRST(cs, artifact)->tenant_id;
}
static void artifact_size(struct changeset *cs) {
	FIRST(cs, artifact)->size_bytes = -1;
}
static void module_owner(struct changeset *cs) {
	FIRST(cs, module)->tenant_id = 99;
}
static void same_module(struct changeset *cs) {
	SECOND(cs, module)->name = FIRST(cs, module)->name;
	SECOND(cs, module)->tenant_id = FIRST(cs, module)->tenant_id;
}
static void version_module(struct changeset *cs) {
	FIRST(cs, version)->module_id = 99;
}
static void version_artifact(struct changeset *cs) {
	FIRST(cs, version)->artifact_id = 99;
}
static void version_units(struct changeset *cs) {
	FIRST(cs, version)->units = -1;
}
static void same_version(struct changeset *cs) {
	SECOND(cs, version)->name = FIRST(cs, version)->name;
	SECOND(cs, version)->module_id = FIRST(cs, version)->module_id;
	SECOND(cs, version)->revision = FIRST(cs, version)->revision;
}
static void group_owner(struct changeset *cs) {
	FIRST(cs, base_group)->tenant_id = 99;
}
static void group_limit(struct changeset *cs) {
	FIRST(cs, base_group)->install_limit = -1;
}
static void group_wait(struct changeset *cs) {
	FIRST(cs, base_group)->drain_wait_us = -1;
}
static void same_group(struct changeset *cs) {
	SECOND(cs, base_group)->name = FIRST(cs, base_group)->name;
	SECOND(cs, base_group)->tenant_id = FIRST(cs, base_group)->tenant_id;
}
static void base_owner(struct changeset *cs) {
	FIRST(cs, base)->tenant_id = 99;
}
static void base_of_group(struct changeset *cs) {
	FIRST(cs, base)->group_id = 99;
}
static void same_base(struct changeset *cs) {
	SECOND(cs, base)->name = FIRST(cs, base)->name;
	SECOND(cs, base)->tenant_id = FIRST(cs, base)->tenant_id;
}
static void base_over(struct changeset *cs) {
	FIRST(cs, base)->units_used = FIRST(cs, base)->units_ceiling + 1;
}
static void base_negative(struct changeset *cs) {
	FIRST(cs, base)->units_used = -1;
}
static void base_state(struct changeset *cs) {
	FIRST(cs, base)->state = 0;
}
static void deployment_owner(struct changeset *cs) {
	FIRST(cs, deployment)->tenant_id = 99;
}
static void deployment_module(struct changeset *cs) {
	FIRST(cs, deployment)->module_id = 99;
}
static void deployment_group(struct changeset *cs) {
	FIRST(cs, deployment)->group_id = 99;
}
static void same_deployment(struct changeset *cs) {
	SECOND(cs, deployment)->name = FIRST(cs, deployment)->name;
	SECOND(cs, deployment)->tenant_id = FIRST(cs, deployment)->tenant_id;
}
static void deployment_state(struct changeset *cs) {
	FIRST(cs, deployment)->state = 0;
}
static void revision_deployment(struct changeset *cs) {
	FIRST(cs, revision)->deployment_id = 99;
}
static void revision_version(struct changeset *cs) {
	FIRST(cs, revision)->version_id = 99;
}
static void revision_replicas(struct changeset *cs) {
	FIRST(cs, revision)->replicas = -2;
}
static void plan_owner(struct changeset *cs) {
	FIRST(cs, plan)->tenant_id = 99;
}
static void plan_state(struct changeset *cs) {
	FIRST(cs, plan)->state = 0;
}
static void change_plan(struct changeset *cs) {
	FIRST(cs, plan_change)->plan_id = 99;
}
static void batch_plan(struct changeset *cs) {
	FIRST(cs, batch)->plan_id = 99;
}
static void batch_state(struct changeset *cs) {
	FIRST(cs, batch)->state = 0;
}
static void instance_base(struct changeset *cs) {
	FIRST(cs, instance)->base_id = 99;
}
static void instance_deployment(struct changeset *cs) {
	FIRST(cs, instance)->deployment_id = 99;
}
static void instance_version(struct changeset *cs) {
	FIRST(cs, instance)->version_id = 99;
}
static void instance_units(struct changeset *cs) {
	FIRST(cs, instance)->units = -1;
}
static void instance_state(struct changeset *cs) {
	FIRST(cs, instance)->state = 0;
}
static void same_instance(struct changeset *cs) {
	FIRST(cs, instance)->wanted = SECOND(cs, instance)->wanted = true; /* one on its way out may stand beside its successor */
	SECOND(cs, instance)->base_id = FIRST(cs, instance)->base_id;
	SECOND(cs, instance)->version_id = FIRST(cs, instance)->version_id;
}
static void task_plan(struct changeset *cs) {
	FIRST(cs, task)->plan_id = 99;
}
static void task_state(struct changeset *cs) {
	FIRST(cs, task)->state = 0;
}
static void finding_owner(struct changeset *cs) {
	FIRST(cs, finding)->tenant_id = 99;
}
static void finding_base(struct changeset *cs) {
	FIRST(cs, finding)->base_id = 99;
}
static void event_zero(struct changeset *cs) {
	FIRST(cs, event)->number = 0;
}
static void same_event(struct changeset *cs) {
	SECOND(cs, event)->number = FIRST(cs, event)->number;
}
static void negative_cell(struct changeset *cs) {
	cs->commit_no = -1;
}

static const struct refusal {
	const char *constraint;
	void (*spoil)(struct changeset *cs);
} refusals[] = {
	{ "tenant_name_unique", same_tenant_name },
	{ "token_tenant_id_fkey", token_owner },
	{ "token_hash_unique", same_token_hash },
	{ "token_name_unique", same_token_name },
	{ "token_role_known", token_role },
	{ "webhook_tenant_id_fkey", webhook_owner },
	{ "webhook_name_unique", same_webhook_name },
	{ "webhook_numbers_not_negative", webhook_numbers },
	{ "artifact_tenant_id_fkey", artifact_owner },
	{ "artifact_sha256_unique", same_artifact },
	{ "artifact_size_not_negative", artifact_size },
	{ "module_tenant_id_fkey", module_owner },
	{ "module_name_unique", same_module },
	{ "version_module_id_fkey", version_module },
	{ "version_artifact_id_fkey", version_artifact },
	{ "version_units_not_negative", version_units },
	{ "version_name_unique", same_version },
	{ "base_group_tenant_id_fkey", group_owner },
	{ "base_group_limit_not_negative", group_limit },
	{ "base_group_waits_not_negative", group_wait },
	{ "base_group_name_unique", same_group },
	{ "base_tenant_id_fkey", base_owner },
	{ "base_group_id_fkey", base_of_group },
	{ "base_name_unique", same_base },
	{ "base_units_within_ceiling", base_over },
	{ "base_units_not_negative", base_negative },
	{ "base_state_known", base_state },
	{ "deployment_tenant_id_fkey", deployment_owner },
	{ "deployment_module_id_fkey", deployment_module },
	{ "deployment_group_id_fkey", deployment_group },
	{ "deployment_name_unique", same_deployment },
	{ "deployment_state_known", deployment_state },
	{ "revision_deployment_id_fkey", revision_deployment },
	{ "revision_version_id_fkey", revision_version },
	{ "revision_replicas_valid", revision_replicas },
	{ "plan_tenant_id_fkey", plan_owner },
	{ "plan_state_known", plan_state },
	{ "plan_change_plan_id_fkey", change_plan },
	{ "batch_plan_id_fkey", batch_plan },
	{ "batch_state_known", batch_state },
	{ "instance_base_id_fkey", instance_base },
	{ "instance_deployment_id_fkey", instance_deployment },
	{ "instance_version_id_fkey", instance_version },
	{ "instance_units_not_negative", instance_units },
	{ "instance_state_known", instance_state },
	{ "instance_once_per_base", same_instance },
	{ "task_plan_id_fkey", task_plan },
	{ "task_state_known", task_state },
	{ "finding_tenant_id_fkey", finding_owner },
	{ "finding_base_id_fkey", finding_base },
	{ "event_number_positive", event_zero },
	{ "event_pkey", same_event },
	{ "cell_numbers_not_negative", negative_cell },
};

START_TEST(every_constraint_refuses_with_its_name) {
	struct world w;
	struct sink s;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		struct err err;
		struct changeset *cs = changeset_random(&w, s.loaded.epoch, 1, 3, 1);
		refusals[i].spoil(cs);
		int r = do_commit(&w, l, cs, &err);
		ck_assert_msg(r == E_DB_REFUSED, "%s: %s (%s)", refusals[i].constraint, err.text, err_name(r));
		ck_assert_str_eq(err.pointer, refusals[i].constraint);
		ck_assert_msg(strlen(err.sqlstate) == 5, "%s", err.text);
		changeset_free(cs);
	}
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from tenant"), "0");
	struct err err;
	struct changeset *cs = changeset_random(&w, s.loaded.epoch, 1, 3, 1);
	ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text); /* the connection is as good as before */
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* Refused outside of commits: those of the ledger's own tables, and of columns that a row struct cannot spoil. */
static const struct statement {
	const char *constraint, *sql;
} statements[] = {
	{ "cell_single", "update cell set id = 2" },
	{ "fence_single", "update fence set id = 2" },
	{ "lease_single", "update lease set id = 2" },
	{ "artifact_chunk_seq_not_negative", "insert into artifact_chunk values ('a', -1, '')" },
	{ "artifact_chunk_size", "insert into artifact_chunk values ('a', 0, convert_to(repeat('x', 1048577), 'UTF8'))" },
	{ "token_hash_length", "insert into token (id, tenant_id, name, role, hash) values (1, 1, 'a', 'read', '')" },
	{ "base_key_hash_length", "insert into base values (1, 1, 1, 'a', 'ready', null, null, null, null, null, '', 0, 0, 0, 0, 0, 0, "
	                          "false, null, '', null, null, null, null, 0, 0, null, null)" },
	{ "idempotency_hash_length",
	    "insert into idempotency (hash, body_hash, tenant_id, status, created_at) values ('', '', 1, 200, now())" },
};

START_TEST(the_rest_is_refused_by_name_too) {
	struct world w;
	struct sink s;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
		PGresult *res = PQexec(w.admin, statements[i].sql);
		const char *name = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
		ck_assert_msg(name != NULL && strcmp(name, statements[i].constraint) == 0, "%s: %s", statements[i].constraint,
		    PQresultErrorMessage(res));
		PQclear(res);
	}
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* A constraint that is added has to be tried here. Primary keys are where upserts meet: nothing to refuse. */
START_TEST(no_constraint_is_left_out) {
	struct world w;
	struct sink s;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	BUF_AUTO known;
	buf_init(&known, 0);
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		buf_printf(&known, "%s'%s'", i > 0 ? "," : "", refusals[i].constraint);
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
		buf_printf(&known, ",'%s'", statements[i].constraint);
	const char *left = sql(&w, w.admin,
	    arena_printf(w.arena,
	        "select string_agg(conname, ' ') from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'p' and "
	        "conname not in (%s)",
	        buf_str(&known)));
	ck_assert_msg(left == NULL, "not tried: %s", left);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(text_that_is_no_utf8_is_refused) {
	struct world w;
	struct sink s;
	struct err err;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	char bad[] = "\xff\xfe";
	struct row_tenant t = { .id = 1, .name = bad };
	struct changeset *cs = changeset_of(s.loaded.epoch, 1, 0);
	changeset_upsert(cs, TABLE_tenant, &t);
	ck_assert_int_eq(do_commit(&w, l, cs, &err), E_DB_REFUSED);
	ck_assert_str_eq(err.sqlstate, "22021");
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

TEST_SUITE("ledger/constraint", every_constraint_refuses_with_its_name, the_rest_is_refused_by_name_too, no_constraint_is_left_out,
    text_that_is_no_utf8_is_refused)
