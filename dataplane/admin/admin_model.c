/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/admin/admin_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/risk/risk_model_file.h"

/* The whole file, at most RISK_MODEL_FILE_MAX bytes. 0 or -errno. */
static int file_read(const char *path, uint8_t **bytes, size_t *size)
{
	FILE *file = fopen(path, "re");
	int error = 0;

	if (file == NULL)
		return -errno;
	*bytes = malloc(RISK_MODEL_FILE_MAX + 1);
	if (*bytes == NULL) {
		(void)fclose(file);
		return -ENOMEM;
	}
	*size = fread(*bytes, 1, RISK_MODEL_FILE_MAX + 1, file);
	if (ferror(file))
		error = -EIO;
	else if (*size > RISK_MODEL_FILE_MAX)
		error = -EBADMSG;
	(void)fclose(file);
	if (error != 0)
		free(*bytes);
	return error;
}

/* Memory for exactly this model. */
static int model_read(const uint8_t *bytes, size_t size, uint32_t version, struct risk_model **out)
{
	size_t room = risk_model_size(RISK_MODEL_TREES_MAX, RISK_MODEL_DEPTH_MAX);
	struct risk_model *model = malloc(room);
	int error;

	if (model == NULL)
		return -ENOMEM;
	error = risk_model_file_read(bytes, size, version, model, room);
	if (error != 0) {
		free(model);
		return error;
	}
	room = risk_model_size(model->tree_count, model->depth);
	*out = aligned_alloc(64, (room + 63) / 64 * 64);
	if (*out == NULL) {
		*out = model;
		return 0;
	}
	memcpy(*out, model, room);
	free(model);
	return 0;
}

/* The caller's to free. */
static int folder_read(const char *folder, uint32_t version, struct risk_model **out)
{
	char path[4400];
	uint8_t *bytes = NULL;
	size_t size = 0;
	int error;

	snprintf(path, sizeof(path), "%s/%u", folder, version);
	error = file_read(path, &bytes, &size);
	if (error != 0)
		return error;
	error = model_read(bytes, size, version, out);
	free(bytes);
	return error;
}

int admin_model_check(struct switch_shared *shared, const char *folder, uint32_t version)
{
	/* own store */
	struct shard_model *before = atomic_load_explicit(&shared->model, memory_order_relaxed);
	struct risk_model *model = NULL;
	int error;

	if (before != NULL && before->version == version)
		return 0;
	error = folder_read(folder, version, &model);
	if (error == 0)
		free(model);
	return error;
}

int admin_model_load(struct switch_shared *shared, const char *folder, uint32_t version)
{
	/* own store */
	struct shard_model *before = atomic_load_explicit(&shared->model, memory_order_relaxed);
	struct shard_model *held;
	int error;

	if (before != NULL && before->version == version)
		return 0;
	held = calloc(1, sizeof(*held));
	error = held == NULL ? -ENOMEM : folder_read(folder, version, &held->model);
	if (error != 0) {
		free(held);
		return error;
	}
	held->before = before;
	held->version = version;
	/* W8 */
	atomic_store_explicit(&shared->model, held, memory_order_release);
	return 0;
}

void admin_models_free(struct switch_shared *shared)
{
	struct shard_model *held = atomic_load_explicit(&shared->model, memory_order_relaxed);

	atomic_store_explicit(&shared->model, NULL, memory_order_relaxed);
	while (held != NULL) {
		struct shard_model *before = held->before;

		free(held->model);
		free(held);
		held = before;
	}
}
