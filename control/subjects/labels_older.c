/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Imported labels as older programs noted them: in alert_index, which is not replicated, so that a
 * restore forgot them. Their keys begin with the word "label" and are moved as they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/subjects/subjects.h"

#define LABELS_A_PIECE 1000
#define KEY_SIZE_MAX   64

static const char word[8] = "label";

struct piece {
	uint8_t keys[LABELS_A_PIECE][KEY_SIZE_MAX];
	size_t sizes[LABELS_A_PIECE];
	unsigned count;
};

/* The next ones. */
static int piece_find(struct db_txn *txn, struct piece *piece)
{
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_ALERT_INDEX);

	piece->count = 0;
	if (error != 0)
		return error;
	error = db_cursor_seek_below(&cursor, (struct db_bytes){ word, sizeof(word) });
	if (error == -ENOENT)
		error = db_cursor_first(&cursor);
	else if (error == 0)
		error = db_cursor_next(&cursor);
	for (; error == 0 && piece->count < LABELS_A_PIECE; error = db_cursor_next(&cursor)) {
		struct db_bytes key = cursor.key;

		if (key.size < sizeof(word) || key.size > KEY_SIZE_MAX ||
		    memcmp(key.data, word, sizeof(word)) != 0)
			break;
		memcpy(piece->keys[piece->count], key.data, key.size);
		piece->sizes[piece->count++] = key.size;
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

static int label_move(struct db_txn *txn, struct db_bytes key)
{
	struct db_bytes value;
	uint8_t bytes[KEY_SIZE_MAX];
	int error = db_get(txn, CONTROL_TABLE_ALERT_INDEX, key, &value);

	if (error == 0 && value.size > sizeof(bytes))
		error = -EBADMSG;
	if (error != 0)
		return error;
	memcpy(bytes, value.data, value.size); /* it does not outlive the next put */
	value.data = bytes;
	error = database_put(txn, CONTROL_TABLE_LABEL, key, value);
	return error == 0 ? database_delete(txn, CONTROL_TABLE_ALERT_INDEX, key) : error;
}

static int piece_move(struct db_txn *txn, void *argument)
{
	struct piece *piece = argument;
	int error = piece_find(txn, piece);

	for (unsigned i = 0; error == 0 && i < piece->count; i++)
		error = label_move(txn, (struct db_bytes){ piece->keys[i], piece->sizes[i] });
	return error;
}

int feedback_labels_take(struct database *database)
{
	struct piece *piece = calloc(1, sizeof(*piece));
	int error = piece == NULL ? -ENOMEM : database_write(database, piece_move, piece);

	while (error == 0 && piece->count == LABELS_A_PIECE)
		error = database_write(database, piece_move, piece);
	free(piece);
	return error;
}
