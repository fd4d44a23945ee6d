/* SPDX-License-Identifier: Apache-2.0 */
/* rules. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/control.h"
#include "control/markets/markets.h"

/* Those of a version, 0: in force. */
static int rules_find(struct control *control, int64_t version, struct rule_set *set, char *message,
    size_t message_size)
{
	int error = version != 0 ? rules_get_version(control->database, (uint32_t)version, set)
	                         : rules_get(control->database, set);

	if (error == -ENOENT)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "there is no version %" PRId64 " of the rules; see `sluicectl rules list`",
		    version);
	return error != 0 ? handle_error(error, "rules", message, message_size) : CONTROL_DONE;
}

int handle_rules_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct rule_set set;
	char *text;
	int status = rules_find(
	    context, ops_number(request, "rules_version", 0), &set, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	text = rules_file_text(&set);
	*result = json_pack("{s:o, s:s*, s:s*}", "rules", rules_json(&set), "note",
	    set.extra.present
	        ? NULL
	        : "factors is 0: no pattern of behaviour is learnt or looked at, and the model is "
	          "not asked; `sluicectl rules set factors=1` switches them on",
	    "file", text);
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

/*
 * Must there be the model these rules name? When they ask it; and when this change names it, on or
 * off: a number that is wrong is told to whoever gives it, not to whoever switches it on one day.
 * One that was removed while it was off may stay named.
 */
static int model_wanted(
    struct control *control, const struct rules_change *change, const struct rule_set *set)
{
	struct rule_set before;

	if (!set->extra.present || set->extra.model_version == 0)
		return 0;
	if (set->extra.model_state != RISK_MODEL_OFF)
		return 1;
	return change->copy_version == 0 && change->activate_version == 0 &&
	       rules_get(control->database, &before) == 0 &&
	       before.extra.model_version != set->extra.model_version;
}

/* Would the shards take them? What they refuse later all the same is noted then. */
static int shards_check(struct control *control, const struct rules_change *change,
    const struct rule_set *set, char *message, size_t message_size)
{
	json_t *command;
	int status;

	if (change->stage)
		return CONTROL_DONE;
	/* Of a model that was removed workers may still have a copy, until they are started anew.
	 */
	if (model_wanted(control, change, set)) {
		status =
		    handle_model_check(control, set->extra.model_version, message, message_size);
		if (status != CONTROL_DONE)
			return status;
	}
	command = json_pack("{s:s, s:o}", "type", "rules_set", "rules", rules_object(set));
	status = handle_check(control, command, message, message_size);
	json_decref(command);
	return status;
}

static int change_do(struct control *control, struct ops_request *request,
    const struct rules_change *change, json_t **result, char *message, size_t message_size)
{
	struct rule_set set;
	uint64_t sequence = 0;
	int error;

	message[0] = '\0';
	error = rules_change(
	    control->database, change, 1, &request->audit, &sequence, &set, message, message_size);
	if (error == 0 &&
	    shards_check(control, change, &set, message, message_size) != CONTROL_DONE)
		return CONTROL_REFUSED;
	if (error == 0 && !request->dry_run)
		error = rules_change(control->database, change, 0, &request->audit, &sequence, &set,
		    message, message_size);
	if (error == -ENOENT)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "there is no version %" PRIu32 " of the rules; see `sluicectl rules list`",
		    change->copy_version != 0 ? change->copy_version : change->activate_version);
	if (error == -EALREADY)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "version %" PRIu32 " is in force already", change->activate_version);
	if (error == -EINVAL && message[0] != '\0')
		return CONTROL_USAGE;
	if (error != 0)
		return handle_error(error, "rules", message, message_size);
	*result = rules_object(&set);
	if (change->stage)
		json_object_set_new(*result, "stored", json_true());
	return handle_wait(control, request, sequence, result, message, message_size);
}

int handle_rules_set(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const struct rules_change change = {
		.settings = json_object_get(request->arguments, "setting"),
		.file = ops_text(request, "file", NULL),
		.note = ops_text(request, "note", NULL),
		.stage = (uint8_t)ops_switch(request, "stage"),
	};

	if (json_array_size(change.settings) == 0 && change.file == NULL)
		return handle_refuse(
		    CONTROL_USAGE, message, message_size, "give KEY=VALUE, or --file with rules");
	return change_do(context, request, &change, result, message, message_size);
}

int handle_rules_activate(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const struct rules_change change = {
		.activate_version = (uint32_t)ops_number(request, "rules_version", 0),
		.note = ops_text(request, "note", NULL),
	};

	return change_do(context, request, &change, result, message, message_size);
}

int handle_rules_rollback(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const struct rules_change change = {
		.copy_version = (uint32_t)ops_number(request, "rules_version", 0),
		.note = ops_text(request, "note", NULL),
	};
	struct rule_set set;
	int status = rules_find(context, 0, &set, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	if (set.rules.version == change.copy_version)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "version %" PRIu32 " is in force already", set.rules.version);
	return change_do(context, request, &change, result, message, message_size);
}

int handle_rules_diff(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const struct rules_change change = { .file = ops_text(request, "file", NULL) };
	int64_t other = ops_number(request, "to", 0);
	struct rule_set from, to;
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
		to.rules.version = 0; /* none yet */
	}
	*result = json_pack("{s:I, s:I, s:o}", "from", (json_int_t)from.rules.version, "to",
	    (json_int_t)to.rules.version, "differences", rules_diff(&from, &to));
	return CONTROL_DONE;
}

/* ---- What-if ---- */

/* The whole of the rules in a file of its own, for sluice-db. 0 or -errno. */
static int shadow_file(
    const struct control *control, const struct rule_set *set, char path[PATH_MAX])
{
	char *text = rules_file_text(set);
	int file = -1, error = text == NULL ? -ENOMEM : 0;
	FILE *stream = NULL;

	snprintf(path, PATH_MAX, "%.4000s/run/sluice/rules-XXXXXX", control->root);
	if (error == 0) {
		file = mkstemp(path);
		stream = file >= 0 ? fdopen(file, "w") : NULL;
		error = stream == NULL ? -errno : 0;
	}
	if (error == 0 && (fputs(text, stream) < 0 || fflush(stream) != 0))
		error = -EIO;
	if (stream != NULL)
		fclose(stream);
	else if (file >= 0)
		close(file);
	if (error != 0 && file >= 0)
		unlink(path);
	free(text);
	return error;
}

/* Those of a version (in force when none is given), changed by the file. */
static int shadow_rules(struct control *control, const struct ops_request *request,
    struct rule_set *set, char *message, size_t message_size)
{
	const char *file = ops_text(request, "file", NULL);
	int64_t version = ops_number(request, "rules_version", 0);
	int status;

	if (file == NULL && version == 0)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "give a file of rules, --rules-version with one that is stored, or --model");
	status = rules_find(control, version, set, message, message_size);
	if (status != CONTROL_DONE || file == NULL)
		return status;
	if (rules_file_apply(file, set, message, message_size) != 0 ||
	    rule_scores_check(NULL, set, message, message_size) != 0)
		return CONTROL_USAGE;
	return CONTROL_DONE;
}

#define SHADOW_ARGUMENTS 20

struct shadow_arguments {
	char *list[SHADOW_ARGUMENTS + 1];
	unsigned count;
};

/* `value` stays the caller's. */
static void shadow_argument(struct shadow_arguments *arguments, char *name, char *value)
{
	SLUICE_REQUIRE(arguments->count + 2 <= SHADOW_ARGUMENTS);
	arguments->list[arguments->count++] = name;
	if (value != NULL)
		arguments->list[arguments->count++] = value;
}

/* The model to be asked, and the rules in a file at `path` if others than those of then are asked
 * for; else *path is empty. */
static int shadow_prepare(struct control *control, const struct ops_request *request,
    char path[PATH_MAX], char *message, size_t message_size)
{
	uint32_t model = (uint32_t)ops_number(request, "model", 0);
	const char *base = ops_text(request, "base", NULL);
	struct rule_set set;
	int status, error;

	path[0] = '\0';
	if (base != NULL && (strchr(base, '/') != NULL || base[0] == '.'))
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "a backup is named as `sluicectl backup list` does");
	if (model != 0) {
		status = handle_model_check(control, model, message, message_size);
		if (status != CONTROL_DONE || (ops_text(request, "file", NULL) == NULL &&
		                                  ops_number(request, "rules_version", 0) == 0))
			return status;
	}
	status = shadow_rules(control, request, &set, message, message_size);
	if (status != CONTROL_DONE)
		return status;
	error = shadow_file(control, &set, path);
	return error != 0 ? handle_error(error, "file of rules", message, message_size)
	                  : CONTROL_DONE;
}

int handle_rules_shadow(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *base = ops_text(request, "base", NULL);
	char path[PATH_MAX], from[24], to[24], examples[24], model[24], base_path[PATH_MAX + 96];
	char program[] = "sluice-db", verb[] = "shadow", json[] = "--json", root[] = "--root",
	     rules_name[] = "--rules", from_name[] = "--from-time", to_name[] = "--to-time",
	     examples_name[] = "--examples", model_name[] = "--model", base_name[] = "--base";
	struct shadow_arguments arguments = { .count = 0 };
	int status = shadow_prepare(control, request, path, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	snprintf(from, sizeof(from), "%" PRId64, ops_number(request, "from", 0));
	snprintf(to, sizeof(to), "%" PRId64, ops_number(request, "to", INT64_MAX));
	snprintf(examples, sizeof(examples), "%" PRId64, ops_number(request, "examples", 20));
	snprintf(model, sizeof(model), "%" PRId64, ops_number(request, "model", 0));
	snprintf(base_path, sizeof(base_path), "%.4000s/" CONTROL_BACKUP_FOLDER "/%s",
	    control->root, base != NULL ? base : "");
	shadow_argument(&arguments, program, verb);
	shadow_argument(&arguments, json, NULL);
	shadow_argument(&arguments, root, control->root);
	shadow_argument(&arguments, from_name, from);
	shadow_argument(&arguments, to_name, to);
	shadow_argument(&arguments, examples_name, examples);
	if (path[0] != '\0')
		shadow_argument(&arguments, rules_name, path);
	if (ops_number(request, "model", 0) != 0)
		shadow_argument(&arguments, model_name, model);
	if (base != NULL)
		shadow_argument(&arguments, base_name, base_path);
	status = control_program_run(arguments.list, result, message, message_size);
	if (path[0] != '\0')
		unlink(path);
	return status;
}
