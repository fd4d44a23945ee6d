/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that name a learned model: it is read and handed over first, or they are refused. */
#include "dataplane/admin/admin_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/admin/admin.h"
#include "dataplane/risk/risk_features.h"
#include "dataplane/risk/risk_model_file.h"
#include "tests/test.h"

static struct switch_shared shared;

/* A model of one tree as control would leave it. */
static void model_write(const char *folder, uint32_t version)
{
	struct risk_model *model = calloc(1, risk_model_size(1, 1));
	size_t size = risk_model_file_size(1, 1);
	uint8_t *bytes = malloc(size);
	char path[128];
	FILE *file;

	*model = (struct risk_model){ .tree_count = 1,
		.depth = 1,
		.feature_count = RISK_FEATURE_COUNT,
		.features_version = RISK_FEATURES_VERSION,
		.margin_alert = 1 };
	risk_model_file_make(model, version, bytes);
	snprintf(path, sizeof(path), "%s/%u", folder, version);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	free(bytes);
	free(model);
}

TEST(rules_find_their_model_or_are_refused)
{
	static const char line[] = "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"rules_set\","
	                           "\"rules\":{\"version\":2,\"factors\":{},"
	                           "\"model\":{\"state\":\"shadow\",\"version\":3}}}";
	char folder[] = "/tmp/sluice-models-XXXXXX", path[128];
	struct admin_context context;
	struct admin_request request;
	const struct shard_model *held;
	json_t *answer = NULL;

	assert_non_null(mkdtemp(folder));
	memset(&context, 0, sizeof(context));
	context.shared = &shared;
	context.models = folder;
	admin_parse(&context, line, strlen(line), &request, &answer);
	assert_non_null(answer);
	assert_non_null(strstr(json_string_value(json_object_get(answer, "error")), folder));
	json_decref(answer);
	assert_null(atomic_load(&shared.model));
	model_write(folder, 3);
	for (unsigned i = 0; i < 2; i++) {
		answer = NULL;
		admin_parse(&context, line, strlen(line), &request, &answer);
		assert_null(answer);
		held = atomic_load(&shared.model);
		assert_int_equal(held->version, 3);
		assert_int_equal(held->model->tree_count, 1);
		assert_null(held->before); /* read once */
	}
	/* A file under another number is not that version. */
	model_write(folder, 5);
	snprintf(path, sizeof(path), "%s/4", folder);
	assert_int_equal(symlink("5", path), 0);
	assert_int_equal(admin_model_load(&shared, folder, 4), -EBADMSG);
	assert_int_equal(admin_model_load(&shared, folder, 5), 0);
	assert_int_equal(atomic_load(&shared.model)->before->version, 3);
	for (unsigned i = 3; i <= 5; i++) {
		snprintf(path, sizeof(path), "%s/%u", folder, i);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(folder), 0);
	admin_models_free(&shared);
	assert_null(atomic_load(&shared.model));
}

TEST_MAIN()
