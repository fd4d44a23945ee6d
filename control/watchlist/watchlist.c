/* SPDX-License-Identifier: Apache-2.0 */
/* All lists in memory, read anew when one has another version. */
#include "control/watchlist/watchlist.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "control/watchlist/names.h"

/* Hits looked at for one name: an entry may have many like names. */
#define FOUND_MAX 64u

/* What stands at a place of the index. */
struct place {
	uint64_t entry;
	uint32_t list, text; /* text: in `texts` */
	uint16_t length;
};

/* One state of all lists; never changed. */
struct lists {
	struct name_index *index;
	struct place *places;
	char *texts;
	size_t place_room, text_used, text_room;
	uint64_t stamp;
	char names[64][32]; /* of the first lists, by number - 1 */
};

struct watchlist {
	struct database *database;
	pthread_rwlock_t lock; /* over `lists` */
	struct lists *lists;
};

static void lists_free(struct lists *lists)
{
	if (lists == NULL)
		return;
	name_index_free(lists->index);
	free(lists->places);
	free(lists->texts);
	free(lists);
}

/* The versions of all lists in one number. */
static int stamp_body(struct db_txn *txn, void *argument)
{
	uint64_t *stamp = argument;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_WATCH_LIST);

	*stamp = 1;
	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		struct record_control_watch_list row;

		error = record_control_watch_list_read(cursor.value, &row);
		if (error == 0)
			*stamp = (*stamp * 0x100000001b3ull) ^
			         ((uint64_t)le32_get(row.number) << 32 | le32_get(row.version));
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

static int place_add(
    struct lists *lists, uint32_t list, uint64_t entry, const char *text, size_t length)
{
	uint32_t at = name_index_count(lists->index);
	struct name name;
	int error = name_make(text, length, &name);

	if (at == lists->place_room) {
		size_t room = lists->place_room == 0 ? 1024 : lists->place_room * 2;
		void *grown = realloc(lists->places, room * sizeof(*lists->places));

		if (grown == NULL)
			return -ENOMEM;
		lists->places = grown;
		lists->place_room = room;
	}
	if (lists->text_room - lists->text_used < length) {
		size_t room = lists->text_room == 0 ? 65536 : lists->text_room * 2;
		void *grown = realloc(lists->texts, room);

		if (grown == NULL)
			return -ENOMEM;
		lists->texts = grown;
		lists->text_room = room;
	}
	if (error == 0)
		error = name_index_add(lists->index, &name);
	if (error != 0)
		return error;
	memcpy(lists->texts + lists->text_used, text, length);
	lists->places[at] = (struct place){
		.entry = entry,
		.list = list,
		.text = (uint32_t)lists->text_used,
		.length = (uint16_t)length,
	};
	lists->text_used += length;
	return 0;
}

static int names_load(struct db_txn *txn, struct lists *lists)
{
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_WATCH_NAME);

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		struct record_control_watch_name record;
		struct db_bytes text;
		uint32_t list = 0;

		/* The list's number: the low half of the key's first, big-endian number. */
		if (cursor.key.size != 16)
			error = -EBADMSG;
		else
			memcpy(&list, (const uint8_t *)cursor.key.data + 4, sizeof(list));
		if (error == 0)
			error = record_control_watch_name_read(cursor.value, &record, &text);
		if (error == 0)
			error = place_add(lists, __builtin_bswap32(list), le64_get(record.entry),
			    text.data, text.size);
		if (error != 0)
			break;
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

static int load_body(struct db_txn *txn, void *argument)
{
	struct lists *lists = argument;
	uint64_t last;
	int error = stamp_body(txn, &lists->stamp);

	if (error == 0)
		error = database_last(txn, CONTROL_TABLE_WATCH_LIST, &last);
	for (uint64_t number = 1; error == 0 && number <= last; number++) {
		struct db_key key = db_key_make(number);
		struct record_control_watch_list row;
		struct db_bytes value;

		error = db_get(txn, CONTROL_TABLE_WATCH_LIST, db_key(&key), &value);
		if (error == 0)
			error = record_control_watch_list_read(value, &row);
		if (error == 0 && number <= 64)
			memcpy(lists->names[number - 1], row.name, sizeof(row.name));
	}
	return error != 0 ? error : names_load(txn, lists);
}

/* Reads them anew if one has changed. */
static int lists_refresh(struct watchlist *watchlist)
{
	struct lists *fresh;
	uint64_t stamp;
	int error = database_read(watchlist->database, stamp_body, &stamp), same;

	if (error != 0)
		return error;
	pthread_rwlock_rdlock(&watchlist->lock);
	same = watchlist->lists != NULL && watchlist->lists->stamp == stamp;
	pthread_rwlock_unlock(&watchlist->lock);
	if (same)
		return 0;
	fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->index = name_index_create();
	error =
	    fresh->index == NULL ? -ENOMEM : database_read(watchlist->database, load_body, fresh);
	if (error != 0) {
		lists_free(fresh);
		return error;
	}
	pthread_rwlock_wrlock(&watchlist->lock);
	lists_free(watchlist->lists);
	watchlist->lists = fresh;
	pthread_rwlock_unlock(&watchlist->lock);
	return 0;
}

int watchlist_open(struct watchlist **out, struct database *database)
{
	struct watchlist *watchlist = calloc(1, sizeof(*watchlist));

	if (watchlist == NULL)
		return -ENOMEM;
	watchlist->database = database;
	pthread_rwlock_init(&watchlist->lock, NULL);
	*out = watchlist;
	return 0;
}

void watchlist_close(struct watchlist *watchlist)
{
	if (watchlist == NULL)
		return;
	lists_free(watchlist->lists);
	pthread_rwlock_destroy(&watchlist->lock);
	free(watchlist);
}

int watchlist_stamp(struct watchlist *watchlist, uint64_t *stamp)
{
	return database_read(watchlist->database, stamp_body, stamp);
}

static void hit_fill(const struct lists *lists, const struct name_hit *found, struct watch_hit *hit)
{
	const struct place *place = &lists->places[found->place];
	struct name name;

	memset(hit, 0, sizeof(*hit));
	hit->list = place->list;
	hit->entry = place->entry;
	hit->similarity = found->similarity;
	memcpy(hit->text, lists->texts + place->text, place->length);
	if (place->list >= 1 && place->list <= 64)
		memcpy(hit->list_name, lists->names[place->list - 1], sizeof(hit->list_name));
	hit->list_name[sizeof(hit->list_name) - 1] = '\0';
	if (name_make(hit->text, place->length, &name) == 0)
		hit->entry_hash = name_hash(&name);
}

/* The likest of each entry. */
static int hits_choose(
    const struct lists *lists, const struct name_hit *found, unsigned count, struct watch_hit *hits)
{
	int chosen = 0;

	for (unsigned i = 0; i < count && chosen < WATCH_HITS_MAX; i++) {
		const struct place *place = &lists->places[found[i].place];
		int known = 0;

		for (int k = 0; k < chosen; k++)
			known |= hits[k].list == place->list && hits[k].entry == place->entry;
		if (!known)
			hit_fill(lists, &found[i], &hits[chosen++]);
	}
	return chosen;
}

int watchlist_match(
    struct watchlist *watchlist, const char *text, unsigned threshold, struct watch_hit *hits)
{
	struct name_hit found[FOUND_MAX];
	struct name name;
	unsigned count;
	int result = lists_refresh(watchlist);

	if (result == 0)
		result = name_make(text, strlen(text), &name);
	if (result != 0)
		return result;
	pthread_rwlock_rdlock(&watchlist->lock);
	count = name_index_find(watchlist->lists->index, &name, threshold, found, FOUND_MAX);
	result = hits_choose(watchlist->lists, found, count, hits);
	pthread_rwlock_unlock(&watchlist->lock);
	return result;
}
