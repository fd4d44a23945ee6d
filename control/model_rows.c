/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models in control's database: the bytes of their files, so that replication has them and a
 * restore can make the files again. The data plane reads the files alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "control/control.h"
#include "control/log/log.h"
#include "control/model/model_folder.h"

static struct db_key piece_key(uint32_t number, uint32_t piece)
{
	return db_key_make((uint64_t)number << 32 | piece);
}

int model_rows_put(struct db_txn *txn, uint32_t number, const uint8_t *bytes, size_t size)
{
	int error = 0;

	for (uint32_t piece = 0; error == 0 && size > 0; piece++) {
		struct db_key key = piece_key(number, piece);
		size_t length = size < CONTROL_MODEL_PIECE ? size : CONTROL_MODEL_PIECE;

		error = database_put(
		    txn, CONTROL_TABLE_MODEL, db_key(&key), (struct db_bytes){ bytes, length });
		bytes += length;
		size -= length;
	}
	return error;
}

int model_rows_remove(struct db_txn *txn, uint32_t number)
{
	int error = 0;

	for (uint32_t piece = 0; error == 0; piece++) {
		struct db_key key = piece_key(number, piece);

		error = database_delete(txn, CONTROL_TABLE_MODEL, db_key(&key));
	}
	return error == -ENOENT ? 0 : error;
}

struct take_context {
	uint32_t number;
	const uint8_t *bytes;
	size_t size;
};

static int take_body(struct db_txn *txn, void *argument)
{
	const struct take_context *context = argument;
	struct db_key key = piece_key(context->number, 0);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_MODEL, db_key(&key), &value);

	return error == -ENOENT
	           ? model_rows_put(txn, context->number, context->bytes, context->size)
	           : error;
}

int model_rows_take(struct database *database, const char *folder)
{
	json_t *list = model_folder_list(folder), *model;
	int error = 0;
	size_t i;

	json_array_foreach(list, i, model)
	{
		struct take_context context = { .number = (uint32_t)json_integer_value(
			                            json_object_get(model, "model")) };
		uint8_t *bytes;

		/* Nobody can use a damaged one, here or after a restore. */
		if (error != 0 || json_is_true(json_object_get(model, "damaged")))
			continue;
		error = model_folder_read(folder, context.number, &bytes, &context.size);
		if (error != 0)
			continue;
		context.bytes = bytes;
		error = database_write(database, take_body, &context);
		free(bytes);
	}
	json_decref(list);
	return error;
}
