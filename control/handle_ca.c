/* SPDX-License-Identifier: Apache-2.0 */
/* ca: the certificate authority. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/terminals/terminals.h"

static int ca_result(struct control *control, json_t **result)
{
	char *trust = authority_trust(control->authority);

	*result = authority_show(control->authority);
	if (*result != NULL && trust != NULL)
		json_object_set_new(*result, "trust", json_string(trust));
	free(trust);
	return *result != NULL ? CONTROL_DONE : CONTROL_UNREACHABLE;
}

int handle_ca_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	(void)request;
	(void)message;
	(void)message_size;
	return ca_result(context, result);
}

/* What a change of the authority is followed by: audit, and new handshakes use the new one.
 * Releases audit.before. */
static int ca_changed(struct control *control, struct ops_request *request, int error,
    json_t **result, char *message, size_t message_size)
{
	struct control_config config;

	if (error != 0) {
		json_decref(request->audit.before);
		request->audit.before = NULL;
		if (message[0] == '\0')
			return handle_error(error, "authority", message, message_size);
		return CONTROL_REFUSED;
	}
	control_config_get(control, &config);
	if (control->key_server != NULL)
		key_server_reload(control->key_server, &config);
	request->audit.object = "authority";
	request->audit.after = authority_show(control->authority); /* without the certificates */
	error = audit_note(control->database, &request->audit);
	json_decref(request->audit.before);
	json_decref(request->audit.after);
	request->audit.before = request->audit.after = NULL;
	if (error == 0)
		return ca_result(control, result);
	return handle_unaudited(error, message, message_size);
}

static const char *ca_state(const json_t *shown)
{
	const char *state = json_string_value(json_object_get(shown, "state"));

	return state != NULL ? state : "unknown";
}

/* A dry run of a step that can only be taken in state `needed`. */
static int ca_dry(struct control *control, const char *needed, json_t **result, char *message,
    size_t message_size)
{
	json_t *shown = authority_show(control->authority);
	int status = CONTROL_DONE;

	if (strcmp(ca_state(shown), needed) != 0)
		status = handle_refuse(CONTROL_REFUSED, message, message_size,
		    "the authority is in state \"%s\", this can be done in state \"%s\" only; see "
		    "`sluicectl ca show`",
		    ca_state(shown), needed);
	else
		*result = json_pack("{s:b, s:s}", "dry_run", 1, "state", ca_state(shown));
	json_decref(shown);
	return status;
}

int handle_ca_init(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;

	if (request->dry_run)
		return ca_dry(control, "none", result, message, message_size);
	request->audit.before = authority_show(control->authority);
	return ca_changed(control, request,
	    authority_init(control->authority, message, message_size), result, message,
	    message_size);
}

int handle_ca_renew(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;

	if (request->dry_run)
		return ca_dry(control, "ready", result, message, message_size);
	request->audit.before = authority_show(control->authority);
	return ca_changed(control, request,
	    authority_renew(control->authority, message, message_size), result, message,
	    message_size);
}

/* `needed`: the state the step can be taken in. */
static int ca_step(struct control *control, struct ops_request *request, uint64_t since_s,
    const char *needed, const char *lacking, int (*step)(struct authority *, char *, size_t),
    json_t **result, char *message, size_t message_size)
{
	uint64_t example = 0;
	unsigned behind = 0;
	int error = since_s == 0 || ops_switch(request, "force")
	                ? 0
	                : terminals_behind_count(control->database, since_s, &behind, &example);

	if (error != 0)
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "the terminals cannot be read from the database (%s), so it is not known "
		    "whether "
		    "some would be locked out: nothing was changed; see control's log",
		    strerror(-error));
	if (behind > 0)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "%u terminals %s (terminal %" PRIu64
		    " is one) and would be locked out; let them renew and use their new "
		    "certificates (they do by themselves at their next two handshakes), revoke "
		    "those "
		    "that are gone, or give --force",
		    behind, lacking, example);
	if (request->dry_run)
		return ca_dry(control, needed, result, message, message_size);
	request->audit.before = authority_show(control->authority);
	return ca_changed(control, request, step(control->authority, message, message_size), result,
	    message, message_size);
}

int handle_ca_activate(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	uint64_t next_made_s = 0, activated_s = 0;

	authority_changes(control->authority, &next_made_s, &activated_s);
	return ca_step(control, request, next_made_s, "next made",
	    "do not trust the next authority yet", authority_activate, result, message,
	    message_size);
}

int handle_ca_retire(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	uint64_t next_made_s = 0, activated_s = 0;

	authority_changes(control->authority, &next_made_s, &activated_s);
	return ca_step(control, request, activated_s, "next active",
	    "have a certificate of the previous authority", authority_retire, result, message,
	    message_size);
}

int handle_ca_server_renew(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	int made;

	if (request->dry_run && authority_ready(control->authority)) {
		*result = json_pack("{s:b}", "dry_run", 1);
		return CONTROL_DONE;
	}
	if (request->dry_run)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "there is no authority yet; run first: sluicectl ca init");
	request->audit.before = authority_show(control->authority);
	made = authority_server_renew(control->authority, 1);
	return ca_changed(control, request, made < 0 ? made : 0, result, message, message_size);
}
