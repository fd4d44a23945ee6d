/* SPDX-License-Identifier: Apache-2.0 */
#include "control/model/model_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/risk/risk_model_file.h"
#include "lmdb-schema/path_sync.h"

#define PATH_SIZE     4500
#define MARGIN_ONE    (1 << 24)
#define LIST_MAX      4096u
#define NUMBER_DIGITS 10

static void path_of(const char *folder, uint32_t number, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%.4400s/%" PRIu32, folder, number);
}

/* ---- Writing ---- */

/* All of it, and on the disk. */
static int file_write(const char *path, const uint8_t *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), error = 0;

	if (fd < 0)
		return -errno;
	while (error == 0 && size > 0) {
		ssize_t written = write(fd, bytes, size);

		if (written < 0 && errno != EINTR)
			error = -errno;
		if (written > 0) {
			bytes += written;
			size -= (size_t)written;
		}
	}
	if (error == 0 && fsync(fd) != 0)
		error = -errno;
	if (close(fd) != 0 && error == 0)
		error = -errno;
	if (error != 0)
		unlink(path);
	return error;
}

/* Makes it where it is missing. Its own name is saved each time: whoever made it may have been
 * killed before that. */
static int folder_make(const char *folder)
{
	char above[PATH_SIZE + 8];
	int length = snprintf(above, sizeof(above), "%s/..", folder);

	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return -errno;
	return length < 0 || (size_t)length >= sizeof(above) ? -ENAMETOOLONG : path_sync(above);
}

int model_folder_save(const char *folder, uint32_t number, const struct risk_model *model)
{
	char path[PATH_SIZE], beside[PATH_SIZE + 8];
	size_t size = risk_model_file_size(model->tree_count, model->depth);
	uint8_t *bytes;
	int error = folder_make(folder);

	if (error != 0)
		return error;
	path_of(folder, number, path);
	snprintf(beside, sizeof(beside), "%s.new", path);
	if (access(path, F_OK) == 0)
		return -EEXIST;
	bytes = malloc(size);
	if (bytes == NULL)
		return -ENOMEM;
	risk_model_file_make(model, number, bytes);
	(void)unlink(beside); /* of one that was not finished */
	error = file_write(beside, bytes, size);
	free(bytes);
	if (error == 0 && rename(beside, path) != 0) {
		error = -errno;
		unlink(beside);
	}
	return error != 0 ? error : path_sync(folder);
}

int model_folder_remove(const char *folder, uint32_t number)
{
	char path[PATH_SIZE];

	path_of(folder, number, path);
	return unlink(path) != 0 ? -errno : path_sync(folder);
}

/* ---- Looking ---- */

/* NULL: damaged, or of another version of sluice. The caller's to free. */
static struct risk_model *model_read(const char *path, uint32_t number, uint64_t *checksum)
{
	size_t room = risk_model_size(RISK_MODEL_TREES_MAX, RISK_MODEL_DEPTH_MAX), size;
	struct risk_model *model = malloc(room);
	uint8_t *bytes = malloc(RISK_MODEL_FILE_MAX + 1);
	struct risk_model_file_header header;
	FILE *file = fopen(path, "re");
	int error = -EBADMSG;

	if (model != NULL && bytes != NULL && file != NULL) {
		size = fread(bytes, 1, RISK_MODEL_FILE_MAX + 1, file);
		error = risk_model_file_read(bytes, size, number, model, room);
		if (error == 0) {
			memcpy(&header, bytes, sizeof(header));
			*checksum = le64_get(header.checksum);
		}
	}
	if (file != NULL)
		(void)fclose(file);
	free(bytes);
	if (error == 0)
		return model;
	free(model);
	return NULL;
}

int model_folder_read(const char *folder, uint32_t number, uint8_t **bytes, size_t *size)
{
	uint8_t *found = malloc(RISK_MODEL_FILE_MAX + 1);
	char path[PATH_SIZE];
	FILE *file;
	int error;

	if (found == NULL)
		return -ENOMEM;
	path_of(folder, number, path);
	file = fopen(path, "re");
	error = file == NULL ? -errno : 0;
	if (file != NULL) {
		*size = fread(found, 1, RISK_MODEL_FILE_MAX + 1, file);
		if (ferror(file))
			error = -EIO;
		else if (*size > RISK_MODEL_FILE_MAX)
			error = -EFBIG;
		(void)fclose(file);
	}
	if (error == 0)
		*bytes = found;
	else
		free(found);
	return error;
}

json_t *model_folder_show(const char *folder, uint32_t number)
{
	struct risk_model *model;
	struct stat about;
	char path[PATH_SIZE];
	uint64_t checksum = 0;
	json_t *object;

	path_of(folder, number, path);
	if (stat(path, &about) != 0)
		return NULL;
	model = model_read(path, number, &checksum);
	object = json_pack("{s:I, s:I, s:I, s:b}", "model", (json_int_t)number, "bytes",
	    (json_int_t)about.st_size, "loaded_ns",
	    (json_int_t)about.st_mtim.tv_sec * 1000000000 + (json_int_t)about.st_mtim.tv_nsec,
	    "damaged", model == NULL);
	if (model != NULL) {
		json_object_set_new(object, "trees", json_integer(model->tree_count));
		json_object_set_new(object, "depth", json_integer(model->depth));
		json_object_set_new(
		    object, "margin_zero", json_real((double)model->margin_zero / MARGIN_ONE));
		json_object_set_new(
		    object, "margin_alert", json_real((double)model->margin_alert / MARGIN_ONE));
		json_object_set_new(object, "checksum", json_sprintf("%016" PRIx64, checksum));
	}
	free(model);
	return object;
}

/* 0: no name of a model. */
static uint32_t number_of(const char *name)
{
	size_t length = strlen(name);
	unsigned long number;

	if (length == 0 || length > NUMBER_DIGITS || strspn(name, "0123456789") != length ||
	    name[0] == '0')
		return 0;
	number = strtoul(name, NULL, 10);
	return number <= UINT32_MAX ? (uint32_t)number : 0;
}

static int number_compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return a < b ? 1 : a > b ? -1 : 0;
}

/* Newest first; how many. */
static size_t numbers_read(const char *folder, uint32_t numbers[LIST_MAX])
{
	DIR *directory = opendir(folder);
	const struct dirent *entry;
	size_t count = 0;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		uint32_t number = number_of(entry->d_name);

		if (number != 0 && count < LIST_MAX)
			numbers[count++] = number;
	}
	if (directory != NULL)
		closedir(directory);
	qsort(numbers, count, sizeof(numbers[0]), number_compare);
	return count;
}

json_t *model_folder_list(const char *folder)
{
	uint32_t numbers[LIST_MAX];
	size_t count = numbers_read(folder, numbers);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *model = model_folder_show(folder, numbers[i]);

		if (model != NULL)
			json_array_append_new(list, model);
	}
	return list;
}

uint32_t model_folder_last(const char *folder)
{
	uint32_t numbers[LIST_MAX];

	return numbers_read(folder, numbers) > 0 ? numbers[0] : 0;
}
