/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control: numbered commands, one at a time, checked on all shards and then carried out, as the
 * data plane's admin jobs do (dataplane/admin/admin_job.c); after a start again from the lowest
 * number a shard has. Sessions are installed anew at every start.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/sim/world.h"

#define RETRY_NS (50 * MILLISECOND_NS)

void control_make(struct world *world)
{
	struct control *control = &world->control;
	struct shard_command *commands = control->commands;

	memset(control, 0, sizeof(*control));
	control->commands = commands;
	if (commands == NULL) {
		control->commands = calloc(CONTROL_COMMANDS_MAX, sizeof(*commands));
		SLUICE_REQUIRE(control->commands != NULL);
	}
	control->next = 1;
	control->ticket = 1000000;
	control->rules_version = 1;
}

void control_free(struct world *world)
{
	free(world->control.commands);
	world->control.commands = NULL;
}

struct shard_command *control_add(struct world *world)
{
	struct control *control = &world->control;
	struct shard_command *command;

	SLUICE_REQUIRE(control->count < CONTROL_COMMANDS_MAX);
	command = &control->commands[control->count++];
	memset(command, 0, sizeof(*command));
	command->kind = SHARD_LEDGER;
	command->ledger.control_sequence = control->count;
	world->counts.commands++;
	return command;
}

/* ---- Sessions ---- */

static void bytes_make(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)sim_random();
}

static void session_install_send(struct world *world, uint32_t number)
{
	struct terminal *terminal = &world->terminals[number];
	struct shard_command command = { .kind = SHARD_SESSION_INSTALL };
	struct session_install *install = &command.install;

	install->session_id = (number + 1) | ++terminal->generation << LIMIT_SESSION_SLOT_BITS;
	install->rights = RIGHT_ALL;
	install->terminal_id = terminal->id;
	install->epoch = 1;
	install->current = 1;
	bytes_make(install->to_switch_key, sizeof(install->to_switch_key));
	bytes_make(install->to_switch_iv, sizeof(install->to_switch_iv));
	bytes_make(install->to_terminal_key, sizeof(install->to_terminal_key));
	bytes_make(install->to_terminal_iv, sizeof(install->to_terminal_iv));
	bytes_make(install->reset_key, sizeof(install->reset_key));
	command.ticket = number + 1;
	if (!spsc_ring_push(world->process.workers[terminal->home]->rings.command, &command))
		return;
	terminal->install = *install;
	terminal->installing = 1;
	trace_note(TRACE_SESSION, install->session_id, number, install->epoch, 0);
}

static void session_installed(struct world *world, uint32_t number, int error)
{
	struct terminal *terminal = &world->terminals[number];

	if (error != 0)
		world_violation(world, "progress", "a session is refused: %s", strerror(-error));
	/* W3 */
	atomic_store_explicit(&world->process.shared.slot_home[number + 1], (uint8_t)terminal->home,
	    memory_order_release);
	terminal->installing = 0;
	terminal->installed = 1;
	terminal_keys(terminal);
}

static int sessions_step(struct world *world)
{
	int moved = 0, missing = 0;

	for (uint32_t i = 0; i < WORLD_TERMINALS; i++) {
		if (!world->terminals[i].installed && !world->terminals[i].installing) {
			session_install_send(world, i);
			moved = 1;
		}
		missing += !world->terminals[i].installed;
	}
	if (missing == 0 &&
	    atomic_load_explicit(&world->process.shared.open, memory_order_relaxed) == 0)
		/* W1 */
		atomic_store_explicit(&world->process.shared.open, 1, memory_order_release);
	return moved;
}

/* ---- Numbered commands ---- */

void control_switch_up(struct world *world)
{
	struct control *control = &world->control;
	uint64_t lowest = UINT64_MAX;

	for (uint32_t i = 0; i < world->plan.shards; i++) {
		uint64_t has = ledger_shard(world->process.workers[i]->ledger)->control_sequence;

		if (has < control->acknowledged[i])
			world_violation(world, "ack-lost",
			    "shard %u said command %llu was done and has %llu", i,
			    (unsigned long long)control->acknowledged[i], (unsigned long long)has);
		if (has > control->count)
			world_violation(world, "ack-lost", "shard %u has command %llu of %u", i,
			    (unsigned long long)has, control->count);
		if (has < lowest)
			lowest = has;
	}
	control->next = (uint32_t)lowest + 1;
	control->stage = CONTROL_IDLE;
	control->wait_until_ns = 0;
}

static int needs_check(const struct shard_command *command)
{
	return command->kind == SHARD_ACCOUNTS_OPEN ||
	       (command->ledger.type != EVENT_RULES_SET &&
	           command->ledger.type != EVENT_ACCOUNT_FREEZE &&
	           command->ledger.type != EVENT_FEEDBACK);
}

/* For good, as dataplane/admin/admin_job.c has it. */
static int is_refusal(int error)
{
	return error == -ENOENT || error == -EALREADY || error == -ERANGE || error == -EINVAL ||
	       error == -EACCES || error == -EPERM;
}

static int push_all(struct world *world, enum control_stage stage)
{
	struct control *control = &world->control;
	struct shard_command command = control->commands[control->next - 1];

	for (uint32_t i = 0; i < world->plan.shards; i++)
		if (spsc_ring_reserve(world->process.workers[i]->rings.command) == NULL)
			return 0;
	command.ticket = ++control->ticket;
	command.check = stage == CONTROL_CHECKING ? SHARD_CHECK : SHARD_DO;
	if (stage == CONTROL_DOING && control->refused != 0) {
		command.kind = SHARD_LEDGER;
		command.ledger = (struct ledger_command){
			.type = EVENT_COMMAND_MARK,
			.control_sequence = control->next,
		};
	}
	for (uint32_t i = 0; i < world->plan.shards; i++)
		SLUICE_REQUIRE(spsc_ring_push(world->process.workers[i]->rings.command, &command));
	control->stage = (uint8_t)stage;
	control->shards_left = world->plan.shards;
	control->error = 0;
	trace_note(TRACE_COMMAND, control->next,
	    command.kind == SHARD_LEDGER ? command.ledger.type : 0, (uint64_t)stage, 0);
	return 1;
}

static void all_answered(struct world *world)
{
	struct control *control = &world->control;
	enum control_stage stage = (enum control_stage)control->stage;

	control->stage = CONTROL_IDLE;
	if (stage == CONTROL_CHECKING && (control->error == 0 || is_refusal(control->error))) {
		if (control->commands[control->next - 1].kind == SHARD_LEDGER)
			control->refused = control->error;
		if (!push_all(world, CONTROL_DOING))
			control->wait_until_ns = sim_clock_ns() + RETRY_NS;
		return;
	}
	if (stage == CONTROL_DOING && (control->error == 0 || is_refusal(control->error))) {
		if (control->done < control->next)
			control->done = control->next;
		control->next++;
		return;
	}
	control->wait_until_ns = sim_clock_ns() + RETRY_NS; /* BUSY, EIO: again */
}

static void result_take(struct world *world, uint32_t shard, const struct shard_result *result)
{
	struct control *control = &world->control;

	trace_note(
	    TRACE_RESULT, shard, result->ticket, (uint64_t)(int64_t)result->error, result->already);
	if (result->ticket <= WORLD_TERMINALS) {
		session_installed(world, (uint32_t)result->ticket - 1, result->error);
		return;
	}
	if (result->ticket != control->ticket || control->stage == CONTROL_IDLE)
		return;
	if (control->stage == CONTROL_DOING && (result->error == 0 || is_refusal(result->error)) &&
	    control->acknowledged[shard] < control->next)
		control->acknowledged[shard] = control->next;
	if (result->error != 0 && (control->error == 0 || is_refusal(control->error)))
		control->error = result->error;
	if (--control->shards_left == 0)
		all_answered(world);
}

static int numbered_step(struct world *world)
{
	struct control *control = &world->control;

	if (control->stage != CONTROL_IDLE || control->wait_until_ns > sim_clock_ns())
		return 0;
	if (control->next > control->count) {
		if (world->ending || !sim_chance(world->plan.commands) ||
		    world->operations >= world->plan.operations)
			return 0;
		control_command_make(world);
		if (control->next > control->count)
			return 0;
	}
	control->refused = 0;
	return push_all(world,
	    needs_check(&control->commands[control->next - 1]) ? CONTROL_CHECKING : CONTROL_DOING);
}

int control_step(struct world *world)
{
	struct shard_result result;
	int moved = 0;

	for (uint32_t i = 0; i < world->plan.shards; i++)
		while (spsc_ring_pop(world->process.workers[i]->rings.result, &result)) {
			result_take(world, i, &result);
			moved = 1;
		}
	moved |= sessions_step(world);
	return moved | numbered_step(world);
}

int control_quiet(const struct world *world)
{
	for (uint32_t i = 0; i < WORLD_TERMINALS; i++)
		if (!world->terminals[i].installed)
			return 0;
	return world->control.stage == CONTROL_IDLE && world->control.next > world->control.count;
}
