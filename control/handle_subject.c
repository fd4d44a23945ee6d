/* SPDX-License-Identifier: Apache-2.0 */
/* subject, country, feedback. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "control/control.h"
#include "control/markets/markets.h"
#include "control/subjects/dates.h"
#include "control/subjects/subjects.h"

int handle_subject_set(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	static const uint64_t highest[] = { 0, LIMIT_ACCOUNT_ID_MAX, LIMIT_TERMINAL_ID_MAX,
		LIMIT_PARTNER_ID_MAX };
	struct control *control = context;
	const struct subject subject = { subject_kind_parse(ops_text(request, "kind", "")),
		(uint64_t)ops_number(request, "id", 0) };
	const struct subject_settings settings = { ops_text(request, "name", NULL),
		ops_text(request, "country", NULL) };
	struct record_control_subject row;
	int error;

	if (subject.id > highest[subject.kind])
		return handle_error(-EINVAL, "subject", message, message_size);
	handle_dry_run(request, 1);
	error = subjects_set(control->database, &subject, &settings, &request->audit, &row);
	handle_dry_run(request, 0);
	if (error == -EINVAL)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "there is no such country in ISO 3166-1; give its three letters, e.g. KOR");
	if (error != 0)
		return handle_error(error, "subject", message, message_size);
	*result = subject_json(&row);
	return handle_wait(control, request, 0, result, message, message_size);
}

int handle_subject_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *kind = ops_text(request, "kind", NULL);
	json_t *list = subjects_list(control->database,
	    kind != NULL ? subject_kind_parse(kind) : (enum control_subject_kind)0,
	    (uint64_t)ops_number(request, "from", 0), (unsigned)ops_number(request, "count", 100));

	if (list == NULL)
		return handle_error(-EIO, "subject", message, message_size);
	*result = json_pack("{s:o}", "subjects", list);
	return CONTROL_DONE;
}

int handle_country_import(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *text = ops_text(request, "file", "");
	unsigned count = 0;
	int error;

	if (!date_fits(ops_text(request, "dated", "")))
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "--dated: expected the date of the list, a day that there is, like 2026-10-24");
	message[0] = '\0';
	handle_dry_run(request, 1);
	error = countries_import(control->database, text, strlen(text),
	    ops_text(request, "dated", ""), &request->audit, &count, message, message_size);
	handle_dry_run(request, 0);
	if (error != 0 && message[0] != '\0')
		return CONTROL_REFUSED;
	if (error != 0)
		return handle_error(error, "country", message, message_size);
	*result = json_pack("{s:I}", "countries", (json_int_t)count);
	return handle_wait(control, request, 0, result, message, message_size);
}

int handle_country_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *list = countries_list(control->database);

	(void)request;
	if (list == NULL)
		return handle_error(-EIO, "country", message, message_size);
	*result = json_pack("{s:o}", "countries", list);
	return CONTROL_DONE;
}

int handle_country_set(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	int level = country_level_parse(ops_text(request, "level", "none"));
	struct record_control_country row;
	int error;

	handle_dry_run(request, 1);
	error = country_set(control->database, ops_text(request, "country", ""),
	    (enum control_country_level)level, &request->audit, &row);
	handle_dry_run(request, 0);
	if (error == -EINVAL)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "there is no such country in ISO 3166-1; give its three letters, e.g. PRK");
	if (error != 0)
		return handle_error(error, "country", message, message_size);
	*result = country_json(&row);
	return handle_wait(control, request, 0, result, message, message_size);
}

/* A refused label is one of the shards' business: the next are counted. */
static int labels_wait(void *context, uint64_t sequence)
{
	struct control *control = context;
	char why[512] = "";
	int error = link_command_wait(control->link, sequence, CONTROL_WAIT_MS, why, sizeof(why));

	return error == -EPERM ? 0 : error;
}

int handle_feedback_import(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *text = ops_text(request, "file", "");
	struct label_import import = { .text = text,
		.size = strlen(text),
		.now_ns = database_now_ns(),
		.who = &request->audit,
		.wait = request->dry_run ? NULL : labels_wait,
		.context = control };
	struct rule_set set;
	int error;

	message[0] = '\0';
	error = rules_get(control->database, &set);
	if (error != 0)
		return handle_error(error, "rules", message, message_size);
	import.utc_offset_s = set.rules.utc_offset_s;
	handle_dry_run(request, 1);
	error = feedback_import(control->database, &import, message, message_size);
	handle_dry_run(request, 0);
	if (error != 0 && message[0] != '\0')
		return error == -EINVAL ? CONTROL_REFUSED : CONTROL_UNREACHABLE;
	if (error != 0)
		return handle_error(error, "label", message, message_size);
	*result = label_counts_json(&import.counts);
	return handle_wait(control, request, import.sequence, result, message, message_size);
}
