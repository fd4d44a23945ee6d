/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: queues, heap of due times, index by terminal. No time and no database of their own. */
#include "control/sessions/table.h"

#include <string.h>

/* A slot that was used rests this long before it is preferred to one that never was: the data plane
 * pays memory for each slot ever used, and generations of a busy slot would run out. */
#define SLOT_REST_NS 600000000000ull

static void list_append(struct sessions *sessions, struct slot_list *list, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];

	slot->previous = list->tail;
	slot->next = 0;
	if (list->tail != 0)
		sessions->slots[list->tail].next = number;
	else
		list->head = number;
	list->tail = number;
	list->count++;
}

static void list_remove(struct sessions *sessions, struct slot_list *list, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];

	if (slot->previous != 0)
		sessions->slots[slot->previous].next = slot->next;
	else
		list->head = slot->next;
	if (slot->next != 0)
		sessions->slots[slot->next].previous = slot->previous;
	else
		list->tail = slot->previous;
	slot->previous = slot->next = 0;
	list->count--;
}

void slot_dequeue(struct sessions *sessions, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];

	if (slot->queue != QUEUE_NONE)
		list_remove(sessions, &sessions->queues[slot->queue], number);
	slot->queue = QUEUE_NONE;
}

void slot_enqueue(struct sessions *sessions, uint32_t number, enum slot_queue queue)
{
	slot_dequeue(sessions, number);
	sessions->slots[number].queue = (uint8_t)queue;
	list_append(sessions, &sessions->queues[queue], number);
}

void slot_state_set(struct sessions *sessions, uint32_t number, enum slot_state state)
{
	sessions->state_counts[sessions->slots[number].state]--;
	sessions->slots[number].state = (uint8_t)state;
	sessions->state_counts[state]++;
}

/* ---- Heap of due times ---- */

static void heap_place(struct sessions *sessions, uint32_t place, uint32_t number)
{
	sessions->heap[place] = number;
	sessions->slots[number].heap_place = place;
}

static uint64_t heap_due(const struct sessions *sessions, uint32_t place)
{
	return sessions->slots[sessions->heap[place]].due_ns;
}

/* Moves the entry of `place` up or down to where it belongs. */
static void heap_settle(struct sessions *sessions, uint32_t place)
{
	uint32_t number = sessions->heap[place];
	uint64_t due_ns = sessions->slots[number].due_ns;

	while (place > 1 && due_ns < heap_due(sessions, place / 2)) {
		heap_place(sessions, place, sessions->heap[place / 2]);
		place /= 2;
	}
	for (;;) {
		uint32_t child = place * 2;

		if (child < sessions->heap_count &&
		    heap_due(sessions, child + 1) < heap_due(sessions, child))
			child++;
		if (child > sessions->heap_count || heap_due(sessions, child) >= due_ns)
			break;
		heap_place(sessions, place, sessions->heap[child]);
		place = child;
	}
	heap_place(sessions, place, number);
}

static void heap_remove(struct sessions *sessions, uint32_t number)
{
	uint32_t place = sessions->slots[number].heap_place;
	uint32_t last;

	if (place == 0)
		return;
	last = sessions->heap[sessions->heap_count--];
	sessions->slots[number].heap_place = 0;
	if (last == number)
		return;
	heap_place(sessions, place, last);
	heap_settle(sessions, place);
}

void slot_schedule(struct sessions *sessions, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];
	uint64_t due_ns = UINT64_MAX;

	if (slot->state != SLOT_FREE && slot->state != SLOT_ENDING)
		due_ns = slot->expires_ns;
	if (slot->state == SLOT_LIVE && slot->rotate_ns < due_ns)
		due_ns = slot->rotate_ns;
	if (slot->retry_ns < due_ns)
		due_ns = slot->retry_ns;
	slot->due_ns = due_ns;
	if (due_ns == UINT64_MAX) {
		heap_remove(sessions, number);
		return;
	}
	if (slot->heap_place == 0)
		heap_place(sessions, ++sessions->heap_count, number);
	heap_settle(sessions, slot->heap_place);
}

/* ---- Index by terminal ---- */

static uint32_t *terminal_chain(const struct sessions *sessions, uint64_t terminal_id)
{
	/* Fibonacci hashing: the top bits of a product with 2^64 / golden ratio. */
	return &sessions->terminals[(terminal_id * 0x9e3779b97f4a7c15ull) >> 48];
}

_Static_assert(TERMINAL_CHAINS == 1u << (64 - 48), "the hash above fills the chains");

void slot_index(struct sessions *sessions, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];
	uint32_t *head = terminal_chain(sessions, slot->terminal_id);

	slot->terminal_next = *head;
	*head = number;
}

static void slot_unindex(struct sessions *sessions, uint32_t number)
{
	uint32_t *link = terminal_chain(sessions, sessions->slots[number].terminal_id);

	while (*link != 0 && *link != number)
		link = &sessions->slots[*link].terminal_next;
	if (*link == number)
		*link = sessions->slots[number].terminal_next;
	sessions->slots[number].terminal_next = 0;
}

static uint32_t chain_skip(const struct sessions *sessions, uint32_t number, uint64_t terminal_id)
{
	while (number != 0 && sessions->slots[number].terminal_id != terminal_id)
		number = sessions->slots[number].terminal_next;
	return number;
}

uint32_t slot_of_terminal(const struct sessions *sessions, uint64_t terminal_id)
{
	return chain_skip(sessions, *terminal_chain(sessions, terminal_id), terminal_id);
}

uint32_t slot_of_terminal_next(const struct sessions *sessions, uint32_t number)
{
	const struct slot *slot = &sessions->slots[number];

	return chain_skip(sessions, slot->terminal_next, slot->terminal_id);
}

/* ---- List of epochs: by the time their keys came into use ---- */

static void epoch_unlink(struct sessions *sessions, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];

	if (slot->epoch_since_ns == 0)
		return;
	if (slot->epoch_previous != 0)
		sessions->slots[slot->epoch_previous].epoch_next = slot->epoch_next;
	else
		sessions->epochs.head = slot->epoch_next;
	if (slot->epoch_next != 0)
		sessions->slots[slot->epoch_next].epoch_previous = slot->epoch_previous;
	else
		sessions->epochs.tail = slot->epoch_previous;
	slot->epoch_previous = slot->epoch_next = 0;
	slot->epoch_since_ns = 0;
}

void slot_epoch_begin(struct sessions *sessions, uint32_t number, uint64_t now_ns)
{
	struct slot *slot = &sessions->slots[number];

	epoch_unlink(sessions, number);
	slot->epoch_since_ns = now_ns == 0 ? 1 : now_ns;
	slot->epoch_previous = sessions->epochs.tail;
	if (sessions->epochs.tail != 0)
		sessions->slots[sessions->epochs.tail].epoch_next = number;
	else
		sessions->epochs.head = number;
	sessions->epochs.tail = number;
}

/* ---- Life of a slot ---- */

uint32_t slot_find(const struct sessions *sessions, uint32_t session_id)
{
	uint32_t number = slot_of(session_id);

	if (number == 0 || number > sessions->slot_highest)
		return 0;
	if (sessions->slots[number].session_id != session_id ||
	    sessions->slots[number].state == SLOT_FREE)
		return 0;
	return number;
}

void slot_release(struct sessions *sessions, uint32_t number)
{
	struct slot *slot = &sessions->slots[number];

	explicit_bzero(sessions->roots[number], KEYS_ROOT_SIZE);
	epoch_unlink(sessions, number);
	slot_unindex(sessions, number);
	slot_state_set(sessions, number, SLOT_FREE);
	slot->in_flight = 0;
	slot->told = 0;
	slot->installed = 0;
	slot->failures = 0;
	slot->retry_ns = UINT64_MAX;
	slot->free_since_ns = database_now_ns();
	slot_schedule(sessions, number);
	slot_enqueue(sessions, number,
	    generation_of(slot->session_id) == GENERATION_MAX ? QUEUE_WORN : QUEUE_FREE);
	if (!slot->unrecorded) {
		slot->unrecorded = 1;
		slot->unrecorded_next = sessions->unrecorded_head;
		sessions->unrecorded_head = number;
	}
	pthread_cond_broadcast(&sessions->changed);
}

void slot_end(struct sessions *sessions, uint32_t number, enum slot_queue queue)
{
	struct slot *slot = &sessions->slots[number];

	if (slot->state == SLOT_FREE)
		return;
	if (!slot->told) {
		slot_release(sessions, number);
		return;
	}
	/* An operator's end overtakes one that was only a tidying up. */
	if (slot->state == SLOT_ENDING && slot->queue != QUEUE_REPLACED)
		return;
	explicit_bzero(sessions->roots[number], KEYS_ROOT_SIZE);
	slot_state_set(sessions, number, SLOT_ENDING);
	slot->failures = 0;
	slot->retry_ns = UINT64_MAX;
	slot_schedule(sessions, number);
	slot_enqueue(sessions, number, queue);
	pthread_cond_broadcast(&sessions->changed);
}

uint32_t slot_take(struct sessions *sessions, uint64_t now_ns)
{
	uint32_t number = sessions->queues[QUEUE_FREE].head;

	/* Slots above a limit that was lowered stay where they are. */
	while (number > sessions->settings.slots_max)
		number = sessions->slots[number].next;
	if (number != 0 && sessions->slots[number].free_since_ns + SLOT_REST_NS > now_ns &&
	    sessions->slot_highest < sessions->settings.slots_max)
		number = 0;
	if (number == 0 && sessions->slot_highest < sessions->settings.slots_max)
		return ++sessions->slot_highest;
	if (number != 0)
		slot_dequeue(sessions, number);
	return number;
}
