/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_model_file.h"

#include <errno.h>
#include <math.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/risk/risk_features.h"

#define CHECKED_FROM (offsetof(struct risk_model_file_header, checksum) + sizeof(struct le64))

size_t risk_model_file_size(uint32_t tree_count, uint32_t depth)
{
	return sizeof(struct risk_model_file_header) +
	       ((size_t)tree_count << depth) *
	           (sizeof(struct risk_model_file_node) + sizeof(struct le32));
}

void risk_model_file_make(const struct risk_model *model, uint32_t version, uint8_t *out)
{
	size_t count = (size_t)model->tree_count << model->depth;
	size_t size = risk_model_file_size(model->tree_count, model->depth);
	struct risk_model_file_header header = {
		.version = le32_make(version),
		.tree_count = le32_make(model->tree_count),
		.depth = le32_make(model->depth),
		.feature_count = le32_make(model->feature_count),
		.features_version = le32_make(model->features_version),
		.base = le32_make((uint32_t)model->base),
		.margin_zero = le32_make((uint32_t)model->margin_zero),
		.margin_alert = le32_make((uint32_t)model->margin_alert),
	};
	const int32_t *leaves = (const int32_t *)(const void *)(model->nodes + count);
	uint8_t *at = out + sizeof(header);

	memcpy(header.magic, RISK_MODEL_MAGIC, sizeof(header.magic));
	for (size_t i = 0; i < count; i++, at += sizeof(struct risk_model_file_node)) {
		struct risk_model_file_node node = {
			.feature = le16_make(model->nodes[i].feature),
			.missing_left = le16_make(model->nodes[i].missing_left),
		};
		uint32_t bits;

		memcpy(&bits, &model->nodes[i].threshold, sizeof(bits));
		node.threshold = le32_make(bits);
		memcpy(at, &node, sizeof(node));
	}
	for (size_t i = 0; i < count; i++, at += sizeof(struct le32)) {
		struct le32 leaf = le32_make((uint32_t)leaves[i]);

		memcpy(at, &leaf, sizeof(leaf));
	}
	memcpy(out, &header, sizeof(header));
	header.checksum = le64_make(XXH3_64bits(out + CHECKED_FROM, size - CHECKED_FROM));
	memcpy(out, &header, sizeof(header));
}

static int header_valid(
    const struct risk_model_file_header *header, const uint8_t *bytes, size_t size)
{
	uint32_t trees = le32_get(header->tree_count), depth = le32_get(header->depth);

	return memcmp(header->magic, RISK_MODEL_MAGIC, sizeof(header->magic)) == 0 && trees >= 1 &&
	       trees <= RISK_MODEL_TREES_MAX && depth >= 1 && depth <= RISK_MODEL_DEPTH_MAX &&
	       size == risk_model_file_size(trees, depth) && le32_get(header->feature_count) != 0 &&
	       le32_get(header->feature_count) ==
	           risk_features_count(le32_get(header->features_version)) &&
	       (int32_t)le32_get(header->margin_zero) < (int32_t)le32_get(header->margin_alert) &&
	       bytes_all_zero(header->reserved, sizeof(header->reserved)) &&
	       le64_get(header->checksum) == XXH3_64bits(bytes + CHECKED_FROM, size - CHECKED_FROM);
}

/* The last node of each tree is not used. */
static int nodes_read(const uint8_t *at, size_t count, struct risk_model *model)
{
	for (size_t i = 0; i < count; i++) {
		struct risk_model_file_node node;
		float threshold;
		uint32_t bits;

		memcpy(&node, at + i * sizeof(node), sizeof(node));
		bits = le32_get(node.threshold);
		memcpy(&threshold, &bits, sizeof(threshold));
		if (!isfinite(threshold) || le16_get(node.feature) >= model->feature_count ||
		    le16_get(node.missing_left) > 1)
			return -EBADMSG;
		model->nodes[i] = (struct risk_model_node){ threshold, le16_get(node.feature),
			le16_get(node.missing_left) };
	}
	return 0;
}

/* No choice of leaves may pass 32 bits. */
static int leaves_read(const uint8_t *at, size_t per_tree, struct risk_model *model)
{
	int64_t most = model->base < 0 ? -(int64_t)model->base : model->base;
	int32_t *leaves = risk_model_leaves(model);

	for (size_t tree = 0; tree < model->tree_count; tree++) {
		int64_t largest = 0;

		for (size_t i = 0; i < per_tree; i++) {
			struct le32 leaf;
			int64_t value;

			memcpy(&leaf, at + (tree * per_tree + i) * sizeof(leaf), sizeof(leaf));
			value = (int32_t)le32_get(leaf);
			leaves[tree * per_tree + i] = (int32_t)value;
			value = value < 0 ? -value : value;
			largest = value > largest ? value : largest;
		}
		most += largest;
	}
	return most <= INT32_MAX ? 0 : -EBADMSG;
}

int risk_model_file_read(
    const uint8_t *bytes, size_t size, uint32_t version, struct risk_model *model, size_t room)
{
	struct risk_model_file_header header;
	size_t count;
	int error;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	if (!header_valid(&header, bytes, size) || le32_get(header.version) != version ||
	    version == 0)
		return -EBADMSG;
	if (room < risk_model_size(le32_get(header.tree_count), le32_get(header.depth)))
		return -ENOSPC;
	*model = (struct risk_model){
		.tree_count = le32_get(header.tree_count),
		.depth = le32_get(header.depth),
		.feature_count = le32_get(header.feature_count),
		.features_version = le32_get(header.features_version),
		.base = (int32_t)le32_get(header.base),
		.margin_zero = (int32_t)le32_get(header.margin_zero),
		.margin_alert = (int32_t)le32_get(header.margin_alert),
	};
	count = (size_t)model->tree_count << model->depth;
	error = nodes_read(bytes + sizeof(header), count, model);
	if (error != 0)
		return error;
	error = leaves_read(bytes + sizeof(header) + count * sizeof(struct risk_model_file_node),
	    (size_t)1 << model->depth, model);
	if (error == 0)
		risk_model_prepare(model);
	return error;
}
