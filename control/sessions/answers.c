/* SPDX-License-Identifier: Apache-2.0 */
/* What the data plane's answers do. */
#include <errno.h>

#include "control/sessions/table.h"

/* A refused piece of work is tried again after 1, 2, 4 ... s, this often. */
#define FAILURES_MAX   8
#define RETRY_FIRST_NS 1000000000ull

/* Sessions rotate within the last quarter of the interval, each at its own moment, so that those
 * installed together do not all rotate together. */
static uint64_t rotation_after_ns(struct sessions *sessions)
{
	uint64_t epoch_ns = sessions->settings.epoch_ns, z;

	z = sessions->jitter_state += 0x9e3779b97f4a7c15ull; /* SplitMix64 (Steele et al. 2014) */
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return epoch_ns - z % (epoch_ns / 4 + 1);
}

/* Tried again after a pause; an install that always fails ends the session, an end that always
 * fails is given up: the session has its hard end in the data plane too. */
void slot_failed(struct sessions *sessions, uint32_t number, uint64_t now_ns)
{
	struct slot *slot = &sessions->slots[number];

	if (slot->state == SLOT_PENDING)
		sessions->counts.install_failures++;
	if (++slot->failures < FAILURES_MAX) {
		slot->retry_ns = now_ns + (RETRY_FIRST_NS << (slot->failures - 1));
		slot_schedule(sessions, number);
	} else if (slot->state == SLOT_PENDING) {
		sessions->counts.ended++;
		slot_end(sessions, number, QUEUE_ENDS);
	} else {
		slot_release(sessions, number);
	}
}

/* Its terminal has it: what the terminal had before may go. */
static void older_end(struct sessions *sessions, uint32_t number)
{
	const struct slot *slot = &sessions->slots[number];
	uint32_t next = slot_of_terminal(sessions, slot->terminal_id);

	while (next != 0) {
		uint32_t other = next;
		const struct slot *older = &sessions->slots[other];

		next = slot_of_terminal_next(sessions, other);
		if (older->serial >= slot->serial ||
		    (older->state != SLOT_PENDING && older->state != SLOT_LIVE &&
		        older->state != SLOT_KEYLESS))
			continue;
		sessions->counts.replaced++;
		slot_end(sessions, other, QUEUE_REPLACED);
	}
}

static void install_done(struct sessions *sessions, uint32_t number, uint16_t epoch)
{
	struct slot *slot = &sessions->slots[number];
	uint64_t now_ns = database_now_ns();
	int first = !slot->installed;

	sessions->counts.installs++;
	slot->failures = 0;
	slot->installed = 1;
	if (epoch != slot->epoch_installed) {
		slot->epoch_installed = epoch;
		slot->rotate_ns = now_ns + rotation_after_ns(sessions);
		slot_epoch_begin(sessions, number, now_ns);
	}
	if (slot->version == slot->flight_version) {
		slot_dequeue(sessions, number);
		slot_state_set(sessions, number, SLOT_LIVE);
		slot_schedule(sessions, number);
	}
	if (first) {
		older_end(sessions, number);
		pthread_cond_broadcast(&sessions->changed);
	}
}

static void install_answered(
    struct sessions *sessions, uint32_t number, const struct session_work *work, int error)
{
	struct slot *slot = &sessions->slots[number];

	/* Ended in between, or a later install is on its way: that answer counts. */
	if (slot->state != SLOT_PENDING || slot->in_flight != SESSION_WORK_INSTALL ||
	    slot->flight_version != work->version)
		return;
	slot->in_flight = 0;
	if (error == 0) {
		install_done(sessions, number, work->epoch);
	} else if (error == -ENOTCONN) {
		if (slot->queue == QUEUE_NONE)
			slot_enqueue(sessions, number, QUEUE_INSTALLS);
	} else if (error == -EEXIST) {
		sessions->counts.install_failures++;
		sessions->counts.ended++;
		slot_end(sessions, number, QUEUE_ENDS);
	} else if (slot->queue == QUEUE_NONE) {
		slot_failed(sessions, number, database_now_ns());
	}
}

static void end_answered(struct sessions *sessions, uint32_t number, int error)
{
	struct slot *slot = &sessions->slots[number];

	if (slot->state != SLOT_ENDING || slot->in_flight != SESSION_WORK_END)
		return;
	slot->in_flight = 0;
	if (error == 0 || error == -ENOENT)
		slot_release(sessions, number);
	else if (error == -ENOTCONN)
		slot_enqueue(sessions, number, QUEUE_ENDS);
	else
		slot_failed(sessions, number, database_now_ns());
}

void sessions_work_done(struct sessions *sessions, const struct session_work *work, int error)
{
	uint32_t number;

	pthread_mutex_lock(&sessions->mutex);
	number = slot_find(sessions, work->session_id);
	if (number != 0 && work->kind == SESSION_WORK_INSTALL)
		install_answered(sessions, number, work, error);
	else if (number != 0)
		end_answered(sessions, number, error);
	pthread_mutex_unlock(&sessions->mutex);
}
