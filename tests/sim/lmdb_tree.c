/* SPDX-License-Identifier: Apache-2.0 */
/* Treaps (Seidel, Aragon 1996) with shared nodes. Recursion is as deep as the tree: about
 * 2 ln n. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/lmdb_model.h"

static uint64_t hash(const uint8_t *bytes, size_t size)
{
	uint64_t value = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		value = (value ^ bytes[i]) * 0x100000001b3ull;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
	return value ^ (value >> 31);
}

static void value_release(struct sim_value *value)
{
	if (--value->refs == 0)
		free(value);
}

static struct sim_value *value_make(const MDB_val *from)
{
	struct sim_value *value = malloc(sizeof(*value) + from->mv_size);

	SLUICE_REQUIRE(value != NULL);
	value->refs = 1;
	value->size = (uint32_t)from->mv_size;
	if (from->mv_size > 0)
		memcpy(value->bytes, from->mv_data, from->mv_size);
	return value;
}

void sim_tree_hold(struct sim_node *root)
{
	if (root != NULL)
		root->refs++;
}

void sim_tree_release(struct sim_node *root)
{
	if (root == NULL || --root->refs > 0)
		return;
	sim_tree_release(root->left);
	sim_tree_release(root->right);
	value_release(root->value);
	free(root);
}

/* Makes the node at *slot ours alone. */
static struct sim_node *own(struct sim_node **slot)
{
	struct sim_node *node = *slot, *copy;

	if (node->refs == 1)
		return node;
	copy = malloc(sizeof(*copy) + node->key_size);
	SLUICE_REQUIRE(copy != NULL);
	memcpy(copy, node, sizeof(*copy) + node->key_size);
	copy->refs = 1;
	copy->value->refs++;
	sim_tree_hold(copy->left);
	sim_tree_hold(copy->right);
	sim_tree_release(node);
	return *slot = copy;
}

int sim_key_compare(const struct sim_node *node, const MDB_val *key)
{
	size_t size = node->key_size < key->mv_size ? node->key_size : key->mv_size;
	int order = memcmp(node->key, key->mv_data, size);

	if (order != 0)
		return order;
	return node->key_size < key->mv_size ? -1 : node->key_size > key->mv_size;
}

const struct sim_node *sim_tree_find(const struct sim_node *root, const MDB_val *key)
{
	while (root != NULL) {
		int order = sim_key_compare(root, key);

		if (order == 0)
			return root;
		root = order > 0 ? root->left : root->right;
	}
	return NULL;
}

const struct sim_node *sim_tree_above(const struct sim_node *root, const MDB_val *key, int equal)
{
	const struct sim_node *found = NULL;

	while (root != NULL) {
		int order = sim_key_compare(root, key);

		if (order == 0 && equal)
			return root;
		if (order > 0)
			found = root;
		root = order > 0 ? root->left : root->right;
	}
	return found;
}

const struct sim_node *sim_tree_below(const struct sim_node *root, const MDB_val *key)
{
	const struct sim_node *found = NULL;

	while (root != NULL) {
		int order = sim_key_compare(root, key);

		if (order < 0)
			found = root;
		root = order < 0 ? root->right : root->left;
	}
	return found;
}

const struct sim_node *sim_tree_first(const struct sim_node *root)
{
	while (root != NULL && root->left != NULL)
		root = root->left;
	return root;
}

const struct sim_node *sim_tree_last(const struct sim_node *root)
{
	while (root != NULL && root->right != NULL)
		root = root->right;
	return root;
}

/* Splits the tree by a key that is not in it. */
static void split(
    struct sim_node *tree, const MDB_val *key, struct sim_node **left, struct sim_node **right)
{
	while (tree != NULL) {
		struct sim_node *node = own(&tree);

		if (sim_key_compare(node, key) < 0) {
			*left = node;
			left = &node->right;
			tree = node->right;
		} else {
			*right = node;
			right = &node->left;
			tree = node->left;
		}
	}
	*left = *right = NULL;
}

static void merge(struct sim_node **slot, struct sim_node *left, struct sim_node *right)
{
	while (left != NULL && right != NULL) {
		if (left->priority >= right->priority) {
			*slot = left;
			left = own(slot);
			slot = &left->right;
			left = left->right;
		} else {
			*slot = right;
			right = own(slot);
			slot = &right->left;
			right = right->left;
		}
	}
	*slot = left != NULL ? left : right;
}

/* In 1/16 pages; LMDB puts what does not fit half a page into pages of its own. */
static uint64_t cost(size_t key_size, size_t value_size)
{
	uint64_t size = key_size + value_size + 8;

	if (size > 2000)
		return 16 * ((value_size + 16 + SIM_PAGE_SIZE - 1) / SIM_PAGE_SIZE) + 1;
	return (size * 16 * 4 / 3 + SIM_PAGE_SIZE - 1) / SIM_PAGE_SIZE;
}

void sim_table_put(struct sim_table *table, const MDB_val *key, const MDB_val *value)
{
	uint64_t priority = hash(key->mv_data, key->mv_size);
	int found = sim_tree_find(table->root, key) != NULL;
	struct sim_node **slot = &table->root, *node;

	table->pages += cost(key->mv_size, value->mv_size);
	while (*slot != NULL && (found || (*slot)->priority >= priority)) {
		int order;

		node = own(slot);
		order = sim_key_compare(node, key);
		if (order == 0) {
			table->pages -= cost(key->mv_size, node->value->size);
			value_release(node->value);
			node->value = value_make(value);
			return;
		}
		slot = order > 0 ? &node->left : &node->right;
	}
	node = calloc(1, sizeof(*node) + key->mv_size);
	SLUICE_REQUIRE(node != NULL);
	node->refs = 1;
	node->key_size = (uint32_t)key->mv_size;
	node->priority = priority;
	node->value = value_make(value);
	memcpy(node->key, key->mv_data, key->mv_size);
	split(*slot, key, &node->left, &node->right);
	*slot = node;
	table->count++;
}

int sim_table_delete(struct sim_table *table, const MDB_val *key)
{
	struct sim_node **slot = &table->root, *node;
	int order;

	if (sim_tree_find(table->root, key) == NULL)
		return MDB_NOTFOUND;
	for (;;) {
		node = own(slot);
		order = sim_key_compare(node, key);
		if (order == 0)
			break;
		slot = order > 0 ? &node->left : &node->right;
	}
	merge(slot, node->left, node->right);
	table->pages -= cost(node->key_size, node->value->size);
	table->count--;
	value_release(node->value);
	free(node);
	return 0;
}
