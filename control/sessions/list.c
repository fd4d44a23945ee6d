/* SPDX-License-Identifier: Apache-2.0 */
/* What people and metrics see of the registry. */
#include <stdlib.h>

#include "control/sessions/table.h"

/* Readers see a constant registry; its mutex is none of their concern. */
static struct sessions *sessions_open(const struct sessions *sessions)
{
	return (struct sessions *)(uintptr_t)sessions;
}

void sessions_counts(const struct sessions *constant, struct sessions_counts *counts)
{
	struct sessions *sessions = sessions_open(constant);
	uint64_t now_ns = database_now_ns(), since_ns = 0;

	pthread_mutex_lock(&sessions->mutex);
	*counts = sessions->counts;
	counts->live = sessions->state_counts[SLOT_LIVE];
	counts->pending = sessions->state_counts[SLOT_PENDING];
	counts->ending = sessions->state_counts[SLOT_ENDING];
	counts->keyless = sessions->state_counts[SLOT_KEYLESS];
	counts->reserved = sessions->state_counts[SLOT_RESERVED];
	if (sessions->epochs.head != 0)
		since_ns = sessions->slots[sessions->epochs.head].epoch_since_ns;
	pthread_mutex_unlock(&sessions->mutex);
	counts->epoch_oldest_ns = since_ns != 0 && now_ns > since_ns ? now_ns - since_ns : 0;
}

struct listed {
	uint32_t session_id;
	uint16_t epoch;
	uint8_t state;
	uint64_t terminal_id, established_ns, expires_ns;
};

static const char *state_name(uint8_t state)
{
	switch ((enum slot_state)state) {
	case SLOT_RESERVED:
		return "reserved";
	case SLOT_PENDING:
		return "pending";
	case SLOT_LIVE:
		return "live";
	case SLOT_KEYLESS:
		return "keyless";
	case SLOT_ENDING:
		return "ending";
	case SLOT_FREE:
	case SLOT_STATE_COUNT:
		break;
	}
	return "free";
}

static struct listed listed_of(const struct slot *slot)
{
	/* Of a keyless session the epoch is not known: 0. */
	return (struct listed){ slot->session_id, slot->state == SLOT_KEYLESS ? 0 : slot->epoch,
		slot->state, slot->terminal_id, slot->established_ns, slot->expires_ns };
}

static json_t *listed_json(const struct listed *one)
{
	return json_pack("{s:I, s:i, s:I, s:s, s:i, s:I, s:I}", "session",
	    (json_int_t)one->session_id, "slot", (int)slot_of(one->session_id), "terminal",
	    (json_int_t)one->terminal_id, "state", state_name(one->state), "epoch", (int)one->epoch,
	    "established_ns", (json_int_t)one->established_ns, "expires_ns",
	    (json_int_t)one->expires_ns);
}

json_t *sessions_find(const struct sessions *constant, uint32_t session_id)
{
	struct sessions *sessions = sessions_open(constant);
	struct listed copy = { 0 };
	uint32_t number;

	pthread_mutex_lock(&sessions->mutex);
	number = slot_find(sessions, session_id);
	if (number != 0)
		copy = listed_of(&sessions->slots[number]);
	pthread_mutex_unlock(&sessions->mutex);
	return number != 0 ? listed_json(&copy) : NULL;
}

/* Copies what is wanted, at most `size`; gives their number. */
static uint32_t list_copy(
    const struct sessions *sessions, uint64_t terminal_id, struct listed *out, uint32_t size)
{
	uint32_t count = 0, number;

	if (terminal_id != 0) {
		for (number = slot_of_terminal(sessions, terminal_id); number != 0 && count < size;
		     number = slot_of_terminal_next(sessions, number))
			out[count++] = listed_of(&sessions->slots[number]);
		return count;
	}
	for (number = 1; number <= sessions->slot_highest && count < size; number++) {
		if (sessions->slots[number].state != SLOT_FREE)
			out[count++] = listed_of(&sessions->slots[number]);
	}
	return count;
}

json_t *sessions_list(const struct sessions *constant, uint64_t terminal_id)
{
	struct sessions *sessions = sessions_open(constant);
	json_t *list = json_array();
	struct listed *copy;
	uint32_t count = 0, size;

	/* JSON is made outside of the mutex: it takes far longer than the copy. */
	pthread_mutex_lock(&sessions->mutex);
	size = sessions->state_counts[SLOT_RESERVED] + sessions->state_counts[SLOT_PENDING] +
	       sessions->state_counts[SLOT_LIVE] + sessions->state_counts[SLOT_KEYLESS] +
	       sessions->state_counts[SLOT_ENDING];
	copy = malloc((size == 0 ? 1 : size) * sizeof(*copy));
	if (copy != NULL)
		count = list_copy(sessions, terminal_id, copy, size);
	pthread_mutex_unlock(&sessions->mutex);
	for (uint32_t i = 0; list != NULL && i < count; i++)
		json_array_append_new(list, listed_json(&copy[i]));
	free(copy);
	return list;
}
