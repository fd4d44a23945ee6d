/* SPDX-License-Identifier: Apache-2.0 */
/* terminal, session. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/terminals/terminals.h"

/* "bet,balance" or "all" to right bits; -1: not given, -2: a word that is none. */
static int64_t rights_parse(const char *text)
{
	static const struct {
		const char *name;
		uint32_t bits;
	} names[] = { { "bet", RIGHT_BET }, { "balance", RIGHT_BALANCE },
		{ "deposit", RIGHT_DEPOSIT }, { "market", RIGHT_MARKET },
		{ "withdraw", RIGHT_WITHDRAW }, { "transfer", RIGHT_TRANSFER },
		{ "account", RIGHT_ACCOUNT }, { "cash", RIGHT_CASH },
		{ "sprinkle", RIGHT_SPRINKLE }, { "round", RIGHT_ROUND }, { "all", RIGHT_ALL },
		{ "none", 0 } };
	char copy[128], *rest = NULL;
	int64_t rights = 0;

	if (text == NULL)
		return -1;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, ",", &rest); word != NULL;
	     word = strtok_r(NULL, ",", &rest)) {
		size_t i = 0;

		while (i < SLUICE_ARRAY_COUNT(names) && strcmp(word, names[i].name) != 0)
			i++;
		if (i == SLUICE_ARRAY_COUNT(names))
			return -2;
		rights |= names[i].bits;
	}
	return rights;
}

static int settings_read(const struct ops_request *request, struct terminal_settings *settings,
    char *message, size_t message_size)
{
	*settings = (struct terminal_settings){
		.name = ops_text(request, "name", NULL),
		.location = ops_text(request, "location", NULL),
		.rights = rights_parse(ops_text(request, "rights", NULL)),
		.daily_max = ops_number(request, "daily_max", -1),
		.rate_per_s = ops_number(request, "rate_per_s", -1),
		.rate_burst = ops_number(request, "rate_burst", -1),
	};
	if (settings->rights != -2)
		return CONTROL_DONE;
	return handle_refuse(CONTROL_USAGE, message, message_size,
	    "rights: \"%s\" is not a list of bet, balance, deposit, market, withdraw, transfer, "
	    "account, cash, sprinkle, round, all or none",
	    ops_text(request, "rights", ""));
}

static uint64_t terminal_of(const struct ops_request *request)
{
	return (uint64_t)ops_number(request, "terminal", 0);
}

/* The session of a changed terminal follows it at once. */
static void session_follow(struct control *control, const struct terminal_change *change)
{
	const struct record_control_terminal *row = &change->row;

	if (row->state != CONTROL_TERMINAL_ACTIVE)
		sessions_end_terminal(control->sessions, le64_get(row->id));
	else
		sessions_update_terminal(control->sessions, le64_get(row->id),
		    le64_get(row->version), le32_get(row->rights), le32_get(row->rate_per_s),
		    le32_get(row->rate_burst));
	link_wake(control->link);
}

int handle_terminal_enroll(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct authority_certificate issued = { 0 };
	struct terminal_certificate certificate;
	struct terminal_settings settings;
	struct terminal_change change;
	uint64_t terminal_id = terminal_of(request);
	char *trust = NULL;
	int error, status = settings_read(request, &settings, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	error = authority_issue(control->authority, ops_text(request, "csr", ""), terminal_id,
	    &issued, message, message_size);
	if (error != 0)
		return error == -ENOKEY ? CONTROL_REFUSED : CONTROL_USAGE;
	memcpy(certificate.sha256, issued.sha256, sizeof(certificate.sha256));
	memcpy(certificate.serial, issued.serial, sizeof(certificate.serial));
	certificate.not_before_s = issued.not_before_s;
	certificate.not_after_s = issued.not_after_s;
	handle_dry_run(request, 1);
	error = terminals_enroll(
	    control->database, terminal_id, &settings, &certificate, &request->audit, &change);
	handle_dry_run(request, 0);
	if (error != 0) {
		free(issued.pem);
		return handle_error(error, "terminal", message, message_size);
	}
	if (!request->dry_run) {
		/* A session made with an earlier certificate ends with it. */
		sessions_end_terminal(control->sessions, terminal_id);
		link_wake(control->link);
	}
	trust = authority_trust(control->authority);
	*result = terminals_json(&change.row);
	if (!request->dry_run) {
		json_object_set_new(*result, "certificate", json_string(issued.pem));
		json_object_set_new(*result, "trust", json_string(trust));
	}
	json_object_set_new(*result, "not_after_ns",
	    json_integer((json_int_t)(issued.not_after_s * 1000000000ull)));
	free(trust);
	free(issued.pem);
	return handle_wait(control, request, change.sequence, result, message, message_size);
}

int handle_terminal_set(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct terminal_settings settings;
	struct terminal_change change;
	int error, status = settings_read(request, &settings, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	handle_dry_run(request, 1);
	error = terminals_set(
	    control->database, terminal_of(request), &settings, &request->audit, &change);
	handle_dry_run(request, 0);
	if (error != 0)
		return handle_error(error, "terminal", message, message_size);
	if (!request->dry_run)
		session_follow(control, &change);
	*result = terminals_json(&change.row);
	return handle_wait(control, request, change.sequence, result, message, message_size);
}

static int terminal_state_change(struct control *control, struct ops_request *request,
    enum control_terminal_state state, json_t **result, char *message, size_t message_size)
{
	struct terminal_change change;
	int error;

	handle_dry_run(request, 1);
	error = terminals_state_set(
	    control->database, terminal_of(request), state, &request->audit, &change);
	handle_dry_run(request, 0);
	if (error == -EPERM)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "terminal %" PRIu64 " is revoked; enrol it again", terminal_of(request));
	if (error != 0)
		return handle_error(error, "terminal", message, message_size);
	/* First the session, by the shortest way; then the shards' own record of it. */
	if (!request->dry_run)
		session_follow(control, &change);
	*result = terminals_json(&change.row);
	return handle_wait(control, request, change.sequence, result, message, message_size);
}

int handle_terminal_block(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return terminal_state_change(
	    context, request, CONTROL_TERMINAL_BLOCKED, result, message, message_size);
}

int handle_terminal_unblock(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return terminal_state_change(
	    context, request, CONTROL_TERMINAL_ACTIVE, result, message, message_size);
}

int handle_terminal_revoke(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return terminal_state_change(
	    context, request, CONTROL_TERMINAL_REVOKED, result, message, message_size);
}

/* Adds what is seen of a terminal to what is known of it. */
static void seen_add(struct control *control, json_t *terminal)
{
	json_t *seen = monitor_terminal(
	    control, (uint64_t)json_integer_value(json_object_get(terminal, "terminal")));

	if (seen == NULL)
		json_object_set_new(terminal, "online", json_false());
	else
		json_object_update_missing(terminal, seen);
	json_decref(seen);
}

int handle_terminal_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *list = terminals_list(control->database, (uint64_t)ops_number(request, "from", 0),
	    (unsigned)ops_number(request, "count", 100));
	json_t *terminal;
	size_t index;

	if (list == NULL)
		return handle_error(-EIO, "terminal", message, message_size);
	json_array_foreach(list, index, terminal) seen_add(control, terminal);
	*result = json_pack("{s:o}", "terminals", list);
	return CONTROL_DONE;
}

int handle_terminal_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct record_control_terminal row;
	uint64_t terminal_id = terminal_of(request);
	json_t *answer = NULL;
	int error = terminals_get(control->database, terminal_id, &row);

	if (error != 0)
		return handle_error(error, "terminal", message, message_size);
	*result = terminals_json(&row);
	seen_add(control, *result);
	json_object_set_new(*result, "sessions", sessions_list(control->sessions, terminal_id));
	json_object_set_new(
	    *result, "certificates", terminals_certificates(control->database, terminal_id));
	if (link_ask(control->link,
	        json_pack(
	            "{s:s, s:I}", "cmd", "terminal_show", "terminal_id", (json_int_t)terminal_id),
	        2000, &answer, message, message_size) == 0) {
		json_object_del(answer, "ok");
		view_terminal(answer);
		json_object_set_new(*result, "switch", answer);
	}
	return CONTROL_DONE;
}

int handle_terminal_monitor(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;

	(void)request;
	(void)message;
	(void)message_size;
	*result = json_pack("{s:o}", "terminals", monitor_terminals(control));
	return CONTROL_DONE;
}

int handle_session_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;

	(void)message;
	(void)message_size;
	*result =
	    json_pack("{s:o}", "sessions", sessions_list(control->sessions, terminal_of(request)));
	return *result != NULL ? CONTROL_DONE : CONTROL_UNREACHABLE;
}

/* One session is done something to, outside the database: audit it and tell. */
static int session_do(struct control *control, struct ops_request *request,
    int (*act)(struct sessions *, uint32_t), json_t **result, char *message, size_t message_size)
{
	uint32_t session_id = (uint32_t)ops_number(request, "session", 0);
	json_t *before = sessions_find(control->sessions, session_id), *after = NULL;
	char object[40];
	int error = before == NULL ? -ENOENT : 0, unaudited = 0;

	snprintf(object, sizeof(object), "session %" PRIu32, session_id);
	if (error == 0 && !request->dry_run)
		error = act(control->sessions, session_id);
	if (error == 0 && !request->dry_run) {
		after = sessions_find(control->sessions, session_id);
		/* What the data plane never had is gone at once. */
		if (after == NULL)
			after = json_pack(
			    "{s:I, s:s}", "session", (json_int_t)session_id, "state", "ended");
		link_wake(control->link);
		request->audit.object = object;
		request->audit.before = before;
		request->audit.after = after;
		unaudited = audit_note(control->database, &request->audit);
		request->audit.before = request->audit.after = NULL;
	}
	if (error == 0 && unaudited == 0) {
		*result = json_incref(after != NULL ? after : before);
		json_object_set_new(*result, request->dry_run ? "dry_run" : "done", json_true());
	}
	json_decref(before);
	json_decref(after);
	if (error != 0)
		return handle_error(error, "session", message, message_size);
	return unaudited == 0 ? CONTROL_DONE : handle_unaudited(unaudited, message, message_size);
}

int handle_session_end(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return session_do(context, request, sessions_end, result, message, message_size);
}

int handle_session_rotate(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return session_do(context, request, sessions_rotate, result, message, message_size);
}
