/* SPDX-License-Identifier: Apache-2.0 */
/* LMDB's calls on records. */
#include <errno.h>
#include <string.h>
#include <stdlib.h>

#include "tests/sim/lmdb_model.h"

#define KEY_SIZE_MAX 511u

/* A table that came behind the state of this reader is empty for it. */
static struct sim_table *table_of(MDB_txn *txn, MDB_dbi table)
{
	static struct sim_table none;

	SLUICE_REQUIRE(txn->snapshot != NULL && table >= 2 && table - 2 < SIM_TABLES_MAX);
	return table - 2 < txn->snapshot->table_count ? &txn->snapshot->tables[table - 2] : &none;
}

static void value_give(const struct sim_node *node, MDB_val *value)
{
	value->mv_size = node->value->size;
	value->mv_data = node->value->bytes;
}

int mdb_get(MDB_txn *txn, MDB_dbi table, MDB_val *key, MDB_val *value)
{
	const struct sim_node *node = sim_tree_find(table_of(txn, table)->root, key);

	if (node == NULL)
		return MDB_NOTFOUND;
	value_give(node, value);
	return 0;
}

int mdb_put(MDB_txn *txn, MDB_dbi number, MDB_val *key, MDB_val *value, unsigned flags)
{
	struct sim_table *table = table_of(txn, number);
	uint64_t pages = 8;

	if (!txn->writes)
		return EACCES;
	if (txn->failed)
		return MDB_BAD_TXN;
	if (key->mv_size == 0 || key->mv_size > KEY_SIZE_MAX)
		return MDB_BAD_VALSIZE;
	if (sim_is_dead())
		return EIO;
	if ((flags & MDB_APPEND) != 0) {
		const struct sim_node *last = sim_tree_last(table->root);

		if (last != NULL && sim_key_compare(last, key) >= 0)
			return MDB_KEYEXIST;
	}
	if ((flags & MDB_NOOVERWRITE) != 0 && sim_tree_find(table->root, key) != NULL)
		return MDB_KEYEXIST;
	sim_table_put(table, key, value);
	for (uint32_t i = 0; i < txn->snapshot->table_count; i++)
		pages += 1 + txn->snapshot->tables[i].pages / 16;
	if (pages * SIM_PAGE_SIZE > txn->env->map_size) {
		txn->failed = 1;
		return MDB_MAP_FULL;
	}
	return 0;
}

int mdb_del(MDB_txn *txn, MDB_dbi table, MDB_val *key, MDB_val *value)
{
	(void)value;
	if (!txn->writes)
		return EACCES;
	if (sim_is_dead())
		return EIO;
	return sim_table_delete(table_of(txn, table), key);
}

int mdb_stat(MDB_txn *txn, MDB_dbi number, MDB_stat *stat)
{
	const struct sim_table *table = table_of(txn, number);

	*stat = (MDB_stat){ .ms_psize = SIM_PAGE_SIZE,
		.ms_leaf_pages = 1 + table->pages / 16,
		.ms_entries = table->count };
	return 0;
}

int mdb_cursor_open(MDB_txn *txn, MDB_dbi table, MDB_cursor **out)
{
	MDB_cursor *cursor = calloc(1, sizeof(*cursor));

	if (cursor == NULL)
		return ENOMEM;
	cursor->txn = txn;
	cursor->table = table;
	*out = cursor;
	return 0;
}

void mdb_cursor_close(MDB_cursor *cursor)
{
	free(cursor);
}

int mdb_cursor_put(MDB_cursor *cursor, MDB_val *key, MDB_val *value, unsigned flags)
{
	return mdb_put(cursor->txn, cursor->table, key, value, flags);
}

int mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op operation)
{
	const struct sim_node *root = table_of(cursor->txn, cursor->table)->root, *node = NULL;
	MDB_val here = { cursor->key_size, cursor->key };

	switch ((int)operation) {
	case MDB_FIRST:
		node = sim_tree_first(root);
		break;
	case MDB_LAST:
		node = sim_tree_last(root);
		break;
	case MDB_NEXT:
		node = cursor->is_placed ? sim_tree_above(root, &here, 0) : sim_tree_first(root);
		break;
	case MDB_PREV:
		node = cursor->is_placed ? sim_tree_below(root, &here) : sim_tree_last(root);
		break;
	case MDB_SET:
	case MDB_SET_KEY:
		node = sim_tree_find(root, key);
		break;
	case MDB_SET_RANGE:
		node = sim_tree_above(root, key, 1);
		break;
	case MDB_GET_CURRENT:
		node = cursor->is_placed ? sim_tree_find(root, &here) : NULL;
		break;
	default:
		return EINVAL;
	}
	if (node == NULL)
		return MDB_NOTFOUND;
	memcpy(cursor->key, node->key, node->key_size);
	cursor->key_size = node->key_size;
	cursor->is_placed = 1;
	key->mv_size = node->key_size;
	key->mv_data = (void *)(uintptr_t)node->key;
	value_give(node, value);
	return 0;
}
