/* SPDX-License-Identifier: Apache-2.0 */
/* What is due, and what the data plane is to be told. */
#include <errno.h>
#include <string.h>

#include "control/sessions/table.h"

/* Due slots looked at in one call, so that nobody waits long for the mutex. */
#define DUE_PER_CALL 4096u

/* The next epoch. Epochs are 16 bits and never wrap: a session at the last one is over. */
static void slot_rotate(struct sessions *sessions, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];

	if (slot->epoch == UINT16_MAX) {
		sessions->counts.ended++;
		slot_end(sessions, number, QUEUE_REPLACED);
		return;
	}
	slot->epoch++;
	slot->version++;
	sessions->counts.rotations++;
	slot_state_set(sessions, number, SLOT_PENDING);
	slot_schedule(sessions, number);
	slot_enqueue(sessions, number, QUEUE_INSTALLS);
}

static void slot_due(struct sessions *sessions, uint32_t number, uint64_t now_ns)
{
	struct slot *slot = &sessions->slots[number];
	int retry = slot->retry_ns <= now_ns;

	if (slot->state == SLOT_RESERVED) {
		slot_release(sessions, number);
		return;
	}
	if (slot->state != SLOT_ENDING && slot->expires_ns <= now_ns) {
		sessions->counts.expired++;
		slot_end(sessions, number, QUEUE_REPLACED);
		return;
	}
	if (retry) {
		slot->retry_ns = UINT64_MAX;
		slot_schedule(sessions, number);
		if (slot->state == SLOT_ENDING)
			slot_enqueue(sessions, number, QUEUE_ENDS);
		else if (slot->state == SLOT_PENDING)
			slot_enqueue(sessions, number, QUEUE_INSTALLS);
	}
	if (slot->state == SLOT_LIVE && slot->rotate_ns <= now_ns)
		slot_rotate(sessions, number);
}

static void due_work(struct sessions *sessions, uint64_t now_ns)
{
	for (unsigned i = 0; i < DUE_PER_CALL && sessions->heap_count != 0; i++) {
		uint32_t number = sessions->heap[1];

		if (sessions->slots[number].due_ns > now_ns)
			return;
		slot_due(sessions, number, now_ns);
	}
}

/* ---- Boot ids ---- */

static void slot_boot(struct sessions *sessions, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];

	slot->in_flight = 0;
	switch ((enum slot_state)slot->state) {
	case SLOT_PENDING:
	case SLOT_LIVE:
		slot->told = 0;
		slot->installed = 0;
		slot->failures = 0;
		slot->epoch_installed = 0;
		slot->version++;
		slot->retry_ns = UINT64_MAX;
		slot_state_set(sessions, number, SLOT_PENDING);
		slot_schedule(sessions, number);
		slot_enqueue(sessions, number, QUEUE_INSTALLS);
		break;
	case SLOT_KEYLESS:
		sessions->counts.ended++;
		slot_release(sessions, number);
		break;
	case SLOT_ENDING:
		slot_release(sessions, number);
		break;
	case SLOT_FREE:
		if (slot->queue == QUEUE_WORN)
			slot_enqueue(sessions, number, QUEUE_FREE);
		break;
	case SLOT_RESERVED:
	case SLOT_STATE_COUNT:
		break;
	}
}

/* The connection broke: what was not answered is said again. */
static void slot_resume(struct sessions *sessions, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];

	if (slot->in_flight == 0)
		return;
	slot->in_flight = 0;
	if (slot->state == SLOT_ENDING && slot->queue == QUEUE_NONE)
		slot_enqueue(sessions, number, QUEUE_ENDS);
	if (slot->state == SLOT_PENDING && slot->queue == QUEUE_NONE)
		slot_enqueue(sessions, number, QUEUE_INSTALLS);
}

unsigned sessions_boot(struct sessions *sessions, uint64_t boot_id)
{
	unsigned count;
	int is_new;

	pthread_mutex_lock(&sessions->write_mutex);
	pthread_mutex_lock(&sessions->mutex);
	/* Before the first answer since control's start, the last one of its earlier life counts.
	 */
	is_new =
	    boot_id != (sessions->boot_id != 0 ? sessions->boot_id : sessions->boot_id_recorded);
	sessions->boot_id = boot_id;
	if (is_new)
		sessions->stray_count = 0;
	for (uint32_t number = 1; number <= sessions->slot_highest; number++) {
		if (is_new)
			slot_boot(sessions, number);
		else
			slot_resume(sessions, number);
	}
	count = sessions->queues[QUEUE_INSTALLS].count;
	pthread_mutex_unlock(&sessions->mutex);
	/* When it fails it is written with the next slot, before that slot is given out. */
	while (sessions_record(sessions, 0) == 0 && sessions->boot_id_recorded != boot_id)
		;
	pthread_mutex_unlock(&sessions->write_mutex);
	return count;
}

/* ---- Handing out ---- */

static void work_end(struct sessions *sessions, uint32_t number, struct session_work *work)
{
	struct slot *slot = &sessions->slots[number];

	slot_dequeue(sessions, number);
	slot->in_flight = SESSION_WORK_END;
	*work = (struct session_work){
		.kind = SESSION_WORK_END,
		.session_id = slot->session_id,
		.terminal_id = slot->terminal_id,
	};
}

static int work_keys(
    const uint8_t root[KEYS_ROOT_SIZE], uint64_t boot_id, struct session_work *work)
{
	int error = keys_derive(
	    root, KEYS_TO_SWITCH, work->epoch, boot_id, work->to_switch_key, work->to_switch_iv);

	if (error == 0)
		error = keys_derive(root, KEYS_TO_TERMINAL, work->epoch, boot_id,
		    work->to_terminal_key, work->to_terminal_iv);
	if (error == 0)
		error = keys_derive_reset(root, work->reset_key);
	return error;
}

/* 1, or 0 when the library failed (tried again later). */
static int work_install(
    struct sessions *sessions, uint32_t number, uint64_t now_ns, struct session_work *work)
{
	const struct sessions_settings *settings = &sessions->settings;
	struct slot *slot = &sessions->slots[number];

	slot_dequeue(sessions, number);
	*work = (struct session_work){
		.kind = SESSION_WORK_INSTALL,
		.session_id = slot->session_id,
		.terminal_id = slot->terminal_id,
		.rights = slot->rights,
		.rate_per_s = slot->rate_per_s != 0 ? slot->rate_per_s : settings->rate_per_s,
		.rate_burst = slot->rate_burst != 0 ? slot->rate_burst : settings->rate_burst,
		.epoch = slot->epoch,
		.version = slot->version,
		.expires_ns = slot->expires_ns,
	};
	if (work_keys(sessions->roots[number], sessions->boot_id, work) != 0) {
		sessions_work_wipe(work, 1);
		slot_failed(sessions, number, now_ns);
		return 0;
	}
	slot->in_flight = SESSION_WORK_INSTALL;
	slot->flight_version = slot->version;
	slot->told = 1;
	return 1;
}

static unsigned work_take(struct sessions *sessions, uint64_t now_ns, struct session_work *work,
    unsigned max, int ends_only)
{
	unsigned count = 0;
	uint32_t number;

	pthread_mutex_lock(&sessions->mutex);
	due_work(sessions, now_ns);
	if (sessions->boot_id != 0) {
		while (count < max && sessions->stray_count != 0)
			work[count++] = (struct session_work){ .kind = SESSION_WORK_END,
				.session_id = sessions->strays[--sessions->stray_count] };
		while (count < max && (number = sessions->queues[QUEUE_ENDS].head) != 0)
			work_end(sessions, number, &work[count++]);
		while (count < max && (number = sessions->queues[QUEUE_REPLACED].head) != 0)
			work_end(sessions, number, &work[count++]);
		while (!ends_only && count < max &&
		       (number = sessions->queues[QUEUE_INSTALLS].head) != 0)
			count += (unsigned)work_install(sessions, number, now_ns, &work[count]);
	}
	number = sessions->unrecorded_head;
	pthread_mutex_unlock(&sessions->mutex);
	if (number != 0) {
		pthread_mutex_lock(&sessions->write_mutex);
		(void)sessions_record(sessions, 0); /* on failure they stay marked */
		pthread_mutex_unlock(&sessions->write_mutex);
	}
	return count;
}

unsigned sessions_work(
    struct sessions *sessions, uint64_t now_ns, struct session_work *work, unsigned max)
{
	return work_take(sessions, now_ns, work, max, 0);
}

unsigned sessions_work_ends(
    struct sessions *sessions, uint64_t now_ns, struct session_work *work, unsigned max)
{
	return work_take(sessions, now_ns, work, max, 1);
}

void sessions_work_wipe(struct session_work *work, unsigned count)
{
	explicit_bzero(work, count * sizeof(*work));
}

uint64_t sessions_due_ns(const struct sessions *sessions)
{
	/* The mutex is no part of what the caller sees as constant. */
	struct sessions *open = (struct sessions *)(uintptr_t)sessions;
	uint64_t due_ns = UINT64_MAX;

	pthread_mutex_lock(&open->mutex);
	if (open->stray_count + open->queues[QUEUE_ENDS].count +
	        open->queues[QUEUE_REPLACED].count + open->queues[QUEUE_INSTALLS].count !=
	    0)
		due_ns = 0;
	else if (open->heap_count != 0)
		due_ns = open->slots[open->heap[1]].due_ns;
	pthread_mutex_unlock(&open->mutex);
	return due_ns;
}

/* An install that was handed out is of use to nobody who asks now: the data plane may have taken
 * it, and the terminal moved to it, before its answer is heard here. */
static int slot_is_handed_out(const struct slot *slot)
{
	return slot->in_flight == SESSION_WORK_INSTALL && slot->flight_version == slot->version;
}

/* `anew`: an epoch that was handed out before this call does not count. */
static int rotate_now(struct sessions *sessions, uint32_t session_id, int anew)
{
	uint32_t number;
	int result = -ENOENT;

	pthread_mutex_lock(&sessions->mutex);
	number = slot_find(sessions, session_id);
	if (number != 0 && sessions->slots[number].state == SLOT_LIVE) {
		slot_rotate(sessions, number);
		result = 0;
	} else if (number != 0 && sessions->slots[number].state == SLOT_KEYLESS) {
		/* Without its root there is no next epoch, and this one is worn out. */
		sessions->counts.ended++;
		slot_end(sessions, number, QUEUE_REPLACED);
		result = 0;
	} else if (number != 0 && sessions->slots[number].state == SLOT_PENDING) {
		if (anew && slot_is_handed_out(&sessions->slots[number]))
			slot_rotate(sessions, number);
		result = 0; /* an epoch is on its way */
	}
	pthread_mutex_unlock(&sessions->mutex);
	return result;
}

int sessions_rotate(struct sessions *sessions, uint32_t session_id)
{
	return rotate_now(sessions, session_id, 1);
}

int sessions_rotate_worn(struct sessions *sessions, uint32_t session_id)
{
	return rotate_now(sessions, session_id, 0);
}

static void stray_add(struct sessions *sessions, uint32_t session_id)
{
	for (uint32_t i = 0; i < sessions->stray_count; i++)
		if (sessions->strays[i] == session_id)
			return;
	if (sessions->stray_count < STRAYS_MAX)
		sessions->strays[sessions->stray_count++] = session_id;
}

int sessions_seen(struct sessions *sessions, uint32_t session_id, uint64_t terminal_id)
{
	uint32_t number = slot_of(session_id);
	int known;

	pthread_mutex_lock(&sessions->mutex);
	known = slot_find(sessions, session_id) != 0 &&
	        sessions->slots[number].terminal_id == terminal_id &&
	        sessions->slots[number].state != SLOT_RESERVED;
	if (!known)
		stray_add(sessions, session_id);
	/* The data plane takes only later generations in this slot. */
	if (!known && number != 0 && number <= sessions->slot_highest &&
	    sessions->slots[number].state == SLOT_FREE &&
	    generation_of(session_id) > generation_of(sessions->slots[number].session_id)) {
		sessions->slots[number].session_id = session_id;
		if (generation_of(session_id) == GENERATION_MAX)
			slot_enqueue(sessions, number, QUEUE_WORN);
	}
	pthread_mutex_unlock(&sessions->mutex);
	return known;
}
