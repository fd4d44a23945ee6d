/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-db backup: its words. */
#include <string.h>

#include "tools/sluice-db/backup.h"

static int create(const struct options *options)
{
	return backup_create(options, options->words[1], options->words[2]);
}

static int verify(const struct options *options)
{
	return backup_verify(options, options->words[1]);
}

static int list(const struct options *options)
{
	return backup_list(options, options->words[1]);
}

static int restore(const struct options *options)
{
	return backup_restore(options, options->words[1], options->words[2]);
}

int command_backup(const struct options *options)
{
	static const struct {
		const char *name, *words;
		int count;
		int (*run)(const struct options *options);
	} verbs[] = {
		{ "create", "ROOT DIRECTORY", 2, create },
		{ "verify", "DIRECTORY", 1, verify },
		{ "list", "DIRECTORY", 1, list },
		{ "restore", "DIRECTORY ROOT", 2, restore },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(verbs); i++) {
		if (options->word_count == 0 || strcmp(options->words[0], verbs[i].name) != 0)
			continue;
		if (options->word_count == verbs[i].count + 1)
			return verbs[i].run(options);
		fprintf(stderr, "sluice-db: backup %s needs %s; see sluice-db --help\n",
		    verbs[i].name, verbs[i].words);
		return EXIT_USAGE;
	}
	fprintf(
	    stderr, "sluice-db: backup create, verify, list or restore; see sluice-db --help\n");
	return EXIT_USAGE;
}
