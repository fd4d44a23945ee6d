/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-db backup create: what its parts share. */
#ifndef SLUICE_TOOLS_CREATE_H
#define SLUICE_TOOLS_CREATE_H

#include "tools/sluice-db/backup.h"

struct create {
	struct backup backup;
	struct options options; /* root: what is backed up */
	char building[PATH_MAX];
	struct links links;                 /* of what lies beside the shards */
	uint64_t copied_last[LIMIT_SHARDS]; /* LSN the copied log ends at */
};

/* What lies beside the shards (backup_beside.c). Each: 0, or -1 with the message set. */
int create_control_copy(struct create *create);
int create_files_copy(struct create *create);

#endif
