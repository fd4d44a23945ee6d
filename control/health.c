/* SPDX-License-Identifier: Apache-2.0 */
/* `status --health`: what is not well, each with where to look. Limits as in metrics/alerts.yml. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/control.h"
#include "control/markets/markets.h"

#define NS_PER_S           ((uint64_t)1000000000)
#define STORE_LAG_NS_MAX   (10 * NS_PER_S) /* SluiceFollowerLag */
#define REPLICATION_LAG_MS 60000ull        /* SluiceReplicationLag */
#define COMMAND_PENDING_NS (10 * NS_PER_S) /* sooner than SluiceCommandsPending: asked for now */
#define AUTHORITY_END_NS   (30 * 86400 * NS_PER_S)

__attribute__((format(printf, 2, 3))) static void problem(json_t *problems, const char *format, ...)
{
	char text[768];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_array_append_new(problems, json_string(text));
}

static uint64_t member(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void dataplane_check(struct control *control, json_t *problems)
{
	struct link_report link;

	link_report(control->link, &link);
	switch (link.state) {
	case LINK_DOWN:
		problem(problems, "the data plane is not there%s%s",
		    link.message[0] != '\0' ? ": " : "", link.message);
		break;
	case LINK_SYNCING:
		problem(problems, "the data plane is being brought up to date%s%s",
		    link.message[0] != '\0' ? ": " : "", link.message);
		break;
	case LINK_REFUSED:
		problem(problems, "the data plane is refused: %s", link.message);
		break;
	case LINK_UP:
		if (link.status_age_ms > CONTROL_STATUS_LATE_MS)
			problem(problems, "the data plane has not answered for %" PRIu64 " s",
			    link.status_age_ms / 1000);
		break;
	}
}

/* The oldest command that is not on all shards. */
static void commands_check(struct control *control, json_t *problems)
{
	struct link_report link;
	uint64_t last = 0, now_ns = database_now_ns(), committed_ns;
	const char *state;
	json_t *list;

	link_report(control->link, &link);
	if (commands_last(control->database, &last) != 0) {
		problem(problems, "the commands cannot be read: see control's log");
		return;
	}
	if (last <= link.command_done)
		return;
	list = commands_list(control->database, link.command_done + 2, 1);
	state = json_string_value(json_object_get(json_array_get(list, 0), "state"));
	committed_ns = member(json_array_get(list, 0), "committed_ns");
	if (state != NULL && strcmp(state, "committed") == 0 &&
	    now_ns > committed_ns + COMMAND_PENDING_NS)
		problem(problems,
		    "command %" PRIu64 " has waited for %" PRIu64
		    " s: see `sluicectl command list`; it is not lost",
		    link.command_done + 1, (now_ns - committed_ns) / NS_PER_S);
	json_decref(list);
}

/* Said by whatever writes: operators, alerts, marks of commands. */
static void database_check(struct control *control, json_t *problems)
{
	uint64_t since_ns, now_ns = database_now_ns();
	int error = database_trouble(control->database, &since_ns);

	if (error == -ENOTRECOVERABLE)
		problem(problems,
		    "control's database is lost to this process, which ends: start it "
		    "again when its disk is well");
	else if (error != 0)
		problem(problems,
		    "control's database could not be written for %" PRIu64
		    " s: %s; make room on its disk, or mend it",
		    now_ns > since_ns ? (now_ns - since_ns) / NS_PER_S : 0, strerror(-error));
}

static void keys_check(struct control *control, json_t *problems)
{
	struct key_server_counts keys = { 0 };
	uint64_t now_ns = database_now_ns(), end_ns;
	json_t *shown;

	if (!authority_ready(control->authority)) {
		problem(problems, "there is no certificate authority: sluicectl ca init");
		return;
	}
	key_server_counts(control->key_server, &keys);
	if (!keys.listening)
		problem(problems, "the key server does not listen");
	shown = authority_show(control->authority);
	end_ns = member(shown, "not_after_ns");
	json_decref(shown);
	if (end_ns <= now_ns)
		problem(problems, "the authority's certificate has expired: sluicectl ca renew");
	else if (end_ns - now_ns < AUTHORITY_END_NS)
		problem(problems,
		    "the authority's certificate ends in %" PRIu64 " days: sluicectl ca renew",
		    (end_ns - now_ns) / (86400 * NS_PER_S));
}

static void replication_check(struct control *control, json_t *problems)
{
	struct replication_report report;

	replication_report(control->replication, &report);
	if (report.state == REPLICATION_FAILED)
		problem(problems, "replication has stopped: %s", report.message);
	else if (report.state == REPLICATION_CONNECTING)
		problem(problems, "PostgreSQL is not reached%s%s",
		    report.message[0] != '\0' ? ": " : "", report.message);
	if (report.state != REPLICATION_OFF && report.lag_ms > REPLICATION_LAG_MS)
		problem(problems,
		    "PostgreSQL is %" PRIu64 " s behind: sluicectl replication status",
		    report.lag_ms / 1000);
}

static void shard_check(const json_t *shard, json_t *problems)
{
	uint64_t number = member(shard, "shard"), lag_ns = member(shard, "store_lag_ns");

	if (member(shard, "divergences") != 0)
		problem(problems,
		    "the follower of shard %" PRIu64 " has diverged: sluice-db verify", number);
	if (member(shard, "store_errors") != 0)
		problem(problems,
		    "the store of shard %" PRIu64 " has failed: see the data plane's log", number);
	if (member(shard, "disk_state") != 0)
		problem(problems,
		    "the disk of shard %" PRIu64
		    " has no room, requests are answered BUSY: sluicectl journal status",
		    number);
	if (member(shard, "store_waiting") != 0)
		problem(
		    problems, "the store of shard %" PRIu64 " waits for room on its disk", number);
	if (member(shard, "archive_error") != 0)
		problem(problems,
		    "the journal of shard %" PRIu64 " cannot be archived (error %" PRIu64
		    "): sluicectl journal status",
		    number, member(shard, "archive_error"));
	if (member(shard, "archive_lacks") != 0)
		problem(problems,
		    "the archive of shard %" PRIu64
		    " had not, at the start, all that was archived of segments up to %" PRIu64
		    ": mount it or put its files back, and start the data plane again; its log "
		    "(seals) says which folder, and what to do if they are lost",
		    number, member(shard, "archive_lacks"));
	if (member(shard, "seals_damaged") != 0 || member(shard, "verify_bad") != 0)
		problem(problems,
		    "the sealed journal of shard %" PRIu64
		    " is not what it was: sluice-db journal verify",
		    number);
	if (lag_ns > STORE_LAG_NS_MAX)
		problem(problems,
		    "the store of shard %" PRIu64 " is %" PRIu64
		    " s behind: look at its CPU and at the disk",
		    number, lag_ns / NS_PER_S);
}

/* The rules in force name a model that the data plane does not have: its file was gone or damaged
 * when it started. While rules are on their way, it says those of before. */
static void model_check(struct control *control, const json_t *status, json_t *problems)
{
	const json_t *shard = json_array_get(json_object_get(status, "shards"), 0);
	const json_t *has = json_object_get(status, "model_version");
	struct rule_set set;

	if (!json_is_integer(has) || rules_get(control->database, &set) != 0 ||
	    set.extra.model_state == RISK_MODEL_OFF ||
	    member(shard, "rule_version") != set.rules.version ||
	    (uint64_t)json_integer_value(has) == set.extra.model_version)
		return;
	problem(problems,
	    "the rules name model %" PRIu32
	    ", which the data plane could not read: rules alone score. `sluicectl model load` it "
	    "again and name the new number by `rules set model_version=N`, or set model_state=off",
	    set.extra.model_version);
}

json_t *health_json(struct control *control, const json_t *status)
{
	json_t *problems = json_array();
	json_t *shard;
	size_t index;

	dataplane_check(control, problems);
	commands_check(control, problems);
	database_check(control, problems);
	keys_check(control, problems);
	replication_check(control, problems);
	model_check(control, status, problems);
	json_array_foreach(json_object_get(status, "shards"), index, shard)
	    shard_check(shard, problems);
	return json_pack("{s:b, s:o}", "ok", json_array_size(problems) == 0, "problems", problems);
}
