/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wire/codes.h"
#include "wire/limits.h"

#define BUSY_WAIT_NS_DEFAULT 1000000ull
#define BUSY_WAIT_MS_MAX     1000u
#define RESEND_SCANS_MIN     1u
#define POLL_NS_MAX          100000u
#define SLICE_NS             100000u
#define MOVED_MUCH           8u
#define BUSY_SLEEP_NS        1000l
#define EASY_SLEEP_NS        60000l
#define ALONE_SLEEP_NS       20000l
#define LOAD_DRAIN_NS        60000000000ull

uint64_t load_clock_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static void ready_push(struct load *load, uint32_t terminal)
{
	uint32_t end = load->ready_first + load->ready_count++;

	load->terminals[terminal].queued = 1;
	load->ready[end < load->terminal_count ? end : end - load->terminal_count] = terminal;
}

static uint32_t ready_pop(struct load *load)
{
	uint32_t terminal = load->ready[load->ready_first++];

	if (load->ready_first == load->terminal_count)
		load->ready_first = 0;
	load->ready_count--;
	load->terminals[terminal].queued = 0;
	return terminal;
}

int load_create(
    struct load *load, const struct session_list *sessions, uint64_t boot_id, uint16_t epoch)
{
	int result = 0;

	load->terminal_count = (uint32_t)sessions->count;
	load->terminals =
	    aligned_alloc(64, sessions->count * ((sizeof(*load->terminals) + 63) / 64 * 64));
	load->ready = calloc(sessions->count, sizeof(*load->ready));
	load->terminal_of_slot = malloc(LIMIT_SESSION_SLOTS * sizeof(*load->terminal_of_slot));
	if (load->terminals == NULL || load->ready == NULL || load->terminal_of_slot == NULL) {
		load->terminal_count = 0;
		load_free(load);
		return -ENOMEM;
	}
	memset(load->terminal_of_slot, 0xff, LIMIT_SESSION_SLOTS * sizeof(int32_t));
	for (uint32_t i = 0; i < load->terminal_count && result == 0; i++) {
		int32_t *slot = &load->terminal_of_slot[sessions->entries[i].session_id &
		                                        (LIMIT_SESSION_SLOTS - 1)];

		result = terminal_init(&load->terminals[i], &sessions->entries[i]);
		if (result == 0 && *slot >= 0)
			result = -EEXIST;
		if (result == 0)
			result = terminal_rekey(&load->terminals[i], boot_id, epoch);
		*slot = (int32_t)i;
		if (result != 0)
			load->terminal_count = i;
	}
	if (result != 0) {
		load_free(load);
		return result;
	}
	load->plan.choices = load->choices;
	settle_init(&load->settle);
	return 0;
}

void load_free(struct load *load)
{
	for (uint32_t i = 0; i < load->terminal_count; i++)
		terminal_wipe(&load->terminals[i]);
	free(load->terminals);
	free(load->ready);
	free(load->terminal_of_slot);
	load->terminals = NULL;
	load->ready = NULL;
	load->terminal_of_slot = NULL;
	load->terminal_count = 0;
}

struct bench_terminal *load_terminal(struct load *load, const struct io_packet *packet)
{
	struct frame_header header;
	int32_t index;

	if (packet->size < LIMIT_DATAGRAM_SIZE_MIN)
		return NULL;
	memcpy(&header, packet->data, sizeof(header));
	if (header.flags != FRAME_FLAG_FROM_SWITCH || header.version_kind >> 4 != WIRE_VERSION)
		return NULL;
	index = load->terminal_of_slot[le32_get(header.session_id) & (LIMIT_SESSION_SLOTS - 1)];
	if (index < 0 || load->terminals[index].entry->session_id != le32_get(header.session_id))
		return NULL;
	return &load->terminals[index];
}

/* What later requests of the terminal can be about, and counts by kind. */
static void outcome_note(struct load *load, struct bench_terminal *terminal, uint64_t request_id,
    enum request_kind kind, const struct reply_block *reply)
{
	int accepted = le16_get(reply->code) == WIRE_CODE_OK;

	load->kinds_acked[kind]++;
	load->kinds_accepted[kind] += (unsigned)accepted;
	if (kind == REQUEST_TX_STATUS) {
		load->counts.asked_total++;
		return;
	}
	terminal->id_last = request_id;
	if (kind == REQUEST_PLACE_BET && accepted)
		terminal->bet_last = le64_get(reply->object_id);
}

/* A final outcome, or a failure that no resend can change. */
static void slot_finish(struct load *load, struct bench_terminal *terminal, struct bench_slot *slot,
    enum request_kind kind, const struct reply_block *reply, uint64_t now_ns)
{
	uint16_t code = le16_get(reply->code);

	slot->state = SLOT_DONE;
	slot->code = code;
	slot->lsn = le64_get(reply->lsn);
	terminal->waiting--;
	load->in_flight--;
	load->codes[code]++;
	if (!wire_code_is_final(code)) {
		load->counts.failed++;
		return;
	}
	load->counts.acked_total++;
	terminal->acked++;
	outcome_note(load, terminal, slot->request_id, kind, reply);
	interval_record(&load->interval, now_ns - slot->intended_ns);
	if (now_ns >= load->measure_ns && now_ns < load->end_ns) {
		load->counts.acked++;
		load->counts.accepted += code == WIRE_CODE_OK;
	}
	if (slot->intended_ns < load->measure_ns || slot->intended_ns >= load->end_ns)
		return;
	if (settle_meets(&load->settle, slot->intended_ns, now_ns)) {
		histogram_record(&load->latency_during, now_ns - slot->intended_ns);
		return;
	}
	histogram_record(&load->latency, now_ns - slot->intended_ns);
	if (settle_follows(&load->settle, now_ns))
		histogram_record(&load->latency_before, now_ns - slot->intended_ns);
}

static void slot_retry(struct load *load, struct bench_terminal *terminal, struct bench_slot *slot,
    const struct reply_block *reply, uint64_t now_ns)
{
	uint16_t wait_ms = le16_get(reply->detail);

	/* The switch works on it and will answer: asking every millisecond would only be load. */
	if (le16_get(reply->code) == WIRE_CODE_IN_PROGRESS) {
		slot->due_ns = now_ns + LOAD_RESEND_NS;
		load->counts.in_progress++;
		return;
	}
	if (load->shed) {
		slot->state = SLOT_DONE;
		slot->code = le16_get(reply->code);
		terminal->waiting--;
		load->in_flight--;
		load->codes[slot->code]++;
		load->counts.busy++;
		return;
	}
	if (wait_ms > BUSY_WAIT_MS_MAX)
		wait_ms = BUSY_WAIT_MS_MAX;
	slot->due_ns = now_ns + (wait_ms > 0 ? wait_ms * 1000000ull : BUSY_WAIT_NS_DEFAULT);
	if (slot->due_ns < terminal->due_ns)
		terminal->due_ns = slot->due_ns;
	load->counts.busy++;
}

static void answer_accept(struct load *load, struct bench_terminal *terminal,
    const struct message_header *header, const struct reply_block *reply, uint64_t now_ns)
{
	uint64_t id = le64_get(header->request_id);
	struct bench_slot *slot = &terminal->slots[id % LIMIT_REQUEST_WINDOW];
	enum request_kind kind = request_kind_answered(le16_get(header->template_id));
	uint16_t code = le16_get(reply->code);

	if (kind == REQUEST_KINDS)
		return; /* a late answer of the greeting */
	if (slot->request_id != id || slot->state == SLOT_FREE)
		return; /* older than what is kept: its outcome was counted */
	if (slot->state == SLOT_DONE) {
		if (wire_code_class(code) == WIRE_CLASS_TRANSIENT && slot->sends > 1)
			return;
		if (slot->sends > 1 && slot->code == code && slot->lsn == le64_get(reply->lsn))
			load->counts.answers_repeated++;
		else
			load->counts.duplicated++;
		return;
	}
	if (wire_code_class(code) == WIRE_CLASS_TRANSIENT)
		slot_retry(load, terminal, slot, reply, now_ns);
	else
		slot_finish(load, terminal, slot, kind, reply, now_ns);
}

void load_accept(struct load *load, const struct io_packet *packet, uint64_t now_ns)
{
	struct bench_terminal *terminal = load_terminal(load, packet);
	size_t offset = LIMIT_FRAME_HEADER_SIZE, end;
	int text_size;

	if (terminal == NULL) {
		load->counts.bad_answers++;
		return;
	}
	if ((packet->data[0] & 0xf) == FRAME_KIND_RESET) {
		int result = terminal_reset(terminal, packet->data, packet->size);

		load->counts.resets += result == 1;
		load->counts.bad_answers += result < 0;
		return;
	}
	text_size = terminal_open(terminal, packet->data, packet->size);
	if (text_size < 0) {
		load->counts.bad_answers++;
		return;
	}
	end = offset + (size_t)text_size;
	while (offset < end) {
		struct message_header header;
		struct reply_block reply;
		size_t length;

		if (end - offset < sizeof(header) + sizeof(reply)) {
			load->counts.bad_answers++;
			return;
		}
		memcpy(&header, packet->data + offset, sizeof(header));
		memcpy(&reply, packet->data + offset + sizeof(header), sizeof(reply));
		length = le16_get(header.total_length);
		if (length < sizeof(header) + sizeof(reply) || length > end - offset) {
			load->counts.bad_answers++;
			return;
		}
		answer_accept(load, terminal, &header, &reply, now_ns);
		offset += length;
	}
	if (!terminal->queued && terminal_has_room(terminal, load->messages_per_datagram))
		ready_push(load, (uint32_t)(terminal - load->terminals));
}

/* Receives one burst. Returns the number of datagrams. */
static unsigned turn_receive(struct load *load)
{
	struct io_packet packets[LIMIT_BURST];
	unsigned count = load->io->receive(load->io, packets, LIMIT_BURST);
	uint64_t now_ns;

	if (count == 0)
		return 0;
	for (unsigned i = 0; i < count; i++) {
		struct bench_terminal *terminal = load_terminal(load, &packets[i]);

		if (terminal != NULL) {
			__builtin_prefetch(&terminal->next_id);
			__builtin_prefetch(terminal->to_terminal.state);
		}
	}
	now_ns = load_clock_ns();
	for (unsigned i = 0; i < count; i++)
		load_accept(load, &packets[i], now_ns);
	load->io->release(load->io);
	return count;
}

/* Requests that may be sent now. Sets the time the first was intended for and the step after it. */
static uint64_t turn_budget(
    struct load *load, uint64_t now_ns, uint64_t *intended_ns, uint64_t *step_ns)
{
	uint64_t until = now_ns < load->end_ns ? now_ns : load->end_ns;
	uint64_t due;

	if (load->in_flight_max > 0) {
		*intended_ns = now_ns;
		*step_ns = 0;
		if (now_ns >= load->end_ns || load->in_flight >= load->in_flight_max)
			return 0;
		return load->in_flight_max - load->in_flight;
	}
	/* After the end the backlog is still sent, so that its waiting is measured too. */
	due = (uint64_t)((__uint128_t)(until - load->start_ns) * load->rate / 1000000000u);
	*intended_ns =
	    load->start_ns + (uint64_t)((__uint128_t)load->scheduled * 1000000000u / load->rate);
	*step_ns = 1000000000u / load->rate;
	return due - load->scheduled;
}

/* Sends new requests, at most a burst of datagrams. Returns the number of datagrams. */
static unsigned turn_send(struct load *load)
{
	struct io_packet packets[LIMIT_BURST];
	unsigned batch = load->messages_per_datagram, count = 0, room;
	uint64_t now_ns = load_clock_ns(), intended_ns, step_ns, budget;

	if (load->requests_max > 0 && load->scheduled >= load->requests_max &&
	    now_ns < load->end_ns) {
		load->end_ns = now_ns;
		load->drain_ns = now_ns + LOAD_DRAIN_NS;
	}
	budget = turn_budget(load, now_ns, &intended_ns, &step_ns);
	if (budget < batch || (load->ready_count == 0 && !load->shed))
		return 0;
	room = load->io->room(load->io, packets, LIMIT_BURST);
	while (count < room && budget >= batch && load->ready_count > 0) {
		uint32_t index = ready_pop(load);
		struct bench_terminal *terminal = &load->terminals[index];

		if (!terminal_has_room(terminal, batch))
			continue; /* comes back with its next answer */
		packets[count].size = terminal_compose(terminal, &load->plan, batch, intended_ns,
		    step_ns, now_ns + LOAD_RESEND_NS, packets[count].data);
		if (load->flood.victim == terminal)
			flood_see(&load->flood, packets[count].data, packets[count].size);
		if (terminal_has_room(terminal, batch))
			ready_push(load, index);
		budget -= batch;
		intended_ns += batch * step_ns;
		load->scheduled += batch;
		load->in_flight += batch;
		count++;
	}
	if (load->in_flight_max > 0 && now_ns >= load->measure_ns)
		load->counts.offered += (uint64_t)count * batch;
	if (load->shed && (room == 0 || load->ready_count == 0)) {
		*(room == 0 ? &load->counts.left_in_ring : &load->counts.no_terminal) += budget;
		load->scheduled += budget;
	}
	if (room > 0)
		load->io->send(load->io, packets, count);
	return count;
}

/* Sends what is due of the flood. */
static void turn_flood(struct load *load, uint64_t now_ns)
{
	struct flood *flood = &load->flood;
	uint64_t due;

	if (flood->kind == FLOOD_NONE || now_ns >= load->end_ns)
		return;
	due = flood_due(flood, now_ns - load->start_ns);
	while (due > 0) {
		struct io_packet packets[LIMIT_BURST];
		unsigned count = 0, room;

		room = load->io->room(
		    load->io, packets, due < LIMIT_BURST ? (unsigned)due : LIMIT_BURST);
		if (room == 0)
			break;
		while (count < room && flood_compose(flood, &packets[count]))
			count++;
		load->io->send(load->io, packets, count);
		flood->sent += count;
		due -= count;
		if (count < room)
			break; /* the rest is given up: nothing to send yet */
	}
	flood->left_in_ring += due;
}

/* Looks at a few terminals each turn, so that each is seen within about a thousand turns. */
static void turn_resend(struct load *load, uint64_t now_ns)
{
	uint32_t scans = load->terminal_count / 1024 + RESEND_SCANS_MIN;
	struct io_packet packets[LIMIT_BURST];
	unsigned count = 0, room = 0;

	for (uint32_t i = 0; i < scans; i++) {
		struct bench_terminal *terminal = &load->terminals[load->scan_next];

		if (terminal->due_ns <= now_ns) {
			uint32_t size;

			if (room == 0)
				room = load->io->room(load->io, packets, LIMIT_BURST);
			while (count < room) {
				size = terminal_resend(terminal, &load->plan, now_ns,
				    now_ns + LOAD_RESEND_NS, packets[count].data);
				if (size == 0)
					break;
				packets[count++].size = size;
			}
			if (count == room)
				break; /* this one again in the next turn */
		}
		if (++load->scan_next == load->terminal_count)
			load->scan_next = 0;
	}
	if (room > 0)
		load->io->send(load->io, packets, count);
	load->counts.resent += count;
}

/*
 * The placement rule: whoever polls on the journal's interrupt CPU blocks there, and often.
 * Yielding is not enough: between two threads that yield, the kernel thread that completes the
 * journal's writes was seen waiting for milliseconds. But a sleep, however short, costs 15 to 30 us
 * of CPU on a virtual machine, whose timer is the host's (bench/HISTORY.md, "What was tried"). So
 * while there is much to do it is one each 100 us; and where a turn moved little, it is long enough
 * that the next one finds more. One alone in flight is looked for sooner. In a control group whose
 * threads run when nobody else wants the CPU, nothing of this is needed: the kernel's go first.
 */
static void turn_give_way(struct load *load, unsigned moved, uint64_t now_ns)
{
	static const struct timespec busy = { .tv_nsec = BUSY_SLEEP_NS };
	static const struct timespec easy = { .tv_nsec = EASY_SLEEP_NS };
	static const struct timespec alone = { .tv_nsec = ALONE_SLEEP_NS };

	if (load->polls)
		return;
	if (moved >= MOVED_MUCH || (moved > 0 && load->in_flight < MOVED_MUCH)) {
		if (now_ns - load->blocked_ns < POLL_NS_MAX)
			return;
		nanosleep(&busy, NULL);
	} else {
		nanosleep(load->in_flight < MOVED_MUCH ? &alone : &easy, NULL);
	}
	load->blocked_ns = load_clock_ns();
}

static void counts_finish(struct load *load)
{
	uint64_t due_before, due_all;

	load->counts.lost = load->in_flight;
	if (load->in_flight_max > 0)
		return;
	load->counts.due_total = load->scheduled;
	due_before =
	    (uint64_t)((__uint128_t)(load->measure_ns - load->start_ns) * load->rate / 1000000000u);
	due_all =
	    (uint64_t)((__uint128_t)(load->end_ns - load->start_ns) * load->rate / 1000000000u);
	load->counts.offered = due_all - due_before;
	/* Fewer than a datagram's worth may be left over at the end. */
	load->counts.unsent =
	    due_all - load->scheduled < load->messages_per_datagram ? 0 : due_all - load->scheduled;
}

static void turn_interval(struct load *load, uint64_t now_ns)
{
	const struct load_counts *counts = &load->counts;
	const struct interval_counts totals = {
		.acked = counts->acked_total,
		.accepted = load->codes[WIRE_CODE_OK],
		.resent = counts->resent,
		.busy = counts->busy,
		.failed = counts->failed,
	};

	interval_close(&load->interval, &totals, now_ns);
}

/* Refused (the slice by kernels before 6.12): only slower. */
static void schedule_prepare(void)
{
	/* struct sched_attr of sched_setattr(2), whose header Debian's libc cannot include. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime_ns, deadline_ns, period_ns;
	} attributes = { .size = sizeof(attributes), .runtime_ns = SLICE_NS };

	/* Sleeps of the loop end when they should, not 50 us later. */
	(void)prctl(PR_SET_TIMERSLACK, 1);
	/* It works for some microseconds and sleeps: with short slices it is run as soon as it
	 * wakes, and not when the store thread's slice of milliseconds has passed. */
	(void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void load_run(struct load *load, const atomic_int *stop)
{
	uint64_t turn_ns = load_clock_ns();

	histogram_reset(&load->latency);
	histogram_reset(&load->latency_during);
	histogram_reset(&load->latency_before);
	schedule_prepare();
	load->flood.victim = &load->terminals[0];
	interval_begin(&load->interval, load->start_ns);
	for (uint32_t i = 0; i < load->terminal_count; i++)
		if (load->terminals[i].greeted)
			ready_push(load, i);
	for (;;) {
		/* Then this turn sends all that was due: the one before may have looked too early.
		 */
		int over = turn_ns >= load->end_ns;
		unsigned moved = turn_receive(load);
		unsigned kept;
		uint64_t now_ns;

		moved += turn_send(load);
		now_ns = load_clock_ns();
		turn_resend(load, now_ns);
		turn_flood(load, now_ns);
		/* What found the port full goes also when nothing new is due: it is counted. */
		kept = load->io->flush(load->io);
		if (interval_due(&load->interval, now_ns))
			turn_interval(load, now_ns);
		load->counts.turns++;
		if (now_ns - turn_ns > load->counts.turn_ns_max)
			load->counts.turn_ns_max = now_ns - turn_ns;
		turn_ns = now_ns;
		/* Pairs with the store in the signal handler. */
		if (atomic_load_explicit(stop, memory_order_relaxed) && now_ns < load->end_ns) {
			load->end_ns = now_ns;
			load->drain_ns = now_ns + LOAD_DRAIN_NS;
			if (load->measure_ns > now_ns)
				load->measure_ns = now_ns;
		}
		if (over && load->in_flight == 0 && moved == 0 && kept == 0)
			break;
		if (now_ns >= load->drain_ns)
			break;
		turn_give_way(load, moved, now_ns);
	}
	load->finished_ns = turn_ns;
	counts_finish(load);
}
