/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: risk_model_file_read, risk_model_file_make, risk_model_score, risk_model_score_one.
 *
 * First byte, bit 7: the checksum is made right first. The rest is a flattened model as control
 * hands it to the data plane. One that is accepted is the bytes it was read from, scores features
 * of any kind inside of 32 bits, and alike for rows together and alone.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "dataplane/risk/risk_features.h"
#include "dataplane/risk/risk_model_file.h"
#include "tests/fuzz/fuzz.h"

#define FIX 0x80u

static void score_try(const struct risk_model *model)
{
	static float features[RISK_FEATURE_COUNT * RISK_MODEL_LANES * 2];
	int32_t margins[RISK_MODEL_LANES * 2];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(features); i++)
		features[i] = i % 17 == 3   ? NAN
		              : i % 19 == 5 ? INFINITY
		                            : (float)(i * 7919 % 4001) - 2000.0f;
	risk_model_score(model, features, RISK_MODEL_LANES * 2, RISK_MODEL_LANES * 2 - 3, margins);
	for (size_t i = 0; i < RISK_MODEL_LANES * 2 - 3; i++) {
		SLUICE_REQUIRE(risk_model_points(model, margins[i]) <= 100);
		SLUICE_REQUIRE(
		    margins[i] == risk_model_score_one(model, features + i, RISK_MODEL_LANES * 2));
	}
}

static void bytes_try(const uint8_t *bytes, size_t size)
{
	size_t room = risk_model_size(RISK_MODEL_TREES_MAX, RISK_MODEL_DEPTH_MAX);
	struct risk_model_file_header header;
	struct risk_model *model;
	uint8_t *again;
	uint32_t version;
	int result;

	if (size < sizeof(header))
		return;
	memcpy(&header, bytes, sizeof(header));
	version = le32_get(header.version);
	model = calloc(1, room);
	SLUICE_REQUIRE(model != NULL);
	result = risk_model_file_read(bytes, size, version, model, room);
	SLUICE_REQUIRE(result == 0 || result == -EBADMSG);
	if (result == 0) {
		SLUICE_REQUIRE(size == risk_model_file_size(model->tree_count, model->depth));
		again = malloc(size);
		SLUICE_REQUIRE(again != NULL);
		risk_model_file_make(model, version, again);
		SLUICE_REQUIRE(memcmp(again, bytes, size) == 0);
		free(again);
		SLUICE_REQUIRE(risk_model_file_read(bytes, size, version + 1, model, room) != 0);
		SLUICE_REQUIRE(risk_model_file_read(bytes, size, version, model, room) == 0);
		score_try(model);
	}
	free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;

	if (size < 2 || size > RISK_MODEL_FILE_MAX)
		return 0;
	/* A copy of its own size, so that a read behind the end is seen. */
	bytes = malloc(size - 1);
	SLUICE_REQUIRE(bytes != NULL);
	memcpy(bytes, data + 1, size - 1);
	if ((data[0] & FIX) != 0 && size - 1 >= sizeof(struct risk_model_file_header)) {
		struct le64 sum = le64_make(XXH3_64bits(bytes + 16, size - 1 - 16));

		memcpy(bytes + 8, &sum, sizeof(sum));
	}
	bytes_try(bytes, size - 1);
	free(bytes);
	return 0;
}
