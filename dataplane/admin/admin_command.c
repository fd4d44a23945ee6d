/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a line of JSON to a command. Every field is checked for presence, type and range before
 * anything is sent to a shard; the error names the field and what was expected.
 */
#include "dataplane/admin/admin.h"
#include "dataplane/admin/admin_fields.h"
#include "dataplane/admin/admin_model.h"

#include <errno.h>

static void parse_session_install(
    const struct admin_context *context, struct admin_fields *fields, struct admin_request *request)
{
	struct session_install *install = &request->command.install;
	json_t *current = json_object_get(fields->object, "current");
	uint8_t home;

	request->command.kind = SHARD_SESSION_INSTALL;
	install->session_id = (uint32_t)admin_field_number(fields, "session_id", 1, UINT32_MAX);
	install->terminal_id = admin_field_number(fields, "terminal_id", 1, LIMIT_TERMINAL_ID_MAX);
	install->rights = (uint32_t)admin_field_number(fields, "rights", 0, RIGHT_ALL);
	install->epoch = (uint16_t)admin_field_number(fields, "epoch", 0, UINT16_MAX);
	install->current = current == NULL || json_is_true(current);
	install->rate_per_s = (uint32_t)admin_field_optional(fields, "rate_per_s", UINT32_MAX, 0);
	install->rate_burst = (uint32_t)admin_field_optional(fields, "rate_burst", UINT32_MAX, 0);
	install->expires_ns = admin_field_optional(fields, "expires_ns", INT64_MAX, 0);
	admin_field_hex(fields, "to_switch_key", install->to_switch_key, AEAD_KEY_SIZE);
	admin_field_hex(fields, "to_switch_iv", install->to_switch_iv, AEAD_IV_SIZE);
	admin_field_hex(fields, "to_terminal_key", install->to_terminal_key, AEAD_KEY_SIZE);
	admin_field_hex(fields, "to_terminal_iv", install->to_terminal_iv, AEAD_IV_SIZE);
	admin_field_hex(fields, "reset_key", install->reset_key, KEYS_RESET_SIZE);
	if (fields->error == NULL &&
	    (install->session_id & (LIMIT_SESSION_SLOTS - 1)) >= context->shared->slots_max)
		fields->error = admin_error("session slot %u is above capacity.sessions (%u)",
		    install->session_id & (LIMIT_SESSION_SLOTS - 1), context->shared->slots_max);
	request->kind = ADMIN_ONE_SHARD;
	request->shard = context->shared->buckets.shard[ids_bucket_of_key(install->terminal_id)];
	if (fields->error != NULL)
		return;
	/* own store */
	home = atomic_load_explicit(
	    &context->shared->slot_home[install->session_id & (LIMIT_SESSION_SLOTS - 1)],
	    memory_order_relaxed);
	if (home != 0xff && home != request->shard) {
		fields->error = admin_error("the session slot is live for a terminal of another "
		                            "shard; end that session first");
		fields->kind = "slot_live";
	}
}

static void parse_session_end(
    const struct admin_context *context, struct admin_fields *fields, struct admin_request *request)
{
	uint32_t id = (uint32_t)admin_field_number(fields, "session_id", 1, UINT32_MAX);
	uint32_t slot = id & (LIMIT_SESSION_SLOTS - 1);
	uint64_t terminal_id = 0;
	uint8_t home = 0xff;

	if (json_object_get(fields->object, "terminal_id") != NULL)
		terminal_id = admin_field_number(fields, "terminal_id", 1, LIMIT_TERMINAL_ID_MAX);
	if (fields->error == NULL && slot < context->shared->slots_max) {
		/* own store */
		home =
		    atomic_load_explicit(&context->shared->slot_home[slot], memory_order_relaxed);
		/* Behind an installation that is still on its way, in the same ring. */
		if (terminal_id != 0)
			home = context->shared->buckets.shard[ids_bucket_of_key(terminal_id)];
	}
	if (fields->error == NULL && home == 0xff) {
		fields->error = admin_error("no such session");
		fields->kind = "unknown_session";
	}
	request->command.kind = SHARD_SESSION_END;
	request->command.session_id = id;
	request->kind = ADMIN_ONE_SHARD;
	request->shard = home;
}

/* A dry run checks all fields, the number only if it is there. */
static int field_dry_run(struct admin_fields *fields)
{
	if (json_object_get(fields->object, "dry_run") == NULL)
		return 0;
	return admin_field_bool(fields, "dry_run");
}

/* The model that rules ask is there before they are: no worker finds them without it. A dry run
 * leaves the workers theirs, which the rules in force may ask. */
static void model_prepare(const struct admin_context *context, struct admin_fields *fields,
    const struct ledger_command *command, int dry_run)
{
	int error;

	if (fields->error != NULL || command->type != EVENT_RULES_SET ||
	    command->extra.model_state == RISK_MODEL_OFF || context->models == NULL)
		return;
	error = (dry_run ? admin_model_check : admin_model_load)(
	    context->shared, context->models, command->extra.model_version);
	if (error != 0)
		fields->error = admin_error(
		    "model %u cannot be read from %s: %s; load it again (sluicectl model load), or "
		    "set model_state=off",
		    command->extra.model_version, context->models,
		    error == -EBADMSG ? "it is damaged, or of another version of sluice"
		                      : strerror(-error));
}

static void parse_command(
    const struct admin_context *context, struct admin_fields *fields, struct admin_request *request)
{
	const char *type = json_string_value(json_object_get(fields->object, "type"));
	int dry_run = field_dry_run(fields);
	int unnumbered = dry_run && json_object_get(fields->object, "sequence") == NULL;
	uint64_t sequence = unnumbered ? 1 : admin_field_number(fields, "sequence", 1, INT64_MAX);
	struct ledger_command *ledger = &request->command.ledger;

	request->kind = ADMIN_ALL_SHARDS;
	request->command.kind = SHARD_LEDGER;
	request->command.check = dry_run ? SHARD_CHECK_DRY_RUN : SHARD_DO;
	if (type != NULL && strcmp(type, "accounts_open") == 0) {
		request->command.kind = SHARD_ACCOUNTS_OPEN;
		request->command.accounts.control_sequence = sequence;
		request->command.accounts.first =
		    admin_field_number(fields, "first", 1, LIMIT_ACCOUNT_ID_MAX / 2);
		request->command.accounts.count =
		    admin_field_number(fields, "count", 1, ADMIN_ACCOUNTS_MAX);
		if (fields->error != NULL && json_integer_value(json_object_get(
		                                 fields->object, "count")) > ADMIN_ACCOUNTS_MAX) {
			json_decref(fields->error);
			fields->error =
			    admin_error("\"count\" is out of range; give 1 to %d, and open "
			                "more accounts by several commands",
			        ADMIN_ACCOUNTS_MAX);
		}
		request->command.accounts.currency =
		    (uint16_t)admin_field_number(fields, "currency", 1, 999);
		request->command.accounts.opening_balance =
		    (int64_t)admin_field_optional(fields, "opening_balance", LIMIT_STAKE_MAX, 0);
		return;
	}
	ledger->control_sequence = sequence;
	admin_ledger_parse(fields, type, ledger);
	model_prepare(context, fields, ledger, dry_run);
	/* It would be the newest one. */
	if (unnumbered && ledger->type == EVENT_MARKET_RESULT)
		ledger->result.version = le64_make(INT64_MAX);
}

/* Asked of the sealers, which do it in their own time. */
static json_t *journal_work(const struct admin_context *context, int verify)
{
	for (uint32_t i = 0; i < context->shared->shard_count; i++) {
		struct journal_sealer *sealer =
		    context->background == NULL ? NULL : context->background[i].sealer;

		if (sealer == NULL)
			return admin_error("nothing is sealed here");
		if (verify)
			journal_sealer_verify(sealer);
		else
			journal_sealer_retry(sealer);
	}
	return json_pack("{s:b}", "ok", 1);
}

/* Commands that need no shard. */
static json_t *answer_here(const struct admin_context *context, const char *name)
{
	if (strcmp(name, "status") == 0)
		return admin_status(context);
	if (strcmp(name, "histograms") == 0)
		return admin_histograms(context);
	if (strcmp(name, "journal_verify") == 0 || strcmp(name, "journal_archive") == 0)
		return journal_work(context, strcmp(name, "journal_verify") == 0);
	if (strcmp(name, "open") == 0) {
		/* W1: all sessions installed so far are visible to workers that see the flag. */
		atomic_store_explicit(&context->shared->open, 1, memory_order_release);
		return json_pack("{s:b}", "ok", 1);
	}
	if (strcmp(name, "stop") == 0) {
		/* W2 */
		atomic_store_explicit(&context->shared->stop, 1, memory_order_release);
		return json_pack("{s:b}", "ok", 1);
	}
	return admin_error(
	    "unknown command; use status, histograms, sessions, session_install, session_end, "
	    "command, account_show, bet_show, terminal_show, market_show, object_show, "
	    "withdrawals, ticket_verify, journal_verify, journal_archive, open or stop");
}

void admin_parse(const struct admin_context *context, const char *line, size_t size,
    struct admin_request *request, json_t **answer)
{
	json_error_t problem;
	struct admin_fields fields = { json_loadb(line, size, JSON_REJECT_DUPLICATES, &problem),
		NULL, NULL };
	const char *name;

	memset(request, 0, sizeof(*request));
	request->kind = ADMIN_ANSWER;
	name = json_string_value(json_object_get(fields.object, "cmd"));
	if (fields.object == NULL)
		fields.error =
		    admin_error("not a JSON object: %s (column %d)", problem.text, problem.column);
	else if (name == NULL)
		fields.error = admin_error("\"cmd\" is missing");
	else if (strcmp(name, "session_install") == 0)
		parse_session_install(context, &fields, request);
	else if (strcmp(name, "session_end") == 0)
		parse_session_end(context, &fields, request);
	else if (strcmp(name, "command") == 0)
		parse_command(context, &fields, request);
	else if (!admin_query_parse(context, fields.object, name, request, &fields.error))
		*answer = answer_here(context, name);
	if (fields.error != NULL) {
		request->kind = ADMIN_ANSWER;
		*answer = admin_kind(fields.error, fields.kind != NULL ? fields.kind : "malformed");
	}
	json_decref(fields.object);
}
