/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client_counter on a file: values are reserved in blocks, and a block is used only after the
 * file that ends it is on stable storage. A crash skips the rest of its block; nothing is used
 * twice.
 */
#ifndef SLUICE_WIRE_CLIENT_COUNTER_FILE_H
#define SLUICE_WIRE_CLIENT_COUNTER_FILE_H

#include "wire/client/client.h"

#define COUNTER_FILE_BLOCK 1024

struct counter_file;

/*
 * Opens or creates `path` (mode 0600) and takes its lock, so that one process at a time counts. On
 * success *counter is ready for client_config and stays valid until close. `first`: the value a new
 * file starts with, at least 1.
 *
 * 0; -EBUSY (another process holds it), -EBADMSG (the file is damaged: ask the switch with HELLO
 * for the next id and write it by hand), -ENAMETOOLONG, -ENOMEM, or another -errno of the file
 * system.
 */
SLUICE_MUST_USE int counter_file_open(
    const char *path, uint64_t first, struct counter_file **file, struct client_counter *counter);

/*
 * Gives back the unused rest of the block: the next process starts at `next`. Call it only after
 * everything below `next` that was taken will not be taken again. Frees `file` in every case.
 * 0 or -errno; on failure the rest of the block is skipped, as after a crash.
 */
int counter_file_close(struct counter_file *file, uint64_t next);

#endif
