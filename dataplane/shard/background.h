/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of what runs beside a worker: recovery, segments, sealing, the disk. Written by the
 * thread named, read by main for the status; relaxed, each by itself.
 */
#ifndef SLUICE_SHARD_BACKGROUND_H
#define SLUICE_SHARD_BACKGROUND_H

#include <stdatomic.h>

#include "dataplane/journal/seal.h"

struct shard_background {
	/* Before the threads. */
	struct journal_report recovery;
	uint64_t recovery_checkpoint_lsn, recovery_ns;
	struct journal_sealer *sealer;
	const char *archive; /* directory, "" none */
	/* Store thread. */
	_Atomic uint64_t disk_state; /* enum disk_state */
	_Atomic uint64_t disk_used, disk_free;
	_Atomic uint64_t gives_way; /* to a walk; the sealing thread then does, too */
	_Atomic uint64_t keeper_errors;
	_Atomic int64_t keeper_error; /* of the last turn that failed, 0 once one went well */
};

#endif
