/* SPDX-License-Identifier: Apache-2.0 */
/* rules. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/markets/markets.h"

/* Those of a version, 0: in force. */
static int rules_find(struct control *control, int64_t version, struct risk_rules *rules,
    char *message, size_t message_size)
{
	int error = version != 0 ? rules_get_version(control->database, (uint32_t)version, rules)
	                         : rules_get(control->database, rules);

	if (error == -ENOENT)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "there is no version %" PRId64 " of the rules; see `sluicectl rules list`",
		    version);
	return error != 0 ? handle_error(error, "rules", message, message_size) : CONTROL_DONE;
}

int handle_rules_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct risk_rules rules;
	char *text;
	int status = rules_find(
	    context, ops_number(request, "rules_version", 0), &rules, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	text = rules_file_text(&rules);
	*result = json_pack("{s:o, s:s*}", "rules", rules_json(&rules), "file", text);
	free(text);
	return CONTROL_DONE;
}

int handle_rules_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *list =
	    rules_versions(control->database, (unsigned)ops_number(request, "count", 100));

	if (list == NULL)
		return handle_error(-EIO, "rules", message, message_size);
	*result = json_pack("{s:o}", "versions", list);
	return CONTROL_DONE;
}

static int change_do(struct control *control, struct ops_request *request,
    const struct rules_change *change, json_t **result, char *message, size_t message_size)
{
	struct risk_rules rules;
	uint64_t sequence = 0;
	int error;

	message[0] = '\0';
	error = rules_change(control->database, change, request->dry_run, &request->audit,
	    &sequence, &rules, message, message_size);
	if (error == -ENOENT)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "there is no version %" PRIu32 " of the rules; see `sluicectl rules list`",
		    change->copy_version);
	if (error == -EINVAL && message[0] != '\0')
		return CONTROL_USAGE;
	if (error != 0)
		return handle_error(error, "rules", message, message_size);
	*result = rules_object(&rules);
	return handle_wait(control, request, sequence, result, message, message_size);
}

int handle_rules_set(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const struct rules_change change = {
		.settings = json_object_get(request->arguments, "setting"),
		.file = ops_text(request, "file", NULL),
		.note = ops_text(request, "note", NULL),
	};

	if (json_array_size(change.settings) == 0 && change.file == NULL)
		return handle_refuse(
		    CONTROL_USAGE, message, message_size, "give KEY=VALUE, or --file with rules");
	return change_do(context, request, &change, result, message, message_size);
}

int handle_rules_rollback(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const struct rules_change change = {
		.copy_version = (uint32_t)ops_number(request, "rules_version", 0),
		.note = ops_text(request, "note", NULL),
	};
	struct risk_rules rules;
	int status = rules_find(context, 0, &rules, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	if (rules.version == change.copy_version)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "version %" PRIu32 " is in force already", rules.version);
	return change_do(context, request, &change, result, message, message_size);
}

int handle_rules_diff(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const struct rules_change change = { .file = ops_text(request, "file", NULL) };
	int64_t other = ops_number(request, "to", 0);
	struct risk_rules from, to;
	uint64_t sequence;
	int status =
	    rules_find(control, ops_number(request, "from", 0), &from, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	if (change.file != NULL && other != 0)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "give another version or --file, one of both");
	if (change.file == NULL) {
		status = rules_find(control, other, &to, message, message_size);
		if (status != CONTROL_DONE)
			return status;
	} else {
		message[0] = '\0';
		if (rules_change(control->database, &change, 1, &request->audit, &sequence, &to,
		        message, message_size) != 0)
			return message[0] != '\0'
			           ? CONTROL_REFUSED
			           : handle_error(-EIO, "rules", message, message_size);
		to.version = 0; /* none yet */
	}
	*result = json_pack("{s:I, s:I, s:o}", "from", (json_int_t)from.version, "to",
	    (json_int_t)to.version, "differences", rules_diff(&from, &to));
	return CONTROL_DONE;
}
