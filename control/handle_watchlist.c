/* SPDX-License-Identifier: Apache-2.0 */
/* watchlist. */
#include <errno.h>
#include <string.h>

#include "control/control.h"
#include "control/subjects/dates.h"
#include "control/subjects/subjects.h"

#define MATCH_NAMES_MAX 20000u /* of one file */

int handle_watchlist_import(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const struct watch_files files = {
		.sdn = ops_text(request, "sdn", NULL),
		.alt = ops_text(request, "alt", NULL),
		.names = ops_text(request, "names", NULL),
	};
	struct record_control_watch_list row;
	int error;

	if (files.sdn == NULL && files.names == NULL)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "give --sdn (with --alt) or --names, a file each");
	if (ops_text(request, "dated", NULL) != NULL && !date_fits(ops_text(request, "dated", "")))
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "--dated: expected the date of the list, a day that there is, like 2026-03-22");
	message[0] = '\0';
	handle_dry_run(request, 1);
	error = watchlist_import(control->database, ops_text(request, "list", ""),
	    ops_text(request, "dated", ""), &files, &request->audit, &row, message, message_size);
	handle_dry_run(request, 0);
	if (error != 0 && message[0] != '\0')
		return CONTROL_REFUSED;
	if (error != 0)
		return handle_error(error, "list", message, message_size);
	*result = watchlist_json(&row);
	return handle_wait(control, request, 0, result, message, message_size);
}

int handle_watchlist_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *list = watchlists_list(control->database);

	(void)request;
	if (list == NULL)
		return handle_error(-EIO, "list", message, message_size);
	*result = json_pack("{s:o}", "lists", list);
	return CONTROL_DONE;
}

/* Of one name, at most `max` rows. */
static int match_one(
    struct control *control, const char *name, unsigned threshold, int max, json_t *matches)
{
	struct watch_hit hits[WATCH_HITS_MAX];
	int count = watchlist_match(control->watchlist, name, threshold, hits);

	for (int i = 0; i < count && i < max; i++)
		json_array_append_new(matches,
		    json_pack("{s:s, s:i, s:s, s:I, s:s}", "name", name, "similarity_permille",
		        (int)hits[i].similarity, "list", hits[i].list_name, "entry",
		        (json_int_t)hits[i].entry, "listed", hits[i].text));
	return count < 0 ? count : 0;
}

/* The likest of each line. */
static int match_file(
    struct control *control, const char *text, unsigned threshold, json_t *matches, unsigned *names)
{
	int error = 0;

	text = text_begin(text);
	for (*names = 0; error == 0 && *text != '\0' && *names < MATCH_NAMES_MAX;) {
		char name[CONTROL_WATCH_NAME_SIZE_MAX + 1];
		size_t length = strcspn(text, "\r\n");

		if (length > 0 && length < sizeof(name)) {
			memcpy(name, text, length);
			name[length] = '\0';
			error = match_one(control, name, threshold, 1, matches);
			++*names;
		}
		text += length;
		text += strspn(text, "\r\n");
	}
	return error;
}

int handle_watchlist_match(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *name = ops_text(request, "name", NULL), *file = ops_text(request, "file", NULL);
	struct control_config config;
	json_t *matches = json_array();
	unsigned threshold, names = 1;
	int error;

	if ((name != NULL) == (file != NULL)) {
		json_decref(matches);
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "give a name, or --file with names, one of both");
	}
	control_config_get(control, &config);
	threshold =
	    (unsigned)ops_number(request, "threshold", config.alerts.name_similarity_permille);
	error = name != NULL ? match_one(control, name, threshold, WATCH_HITS_MAX, matches)
	                     : match_file(control, file, threshold, matches, &names);
	if (error != 0) {
		json_decref(matches);
		return handle_error(error, "list", message, message_size);
	}
	*result = json_pack("{s:I, s:I, s:o}", "names", (json_int_t)names, "threshold_permille",
	    (json_int_t)threshold, "matches", matches);
	return CONTROL_DONE;
}
