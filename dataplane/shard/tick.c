/* SPDX-License-Identifier: Apache-2.0 */
/* What the clock brings besides ledger_decide_due: the day change, sessions past their time. */
#include "dataplane/shard/worker.h"

void worker_expire(struct worker *worker)
{
	uint32_t ended[WORKER_EXPIRE_SLOTS];
	unsigned count;

	if (worker->now_ns < worker->expire_due_ns)
		return;
	worker->expire_due_ns = worker->now_ns + WORKER_EXPIRE_NS;
	count = session_expire(
	    worker->sessions, worker->now_ns, &worker->expire_slot, WORKER_EXPIRE_SLOTS, ended);
	for (unsigned i = 0; i < count; i++)
		/* W3: no keys are left; main may give the slot to any shard. */
		atomic_store_explicit(
		    &worker->shared->slot_home[ended[i] & (LIMIT_SESSION_SLOTS - 1)], 0xff,
		    memory_order_release);
}

/*
 * Time enters the state only as event time. A TICK is journalled when a second has passed without
 * any event while something waits for time: the day change of the limits.
 */
void worker_tick(struct worker *worker)
{
	const struct shard_row *shard = ledger_shard(worker->ledger);
	struct ledger_command tick = { .type = EVENT_TICK };

	if (worker->now_ns < worker->tick_due_ns)
		return;
	worker->tick_due_ns = worker->now_ns + WORKER_TICK_NS;
	if (shard->lsn == 0 ||
	    risk_day(&shard->rules, shard->time_ns) == risk_day(&shard->rules, worker->now_ns))
		return;
	(void)worker_command_event(worker, &tick); /* no room: due again in a second */
}
