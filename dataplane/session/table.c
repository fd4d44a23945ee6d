/* SPDX-License-Identifier: Apache-2.0 */
/* The slot table: creation, installation of keys, end of sessions. Not on the packet path. */
#include "dataplane/session/table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define ARENA_HUGE_PAGE ((size_t)2 << 20)

_Static_assert(sizeof(struct session) % SLUICE_CACHE_LINE_SIZE == 0, "slots keep their lines");

struct session_table *session_table_create(uint32_t slots_max, uint8_t lane)
{
	struct session_table *table;
	size_t ids_size = ((size_t)slots_max * sizeof(uint32_t) + 63u) & ~(size_t)63;
	uint64_t seed;

	if (slots_max == 0 || slots_max > LIMIT_SESSION_SLOTS)
		return NULL;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return NULL;
	table = aligned_alloc(SLUICE_CACHE_LINE_SIZE, sizeof(*table));
	if (table == NULL)
		return NULL;
	memset(table, 0, sizeof(*table));
	table->slots_max = slots_max;
	table->lane = lane;
	source_table_init(&table->sources, seed);
	table->ids = aligned_alloc(SLUICE_CACHE_LINE_SIZE, ids_size);
	if (table->ids == NULL)
		goto fail_table;
	memset(table->ids, 0, ids_size);
	table->arena_size = (size_t)slots_max * sizeof(struct session);
	/* Whole huge pages: a datagram touches five places of its session. */
	if (table->arena_size >= ARENA_HUGE_PAGE / 2)
		table->arena_size =
		    (table->arena_size + ARENA_HUGE_PAGE - 1) & ~(ARENA_HUGE_PAGE - 1);
	table->arena = mmap(NULL, table->arena_size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table->arena == MAP_FAILED)
		goto fail_ids;
	if (table->arena_size >= ARENA_HUGE_PAGE)
		(void)madvise(table->arena, table->arena_size, MADV_HUGEPAGE); /* advice */
	/* Keys stay out of core dumps. A kernel without the flag only loses that. */
	(void)madvise(table->arena, table->arena_size, MADV_DONTDUMP);
	return table;
fail_ids:
	free(table->ids);
fail_table:
	free(table);
	return NULL;
}

static void epoch_wipe(struct session_epoch *epoch)
{
	aead_key_wipe(&epoch->to_switch);
	aead_key_wipe(&epoch->to_terminal);
	memset(epoch, 0, sizeof(*epoch));
}

static void session_wipe(struct session *session)
{
	uint32_t ended = session->session_id;

	for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++)
		epoch_wipe(&session->epochs[i]);
	explicit_bzero(session->reset_key, sizeof(session->reset_key));
	/* A later one may have been ended before it ever came. */
	if (session->ended_session_id > ended)
		ended = session->ended_session_id;
	memset(session, 0, offsetof(struct session, epochs));
	session->ended_session_id = ended;
}

void session_table_free(struct session_table *table)
{
	if (table == NULL)
		return;
	for (uint32_t slot = 0; slot < table->slots_max; slot++) {
		if (table->ids[slot] != 0)
			session_wipe(&table->arena[slot]);
	}
	(void)munmap(table->arena, table->arena_size);
	free(table->ids);
	free(table);
}

struct session *session_find(struct session_table *table, uint32_t session_id)
{
	uint32_t slot = session_slot(session_id);

	if (session_id == 0 || slot >= table->slots_max || table->ids[slot] != session_id)
		return NULL;
	return &table->arena[slot];
}

struct session *session_at(struct session_table *table, uint32_t slot)
{
	if (slot >= table->slots_max || table->ids[slot] == 0)
		return NULL;
	return &table->arena[slot];
}

uint32_t session_count(const struct session_table *table)
{
	return table->count;
}

/* Epochs are plain numbers: a session lives 24 hours and never sees them wrap. */
static int epoch_allowed(const struct session *session, uint16_t epoch, int current)
{
	if (!session->current_known)
		return 1;
	if (current)
		return epoch >= session->epoch_current;
	return (uint32_t)epoch + 1 >= session->epoch_current &&
	       epoch <= (uint32_t)session->epoch_current + 1;
}

/* A place for a new epoch's keys: a free entry, else the oldest, when it may go. */
static struct session_epoch *epoch_place(struct session *session, uint16_t epoch, int current)
{
	struct session_epoch *oldest = &session->epochs[0];

	for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++) {
		if (!session->epochs[i].held)
			return &session->epochs[i];
		if (session->epochs[i].epoch < oldest->epoch)
			oldest = &session->epochs[i];
	}
	if (current && (uint32_t)oldest->epoch + 1 < epoch)
		return oldest;
	return NULL;
}

static int epoch_fill(struct session_epoch *place, const struct session_install *install)
{
	enum aead_backend backend = aead_backend_default();
	int error;

	if (place->held)
		epoch_wipe(place);
	error = aead_key_init(
	    &place->to_switch, backend, install->to_switch_key, install->to_switch_iv);
	if (error == 0)
		error = aead_key_init(&place->to_terminal, backend, install->to_terminal_key,
		    install->to_terminal_iv);
	if (error != 0) {
		epoch_wipe(place);
		return error;
	}
	place->epoch = install->epoch;
	place->send_counter = 0;
	place->open_failed = 0;
	replay_reset(&place->replay);
	place->held = 1;
	return 0;
}

static void rates_set(struct session *session, const struct session_install *install)
{
	uint32_t rate = install->rate_per_s, burst = install->rate_burst;

	if (rate == 0)
		rate = SESSION_RATE_DEFAULT_PER_S;
	if (rate > SESSION_RATE_MAX_PER_S)
		rate = SESSION_RATE_MAX_PER_S;
	if (burst == 0)
		burst = SESSION_BURST_DEFAULT;
	session->rate_per_s = rate;
	session->rate_burst = burst;
	if (session->rate_tokens > (int64_t)burst << 16)
		session->rate_tokens = (int64_t)burst << 16;
}

static void current_set(struct session *session, uint16_t epoch)
{
	session->epoch_current = epoch;
	session->current_known = 1;
	for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++) {
		struct session_epoch *held = &session->epochs[i];

		if (held->held && (uint32_t)held->epoch + 1 < epoch)
			epoch_wipe(held);
	}
}

static void session_begin(struct session_table *table, struct session *session,
    const struct session_install *install, uint64_t now_ns)
{
	session->session_id = install->session_id;
	session->terminal_id = install->terminal_id;
	session->rate_tokens = INT64_MAX; /* cut to the burst by rates_set */
	session->rate_updated_ns = now_ns;
	session->last_seen_ns = now_ns;
	table->ids[session_slot(install->session_id)] = install->session_id;
	table->count++;
}

static void slot_end(struct session_table *table, uint32_t slot)
{
	session_wipe(&table->arena[slot]);
	table->ids[slot] = 0;
	table->count--;
}

int session_install(
    struct session_table *table, const struct session_install *install, uint64_t now_ns)
{
	uint32_t slot = session_slot(install->session_id);
	struct session *session;
	int live;

	if (slot >= table->slots_max || install->session_id >> LIMIT_SESSION_SLOT_BITS == 0)
		return -EINVAL;
	if (install->expires_ns != 0 && now_ns >= install->expires_ns)
		return -EINVAL;
	session = &table->arena[slot];
	live = table->ids[slot] != 0;
	if (live && session_expired(session, now_ns)) {
		slot_end(table, slot);
		live = 0;
	}
	if (live && (table->ids[slot] != install->session_id ||
	                session->terminal_id != install->terminal_id))
		return -EEXIST;
	/* Of the generations of a slot only later ones may follow: an old key would meet counter 1.
	 */
	if (!live && install->session_id >> LIMIT_SESSION_SLOT_BITS <= session->ended_session_id >>
	                 LIMIT_SESSION_SLOT_BITS)
		return -EEXIST;
	if (!epoch_allowed(session, install->epoch, install->current))
		return -EINVAL;
	if (session_epoch_find(session, install->epoch) == NULL) {
		struct session_epoch *place =
		    epoch_place(session, install->epoch, install->current);
		int error = place == NULL ? -EINVAL : epoch_fill(place, install);

		if (error != 0)
			return error;
	}
	if (!live)
		session_begin(table, session, install, now_ns);
	session->rights = install->rights;
	session->expires_ns = install->expires_ns;
	memcpy(session->reset_key, install->reset_key, sizeof(session->reset_key));
	rates_set(session, install);
	if (install->current)
		current_set(session, install->epoch);
	return 0;
}

int session_end(struct session_table *table, uint32_t session_id)
{
	uint32_t slot = session_slot(session_id);

	if (session_find(table, session_id) == NULL) {
		/* The same slot: ids compare as generations do. */
		if (slot < table->slots_max && session_id > table->arena[slot].ended_session_id)
			table->arena[slot].ended_session_id = session_id;
		return -ENOENT;
	}
	slot_end(table, slot);
	return 0;
}

unsigned session_expire(
    struct session_table *table, uint64_t now_ns, uint32_t *slot, unsigned count, uint32_t *ended)
{
	unsigned done = 0;

	for (unsigned i = 0; i < count && i < table->slots_max; i++) {
		uint32_t at = *slot < table->slots_max ? *slot : 0;

		*slot = at + 1;
		if (table->ids[at] == 0 || !session_expired(&table->arena[at], now_ns))
			continue;
		ended[done++] = table->ids[at];
		slot_end(table, at);
	}
	return done;
}

int session_wants_rotation(const struct session *session)
{
	for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++) {
		const struct session_epoch *epoch = &session->epochs[i];

		if (!epoch->held || epoch->epoch != session->epoch_current)
			continue;
		return epoch->send_counter >= LIMIT_EPOCH_SEALED_MAX / 4 * 3 ||
		       epoch->open_failed >= LIMIT_EPOCH_OPEN_FAILED_MAX;
	}
	return 0;
}
