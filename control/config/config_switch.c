/* SPDX-License-Identifier: Apache-2.0 */
/* One number of the data plane's own file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/config.h"
#include "wire/yaml/yaml_walk.h"

#define SWITCH_FILE_SIZE_MAX 65536u

struct wanted {
	const char *path;
	uint64_t number;
	int found;
};

static int visit(void *context, const struct yaml_walk_entry *entry)
{
	struct wanted *wanted = context;

	if (entry->kind == YAML_WALK_TEXT && strcmp(entry->path, wanted->path) == 0)
		wanted->found = yaml_walk_number(entry->value, entry->size, &wanted->number);
	return 0;
}

int config_switch_number(const char *path, const char *key, uint64_t *number)
{
	struct wanted wanted = { key, 0, 0 };
	struct yaml_walk_problem problem;
	uint8_t *text = malloc(SWITCH_FILE_SIZE_MAX);
	FILE *file = text != NULL ? fopen(path, "re") : NULL;
	int error = file != NULL ? 0 : -errno;
	size_t size = 0;

	if (file != NULL) {
		size = fread(text, 1, SWITCH_FILE_SIZE_MAX, file);
		if (ferror(file))
			error = -EIO;
		else if (size == SWITCH_FILE_SIZE_MAX)
			error = -EFBIG;
		fclose(file);
	}
	if (error == 0)
		error = yaml_walk(text, size, visit, &wanted, &problem);
	if (error == 0 && !wanted.found)
		error = -ENOENT;
	if (error == 0)
		*number = wanted.number;
	free(text);
	return error;
}
