/* SPDX-License-Identifier: Apache-2.0 */
/* All a worker ever needs is made here, and the rings between workers. */
#include <errno.h>
#include <sys/mman.h>

#include "dataplane/shard/worker.h"

/* From here on in whole pages of 2 MiB: every request touches windows and the pending table at
 * random, more pages of 4 KiB than a TLB holds. */
#define ARENA_HUGE_FROM ((size_t)1 << 20)
#define ARENA_HUGE_PAGE ((size_t)2 << 20)

static size_t arena_size(size_t size)
{
	return size < ARENA_HUGE_FROM ? size
	                              : (size + ARENA_HUGE_PAGE - 1) & ~(ARENA_HUGE_PAGE - 1);
}

/* Zeroed memory that costs nothing until touched. */
static void *arena(size_t size)
{
	void *memory = mmap(NULL, arena_size(size), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (size >= ARENA_HUGE_FROM)
		(void)madvise(memory, arena_size(size), MADV_HUGEPAGE); /* advice: works without */
	return memory;
}

static size_t windows_size(const struct worker *worker)
{
	return (size_t)worker->windows_max * sizeof(struct terminal_window);
}

static size_t heartbeats_size(const struct worker *worker)
{
	return (size_t)worker->windows_max * sizeof(struct terminal_heartbeat);
}

static size_t cash_size(const struct worker *worker)
{
	return (size_t)worker->windows_max * sizeof(struct terminal_cash);
}

#define ORIGINS_SIZE (2 * TRANSFERS_OPEN_MAX * sizeof(struct transfer_origin))
#define GROUP_SIZE   (LIMIT_LINKED_MAX * sizeof(struct ring_request))
#define EVENTS_SIZE  (LIMIT_LINKED_MAX * sizeof(struct event_buffer))

struct worker *worker_create(const struct worker_config *config)
{
	struct worker *worker = aligned_alloc(SLUICE_CACHE_LINE_SIZE,
	    (sizeof(*worker) + SLUICE_CACHE_LINE_SIZE - 1) & ~(size_t)(SLUICE_CACHE_LINE_SIZE - 1));
	uint32_t index_count = 16;

	if (worker == NULL)
		return NULL;
	memset(worker, 0, sizeof(*worker));
	while (index_count < 2 * config->terminals_max)
		index_count *= 2;
	worker->shard = config->shard;
	worker->shared = config->shared;
	worker->ledger = config->ledger;
	worker->windows_max = config->terminals_max;
	worker->window_index_mask = index_count - 1;
	worker->windows = arena(windows_size(worker));
	worker->heartbeats = arena(heartbeats_size(worker));
	worker->cash = arena(cash_size(worker));
	worker->origins = arena(ORIGINS_SIZE);
	worker->group = arena(GROUP_SIZE);
	worker->group_events = arena(EVENTS_SIZE);
	worker->window_index = arena((size_t)index_count * sizeof(uint32_t));
	worker->pending = arena(PENDING_MAX * sizeof(struct pending));
	worker->burst = arena(WORKER_MESSAGES_PER_TURN * sizeof(struct burst_message));
	worker->sessions = session_table_create(config->shared->slots_max, (uint8_t)config->shard);
	if (worker->windows == NULL || worker->heartbeats == NULL || worker->window_index == NULL ||
	    worker->pending == NULL || worker->burst == NULL || worker->sessions == NULL ||
	    worker->cash == NULL || worker->origins == NULL || worker->group == NULL ||
	    worker->group_events == NULL) {
		worker->ledger = NULL; /* stays the caller's on failure */
		worker_free(worker);
		return NULL;
	}
	return worker;
}

static void arena_free(void *memory, size_t size)
{
	if (memory != NULL)
		munmap(memory, arena_size(size));
}

void worker_free(struct worker *worker)
{
	if (worker == NULL)
		return;
	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		spsc_ring_free(worker->rings.handover_in[i]);
		spsc_ring_free(worker->rings.request_in[i]);
		spsc_ring_free(worker->rings.answer_in[i]);
		spsc_ring_free(worker->rings.transmit_in[i]);
		spsc_ring_free(worker->rings.parcel_in[i]);
		spsc_ring_free(worker->rings.receipt_in[i]);
		spsc_ring_free(worker->rings.shortage_in[i]);
	}
	spsc_ring_free(worker->rings.command);
	spsc_ring_free(worker->rings.result);
	spsc_ring_free(worker->rings.history_query);
	spsc_ring_free(worker->rings.history_found);
	session_table_free(worker->sessions);
	ledger_free(worker->ledger);
	arena_free(worker->windows, windows_size(worker));
	arena_free(worker->heartbeats, heartbeats_size(worker));
	arena_free(worker->cash, cash_size(worker));
	arena_free(worker->origins, ORIGINS_SIZE);
	arena_free(worker->group, GROUP_SIZE);
	arena_free(worker->group_events, EVENTS_SIZE);
	free(worker->resend);
	arena_free(
	    worker->window_index, ((size_t)worker->window_index_mask + 1) * sizeof(uint32_t));
	arena_free(worker->pending, PENDING_MAX * sizeof(struct pending));
	arena_free(worker->burst, WORKER_MESSAGES_PER_TURN * sizeof(struct burst_message));
	free(worker);
}

static int rings_between(struct worker *from, struct worker *to)
{
	uint32_t i = from->shard, j = to->shard;

	to->rings.handover_in[i] =
	    spsc_ring_create(RING_HANDOVER_COUNT, sizeof(struct ring_handover));
	to->rings.request_in[i] = spsc_ring_create(RING_REQUEST_COUNT, sizeof(struct ring_request));
	to->rings.answer_in[i] = spsc_ring_create(RING_ANSWER_COUNT, sizeof(struct outcome));
	to->rings.parcel_in[i] = spsc_ring_create(RING_PARCEL_COUNT, sizeof(struct ledger_parcel));
	to->rings.receipt_in[i] =
	    spsc_ring_create(RING_PARCEL_COUNT, sizeof(struct ledger_receipt));
	to->rings.shortage_in[i] =
	    spsc_ring_create(RING_SHORTAGE_COUNT, sizeof(struct ring_shortage));
	if (to->rings.handover_in[i] == NULL || to->rings.request_in[i] == NULL ||
	    to->rings.answer_in[i] == NULL || to->rings.parcel_in[i] == NULL ||
	    to->rings.receipt_in[i] == NULL || to->rings.shortage_in[i] == NULL)
		return -ENOMEM;
	from->rings.handover_out[j] = to->rings.handover_in[i];
	from->rings.request_out[j] = to->rings.request_in[i];
	from->rings.answer_out[j] = to->rings.answer_in[i];
	from->rings.parcel_out[j] = to->rings.parcel_in[i];
	from->rings.receipt_out[j] = to->rings.receipt_in[i];
	from->rings.shortage_out[j] = to->rings.shortage_in[i];
	if (from->owns_port_queues || j != 0)
		return 0;
	to->rings.transmit_in[i] =
	    spsc_ring_create(RING_TRANSMIT_COUNT, sizeof(struct ring_transmit));
	from->rings.transmit_out = to->rings.transmit_in[i];
	return from->rings.transmit_out == NULL ? -ENOMEM : 0;
}

int worker_connect(struct worker **workers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct worker_rings *rings = &workers[i]->rings;

		rings->command = spsc_ring_create(RING_COMMAND_COUNT, sizeof(struct shard_command));
		rings->result =
		    spsc_ring_create(RING_COMMAND_COUNT * 2, sizeof(struct shard_result));
		rings->history_query =
		    spsc_ring_create(RING_HISTORY_COUNT, sizeof(struct history_query));
		rings->history_found =
		    spsc_ring_create(RING_HISTORY_COUNT, sizeof(struct history_found));
		if (rings->command == NULL || rings->result == NULL ||
		    rings->history_query == NULL || rings->history_found == NULL)
			return -ENOMEM;
		for (uint32_t j = 0; j < count; j++)
			if (i != j && rings_between(workers[i], workers[j]) != 0)
				return -ENOMEM;
	}
	return 0;
}
