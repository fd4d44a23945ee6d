/* SPDX-License-Identifier: Apache-2.0 */
/* Windows and drawers of the terminals at home here. */
#include <errno.h>

#include "dataplane/shard/worker.h"

/* The terminal's place in the index, or the empty one where it belongs. */
static uint32_t *window_place(const struct worker *worker, uint64_t terminal_id)
{
	uint64_t hash = XXH3_64bits(&terminal_id, sizeof(terminal_id));

	for (uint32_t probe = (uint32_t)hash;; probe++) {
		uint32_t *slot = &worker->window_index[probe & worker->window_index_mask];

		if (*slot == 0 || worker->windows[*slot - 1].terminal_id == terminal_id)
			return slot;
	}
}

static void window_allow(struct worker *worker, struct terminal_window *window)
{
	const struct terminal_row *row = ledger_terminal(worker->ledger, window->terminal_id);

	if (row == NULL)
		return;
	window->rights = row->rights;
	window->blocked = row->blocked;
	window->daily_max = row->daily_max;
}

uint32_t worker_window(struct worker *worker, uint64_t terminal_id)
{
	uint32_t *slot = window_place(worker, terminal_id);

	if (*slot == 0) {
		if (worker->windows_count == worker->windows_max)
			return UINT32_MAX;
		window_init(&worker->windows[worker->windows_count], terminal_id);
		*slot = ++worker->windows_count;
		window_allow(worker, &worker->windows[*slot - 1]);
	}
	return *slot - 1;
}

void worker_window_allow(struct worker *worker, uint64_t terminal_id)
{
	uint32_t window = worker_window(worker, terminal_id);

	/* No room: it has no session either, and none can be installed. */
	if (window != UINT32_MAX)
		window_allow(worker, &worker->windows[window]);
}

uint32_t worker_window_find(const struct worker *worker, uint64_t terminal_id)
{
	return *window_place(worker, terminal_id) - 1; /* 0, empty: UINT32_MAX */
}

int64_t worker_terminal_staked(struct worker *worker, struct terminal_window *window)
{
	uint32_t day = risk_day(&ledger_shard(worker->ledger)->rules, worker->now_ns);

	if (window->staked_day != day) {
		window->staked_day = day;
		window->staked_today = 0;
	}
	return window->staked_today;
}

int64_t worker_cash(const struct worker *worker, uint32_t window, uint16_t currency)
{
	const struct terminal_cash *cash = &worker->cash[window];

	for (unsigned i = 0; i < WORKER_CASH_CURRENCIES; i++)
		if (cash->currency[i] == currency)
			return cash->total[i];
	return 0;
}

int worker_cash_add(struct worker *worker, uint32_t window, uint16_t currency, int64_t amount)
{
	struct terminal_cash *cash = &worker->cash[window];

	for (unsigned i = 0; i < WORKER_CASH_CURRENCIES; i++) {
		if (cash->currency[i] != currency && cash->currency[i] != 0)
			continue;
		cash->currency[i] = currency;
		cash->total[i] += amount;
		return 0;
	}
	return -ENOSPC;
}
