/* SPDX-License-Identifier: Apache-2.0 */
/* A directory and a control database in it, for the tests of control's parts. */
#ifndef SLUICE_TESTS_CONTROL_TEMPORARY_H
#define SLUICE_TESTS_CONTROL_TEMPORARY_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/database/database.h"
#include "tests/test.h"

struct temporary {
	char path[64];
	struct database *database;
};

static inline int temporary_unlink(
    const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void temporary_open(struct temporary *temporary)
{
	char message[256];

	assert_int_equal(
	    database_open(&temporary->database, temporary->path, "test", message, sizeof(message)),
	    0);
}

static inline void temporary_begin(struct temporary *temporary)
{
	snprintf(temporary->path, sizeof(temporary->path), "/var/tmp/sluice-control-XXXXXX");
	assert_non_null(mkdtemp(temporary->path));
	temporary_open(temporary);
}

/* As a process that ends and starts again. */
static inline void temporary_again(struct temporary *temporary)
{
	database_close(temporary->database);
	temporary_open(temporary);
}

static inline void temporary_end(struct temporary *temporary)
{
	database_close(temporary->database);
	assert_int_equal(nftw(temporary->path, temporary_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
