/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch of a run: put together as main.c and start.c do, but for EAL, ports, threads and the
 * admin socket. Recovery, stores, journals, workers and reader are production code; their turns are
 * given by world.c.
 */
#include <errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "dataplane/placement.h"
#include "dataplane/risk/risk_features.h"
#include "dataplane/risk/risk_model.h"
#include "lmdb-schema/schema.h"
#include "tests/sim/world.h"

#define ROOT "/sim"

static struct rte_mempool *pool;
static _Atomic uint8_t slot_home[64];

/* ---- What recover.c and ticket_key.c call besides ---- */

void log_line(enum log_level level, const char *event, const char *format, ...)
{
	(void)level;
	(void)event;
	(void)format;
}

void log_numbers(enum log_level level, const char *event, const struct log_number *numbers,
    size_t count, const char *format, ...)
{
	(void)level;
	(void)event;
	(void)numbers;
	(void)count;
	(void)format;
}

int placement_interrupt_cpu(const char *path)
{
	(void)path;
	return -1;
}

void process_prepare(struct rte_mempool *packets)
{
	pool = packets;
}

/* A model that control has made: trees of depth 1, for stakes from 2^11 on and for the count of a
 * day. Rules ask it or do not (control_commands.c). */
static struct shard_model *model_held(void)
{
	static struct shard_model held = { .version = WORLD_MODEL };
	int32_t *leaves;

	if (held.model != NULL)
		return &held;
	held.model = calloc(1, risk_model_size(2, 1));
	SLUICE_REQUIRE(held.model != NULL);
	*held.model = (struct risk_model){ .tree_count = 2,
		.depth = 1,
		.feature_count = RISK_FEATURE_COUNT,
		.features_version = RISK_FEATURES_VERSION,
		.margin_alert = RISK_MODEL_ONE };
	held.model->nodes[0] = (struct risk_model_node){ 11.0f, RISK_FEATURE_amount_log, 0 };
	held.model->nodes[2] = (struct risk_model_node){ 2.5f, RISK_FEATURE_account_24h, 0 };
	leaves = risk_model_leaves(held.model);
	leaves[1] = RISK_MODEL_ONE / 2;
	leaves[3] = RISK_MODEL_ONE / 4;
	return &held;
}

static void configure(struct world *world)
{
	static char archive[] = "archive";

	world->config = (struct dataplane_config){
		.shards = world->plan.shards,
		.polling = CONFIG_POLLING_BUSY,
		.capacity = { .accounts = 256,
		    .bets = 4096,
		    .markets = 64,
		    .terminals = 32,
		    .sessions = 32,
		    .objects = 8192 },
		.journal = { .segment_mib = 1,
		    .depth = world->plan.depth,
		    .segments_ready = 2,
		    .segments_max = 12 },
		.archive = { .directory = world->plan.archive ? archive : NULL, .keep_days = 30 },
		/* In 4 KiB here (dataplane/recover.c). */
		.store = { .log_rotate_mib = world->plan.log_rotate,
		    .log_keep_mib = world->plan.log_keep,
		    .checkpoint_interval_ms = world->plan.checkpoint_ms },
	};
}

static void shared_prepare(struct world *world)
{
	struct switch_shared *shared = &world->process.shared;

	shared->shard_count = world->plan.shards;
	shared->slots_max = 33;
	shared->polling = POLLING_BUSY;
	shared->port_count = 1;
	shared->ports[0] = (struct port *)(uintptr_t)world; /* network.c looks at none */
	shared->pool = pool;
	shared->slot_home = slot_home;
	atomic_init(&shared->model, model_held());
	ids_bucket_map_default(&shared->buckets, shared->shard_count);
	for (uint32_t i = 0; i < SLUICE_ARRAY_COUNT(slot_home); i++)
		atomic_init(&slot_home[i], 0xff);
}

/* ---- Letting go ---- */

static void buffers_free(struct worker *worker, uint32_t count)
{
	struct ring_handover handover;
	struct ring_transmit transmit;

	for (uint32_t i = 0; i < count; i++) {
		while (worker->rings.handover_in[i] != NULL &&
		       spsc_ring_pop(worker->rings.handover_in[i], &handover))
			rte_pktmbuf_free(handover.mbuf);
		while (worker->rings.transmit_in[i] != NULL &&
		       spsc_ring_pop(worker->rings.transmit_in[i], &transmit))
			rte_pktmbuf_free(transmit.mbuf);
	}
	rte_pktmbuf_free(worker->builder.mbuf);
	for (uint16_t i = 0; i < worker->transmit_count[0]; i++)
		rte_pktmbuf_free(worker->transmit[0][i]);
}

/* What the world outside may rely on. */
static void durable_note(struct world *world)
{
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		const struct worker *worker = world->process.workers[i];
		struct store_status status;

		if (worker != NULL && worker->durable_lsn > world->durable_lsn[i])
			world->durable_lsn[i] = worker->durable_lsn;
		if (world->process.stores[i] == NULL)
			continue;
		store_status(world->process.stores[i], &status);
		if (status.committed_lsn > world->committed_lsn[i])
			world->committed_lsn[i] = status.committed_lsn;
	}
}

/* What a process that is gone, or did not come up, holds in this one. */
static void let_go(struct world *world)
{
	struct switch_process *process = &world->process;

	durable_note(world);
	network_crash();
	switch_seal_stop(process);
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		if (process->workers[i] != NULL) {
			buffers_free(process->workers[i], world->plan.shards);
			worker_end(process->workers[i]);
		}
		switch_shard_free(process, i);
	}
	reader_free(process->reader);
	log_past_close(process->past);
	if (process->lock_fd > 0)
		close(process->lock_fd);
	if (rte_mempool_in_use_count(pool) != 0)
		world_violation(world, "buffers", "%u packet buffers are nobody's",
		    rte_mempool_in_use_count(pool));
	explicit_bzero(process, sizeof(*process));
	world->running = 0;
	world->stop_wanted = 0;
	for (uint32_t i = 0; i < WORLD_TERMINALS; i++)
		terminal_switch_gone(&world->terminals[i]);
	world->control.stage = CONTROL_IDLE;
}

void process_crash(struct world *world, int kill_only)
{
	trace_note(TRACE_CRASH, (uint64_t)kill_only, world->operations, 0, 0);
	sim_disk_power_off(kill_only);
	let_go(world);
	sim_disk_power_on();
	if (kill_only)
		world->counts.kills++;
	else
		world->counts.crashes++;
}

/* ---- Start ---- */

static int parts_start(struct world *world)
{
	struct switch_process *process = &world->process;
	int status = switch_directories(process);

	if (status == 0)
		status = switch_ticket_key(process, 0);
	if (status == 0)
		status = switch_recover(process);
	if (status != 0)
		return status;
	for (uint32_t i = 0; i < world->plan.shards; i++)
		process->workers[i]->owns_port_queues = i == 0;
	if (worker_connect(process->workers, world->plan.shards) != 0)
		return -ENOMEM;
	process->reader =
	    reader_create(&process->shared, process->workers, process->stores, process->histories);
	reader_past_set(process->reader, process->past);
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		status = worker_begin(process->workers[i]);
		if (status != 0) {
			snprintf(process->message, sizeof(process->message), "%s",
			    process->workers[i]->message);
			return status;
		}
	}
	return 0;
}

int process_start(struct world *world)
{
	struct switch_process *process = &world->process;
	int status;

	configure(world);
	process->config = &world->config;
	snprintf(process->root, sizeof(process->root), ROOT);
	shared_prepare(world);
	process->started_ns = sim_clock_ns();
	process->accept_clock = 0;
	world->recovering = 1;
	if (!world->plan.marked)
		(void)unlink(ROOT "/var/lib/sluice/" SCHEMA_MADE_NAME);
	status = parts_start(world);
	world->recovering = 0;
	trace_note(TRACE_START, (uint64_t)status, (uint64_t)sim_disk_cut_due(), 0, 0);
	if (sim_disk_cut_due()) {
		process_crash(world, 0);
		return 2;
	}
	if (status != 0) {
		snprintf(world->message, sizeof(world->message), "%s", process->message);
		sim_disk_power_off(1); /* the program ends */
		let_go(world);
		sim_disk_power_on();
		return 1;
	}
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		const struct journal_report *report = &process->shards[i].journal_report;

		trace_note(TRACE_STARTED, i, report->cut_lsn, report->from_lsn - 1,
		    report->batches_discarded);
		world->stall_ns[i] = world->worker_stall_ns[i] = 0;
	}
	world->reader_stall_ns = 0;
	world->running = 1;
	world->started_ns = sim_clock_ns();
	world->counts.restarts++;
	return 0;
}

/* ---- Turns ---- */

int process_worker(struct world *world, uint32_t shard)
{
	struct worker *worker = world->process.workers[shard];
	/* W1, as the worker's loop loads it. */
	int open = atomic_load_explicit(&world->process.shared.open, memory_order_acquire) != 0;
	unsigned moved = worker_turn(worker, open);

	if (moved != 0)
		trace_note(TRACE_WORKER, shard, moved, ledger_shard(worker->ledger)->lsn,
		    worker->durable_lsn);
	if (journal_writer_error(worker->journal) != 0 && world->stop_wanted == 0) {
		world->stop_wanted = 1;
		world->counts.write_errors++;
	}
	return moved != 0;
}

int process_store(struct world *world, uint32_t shard)
{
	struct switch_store_turn turn;
	struct store_status status;

	/* The turn may put away what it has checkpointed. */
	if (world->plan.log_keep != 0)
		oracle_follow(world, shard);
	turn = switch_store_turn(&world->process.shards[shard], sim_clock_ns());
	if (turn.work != 0 || turn.keeper != 0) {
		store_status(world->process.stores[shard], &status);
		trace_note(TRACE_STORE, shard, (uint64_t)turn.work, (uint64_t)turn.keeper,
		    status.applied_lsn);
	}
	if (turn.work < 0 && world->stop_wanted == 0) {
		world->stop_wanted = 2;
		world->counts.store_failures++;
	}
	return turn.work > 0 || turn.keeper > 0;
}

int process_reader(struct world *world)
{
	int moved = reader_work(world->process.reader, sim_clock_ns());

	if (moved)
		trace_note(TRACE_READER, 0, 0, 0, 0);
	return moved;
}

int process_sealer(struct world *world, uint32_t shard)
{
	struct journal_sealer *sealer = world->process.background[shard].sealer;

	return sealer != NULL && journal_sealer_work(sealer, world_now()) == 1;
}

int process_quiet(const struct world *world)
{
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		const struct worker *worker = world->process.workers[i];
		struct store_status status;

		store_status(world->process.stores[i], &status);
		if (worker->pending_head != worker->pending_tail || worker->remote_running != 0 ||
		    worker->transfers_open != 0 || worker->walk.active ||
		    worker->durable_lsn != ledger_shard(worker->ledger)->lsn ||
		    status.committed_lsn != worker->durable_lsn)
			return 0;
	}
	return 1;
}

/* ---- Orderly stop ---- */

/* Everything owed is out, as the worker's loop asks before it ends. */
static int drained(const struct world *world)
{
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		const struct worker *worker = world->process.workers[i];

		if (worker->pending_head != worker->pending_tail || worker->remote_running != 0 ||
		    worker->transfers_open != 0 ||
		    (journal_writer_error(worker->journal) == 0 &&
		        worker->durable_lsn != ledger_shard(worker->ledger)->lsn))
			return 0;
	}
	return 1;
}

static void workers_drain(struct world *world)
{
	uint64_t until_ns = sim_clock_ns() + 5 * SECOND_NS;

	/* W2 */
	atomic_store_explicit(&world->process.shared.stop, 1, memory_order_release);
	while (!drained(world) && sim_clock_ns() < until_ns && !sim_disk_cut_due()) {
		for (uint32_t i = 0; i < world->plan.shards; i++) {
			(void)worker_turn(world->process.workers[i], 0);
			if (sim_below(4) == 0)
				(void)process_store(world, i);
		}
		sim_clock_advance(20000 + sim_below(100000));
		(void)sim_disk_step();
		(void)network_step(world);
	}
	for (uint32_t i = 0; i < world->plan.shards && !sim_disk_cut_due(); i++)
		(void)worker_turn(world->process.workers[i], 0); /* frames of the others */
}

int process_stop(struct world *world)
{
	struct switch_process *process = &world->process;

	trace_note(TRACE_STOP, world->operations, 0, 0, 0);
	workers_drain(world);
	/* relaxed: one thread; the stores no longer give way to a walk */
	atomic_store_explicit(&process->workers_ended, 1, memory_order_relaxed);
	for (uint32_t i = 0; i < world->plan.shards && !sim_disk_cut_due(); i++) {
		uint64_t durable = process->workers[i]->durable_lsn;
		struct store_status status;
		int work;

		worker_end(process->workers[i]);
		do {
			oracle_follow(world, i);
			work = switch_store_turn(&process->shards[i], sim_clock_ns()).work;
			store_status(process->stores[i], &status);
			sim_clock_advance(MILLISECOND_NS);
		} while (work >= 0 && status.applied_lsn < durable && !sim_disk_cut_due());
		if (!sim_disk_cut_due()) {
			/* It commits, and puts away at once what it has committed. */
			if (world->plan.log_keep != 0)
				(void)!store_commit(process->stores[i]);
			oracle_follow(world, i);
			(void)!store_checkpoint_now(process->stores[i]);
		}
	}
	if (sim_disk_cut_due()) {
		process_crash(world, 0);
		return 2;
	}
	let_go(world);
	world->counts.clean_stops++;
	return 0;
}
