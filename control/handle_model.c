/* SPDX-License-Identifier: Apache-2.0 */
/* model. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/log/log.h"
#include "control/markets/markets.h"
#include "control/model/model_folder.h"
#include "control/model/model_load.h"

#define MODELS_FOLDER "var/lib/sluice/models"

static const struct db_bytes last_key = { "model_last", 10 };

static int folder_of(const struct control *control, char path[CONTROL_PATH_SIZE])
{
	return control_path(control, MODELS_FOLDER, path, CONTROL_PATH_SIZE);
}

/* What the rules in force do with it. */
static const char *state_of(const struct rule_set *set, uint32_t number)
{
	if (set->extra.model_version != number || set->extra.model_state == RISK_MODEL_OFF)
		return "loaded";
	return set->extra.model_state == RISK_MODEL_ACTIVE ? "active" : "shadow";
}

int handle_model_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	char folder[CONTROL_PATH_SIZE];
	struct rule_set set;
	json_t *list, *model;
	size_t index;
	int error = rules_get(control->database, &set);

	(void)request;
	if (error == 0)
		error = folder_of(control, folder);
	if (error != 0)
		return handle_error(error, "model", message, message_size);
	list = model_folder_list(folder);
	json_array_foreach(list, index, model) json_object_set_new(model, "state",
	    json_string(
	        state_of(&set, (uint32_t)json_integer_value(json_object_get(model, "model")))));
	*result = json_pack("{s:o}", "models", list);
	return CONTROL_DONE;
}

/* One, with its state. */
static int model_show(struct control *control, uint32_t number, struct rule_set *set,
    json_t **model, char *message, size_t message_size)
{
	char folder[CONTROL_PATH_SIZE];
	int error = rules_get(control->database, set);

	if (error == 0)
		error = folder_of(control, folder);
	if (error != 0)
		return handle_error(error, "model", message, message_size);
	*model = model_folder_show(folder, number);
	if (*model == NULL)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "there is no model %" PRIu32 "; see `sluicectl model list`", number);
	json_object_set_new(*model, "state", json_string(state_of(set, number)));
	return CONTROL_DONE;
}

int handle_model_check(struct control *control, uint32_t number, char *message, size_t message_size)
{
	json_t *model = NULL;
	struct rule_set set;
	int damaged, status = model_show(control, number, &set, &model, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	damaged = json_is_true(json_object_get(model, "damaged"));
	json_decref(model);
	if (!damaged)
		return CONTROL_DONE;
	return handle_refuse(CONTROL_REFUSED, message, message_size,
	    "the file of model %" PRIu32
	    " is damaged, or of another version of sluice; load it again and name the new number",
	    number);
}

int handle_model_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct rule_set set;

	return model_show(context, (uint32_t)ops_number(request, "model", 0), &set, result, message,
	    message_size);
}

/* ---- Changes ---- */

struct model_context {
	const struct audit_entry *entry;
	uint32_t number;      /* to be remembered; 0: none */
	const uint8_t *bytes; /* of a new one; NULL: none is put */
	size_t size;
	uint32_t removed; /* 0: none */
};

static int audit_body(struct db_txn *txn, void *argument)
{
	const struct model_context *context = argument;
	struct le32 number = le32_make(context->number);
	int error = 0;

	if (context->number != 0)
		error = database_put(txn, CONTROL_TABLE_META, last_key,
		    (struct db_bytes){ &number, sizeof(number) });
	if (error == 0 && context->bytes != NULL)
		error = model_rows_put(txn, context->number, context->bytes, context->size);
	if (error == 0 && context->removed != 0)
		error = model_rows_remove(txn, context->removed);
	return error != 0 ? error : audit_append(txn, context->entry);
}

static int last_body(struct db_txn *txn, void *argument)
{
	uint32_t *last = argument;
	struct db_bytes value;
	struct le32 number;
	int error = db_get(txn, CONTROL_TABLE_META, last_key, &value);

	if (error == 0 && value.size == sizeof(number)) {
		memcpy(&number, value.data, sizeof(number));
		*last = le32_get(number);
	}
	return error == -ENOENT ? 0 : error;
}

/* Numbers are never given twice: workers that have one do not read it again. */
static int number_next(struct control *control, const char *folder, uint32_t *number)
{
	uint32_t last = 0, there = model_folder_last(folder);
	int error = database_read(control->database, last_body, &last);

	if (last < there)
		last = there;
	*number = last + 1;
	return error == 0 && last == UINT32_MAX ? -EOVERFLOW : error;
}

/* The file and its audit entry; without the entry there is no file. */
static int model_put(struct control *control, const struct ops_request *request, const char *folder,
    uint32_t number, const struct risk_model *model, json_t **result)
{
	struct audit_entry entry = request->audit;
	struct model_context context = { .entry = &entry, .number = number };
	const char *note = ops_text(request, "note", NULL);
	uint8_t *bytes = NULL;
	char object[32];
	int error = model_folder_save(folder, number, model);

	if (error != 0)
		return error;
	error = model_folder_read(folder, number, &bytes, &context.size);
	context.bytes = bytes;
	*result = model_folder_show(folder, number);
	if (note != NULL)
		json_object_set_new(*result, "note", json_string(note));
	snprintf(object, sizeof(object), "model %" PRIu32, number);
	entry.object = object;
	entry.after = *result;
	if (error == 0)
		error = database_write(control->database, audit_body, &context);
	free(bytes);
	if (error == 0)
		return 0;
	json_decref(*result);
	*result = NULL;
	/* Left there it would be one that nobody loaded; the error that is told weighs more. */
	if (model_folder_remove(folder, number) != 0)
		log_event(LOG_WARNING, "main", "model_left", NULL,
		    "the file of model %" PRIu32 " could not be removed; remove it by hand",
		    number);
	return error;
}

int handle_model_load(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *text = ops_text(request, "file", ""), *why = "";
	char folder[CONTROL_PATH_SIZE];
	struct risk_model *model = NULL;
	uint32_t number = 0;
	int error = model_load(text, strlen(text), &model, &why);

	if (error == -EBADMSG)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "the file is no model that can be used: %s; train one with tools/risk-train",
		    why);
	if (error == 0)
		error = folder_of(control, folder);
	if (error == 0)
		error = number_next(control, folder, &number);
	if (error == 0 && request->dry_run)
		*result = json_pack("{s:I, s:I, s:I}", "model", (json_int_t)number, "trees",
		    (json_int_t)model->tree_count, "depth", (json_int_t)model->depth);
	else if (error == 0)
		error = model_put(control, request, folder, number, model, result);
	free(model);
	if (error != 0)
		return handle_error(error, "model", message, message_size);
	return handle_wait(control, request, 0, result, message, message_size);
}

int handle_model_remove(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	uint32_t number = (uint32_t)ops_number(request, "model", 0);
	struct audit_entry entry = request->audit;
	struct model_context remember = { .entry = &entry, .removed = number };
	char folder[CONTROL_PATH_SIZE], object[32];
	struct rule_set set;
	uint32_t last = 0;
	int error, status = model_show(control, number, &set, result, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	if (strcmp(state_of(&set, number), "loaded") != 0) {
		json_decref(*result);
		*result = NULL;
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "the rules in force use model %" PRIu32
		    "; `sluicectl rules set model_state=off`, or set another, first",
		    number);
	}
	snprintf(object, sizeof(object), "model %" PRIu32, number);
	entry.object = object;
	entry.before = *result;
	error = number_next(control, folder_of(control, folder) == 0 ? folder : "", &last);
	remember.number = last - 1;
	if (error == 0 && !request->dry_run)
		error = model_folder_remove(folder, number);
	if (error == 0 && !request->dry_run) {
		error = database_write(control->database, audit_body, &remember);
		if (error != 0) {
			json_decref(*result);
			*result = NULL;
			return handle_unaudited(error, message, message_size);
		}
	}
	if (error != 0) {
		json_decref(*result);
		*result = NULL;
		return handle_error(error, "model", message, message_size);
	}
	return handle_wait(control, request, 0, result, message, message_size);
}
