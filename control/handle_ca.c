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

/* What a change of the authority is followed by: audit, and new handshakes use the new one. */
static int ca_changed(struct control *control, struct ops_request *request, int error,
    json_t **result, char *message, size_t message_size)
{
	struct control_config config;

	if (error != 0) {
		if (message[0] == '\0')
			return handle_error(error, "authority", message, message_size);
		return CONTROL_REFUSED;
	}
	control_config_get(control, &config);
	if (control->key_server != NULL)
		key_server_reload(control->key_server, &config);
	if (ca_result(control, result) != CONTROL_DONE)
		return CONTROL_UNREACHABLE;
	request->audit.object = "authority";
	request->audit.after = authority_show(control->authority); /* without the certificates */
	error = audit_note(control->database, &request->audit);
	json_decref(request->audit.after);
	request->audit.after = NULL;
	if (error == 0)
		return CONTROL_DONE;
	json_decref(*result);
	*result = NULL;
	return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
	    "it was done, but the audit log could not be written: %s; make room and repeat it",
	    strerror(-error));
}

static int ca_dry(json_t **result)
{
	*result = json_pack("{s:b}", "dry_run", 1);
	return CONTROL_DONE;
}

int handle_ca_init(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;

	if (request->dry_run && !authority_ready(control->authority))
		return ca_dry(result);
	return ca_changed(control, request,
	    authority_init(control->authority, message, message_size), result, message,
	    message_size);
}

int handle_ca_renew(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;

	if (request->dry_run && authority_ready(control->authority))
		return ca_dry(result);
	return ca_changed(control, request,
	    authority_renew(control->authority, message, message_size), result, message,
	    message_size);
}

/* Active terminals whose newest certificate was issued before `since_s`: they lack what came then.
 */
static unsigned terminals_behind(struct control *control, uint64_t since_s, uint64_t *example)
{
	json_t *list = terminals_list(control->database, 0, UINT32_MAX);
	unsigned behind = 0;
	json_t *terminal;
	size_t index;

	json_array_foreach(list, index, terminal)
	{
		uint64_t id = (uint64_t)json_integer_value(json_object_get(terminal, "terminal"));
		const char *state = json_string_value(json_object_get(terminal, "state"));
		const char *newest = json_string_value(json_object_get(terminal, "certificate"));
		json_t *certificates, *certificate;
		uint64_t issued_ns = 0;
		size_t at;

		if (strcmp(state, "revoked") == 0)
			continue;
		certificates = terminals_certificates(control->database, id);
		json_array_foreach(certificates, at,
		    certificate) if (strcmp(json_string_value(json_object_get(certificate,
		                                "sha256")),
		                         newest) == 0) issued_ns =
		    (uint64_t)json_integer_value(json_object_get(certificate, "issued_ns"));
		json_decref(certificates);
		if (issued_ns / 1000000000ull > since_s)
			continue;
		behind++;
		*example = id;
	}
	json_decref(list);
	return behind;
}

static int ca_step(struct control *control, struct ops_request *request, uint64_t since_s,
    const char *lacking, int (*step)(struct authority *, char *, size_t), json_t **result,
    char *message, size_t message_size)
{
	uint64_t example = 0;
	unsigned behind = since_s == 0 || ops_switch(request, "force")
	                      ? 0
	                      : terminals_behind(control, since_s, &example);

	if (behind > 0)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "%u terminals %s (terminal %" PRIu64
		    " is one) and would be locked out; let them renew (they do by themselves at "
		    "their "
		    "next handshake), or give --force",
		    behind, lacking, example);
	if (request->dry_run && since_s != 0)
		return ca_dry(result);
	return ca_changed(control, request, step(control->authority, message, message_size), result,
	    message, message_size);
}

int handle_ca_activate(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	uint64_t next_made_s = 0, activated_s = 0;

	authority_changes(control->authority, &next_made_s, &activated_s);
	return ca_step(control, request, next_made_s, "do not trust the next authority yet",
	    authority_activate, result, message, message_size);
}

int handle_ca_retire(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	uint64_t next_made_s = 0, activated_s = 0;

	authority_changes(control->authority, &next_made_s, &activated_s);
	return ca_step(control, request, activated_s,
	    "have a certificate of the previous authority", authority_retire, result, message,
	    message_size);
}

int handle_ca_server_renew(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	int made;

	if (request->dry_run)
		return ca_dry(result);
	made = authority_server_renew(control->authority, 1);
	return ca_changed(control, request, made < 0 ? made : 0, result, message, message_size);
}
