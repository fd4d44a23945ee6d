/* SPDX-License-Identifier: Apache-2.0 */
/* Creation, offers, ends and changes of sessions: what other threads call. */
#include "control/sessions/sessions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "control/sessions/table.h"

#define OFFER_LIFE_NS 60000000000ull
#define EPOCH_FIRST   1u

/* Address space for one entry per slot there can be; pages cost memory once they are used. */
static void *arena_map(size_t entry_size)
{
	void *arena = mmap(NULL, (LIMIT_SESSION_SLOTS + 1) * entry_size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return arena == MAP_FAILED ? NULL : arena;
}

static void arena_unmap(void *arena, size_t entry_size)
{
	if (arena != NULL)
		(void)munmap(arena, (LIMIT_SESSION_SLOTS + 1) * entry_size);
}

static int roots_map(struct sessions *sessions)
{
	size_t size = (LIMIT_SESSION_SLOTS + 1) * sizeof(*sessions->roots);

	sessions->roots = arena_map(sizeof(*sessions->roots));
	if (sessions->roots == NULL)
		return -ENOMEM;
	/* Kept from swap and core dumps. Pages are locked as they are used; where the limit of
	 * locked memory forbids it, the machine's swap is all that is lost. */
	(void)mlock2(sessions->roots, size, MLOCK_ONFAULT);
	(void)madvise(sessions->roots, size, MADV_DONTDUMP);
	return 0;
}

int sessions_create(
    struct sessions **out, struct database *database, const struct sessions_settings *settings)
{
	struct sessions *sessions = calloc(1, sizeof(*sessions));
	pthread_condattr_t attributes;
	int result = -ENOMEM;

	if (sessions == NULL)
		return -ENOMEM;
	pthread_mutex_init(&sessions->write_mutex, NULL);
	pthread_mutex_init(&sessions->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&sessions->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	sessions->database = database;
	sessions_settings_set(sessions, settings);
	if (getrandom(&sessions->jitter_state, sizeof(sessions->jitter_state), 0) !=
	    (ssize_t)sizeof(sessions->jitter_state)) {
		result = -EIO;
		goto fail;
	}
	sessions->slots = arena_map(sizeof(*sessions->slots));
	sessions->heap = arena_map(sizeof(*sessions->heap));
	sessions->terminals = calloc(TERMINAL_CHAINS, sizeof(*sessions->terminals));
	if (sessions->slots == NULL || sessions->heap == NULL || sessions->terminals == NULL)
		goto fail;
	result = roots_map(sessions);
	if (result == 0)
		result = sessions_load(sessions);
	if (result != 0)
		goto fail;
	*out = sessions;
	return 0;
fail:
	sessions_free(sessions);
	return result;
}

void sessions_free(struct sessions *sessions)
{
	if (sessions == NULL)
		return;
	if (sessions->roots != NULL) {
		pthread_mutex_lock(&sessions->write_mutex);
		/* What is not written is found live at the next start and ended then. */
		while (sessions->unrecorded_head != 0 && sessions_record(sessions, 0) == 0)
			;
		pthread_mutex_unlock(&sessions->write_mutex);
		explicit_bzero(sessions->roots,
		    ((size_t)sessions->slot_highest + 1) * sizeof(*sessions->roots));
	}
	arena_unmap(sessions->roots, sizeof(*sessions->roots));
	arena_unmap(sessions->slots, sizeof(*sessions->slots));
	arena_unmap(sessions->heap, sizeof(*sessions->heap));
	free(sessions->terminals);
	pthread_cond_destroy(&sessions->changed);
	pthread_mutex_destroy(&sessions->mutex);
	pthread_mutex_destroy(&sessions->write_mutex);
	free(sessions);
}

void sessions_settings_set(struct sessions *sessions, const struct sessions_settings *settings)
{
	pthread_mutex_lock(&sessions->mutex);
	sessions->settings = *settings;
	if (sessions->settings.slots_max > LIMIT_SESSION_SLOTS - 1)
		sessions->settings.slots_max = LIMIT_SESSION_SLOTS - 1;
	if (sessions->settings.epoch_ns == 0)
		sessions->settings.epoch_ns = 1;
	pthread_mutex_unlock(&sessions->mutex);
}

/* ---- Offers ---- */

static void offers_lapse(struct sessions *sessions, uint64_t terminal_id)
{
	uint32_t next = slot_of_terminal(sessions, terminal_id);

	while (next != 0) {
		uint32_t number = next;

		next = slot_of_terminal_next(sessions, number);
		if (sessions->slots[number].state == SLOT_RESERVED)
			slot_release(sessions, number);
	}
}

static void slot_reserve(
    struct sessions *sessions, uint32_t number, const struct sessions_offer *offer, uint64_t now_ns)
{
	struct slot *slot = &sessions->slots[number];
	uint32_t generation = generation_of(slot->session_id);
	uint32_t unrecorded_next = slot->unrecorded_next;
	uint8_t unrecorded = slot->unrecorded;

	generation = generation == GENERATION_MAX ? 1 : generation + 1;
	*slot = (struct slot){
		.session_id = generation << LIMIT_SESSION_SLOT_BITS | number,
		.terminal_id = offer->terminal_id,
		.terminal_version = offer->terminal_version,
		.epoch = EPOCH_FIRST,
		.established_ns = now_ns,
		.expires_ns = now_ns + sessions->settings.life_ns,
		.rotate_ns = UINT64_MAX,
		.retry_ns = now_ns + OFFER_LIFE_NS,
		.unrecorded = unrecorded,
		.unrecorded_next = unrecorded_next,
	};
	slot_state_set(sessions, number, SLOT_RESERVED);
	slot_index(sessions, number);
	slot_schedule(sessions, number);
}

int sessions_reserve(struct sessions *sessions, uint64_t terminal_id, uint64_t terminal_version,
    struct sessions_offer *offer)
{
	struct sessions_offer made = {
		.terminal_id = terminal_id,
		.terminal_version = terminal_version,
		.epoch = EPOCH_FIRST,
	};
	uint64_t now_ns = database_now_ns();
	uint32_t number;
	int result = -ENOSPC;

	pthread_mutex_lock(&sessions->write_mutex);
	pthread_mutex_lock(&sessions->mutex);
	offers_lapse(sessions, terminal_id);
	number = slot_take(sessions, now_ns);
	if (number != 0) {
		slot_reserve(sessions, number, &made, now_ns);
		made.session_id = sessions->slots[number].session_id;
		made.expires_ns = sessions->slots[number].expires_ns;
	}
	pthread_mutex_unlock(&sessions->mutex);
	if (number != 0)
		result = sessions_record(sessions, number);
	pthread_mutex_unlock(&sessions->write_mutex);
	if (result == 0)
		*offer = made;
	else if (number != 0)
		sessions_cancel(sessions, &made);
	return result;
}

static uint32_t offer_find(const struct sessions *sessions, const struct sessions_offer *offer)
{
	uint32_t number = slot_find(sessions, offer->session_id);

	if (number == 0 || sessions->slots[number].state != SLOT_RESERVED ||
	    sessions->slots[number].terminal_id != offer->terminal_id)
		return 0;
	return number;
}

/* What the new session replaces and the data plane has never heard of needs no end there. */
static void untold_release(struct sessions *sessions, uint64_t terminal_id, uint32_t kept)
{
	uint32_t next = slot_of_terminal(sessions, terminal_id);

	while (next != 0) {
		uint32_t number = next;

		next = slot_of_terminal_next(sessions, number);
		if (number != kept && sessions->slots[number].state == SLOT_PENDING &&
		    !sessions->slots[number].told) {
			sessions->counts.replaced++;
			slot_release(sessions, number);
		}
	}
}

int sessions_establish(struct sessions *sessions, const struct sessions_offer *offer,
    const uint8_t root[KEYS_ROOT_SIZE], uint32_t rights, uint32_t rate_per_s, uint32_t rate_burst)
{
	uint32_t number;

	pthread_mutex_lock(&sessions->mutex);
	number = offer_find(sessions, offer);
	if (number != 0) {
		struct slot *slot = &sessions->slots[number];

		memcpy(sessions->roots[number], root, KEYS_ROOT_SIZE);
		/* Else a change that came since the offer is kept. */
		if (slot->terminal_version <= offer->terminal_version) {
			slot->rights = rights;
			slot->rate_per_s = rate_per_s;
			slot->rate_burst = rate_burst;
		}
		slot->serial = ++sessions->serial_last;
		slot->retry_ns = UINT64_MAX;
		slot_state_set(sessions, number, SLOT_PENDING);
		slot_schedule(sessions, number);
		slot_enqueue(sessions, number, QUEUE_INSTALLS);
		untold_release(sessions, offer->terminal_id, number);
		sessions->counts.established++;
	}
	pthread_mutex_unlock(&sessions->mutex);
	return number != 0 ? 0 : -ENOENT;
}

void sessions_cancel(struct sessions *sessions, const struct sessions_offer *offer)
{
	uint32_t number;

	pthread_mutex_lock(&sessions->mutex);
	number = offer_find(sessions, offer);
	if (number != 0)
		slot_release(sessions, number);
	pthread_mutex_unlock(&sessions->mutex);
}

/* ---- Ends and changes ---- */

unsigned sessions_end_terminal(struct sessions *sessions, uint64_t terminal_id)
{
	unsigned count = 0;
	uint32_t next;

	pthread_mutex_lock(&sessions->mutex);
	next = slot_of_terminal(sessions, terminal_id);
	while (next != 0) {
		uint32_t number = next;

		next = slot_of_terminal_next(sessions, number);
		/* A reserved one ends too: its handshake began before the terminal was refused. */
		if (sessions->slots[number].state != SLOT_ENDING &&
		    sessions->slots[number].state != SLOT_RESERVED)
			count++;
		slot_end(sessions, number, QUEUE_ENDS);
	}
	sessions->counts.ended += count;
	pthread_mutex_unlock(&sessions->mutex);
	return count;
}

int sessions_end(struct sessions *sessions, uint32_t session_id)
{
	uint32_t number;
	int result = -ENOENT;

	pthread_mutex_lock(&sessions->write_mutex);
	pthread_mutex_lock(&sessions->mutex);
	number = slot_find(sessions, session_id);
	if (number != 0) {
		if (sessions->slots[number].state != SLOT_ENDING)
			sessions->counts.ended++;
		slot_end(sessions, number, QUEUE_ENDS);
	}
	pthread_mutex_unlock(&sessions->mutex);
	if (number != 0)
		result = sessions_record(sessions, number);
	pthread_mutex_unlock(&sessions->write_mutex);
	return result;
}

void sessions_update_terminal(struct sessions *sessions, uint64_t terminal_id,
    uint64_t terminal_version, uint32_t rights, uint32_t rate_per_s, uint32_t rate_burst)
{
	uint32_t next;

	pthread_mutex_lock(&sessions->mutex);
	next = slot_of_terminal(sessions, terminal_id);
	while (next != 0) {
		uint32_t number = next;
		struct slot *slot = &sessions->slots[number];

		next = slot_of_terminal_next(sessions, number);
		if (slot->terminal_version >= terminal_version)
			continue;
		if (slot->state == SLOT_KEYLESS) {
			/* It cannot be installed again without its root. */
			sessions->counts.ended++;
			slot_end(sessions, number, QUEUE_ENDS);
		}
		if (slot->state != SLOT_RESERVED && slot->state != SLOT_PENDING &&
		    slot->state != SLOT_LIVE)
			continue;
		slot->terminal_version = terminal_version;
		slot->rights = rights;
		slot->rate_per_s = rate_per_s;
		slot->rate_burst = rate_burst;
		if (slot->state == SLOT_RESERVED)
			continue; /* establish comes with what was read before */
		slot->version++;
		slot->retry_ns = UINT64_MAX;
		slot_state_set(sessions, number, SLOT_PENDING);
		slot_schedule(sessions, number);
		slot_enqueue(sessions, number, QUEUE_INSTALLS);
	}
	pthread_mutex_unlock(&sessions->mutex);
}

/* ---- What others may know ---- */

int sessions_wait(struct sessions *sessions, uint32_t session_id, unsigned timeout_ms)
{
	struct timespec until;
	int result = -EAGAIN;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&sessions->mutex);
	while (result == -EAGAIN) {
		uint32_t number = slot_find(sessions, session_id);

		if (number == 0 || sessions->slots[number].state == SLOT_ENDING)
			result = -ENOENT;
		else if (sessions->slots[number].installed)
			result = 0;
		else if (pthread_cond_timedwait(&sessions->changed, &sessions->mutex, &until) ==
		         ETIMEDOUT)
			result = -ETIMEDOUT;
	}
	pthread_mutex_unlock(&sessions->mutex);
	return result;
}
