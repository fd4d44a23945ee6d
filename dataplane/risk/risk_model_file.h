/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flattened model as a file: what control makes of a trained one and the data plane reads. All
 * integers little-endian. Control has checked the model it came from; here nothing is trusted.
 *
 *   header (64 B) | nodes[tree_count << depth] (8 B each) | leaves (4 B each)
 */
#ifndef SLUICE_RISK_MODEL_FILE_H
#define SLUICE_RISK_MODEL_FILE_H

#include "dataplane/risk/risk_model.h"
#include "wire/assert.h"
#include "wire/bytes.h"

#define RISK_MODEL_MAGIC "SLUICEM1"

struct risk_model_file_header {
	uint8_t magic[8];
	struct le64 checksum; /* XXH3-64 of everything behind it */
	struct le32 version;  /* the operator's number; the file's name */
	struct le32 tree_count;
	struct le32 depth;
	struct le32 feature_count;
	struct le32 features_version;
	struct le32 base; /* these three: two's complement */
	struct le32 margin_zero, margin_alert;
	uint8_t reserved[16];
};
ASSERT_SIZE(struct risk_model_file_header, 64);

struct risk_model_file_node {
	struct le32 threshold; /* the bits of a float */
	struct le16 feature;
	struct le16 missing_left;
};
ASSERT_SIZE(struct risk_model_file_node, 8);

#define RISK_MODEL_FILE_MAX                                                                        \
	(sizeof(struct risk_model_file_header) +                                                   \
	    ((size_t)RISK_MODEL_TREES_MAX << RISK_MODEL_DEPTH_MAX) * 12)

/* Bytes of the file of a model. */
size_t risk_model_file_size(uint32_t tree_count, uint32_t depth);
/* Writes risk_model_file_size bytes. */
void risk_model_file_make(const struct risk_model *model, uint32_t version, uint8_t *out);
/*
 * Any bytes whatever. 0 with *model filled, for which `room` bytes are there (risk_model_size of
 * the largest one is always enough); -EBADMSG: no model, damaged, of another version than
 * `version`, of features this program does not have, or with a sum that could pass 32 bits;
 * -ENOSPC.
 */
SLUICE_MUST_USE int risk_model_file_read(
    const uint8_t *bytes, size_t size, uint32_t version, struct risk_model *model, size_t room);

#endif
