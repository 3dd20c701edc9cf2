/* Which columns people see of which resource. Rows only; output.c draws them. */
#include "cli/output.h"

#define VIEW(var, message_, key_, name_, whole_, none_, ...)          \
	static const struct column var##_columns[] = { __VA_ARGS__ }; \
	const struct view var = { .message = message_,                \
		.key = key_,                                          \
		.name = name_,                                        \
		.none = none_,                                        \
		.columns = var##_columns,                             \
		.n = sizeof var##_columns / sizeof *var##_columns,    \
		.whole = whole_ };

VIEW(view_deployments, "Deployment", "deployments", "name", false, "no deployments yet; the first one: berth deploy ./module.so",
    { "NAME", "name", CELL_TEXT, false }, { "MODULE", "module", CELL_TEXT, true }, { "VERSION", "version", CELL_TEXT, false },
    { "GROUP", "group", CELL_TEXT, false }, { "READY", "ready/wanted", CELL_OF, false }, { "STATE", "state", CELL_STATE, false },
    { "REV", "revision", CELL_NUMBER, false }, { "PLAN", "plan", CELL_NUMBER, false }, { "UPDATED", "updated", CELL_NUMBER, true },
    { "SINCE", "stateTime", CELL_AGE, false }, { "AGE", "createTime", CELL_AGE, true }, { "REASON", "stateReason", CELL_TEXT, false })

/* Ten or so are kept, so the API gives them without pages. */
VIEW(view_revisions, "Revision", "revisions", "revision", true, "no revisions are kept", { "REV", "revision", CELL_NUMBER, false },
    { "VERSION", "version", CELL_TEXT, false }, { "BASES", "replicas", CELL_TEXT, false }, { "BY", "actor", CELL_TEXT, false },
    { "WHEN", "createTime", CELL_TIME, false }, { "PLAN", "plan", CELL_NUMBER, false }, { "ARGS", "args", CELL_TEXT, true },
    { "ENV", "env", CELL_TEXT, true }, { "LINK", "link", CELL_TEXT, true }, { "REASON", "reason", CELL_TEXT, false })

VIEW(view_modules, "Module", "modules", "name", false, "no modules yet; the first one: berth module push ./module.so",
    { "NAME", "name", CELL_TEXT, false }, { "VERSIONS", "versions", CELL_NUMBER, false }, { "LATEST", "latestVersion", CELL_TEXT, false },
    { "AGE", "createTime", CELL_AGE, false }, { "DESCRIPTION", "description", CELL_TEXT, false })

VIEW(view_versions, "Version", "versions", "version", false, "no versions yet; push one with: berth module push FILE",
    { "VERSION", "version", CELL_TEXT, false }, { "RUNTIME", "runtime", CELL_TEXT, false }, { "UNITS", "units", CELL_NUMBER, false },
    { "SIZE", "size", CELL_BYTES, false }, { "PATH", "contextPath", CELL_TEXT, true }, { "REV", "revision", CELL_NUMBER, true },
    { "SHA256", "artifact", CELL_TEXT, true }, { "BY", "createActor", CELL_TEXT, false }, { "AGE", "createTime", CELL_AGE, false })

VIEW(view_bases, "Base", "bases", "id", false,
    "no bases yet; a base joins with: berth-agent --server HOST:7778 --token-file FILE -- berth-base (the token: berth token create NAME "
    "--role join --group GROUP)",
    { "BASE", "id", CELL_TEXT, false }, { "GROUP", "group", CELL_TEXT, false }, { "STATE", "state", CELL_STATE, false },
    { "READY", "ready", CELL_MARK, false }, { "UNITS", "unitsUsed/installLimit", CELL_OF, false },
    { "MODULES", "instances", CELL_NUMBER, false }, { "CORDONED", "cordoned", CELL_MARK, false }, { "ZONE", "zone", CELL_TEXT, false },
    { "ADDRESS", "address", CELL_TEXT, false }, { "NAME", "displayName", CELL_TEXT, true }, { "RUNTIME", "runtime", CELL_TEXT, true },
    { "LABELS", "labels", CELL_TEXT, true }, { "BOOT", "incarnation", CELL_NUMBER, true }, { "AGENT", "agentVersion", CELL_TEXT, true },
    { "MEMORY", "memoryBytes", CELL_BYTES, true }, { "METASPACE", "memory.metaspaceUsed", CELL_BYTES, true },
    { "OF", "memory.metaspaceMax", CELL_BYTES, true }, { "HEAP", "memory.heapUsed", CELL_BYTES, true },
    { "CLASSES", "memory.classes", CELL_NUMBER, true }, { "THREADS", "memory.threads", CELL_NUMBER, true },
    { "UP", "memory.uptime", CELL_SPAN, true }, { "JAVA", "memory.javaVersion", CELL_TEXT, true }, { "SEEN", "seenTime", CELL_AGE, false },
    { "REASON", "stateReason|cordonReason", CELL_FIRST, false })

VIEW(view_groups, "BaseGroup", "groups", "name", false, "no base groups yet; the first one: berth group create demo",
    { "GROUP", "name", CELL_TEXT, false }, { "RUNTIME", "runtime", CELL_TEXT, false }, { "READY", "readyBases/bases", CELL_OF, false },
    { "UNITS", "unitsUsed/unitsLimit", CELL_OF, false }, { "LIMIT", "installLimit", CELL_NUMBER, false },
    { "PLACEMENT", "placement", CELL_TEXT, true }, { "UPGRADE", "upgradePolicy", CELL_TEXT, true },
    { "BEFORE SWAP", "beforeSwap", CELL_TEXT, true }, { "AFTER SWAP", "afterSwap", CELL_TEXT, true },
    { "DRAIN WAIT", "drainWait", CELL_TEXT, true }, { "UNMANAGED", "unmanagedPolicy", CELL_TEXT, true },
    { "MODE", "mode", CELL_TEXT, true }, { "CLUSTERS", "clusters", CELL_TEXT, true }, { "OPEN", "openJoin", CELL_MARK, true },
    { "LABELS", "labels", CELL_TEXT, true }, { "FROZEN", "freezeReason", CELL_TEXT, false }, { "BRAKED", "brakedZones", CELL_TEXT, true },
    { "AGE", "createTime", CELL_AGE, false })

VIEW(view_plans, "Plan", "plans", "id", false, "no plan is on its way; `berth plan list --all` lists those that ended",
    { "PLAN", "id", CELL_NUMBER, false }, { "KIND", "kind", CELL_TEXT, false }, { "DEPLOYMENT", "changes.0.deployment", CELL_TEXT, false },
    { "FROM", "changes.0.fromVersion", CELL_TEXT, false }, { "TO", "changes.0.toVersion", CELL_TEXT, false },
    { "STATE", "state", CELL_STATE, false }, { "DONE", "basesDone/basesTotal", CELL_OF, false },
    { "FAILED", "basesFailed", CELL_NUMBER, false }, { "BY", "actor", CELL_TEXT, false }, { "AGE", "createTime", CELL_AGE, false },
    { "LINK", "link", CELL_TEXT, true }, { "WHY", "waitingFor.0.text|stateReason|reason", CELL_FIRST, false })

VIEW(view_tasks, "Task", "tasks", "id", false, "no tasks", { "BATCH", "batch", CELL_NUMBER, false }, { "BASE", "base", CELL_TEXT, false },
    { "TASK", "kind", CELL_TEXT, false }, { "MODULE", "module", CELL_TEXT, false }, { "VERSION", "version", CELL_TEXT, false },
    { "STATE", "state", CELL_STATE, false }, { "TRY", "attempt", CELL_NUMBER, false }, { "TOOK", "duration", CELL_SPAN, false },
    { "FAULT", "fault", CELL_TEXT, false }, { "CAUSE", "cause", CELL_TEXT, false })

VIEW(view_instances, "Instance", "instances", "id", false, "no instances", { "BASE", "base", CELL_TEXT, false },
    { "MODULE", "module", CELL_TEXT, false }, { "VERSION", "version", CELL_TEXT, false }, { "DEPLOYMENT", "deployment", CELL_TEXT, false },
    { "STATE", "state", CELL_STATE, false }, { "REPORTED", "reportedState", CELL_TEXT, true }, { "WANTED", "wanted", CELL_MARK, true },
    { "REV", "revision", CELL_NUMBER, true }, { "UNITS", "units", CELL_NUMBER, true }, { "GEN", "generation", CELL_NUMBER, true },
    { "SINCE", "stateTime", CELL_AGE, false }, { "REASON", "stateReason", CELL_TEXT, false })

VIEW(view_endpoints, "Endpoint", "endpoints", "address", false, "nothing is served", { "MODULE", "module", CELL_TEXT, false },
    { "VERSION", "version", CELL_TEXT, false }, { "BASE", "base", CELL_TEXT, false }, { "ADDRESS", "address", CELL_TEXT, false },
    { "PATH", "contextPath", CELL_TEXT, false }, { "READY", "ready", CELL_MARK, false }, { "ZONE", "zone", CELL_TEXT, false },
    { "GROUP", "group", CELL_TEXT, true }, { "DEPLOYMENT", "deployment", CELL_TEXT, true }, { "SINCE", "since", CELL_AGE, false })

VIEW(view_findings, "Finding", "findings", "id", false, "no findings: nothing runs that nobody asked for",
    { "ID", "id", CELL_NUMBER, false }, { "KIND", "kind", CELL_STATE, false }, { "BASE", "base", CELL_TEXT, false },
    { "MODULE", "module", CELL_TEXT, false }, { "VERSION", "version", CELL_TEXT, false }, { "DEPLOYMENT", "deployment", CELL_TEXT, true },
    { "SINCE", "since", CELL_AGE, false }, { "WHAT", "text", CELL_TEXT, false }, { "NEXT", "command", CELL_TEXT, false },
    { "IGNORED", "ignoreReason", CELL_TEXT, true })

VIEW(view_events, "Event", "events", "number", false, "no events match", { "NUMBER", "number", CELL_NUMBER, false },
    { "TIME", "time", CELL_TIME, false }, { "KIND", "kind", CELL_TEXT, false }, { "BY", "actor", CELL_TEXT, false },
    { "FROM", "address", CELL_TEXT, true }, { "PLAN", "plan", CELL_NUMBER, true }, { "BASE", "base", CELL_TEXT, true },
    { "REASON", "reason", CELL_TEXT, true }, { "WHAT", "text", CELL_TEXT, false })

VIEW(view_tokens, "Token", "tokens", "name", false, "no tokens", { "NAME", "name", CELL_TEXT, false }, { "ROLE", "role", CELL_TEXT, false },
    { "GROUP", "group", CELL_TEXT, false }, { "BY", "createActor", CELL_TEXT, false }, { "AGE", "createTime", CELL_AGE, false },
    { "EXPIRES", "expireTime", CELL_TIME, false })

VIEW(view_webhooks, "Webhook", "webhooks", "name", false, "no webhooks", { "NAME", "name", CELL_TEXT, false },
    { "EVENTS", "kinds", CELL_TEXT, true }, { "TOLD", "sentEvent", CELL_NUMBER, false }, { "FAILED", "failures", CELL_NUMBER, false },
    { "FAILING", "failingSince", CELL_AGE, false }, { "AGE", "createTime", CELL_AGE, false }, { "URL", "url", CELL_TEXT, true },
    { "ERROR", "lastError", CELL_TEXT, false })
