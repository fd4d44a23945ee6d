/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A data plane as the link sees it: an admin socket over shards that journal numbered commands and
 * keep sessions by the real one's rules. It crashes, breaks off and is late where it is told.
 */
#ifndef SLUICE_TESTS_CONTROL_FAKE_H
#define SLUICE_TESTS_CONTROL_FAKE_H

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>

#define FAKE_SHARDS       3u
#define FAKE_COMMANDS_MAX 4096u
#define FAKE_SLOTS        256u

struct fake_session {
	uint32_t session_id, ended_id;
	uint64_t terminal_id, installs;
	uint64_t end_terminal_id; /* as its END said */
	uint16_t epoch;
	uint8_t live, wants_rotation;
	char key[65]; /* of the epoch, as installed first */
};

struct fake {
	char folder[200], path[256]; /* SLUICE_ROOT; the socket */
	pthread_t thread;
	pthread_mutex_t mutex; /* of all below */
	int stop, listener, client;
	uint64_t boot_id, seed;
	unsigned crash_in_32; /* how often a command is met by a crash or a broken line */
	/* Journals: what[shard][n] is the "mark" of command n, 0: of type none or refused. */
	uint64_t last[FAKE_SHARDS];
	int64_t what[FAKE_SHARDS][FAKE_COMMANDS_MAX];
	int64_t base[FAKE_SHARDS]; /* where a journal began; -1: not said */
	uint64_t incarnation[FAKE_SHARDS], durable[FAKE_SHARDS]; /* said where base is */
	uint64_t command_lines, crashes, opens, questions, violations;
	unsigned fail_left; /* commands answered "failed" before they are done */
	int opened;         /* under this boot id */
	uint64_t last_at_open;
	unsigned sessions_at_open;
	struct fake_session sessions[FAKE_SLOTS];
	unsigned session_lines_before_command; /* of the last connection */
	int sessions_unsupported;
	int kinds; /* refusals of sessions say a kind and, to be sure, other words */
};

/* `folder`: made, with run/sluice in it. */
struct fake *fake_start(const char *folder, uint64_t seed);
/* Ends it; journals and sessions can still be read. */
void fake_stop(struct fake *fake);
/* The process dies and comes back: connections break, sessions are gone, the boot id is new. */
void fake_reboot(struct fake *fake);
/* Only the connection breaks. */
void fake_disconnect(struct fake *fake);
void fake_free(struct fake *fake);

#endif
