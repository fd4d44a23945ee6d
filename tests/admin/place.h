/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real admin socket, with the test in the place of the workers: it takes the commands off their
 * rings and gives the results when it likes.
 */
#ifndef SLUICE_TESTS_ADMIN_PLACE_H
#define SLUICE_TESTS_ADMIN_PLACE_H

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/admin/admin_job.h"
#include "dataplane/store/store_internal.h"
#include "tests/test.h"

#define SHARDS 2u
#define SLOTS  1000u

static struct {
	struct admin *admin;
	struct switch_shared shared;
	struct worker *workers[SHARDS];
	struct store *stores[SHARDS];
	char path[64];
} place;

static inline void *zeroed(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) & ~(size_t)63);

	assert_non_null(memory);
	return memset(memory, 0, size);
}

static inline void begin(void)
{
	struct admin_context context = { .shared = &place.shared };
	char message[256] = "";

	memset(&place, 0, sizeof(place));
	snprintf(place.path, sizeof(place.path), "/tmp/sluice-admin-%d.sock", (int)getpid());
	place.shared.shard_count = SHARDS;
	place.shared.slots_max = SLOTS;
	ids_bucket_map_default(&place.shared.buckets, SHARDS);
	place.shared.slot_home = zeroed(SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++)
		atomic_store(&place.shared.slot_home[i], 0xff);
	for (uint32_t i = 0; i < SHARDS; i++) {
		place.workers[i] = zeroed(sizeof(*place.workers[i]));
		place.workers[i]->shard = i;
		place.workers[i]->shared = &place.shared;
		place.workers[i]->owns_port_queues = 1;
		place.stores[i] = zeroed(sizeof(*place.stores[i]));
	}
	assert_int_equal(worker_connect(place.workers, SHARDS), 0);
	context.workers = place.workers;
	context.stores = place.stores;
	assert_int_equal(
	    admin_create(&place.admin, &context, place.path, message, sizeof(message)), 0);
}

static inline void end(void)
{
	admin_close(place.admin);
	admin_free(place.admin);
	for (uint32_t i = 0; i < SHARDS; i++) {
		for (uint32_t k = 0; k < SHARDS; k++) {
			spsc_ring_free(place.workers[i]->rings.handover_in[k]);
			spsc_ring_free(place.workers[i]->rings.request_in[k]);
			spsc_ring_free(place.workers[i]->rings.answer_in[k]);
			spsc_ring_free(place.workers[i]->rings.transmit_in[k]);
			spsc_ring_free(place.workers[i]->rings.parcel_in[k]);
			spsc_ring_free(place.workers[i]->rings.receipt_in[k]);
			spsc_ring_free(place.workers[i]->rings.shortage_in[k]);
		}
		spsc_ring_free(place.workers[i]->rings.command);
		spsc_ring_free(place.workers[i]->rings.result);
		spsc_ring_free(place.workers[i]->rings.history_query);
		spsc_ring_free(place.workers[i]->rings.history_found);
		free(place.workers[i]);
		free(place.stores[i]);
	}
	free(place.shared.slot_home);
}

static inline int client_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", place.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	return fd;
}

static inline void say(int fd, const char *line)
{
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
}

static inline void work(int rounds)
{
	while (rounds-- > 0)
		admin_work(place.admin, 0);
}

/* One answer line; the socket's other end works meanwhile. NULL: closed. */
static inline json_t *hear(int fd)
{
	static char line[ADMIN_OUT_SIZE_MAX];
	size_t size = 0;
	json_error_t problem;
	json_t *answer;

	for (int i = 0; i < 1000000; i++) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		char byte;

		if (poll(&ready, 1, 0) == 0) {
			work(1);
			continue;
		}
		if (recv(fd, &byte, 1, 0) != 1)
			return NULL;
		if (byte == '\n')
			break;
		assert_true(size < sizeof(line));
		line[size++] = byte;
	}
	answer = json_loadb(line, size, JSON_REJECT_DUPLICATES, &problem);
	assert_non_null(answer);
	return answer;
}

static inline void hear_ok(int fd, int ok)
{
	json_t *answer = hear(fd);

	assert_non_null(answer);
	assert_int_equal(json_is_true(json_object_get(answer, "ok")), ok);
	json_decref(answer);
}

/* The next command of a shard; the admin side works until it is there. */
static inline struct shard_command take(uint32_t shard)
{
	struct shard_command command;

	for (int i = 0; i < 1000; i++) {
		if (spsc_ring_pop(place.workers[shard]->rings.command, &command))
			return command;
		work(1);
	}
	fail_msg("no command for shard %u", shard);
	return (struct shard_command){ 0 };
}

static inline void finish(uint32_t shard, uint64_t ticket, int error)
{
	struct shard_result result = { .ticket = ticket, .error = error };

	assert_true(spsc_ring_push(place.workers[shard]->rings.result, &result));
}

/* A question to shard 0: printed ids of bucket 0 are its. */
static const char question[] = "{\"cmd\":\"bet_show\",\"bet_id\":7}\n";

static inline void question_answer(const struct shard_command *command)
{
	assert_int_equal(command->kind, SHARD_QUERY);
	command->query->found = 1;
	command->query->bet = (struct bet_row){
		.id = command->query->id,
		.stake = 3,
		.leg_count = 2,
		.legs = { { .odds = 1500 }, { .odds = 2500 } },
	};
}

static inline void live(uint32_t slot, uint8_t home)
{
	atomic_store(&place.shared.slot_home[slot], home);
}

/* Reads an answer and checks of what kind its refusal is; NULL: it is none. */
static inline void hear_kind(int fd, const char *kind)
{
	json_t *answer = hear(fd);
	const char *said = json_string_value(json_object_get(answer, "kind"));

	assert_non_null(answer);
	assert_int_equal(json_is_true(json_object_get(answer, "ok")), kind == NULL);
	assert_int_equal(said == NULL, kind == NULL);
	if (kind != NULL)
		assert_string_equal(said, kind);
	json_decref(answer);
}

static inline unsigned waiting(uint32_t shard)
{
	work(10);
	return spsc_ring_count(place.workers[shard]->rings.command);
}

/* Slot 5 for terminal 42. */
static inline void say_install(int fd)
{
	static const char key[] =
	    "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"";
	char line[1000];

	snprintf(line, sizeof(line),
	    "{\"cmd\":\"session_install\",\"session_id\":1048581,\"terminal_id\":42,\"rights\":15,"
	    "\"epoch\":1,\"to_switch_key\":%s,\"to_switch_iv\":\"000102030405060708090a0b\","
	    "\"to_terminal_key\":%s,\"to_terminal_iv\":\"000102030405060708090a0b\","
	    "\"reset_key\":%s}\n",
	    key, key, key);
	say(fd, line);
}

static const char ending[] =
    "{\"cmd\":\"session_end\",\"session_id\":1048581,\"terminal_id\":42}\n";

#endif
