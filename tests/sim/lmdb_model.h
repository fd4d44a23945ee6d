/* SPDX-License-Identifier: Apache-2.0 */
/* The model of LMDB inside: persistent treaps. Private to tests/sim/lmdb*.c. */
#ifndef SLUICE_TESTS_SIM_LMDB_MODEL_H
#define SLUICE_TESTS_SIM_LMDB_MODEL_H

#include <lmdb.h>

#include "tests/sim/disk.h"

#define SIM_TABLES_MAX 24u

/* The bytes of a value: shared by all versions of the tree that hold it. */
struct sim_value {
	uint32_t refs;
	uint32_t size;
	uint8_t bytes[];
};

/*
 * A node whose only reference comes from a node (or root) that itself is owned alone may be changed
 * in place; any other is copied first. So every root ever given away keeps what it stands for.
 */
struct sim_node {
	uint32_t refs;
	uint32_t key_size;
	uint64_t priority; /* hash of the key: the same keys make the same tree */
	struct sim_node *left, *right;
	struct sim_value *value;
	uint8_t key[];
};

struct sim_table {
	struct sim_node *root;
	uint64_t count, pages; /* entries; estimate of 1/16 pages they take */
};

void sim_tree_hold(struct sim_node *root);
void sim_tree_release(struct sim_node *root);
const struct sim_node *sim_tree_find(const struct sim_node *root, const MDB_val *key);
/* The lowest node at or above (`equal`) or above the key; NULL. */
const struct sim_node *sim_tree_above(const struct sim_node *root, const MDB_val *key, int equal);
/* The highest node below the key; NULL. */
const struct sim_node *sim_tree_below(const struct sim_node *root, const MDB_val *key);
const struct sim_node *sim_tree_first(const struct sim_node *root);
const struct sim_node *sim_tree_last(const struct sim_node *root);
void sim_table_put(struct sim_table *table, const MDB_val *key, const MDB_val *value);
/* 0 or MDB_NOTFOUND. */
int sim_table_delete(struct sim_table *table, const MDB_val *key);
int sim_key_compare(const struct sim_node *node, const MDB_val *key);

/* One committed state. */
struct sim_snapshot {
	uint32_t refs;
	uint32_t table_count;
	struct sim_table tables[SIM_TABLES_MAX];
	uint64_t number;
};

/* What the file holds. */
struct sim_environment {
	struct sim_snapshot *committed;
	char names[SIM_TABLES_MAX][SIM_NAME_SIZE];
	uint64_t pages_high;
};

/* What the process holds. */
struct MDB_env {
	struct sim_inode *file;
	struct sim_environment *environment;
	MDB_txn *writer;
	unsigned flags;
	uint64_t map_size;
};

struct MDB_txn {
	MDB_env *env;
	struct sim_snapshot *snapshot; /* NULL: reset. A writer's own */
	int writes;
	int failed;
};

struct MDB_cursor {
	MDB_txn *txn;
	MDB_dbi table;
	int is_placed;
	uint8_t key[512]; /* where it stands, whatever happens to the node */
	size_t key_size;
};

#endif
