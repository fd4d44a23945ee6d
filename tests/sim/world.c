/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run: whose turn it is, what breaks and when, and in which order things are looked at in the
 * end. Everything is drawn from the seed.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/world.h"

#define IDLE_STEPS      12u
#define QUIET_NS        (600 * SECOND_NS)
#define QUIET_STEPS_MAX 2000000u
#define STARTS_MAX      64u
#define AGAIN_MAX       16u /* requests of a terminal asked again in the end */
#define DAMAGES         3u

enum phase {
	PHASE_SETUP = 1,
	PHASE_LOAD,
	PHASE_END,
	PHASE_AGAIN,
	PHASE_DAMAGE,
};

void world_violation(const struct world *world, const char *name, const char *format, ...)
{
	va_list values;

	fflush(stdout);
	fprintf(stderr, "violation %s, seed %llu: ", name, (unsigned long long)world->seed);
	va_start(values, format);
	vfprintf(stderr, format, values);
	va_end(values);
	fprintf(stderr, "\nthe last %d steps:\n", WORLD_TRACE_TAIL);
	trace_print(stderr, WORLD_TRACE_TAIL);
	fprintf(stderr, "violation %s, seed %llu; again with: sim --seed %llu --operations %u\n",
	    name, (unsigned long long)world->seed, (unsigned long long)world->seed,
	    world->plan.operations);
	fflush(stderr);
	_exit(1);
}

uint64_t world_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

uint32_t world_shard_of(const struct world *world, uint64_t key)
{
	struct ids_bucket_map map;

	ids_bucket_map_default(&map, world->plan.shards);
	return map.shard[ids_bucket_of_key(key)];
}

/* ---- What a seed chooses ---- */

static uint32_t often(uint32_t one_in, uint32_t most)
{
	return sim_below(one_in) == 0 ? 1 + (uint32_t)sim_below(most) : 0;
}

static void plan_make(struct world *world, uint32_t operations, uint32_t shards)
{
	struct world_plan *plan = &world->plan;

	*plan = (struct world_plan){
		.operations = operations,
		.shards = 1 + (uint32_t)sim_below(6),
		.crashes = (uint32_t)sim_below(5),
		.loss = often(2, 200000),
		.duplicate = often(2, 200000),
		.delay_ns = 20000 + sim_below(sim_below(2) ? 200000 : 20 * MILLISECOND_NS),
		.delay_long = often(3, 20000),
		.again = 20000 + (uint32_t)sim_below(200000),
		.stalls = often(3, 5000),
		.leaps = often(2, 600),
		.commands = 20000 + (uint32_t)sim_below(200000),
		.store_failures = often(8, 2000),
		.limits_fixed = (uint8_t)sim_below(2),
		.damage = sim_below(3) != 0,
		.archive = sim_below(3) == 0,
		.checkpoint_ms = 5 + (uint32_t)sim_below(sim_below(2) ? 50 : 2000),
	};
	/* A block of the log is 16 of these, what a shard writes in a run some 40. */
	plan->log_rotate = 10 + (uint32_t)sim_below(sim_below(2) ? 15 : 100);
	if (sim_below(2))
		plan->log_keep = 1 + (uint32_t)sim_below(2 * plan->log_rotate);
	if (plan->shards > WORLD_SHARDS_MAX)
		plan->shards = 2 + plan->shards % 2;
	if (shards != 0)
		plan->shards = shards;
	plan->marked = (uint8_t)sim_below(2);
	plan->depth = 1 + (uint32_t)sim_below(4);
	plan->edges = (uint32_t)sim_below(3);
	plan->disk = (struct sim_disk_faults){
		.write_error = often(8, 3000),
		.write_slow = often(3, 100000),
		.no_space = often(8, 50000),
		.read_error = often(10, 5000),
		.sync_error = often(10, 5000),
		.completion_reorder = often(2, 500000),
	};
}

/* ---- Start and end of the process ---- */

static void faults_set(const struct world *world, int on)
{
	static const struct sim_disk_faults none;

	sim_disk_set_faults(on ? &world->plan.disk : &none);
	if (!on)
		sim_lmdb_fail_next(0);
}

/* Starts it, whatever happens on the way. */
static void bring_up(struct world *world, int faults)
{
	if (world->plan.damage && sim_below(3) != 0)
		damage_make(world);
	for (unsigned tries = 0; tries < STARTS_MAX; tries++) {
		int status;

		/* What is refused for damage is so for nothing else. */
		faults_set(world, faults && tries < 8 && !world->damaged);
		if (faults && tries < 8 && sim_below(4) == 0)
			sim_disk_cut_after(1 + sim_below(sim_below(2) ? 60 : 2000));
		status = process_start(world);
		if (status == 0) {
			if (sim_disk_cut_due()) {
				process_crash(world, 0);
				continue;
			}
			sim_disk_cut_after(0);
			faults_set(world, 0);
			damage_started(world);
			oracle_audit(world, 1, world->damaged);
			oracle_check_start(world);
			if (world->damaged)
				damage_accepted(world);
			control_switch_up(world);
			faults_set(world, faults);
			return;
		}
		sim_disk_cut_after(0);
		if (status == 2)
			continue;
		if (world->damaged) {
			damage_refused(world);
			continue;
		}
		world->counts.refused_starts++;
		if (!faults || tries >= 8)
			world_violation(world, "start-refused", "%s", world->message);
		sim_clock_advance(SECOND_NS);
	}
	world_violation(world, "progress", "the switch does not come up");
}

static void die(struct world *world)
{
	switch (sim_below(5)) {
	case 0:
	case 1:
		process_crash(world, 1);
		break;
	case 2:
		if (process_stop(world) == 0)
			break;
		break;
	default:
		process_crash(world, 0);
		break;
	}
}

/* ---- Steps ---- */

static void leap(struct world *world)
{
	uint64_t kind = sim_below(20), ns = sim_below(3 * SECOND_NS);

	if (kind == 0)
		ns = sim_below(20 * 3600 * SECOND_NS);
	else if (kind < 4)
		ns = sim_below(3000 * SECOND_NS);
	if (sim_below(4) == 0)
		sim_clock_jump((int64_t)ns);
	else
		sim_clock_advance(ns);
	world->idle = 0;
	trace_note(TRACE_TIME, ns, 0, 0, 0);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Nothing moved for a while: on to whatever comes next. */
static void time_pass(struct world *world)
{
	uint64_t now_ns = sim_clock_ns(), next = now_ns + 20 * MILLISECOND_NS;

	next = earliest(next, sim_disk_next_ns());
	next = earliest(next, network_next_ns());
	for (uint32_t i = 0; i < WORLD_TERMINALS; i++)
		next = earliest(next, terminal_next_ns(&world->terminals[i]));
	world->idle = 0;
	if (next <= now_ns)
		return;
	sim_clock_advance(next - now_ns);
	trace_note(TRACE_TIME, next - now_ns, 0, 0, 0);
}

static int store_turn(struct world *world, uint32_t shard)
{
	if (!world->ending && sim_chance(world->plan.stalls))
		world->stall_ns[shard] = sim_clock_ns() + sim_below(3 * SECOND_NS);
	if (world->stall_ns[shard] > sim_clock_ns() && !world->ending)
		return 0;
	if (!world->ending && sim_chance(world->plan.store_failures)) {
		sim_lmdb_fail_next(sim_below(2) ? 28 /* ENOSPC */ : 5 /* EIO */);
		trace_note(TRACE_FAULT, 1, shard, 0, 0);
	}
	return process_store(world, shard);
}

static int worker_turn_of(struct world *world, uint32_t shard)
{
	if (!world->ending && sim_below(5000) == 0) /* taken off its CPU */
		world->worker_stall_ns[shard] = sim_clock_ns() + sim_below(20 * MILLISECOND_NS);
	if (world->worker_stall_ns[shard] > sim_clock_ns())
		return 0;
	return process_worker(world, shard);
}

static int disk_turn(void)
{
	uint64_t before = sim_disk_counts().completions;
	unsigned left = sim_disk_step();

	if (sim_disk_counts().completions == before)
		return 0;
	trace_note(TRACE_DISK, left, 0, 0, 0);
	return 1;
}

static int act(struct world *world, enum phase phase)
{
	uint32_t shards = world->plan.shards;
	uint64_t pick = sim_below(8 * shards + 15);

	if (pick < 6 * shards)
		return worker_turn_of(world, (uint32_t)(pick % shards));
	pick -= 6 * shards;
	if (pick < 2 * shards)
		return store_turn(world, (uint32_t)(pick % shards));
	pick -= 2 * shards;
	if (pick < 4)
		return disk_turn();
	if (pick < 8)
		return network_step(world);
	if (pick < 12)
		return phase == PHASE_SETUP
		           ? 0
		           : terminal_step(world, (uint32_t)sim_below(WORLD_TERMINALS));
	if (pick < 13)
		return control_step(world);
	if (pick < 14)
		return process_sealer(world, (uint32_t)sim_below(shards));
	return process_reader(world);
}

static void step(struct world *world, enum phase phase)
{
	world->step++;
	world->counts.steps++;
	sim_clock_advance(sim_below(3000));
	world->idle = act(world, phase) ? 0 : world->idle + 1;
	if (world->idle >= IDLE_STEPS)
		time_pass(world);
	if (sim_disk_cut_due()) {
		process_crash(world, 0);
		bring_up(world, phase == PHASE_LOAD);
		return;
	}
	if (world->stop_wanted != 0 && sim_below(200) == 0) {
		/* Its supervisor starts it again. */
		die(world);
		bring_up(world, phase == PHASE_LOAD);
		return;
	}
	if (world->step % 64 == 0)
		oracle_check_limits(world);
	if (world->step % 512 == 0)
		oracle_check_sums(world);
}

/* ---- Phases ---- */

static void crash_next(struct world *world)
{
	uint64_t left = world->plan.operations > world->operations
	                    ? world->plan.operations - world->operations
	                    : 1;

	world->crash_at = world->operations + 1 + sim_below(2 * left / (world->crashes_left + 1));
}

static void crash_now(struct world *world)
{
	world->crashes_left--;
	crash_next(world);
	if (sim_below(2)) {
		sim_disk_cut_after(1 + sim_below(sim_below(2) ? 20 : 400));
		return;
	}
	die(world);
	bring_up(world, 1);
	/* And once more, before the store has committed anything of this life. */
	if (sim_below(3) == 0)
		sim_disk_cut_after(1 + sim_below(150));
}

/*
 * Where a crash takes most with it, and which chance alone would hardly meet: a journal's writes
 * are in flight to two segments; its last one went into a file whose name is not durable.
 */
static void crash_at_edge(struct world *world)
{
	uint64_t unnamed = sim_disk_counts().unnamed;

	if (unnamed != world->unnamed && sim_below(4) == 0)
		sim_disk_cut_after(1 + sim_below(200));
	world->unnamed = unnamed;
	if (world->edges_left == 0 || !sim_disk_straddles() || sim_below(8) != 0)
		return;
	world->edges_left--;
	process_crash(world, 1);
	bring_up(world, 1);
	/* What the kill left in the device's cache was relied on by this start. */
	sim_disk_cut_after(1 + sim_below(400));
}

static void load(struct world *world)
{
	trace_note(TRACE_PHASE, PHASE_LOAD, 0, 0, 0);
	faults_set(world, 1);
	world->crashes_left = world->plan.crashes;
	world->edges_left = world->plan.edges;
	crash_next(world);
	while (world->operations < world->plan.operations) {
		step(world, PHASE_LOAD);
		if (world->crashes_left > 0 && world->operations >= world->crash_at)
			crash_now(world);
		crash_at_edge(world);
		if (sim_chance(world->plan.leaps))
			leap(world);
		if (sim_below(20000) == 0)
			oracle_audit(world, 0, 0);
	}
	/* What is still on its way meets the faults, too. */
	for (unsigned i = 0; i < 2000; i++)
		step(world, PHASE_LOAD);
}

static uint32_t waiting(const struct world *world)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < WORLD_TERMINALS; i++)
		count += world->terminals[i].flight_count;
	return count;
}

/* Until nobody waits for anything. */
static void quiet(struct world *world, enum phase phase)
{
	uint64_t until_ns = sim_clock_ns() + QUIET_NS;
	unsigned steps = 0;

	while (waiting(world) != 0 || !control_quiet(world) || !process_quiet(world) ||
	       world->stop_wanted != 0) {
		step(world, phase);
		if (sim_clock_ns() > until_ns || ++steps > QUIET_STEPS_MAX)
			world_violation(world, "progress",
			    "no faults any more, and after %llu s (%u steps) %u requests wait, "
			    "control %s, the switch %s",
			    (unsigned long long)(QUIET_NS / SECOND_NS), steps, waiting(world),
			    control_quiet(world) ? "does not" : "waits",
			    process_quiet(world) ? "is idle" : "is at work");
	}
}

static void faults_end(struct world *world)
{
	trace_note(TRACE_PHASE, PHASE_END, 0, 0, 0);
	faults_set(world, 0);
	sim_disk_cut_after(0);
	world->ending = 1;
	if (sim_disk_cut_due()) {
		process_crash(world, 0);
		bring_up(world, 0);
	}
	quiet(world, PHASE_END);
	oracle_audit(world, 0, 0);
	oracle_check_quiet(world);
}

/* Down and up once more, and everything that was answered is asked again. */
static void ask_again(struct world *world)
{
	trace_note(TRACE_PHASE, PHASE_AGAIN, 0, 0, 0);
	die(world);
	bring_up(world, 0);
	oracle_audit(world, 1, 1);
	for (uint32_t i = 0; i < WORLD_TERMINALS; i++) {
		struct terminal *terminal = &world->terminals[i];

		for (unsigned k = 0; k < AGAIN_MAX && terminal->next_id > 1; k++) {
			/* Half of them are still in the window. */
			uint32_t known = terminal->next_id - 1;
			uint32_t near = known < 64 ? known : 64;
			uint32_t id = k % 2 ? terminal->next_id - 1 - (uint32_t)sim_below(near)
			                    : 1 + (uint32_t)sim_below(known);

			terminal_wait_again(terminal, id);
		}
	}
	quiet(world, PHASE_AGAIN);
	oracle_audit(world, 0, 0);
	oracle_check_quiet(world);
}

/* Nothing is on its way, and all of it is in the journals. */
static void damage(struct world *world)
{
	trace_note(TRACE_PHASE, PHASE_DAMAGE, 0, 0, 0);
	for (unsigned i = 0; i < DAMAGES; i++) {
		die(world);
		bring_up(world, 0);
		quiet(world, PHASE_DAMAGE);
	}
	oracle_audit(world, 0, 1);
	oracle_check_quiet(world);
}

void world_run(struct world *world, uint64_t seed, uint32_t operations, uint32_t shards)
{
	world->seed = seed;
	world->running = world->ending = world->damaged = world->stop_wanted = 0;
	world->operations = world->idle = world->ticket_count = 0;
	world->step = world->transactions = world->unnamed = 0;
	memset(world->durable_lsn, 0, sizeof(world->durable_lsn));
	memset(world->committed_lsn, 0, sizeof(world->committed_lsn));
	memset(&world->bets, 0, sizeof(world->bets));
	memset(&world->tokens, 0, sizeof(world->tokens));
	memset(&world->withdrawals, 0, sizeof(world->withdrawals));
	sim_seed(seed);
	sim_disk_reset();
	plan_make(world, operations, shards);
	damage_reset();
	network_reset(world);
	terminals_make(world);
	control_make(world);
	oracle_make(world);
	faults_set(world, 0);
	trace_note(TRACE_PHASE, PHASE_SETUP, seed, world->plan.shards, 0);
	bring_up(world, 0);
	control_world_make(world);
	quiet(world, PHASE_SETUP);
	load(world);
	faults_end(world);
	ask_again(world);
	if (world->plan.damage)
		damage(world);
	if (world->running)
		process_crash(world, 0);
	terminals_free(world);
	oracle_free(world);
	world->counts.seeds++;
}
