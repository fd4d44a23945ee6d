/* SPDX-License-Identifier: Apache-2.0 */
/* One line to one answer: role, arguments, handler, refusals in the audit log. */
#include <stdio.h>
#include <string.h>

#include "control/log/log.h"
#include "control/ops-socket/ops.h"
#include "control/ops-socket/ops_internal.h"

#define STATUS_REFUSED     1
#define STATUS_USAGE       2
#define STATUS_UNREACHABLE 3

/* "failed": it was allowed, but what it needs is not there, or not all of it is done yet. */
static void note_refusal(const struct ops_config *config, const struct ops_peer *peer,
    const char *user, const struct ops_parsed *parsed, int status, const char *message)
{
	char outcome[OPS_MESSAGE_SIZE + 16];
	const struct audit_entry entry = {
		.uid = peer->uid,
		.user = user,
		.action = parsed->verb->name,
		.object = parsed->object[0] != '\0' ? parsed->object : parsed->verb->name,
		.outcome = outcome,
	};
	int error;

	snprintf(outcome, sizeof(outcome), "%s: %s",
	    status == STATUS_UNREACHABLE ? "failed" : "refused", message);
	log_event(LOG_WARNING, "ops", "verb_refused", NULL, "%s: %s: %s", user, parsed->verb->name,
	    message);
	error = audit_note(config->database, &entry);
	if (error != 0)
		log_event(LOG_ERROR, "ops", "audit_failed", NULL,
		    "Cannot write a refusal of %s to the audit log: %s.", parsed->verb->name,
		    strerror(-error));
}

static int handler_call(const struct ops_config *config, const struct ops_parsed *parsed,
    const struct ops_caller *caller, json_t **result, char *message, size_t message_size)
{
	ops_handler *handler = config->handlers[verb_index(parsed->verb)];
	struct ops_request request = {
		.verb = parsed->verb,
		.caller = caller,
		.arguments = parsed->arguments,
		.dry_run = parsed->dry_run,
		.audit = { .uid = caller->uid,
		    .user = caller->user,
		    .action = parsed->verb->name,
		    .object = parsed->object,
		    .outcome = "done" },
	};
	int status;

	SLUICE_REQUIRE(handler != NULL);
	status = handler(config->context, &request, result, message, message_size);
	if (status == 0)
		return 0;
	json_decref(*result);
	*result = NULL;
	if (message[0] == '\0')
		snprintf(message, message_size, "%s was refused and no reason given. Read the log.",
		    parsed->verb->name);
	/* Anything else would look like a signal or like success to a script. */
	return status >= STATUS_REFUSED && status <= STATUS_UNREACHABLE ? status : STATUS_REFUSED;
}

static json_t *answer_done(const struct verb *verb, json_t *result)
{
	char schema[VERB_NAME_SIZE_MAX];
	json_t *answer;

	verb_schema(verb, schema);
	if (result == NULL)
		result = json_object();
	answer = json_pack("{s:b, s:s, s:o}", "ok", 1, "schema", schema, "result", result);
	SLUICE_REQUIRE(answer != NULL);
	return answer;
}

json_t *ops_request_answer(const struct ops_config *config, const struct ops_access *access,
    const struct ops_peer *peer, const char *line, size_t size)
{
	struct ops_caller caller = { .uid = peer->uid };
	struct ops_parsed parsed;
	char message[OPS_MESSAGE_SIZE] = "";
	json_t *result = NULL;
	int status = ops_parse_line(line, size, &parsed, message, sizeof(message));

	if (status != 0)
		return ops_answer_refused(status, message);
	caller.role = ops_access_allows(peer, parsed.verb);
	if (caller.role == 0) {
		snprintf(caller.user, sizeof(caller.user), "%s", peer->name);
		/* For the object only. */
		(void)!ops_parse_arguments(&parsed, message, sizeof(message));
		ops_access_refusal(access, peer, parsed.verb, message, sizeof(message));
		status = STATUS_REFUSED;
	} else {
		snprintf(caller.user, sizeof(caller.user), "%s (%s)", peer->name,
		    verb_role_name(caller.role));
		status = ops_parse_arguments(&parsed, message, sizeof(message));
		if (status == STATUS_USAGE) {
			json_decref(parsed.arguments);
			return ops_answer_refused(status, message);
		}
		status = handler_call(config, &parsed, &caller, &result, message, sizeof(message));
	}
	/* A dry run that is refused is no refused change; one without the role is. */
	if (status != 0 && parsed.verb->flags & VERB_CHANGES &&
	    (caller.role == 0 || !parsed.dry_run))
		note_refusal(config, peer, caller.user, &parsed, status, message);
	else if (parsed.verb->flags & VERB_CHANGES && !parsed.dry_run)
		log_event(LOG_INFO, "ops", "verb_done", NULL, "%s: %s, %s", caller.user,
		    parsed.verb->name, parsed.object);
	json_decref(parsed.arguments);
	return status != 0 ? ops_answer_refused(status, message) : answer_done(parsed.verb, result);
}

/* ---- arguments of a checked request ---- */

int64_t ops_number(const struct ops_request *request, const char *name, int64_t fallback)
{
	const json_t *value = json_object_get(request->arguments, name);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

const char *ops_text(const struct ops_request *request, const char *name, const char *fallback)
{
	const char *text = json_string_value(json_object_get(request->arguments, name));

	return text != NULL ? text : fallback;
}

int ops_switch(const struct ops_request *request, const char *name)
{
	return json_is_true(json_object_get(request->arguments, name));
}
