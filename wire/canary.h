/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bugs planted on purpose, to see that the simulator (tests/sim) catches them. One build of it for
 * each, with -DSLUICE_CANARY_PLANTED=CANARY_X; nowhere else is the macro defined, and then
 * SLUICE_CANARY(X) is the constant 0 and leaves no code behind.
 */
#ifndef SLUICE_WIRE_CANARY_H
#define SLUICE_WIRE_CANARY_H

enum sluice_canary {
	CANARY_ACKNOWLEDGE_EARLY = 1, /* answers a transaction before its write completes */
	CANARY_SKIP_CHECKSUM,         /* believes the body of a batch without its checksum */
	CANARY_FORGET_TRANSFER,       /* a restart does not send again what was open */
	CANARY_READ_EARLY,            /* answers a read before its row is durable */
	CANARY_SLIDE_EARLY,           /* a request is done in its window before it is durable */
	CANARY_ALIAS_FOLLOWER,        /* follower and worker share the memory of the accounts */
	/* Of recovery. */
	CANARY_FORGET_FLOOR, /* neither the store's last LSN nor journal.meta's forbids a cut */
	CANARY_CLEAN_END,    /* what does not match ends the journal, whatever batches behind say */
	CANARY_SKIP_CHAIN,   /* believes a batch whatever the checksum of the one before */
	CANARY_LEAVE_BEHIND, /* intact batches far behind the cut stay */
	CANARY_SKIP_FLUSH,   /* relies on batches that may be in the device's cache only */
	CANARY_BELIEVE_META, /* no batch proves that journal.meta is an older one */
};

#ifdef SLUICE_CANARY_PLANTED
#define SLUICE_CANARY(name) (SLUICE_CANARY_PLANTED == CANARY_##name)
#else
#define SLUICE_CANARY(name) (CANARY_##name == 0)
#endif

#endif
