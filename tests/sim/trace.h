/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, in steps: the last ones are kept for a report, all of them go into a hash. */
#ifndef SLUICE_TESTS_SIM_TRACE_H
#define SLUICE_TESTS_SIM_TRACE_H

#include <stdint.h>
#include <stdio.h>

#define TRACE_KINDS(X)                                                                             \
	X(WORKER, "worker %llu moved %llu, LSN %llu, durable %llu")                                \
	X(STORE, "store %llu worked %lld, keeper %lld, applied %llu")                              \
	X(READER, "reader answered")                                                               \
	X(DISK, "disk: %llu writes in flight")                                                     \
	X(TIME, "time goes on by %llu ns")                                                         \
	X(SEND, "terminal %llu sends request %llu, template 0x%llx, for the time %llu")            \
	X(LOST, "datagram %llu of terminal %llu is lost (%llu)")                                   \
	X(ARRIVE, "datagram %llu reaches the switch from terminal %llu")                           \
	X(REPLY, "terminal %llu, request %llu: code 0x%llx, LSN %llu")                             \
	X(COMMAND, "control: command %llu, type %llu, stage %llu")                                 \
	X(RESULT, "control: shard %llu answers ticket %llu with %lld, already %llu")               \
	X(SESSION, "control: session 0x%llx of terminal %llu, epoch %llu")                         \
	X(CRASH, "the switch dies (kill %llu), call %llu")                                         \
	X(START, "the switch starts: %llu")                                                        \
	X(STARTED, "shard %llu is up: LSN %llu, checkpoint %llu, cut batches %llu")                \
	X(STOP, "the switch stops in order: %llu")                                                 \
	X(FAULT, "fault %llu: %llu %llu")                                                          \
	X(AUDIT, "shard %llu: log read up to LSN %llu")                                            \
	X(PHASE, "phase %llu")                                                                     \
	X(DAMAGE, "damage %llu of shard %llu at LSN %llu, the journal goes on at %llu")

enum trace_kind {
#define TRACE_ENUM(name, text) TRACE_##name,
	TRACE_KINDS(TRACE_ENUM)
#undef TRACE_ENUM
	    TRACE_KIND_COUNT
};

void trace_reset(int print_all);
void trace_note(enum trace_kind kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
uint64_t trace_hash(void);
/* The last `count` steps. */
void trace_print(FILE *to, unsigned count);

#endif
