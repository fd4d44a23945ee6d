/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load loop against a switch in the same thread: a fake port opens each datagram, answers by a
 * script and hands the answers back at the next receive.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/load.h"
#include "tests/test.h"
#include "wire/codec.h"
#include "wire/codes.h"

#define SESSIONS 8
#define QUEUE    4096

enum behaviour {
	ANSWER,
	ANSWER_TWICE,        /* the same datagram's answer once more, under a new packet number */
	ANSWER_TWO_OUTCOMES, /* a second answer with another LSN */
	BUSY_FIRST,          /* BUSY for every first sending */
	SILENT_FIRST,        /* nothing for every first sending */
	REFUSE,              /* FUNDS_INSUFFICIENT */
	SILENT,
	LATE, /* nothing until each has been sent LATE_SENDINGS times */
};

#define LATE_SENDINGS 3

struct answer {
	uint8_t data[LIMIT_DATAGRAM_SIZE_MAX];
	uint32_t size;
};

struct fake {
	struct io io;
	enum behaviour behaviour;
	uint64_t packet_number, lsn, requests;
	uint64_t floods;    /* datagrams from another source */
	int keeps;          /* the last of each sending does not find room in the ring at once */
	unsigned full_of_4; /* of 4 looks at the port, this many find it full */
	unsigned looks;
	struct aead_key from_terminal[SESSIONS], to_terminal[SESSIONS];
	struct answer queue[QUEUE];
	unsigned first, count;
	struct io_packet kept; /* size 0: none */
	uint8_t kept_data[LIMIT_DATAGRAM_SIZE_MAX];
	_Alignas(64) uint8_t room[LIMIT_BURST][LIMIT_DATAGRAM_SIZE_MAX + 16];
};

static struct fake fake;
static struct session_entry entries[SESSIONS];
static struct load *load;
static atomic_int stop;

static void fake_answer(uint32_t session, const struct wire_reply *replies, unsigned count)
{
	struct answer *answer = &fake.queue[(fake.first + fake.count) % QUEUE];
	struct frame_header header = {
		.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.flags = FRAME_FLAG_FROM_SWITCH,
		.epoch = le16_make(1),
		.session_id = le32_make(entries[session].session_id),
		.packet_number = le64_make(++fake.packet_number),
	};
	size_t size = 0;

	assert_true(fake.count < QUEUE);
	memcpy(answer->data, &header, sizeof(header));
	for (unsigned i = 0; i < count; i++)
		size += wire_reply_encode(&replies[i], answer->data + 16 + size);
	aead_seal(&fake.to_terminal[session], answer->data, size);
	answer->size = (uint32_t)size + 32;
	fake.count++;
}

static unsigned fake_reply(
    const struct wire_request *request, struct wire_reply *reply, uint64_t extra)
{
	*reply = (struct wire_reply){ .request_id = request->request_id,
		.template_id = request->template_id,
		.code = fake.behaviour == REFUSE ? WIRE_CODE_FUNDS_INSUFFICIENT : WIRE_CODE_OK,
		.object_id =
		    request->template_id == WIRE_PLACE_BET ? 1000 + request->request_id : 0,
		.lsn = request->request_id + extra };
	if (fake.behaviour == BUSY_FIRST && !(request->flags & MESSAGE_FLAG_RETRANSMISSION)) {
		reply->code = WIRE_CODE_BUSY;
		reply->detail = 1;
	}
	if (fake.behaviour == SILENT)
		return 0;
	if (fake.behaviour == LATE)
		return fake.requests > (LATE_SENDINGS - 1) * load->in_flight;
	return !(fake.behaviour == SILENT_FIRST && !(request->flags & MESSAGE_FLAG_RETRANSMISSION));
}

/* One datagram at the switch. */
static void fake_take(const struct io_packet *packet)
{
	struct wire_reply replies[LIMIT_MESSAGES_PER_DATAGRAM];
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	struct frame_header header;
	uint32_t session;
	unsigned answers = 0;
	int messages;

	if (packet->source_ipv4 != 0) {
		fake.floods++;
		return;
	}
	memcpy(&header, packet->data, sizeof(header));
	session = (le32_get(header.session_id) & 0xfffff) - 1;
	assert_int_equal(
	    aead_open(&fake.from_terminal[session], packet->data, packet->size - 32), 0);
	messages = wire_frame_messages(packet->data + 16, packet->size - 32, offsets);
	assert_true(messages > 0);
	for (int m = 0; m < messages; m++) {
		size_t end = m + 1 < messages ? offsets[m + 1] : packet->size - 32;
		struct wire_request request;

		fake.requests++;
		assert_int_equal(
		    wire_request_decode(packet->data + 16 + offsets[m], end - offsets[m], &request),
		    0);
		answers += fake_reply(&request, &replies[answers], 0);
	}
	if (answers > 0)
		fake_answer(session, replies, answers);
	if (answers > 0 && fake.behaviour == ANSWER_TWICE)
		fake_answer(session, replies, answers);
	if (answers > 0 && fake.behaviour == ANSWER_TWO_OUTCOMES) {
		replies[0].lsn++;
		fake_answer(session, replies, 1);
	}
}

static unsigned fake_flush(struct io *io)
{
	(void)io;
	if (fake.kept.size > 0)
		fake_take(&fake.kept);
	fake.kept.size = 0;
	return 0;
}

static unsigned fake_room(struct io *io, struct io_packet *packets, unsigned max)
{
	fake_flush(io);
	if (fake.looks++ % 4 < fake.full_of_4)
		return 0;
	for (unsigned i = 0; i < max; i++)
		packets[i] = (struct io_packet){ .data = fake.room[i] };
	return max;
}

static void fake_send(struct io *io, const struct io_packet *packets, unsigned count)
{
	(void)io;
	if (fake.keeps && count > 0) {
		fake.kept = packets[--count];
		fake.kept.data = memcpy(fake.kept_data, fake.kept.data, fake.kept.size);
	}
	for (unsigned i = 0; i < count; i++)
		fake_take(&packets[i]);
}

static unsigned fake_receive(struct io *io, struct io_packet *packets, unsigned max)
{
	unsigned count = 0;

	(void)io;
	while (count < max && count < fake.count) {
		struct answer *answer = &fake.queue[(fake.first + count) % QUEUE];

		packets[count++] = (struct io_packet){ .data = answer->data, .size = answer->size };
	}
	fake.first = (fake.first + count) % QUEUE;
	fake.count -= count;
	return count;
}

static void fake_release(struct io *io)
{
	(void)io;
}

static void keys_of(
    const struct session_entry *entry, enum keys_direction direction, struct aead_key *key)
{
	uint8_t secret[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE];

	assert_int_equal(keys_derive(entry->root, direction, 1, 50, secret, iv), 0);
	assert_int_equal(aead_key_init(key, aead_backend_default(), secret, iv), 0);
}

/* A load of 300 ms after 50 ms of warm-up. */
static void fresh(enum behaviour behaviour, uint32_t in_flight, uint64_t rate, unsigned batch)
{
	struct session_list list = { entries, SESSIONS };

	memset(&fake, 0, sizeof(fake));
	fake.behaviour = behaviour;
	fake.io = (struct io){ fake_room, fake_send, fake_flush, fake_receive, fake_release, NULL,
		{ 0 } };
	for (uint32_t i = 0; i < SESSIONS; i++) {
		entries[i] = (struct session_entry){ .terminal_id = i + 1,
			.session_id = (i + 1) | 1u << 20,
			.root = { (uint8_t)i, 7 } };
		keys_of(&entries[i], KEYS_TO_SWITCH, &fake.from_terminal[i]);
		keys_of(&entries[i], KEYS_TO_TERMINAL, &fake.to_terminal[i]);
	}
	load = calloc(1, sizeof(*load));
	load->io = &fake.io;
	assert_int_equal(load_create(load, &list, 50, 1), 0);
	for (uint32_t i = 0; i < SESSIONS; i++)
		load->terminals[i].greeted = 1;
	load->choices[0] = (struct bet_choice){ 11, 1850, 0 };
	load->plan = (struct bet_plan){ .seed = 1,
		.account_first = 1,
		.account_count = 100,
		.choices = load->choices,
		.choice_count = 1,
		.stake_min = 100,
		.stake_span = 1,
		.deadline_ns = 1ull << 60,
		.currency = 410 };
	load->messages_per_datagram = batch;
	load->in_flight_max = in_flight;
	load->rate = rate;
	load->start_ns = load_clock_ns();
	load->measure_ns = load->start_ns + 50000000;
	load->end_ns = load->measure_ns + 300000000;
	load->drain_ns = load->end_ns + 2000000000;
}

static void finish(void)
{
	load_free(load);
	free(load);
}

TEST(closed_loop_answers_everything_once)
{
	fresh(ANSWER, 20, 0, 1);
	load_run(load, &stop);
	assert_true(load->counts.acked > 0);
	assert_int_equal(load->counts.accepted, load->counts.acked);
	assert_int_equal(load->counts.acked_total, fake.requests);
	assert_int_equal(load->counts.lost, 0);
	assert_int_equal(load->counts.duplicated, 0);
	assert_int_equal(load->counts.bad_answers, 0);
	finish();
}

TEST(batches_fill_datagrams)
{
	fresh(ANSWER, 64, 0, 16);
	load_run(load, &stop);
	assert_true(load->counts.acked > 0);
	assert_int_equal(load->counts.acked_total % 16, 0);
	assert_int_equal(load->counts.lost, 0);
	finish();
}

TEST(a_run_by_number_ends_with_it)
{
	uint64_t planned_ns;

	fresh(ANSWER, 20, 0, 1);
	load->requests_max = 500;
	planned_ns = load->end_ns += 3600000000000ull;
	load_run(load, &stop);
	assert_true(load->end_ns < planned_ns);
	assert_in_range(load->counts.acked_total, 500, 520);
	assert_int_equal(load->counts.lost, 0);
	finish();
}

TEST(latencies_are_parted_by_the_settlement)
{
	fresh(ANSWER, 20, 0, 1);
	load_run(load, &stop);
	assert_true(load->latency.count > 0);
	assert_int_equal(load->latency_during.count, 0); /* there was none */
	assert_int_equal(load->latency_before.count, load->latency.count);
	finish();

	fresh(ANSWER, 20, 0, 1);
	atomic_store(&load->settle.started_ns, load->start_ns);
	load_run(load, &stop);
	assert_int_equal(load->latency.count, 0); /* it went on to the end */
	assert_true(load->latency_during.count > 0);
	finish();

	/* Over before the first measured request was due. */
	fresh(ANSWER, 20, 0, 1);
	atomic_store(&load->settle.started_ns, load->start_ns);
	atomic_store(&load->settle.ended_ns, load->measure_ns - 1);
	load_run(load, &stop);
	assert_true(load->latency.count > 0);
	assert_int_equal(load->latency_during.count, 0);
	assert_int_equal(load->latency_before.count, 0); /* all of it came after */
	finish();
}

TEST(an_answer_nobody_asked_for_again_is_a_duplicate)
{
	fresh(ANSWER_TWICE, 1, 0, 1);
	load_run(load, &stop);
	assert_true(load->counts.duplicated > 0);
	finish();
}

TEST(a_second_outcome_is_a_duplicate)
{
	fresh(ANSWER_TWO_OUTCOMES, 1, 0, 1);
	load_run(load, &stop);
	assert_true(load->counts.duplicated > 0);
	finish();
}

TEST(busy_is_tried_again_with_the_same_id)
{
	fresh(BUSY_FIRST, 8, 0, 1);
	load_run(load, &stop);
	assert_true(load->counts.busy > 0);
	assert_int_equal(load->counts.lost, 0);
	assert_int_equal(load->counts.resent, load->counts.busy);
	assert_int_equal(load->counts.acked_total * 2, fake.requests);
	/* The wait is part of the latency. */
	assert_true(histogram_quantile(&load->latency, 0, 1) >= 1000000);
	finish();
}

TEST(silence_is_resent_and_its_latency_counts_from_the_first_sending)
{
	fresh(SILENT_FIRST, 8, 0, 1);
	load_run(load, &stop);
	assert_int_equal(load->counts.lost, 0);
	assert_true(load->counts.resent > 0);
	assert_true(histogram_quantile(&load->latency, 0, 1) >= LOAD_RESEND_NS);
	finish();
}

TEST(refusals_are_acknowledged_but_not_accepted)
{
	fresh(REFUSE, 8, 0, 1);
	load_run(load, &stop);
	assert_true(load->counts.acked > 0);
	assert_int_equal(load->counts.accepted, 0);
	assert_int_equal(load->codes[WIRE_CODE_FUNDS_INSUFFICIENT], load->counts.acked_total);
	finish();
}

TEST(a_mixed_day_is_counted_by_kind)
{
	uint64_t sum = 0;

	fresh(ANSWER, 32, 0, 4);
	load->plan.workload = WORKLOAD_MIXED;
	load_run(load, &stop);
	for (int i = 0; i < REQUEST_KINDS; i++) {
		assert_true(load->kinds_acked[i] > 0);
		assert_int_equal(load->kinds_acked[i], load->kinds_accepted[i]);
		sum += load->kinds_acked[i];
	}
	assert_int_equal(sum, load->counts.acked_total);
	assert_int_equal(load->counts.asked_total, load->kinds_acked[REQUEST_TX_STATUS]);
	assert_int_equal(load->counts.lost + load->counts.duplicated + load->counts.failed, 0);
	finish();
}

TEST(a_dead_switch_loses_what_was_sent)
{
	fresh(SILENT, 8, 0, 1);
	load->drain_ns = load->end_ns + 10000000;
	load_run(load, &stop);
	assert_int_equal(load->counts.lost, 8);
	assert_int_equal(load->counts.acked, 0);
	finish();
}

TEST(a_stopped_run_waits_for_answers_that_are_late)
{
	fresh(LATE, 8, 0, 1);
	load->end_ns += 3600000000000ull;
	load->drain_ns = load->end_ns;
	atomic_store(&stop, 1);
	load_run(load, &stop);
	atomic_store(&stop, 0);
	assert_int_equal(load->counts.lost, 0);
	assert_int_equal(load->counts.acked_total, 8);
	finish();
}

TEST(open_loop_offers_its_rate)
{
	fresh(ANSWER, 0, 10000, 1);
	load_run(load, &stop);
	assert_int_equal(load->counts.offered, 3000);
	assert_int_equal(load->counts.acked_total, 3500);
	assert_int_equal(load->counts.unsent, 0);
	assert_int_equal(load->latency.count, 3000);
	finish();
}

/* Every request that was due is somewhere. */
static uint64_t accounted(void)
{
	const struct load_counts *counts = &load->counts;

	return counts->acked_total + counts->failed + counts->lost + counts->busy +
	       counts->left_in_ring + counts->no_terminal;
}

TEST(a_full_ring_keeps_out_what_is_due_and_that_is_counted)
{
	fresh(ANSWER, 0, 100000, 1);
	load->shed = 1;
	fake.full_of_4 = 2;
	load_run(load, &stop);
	assert_int_equal(load->counts.due_total, 35000);
	assert_true(load->counts.left_in_ring > 0);
	assert_true(load->counts.acked_total > 0);
	assert_int_equal(load->counts.lost, 0);
	assert_int_equal(accounted(), load->counts.due_total);
	finish();
}

TEST(shedding_does_not_ask_again_after_busy)
{
	fresh(BUSY_FIRST, 0, 10000, 1);
	load->shed = 1;
	load_run(load, &stop);
	assert_int_equal(load->counts.resent, 0);
	assert_int_equal(load->counts.acked_total, 0);
	assert_int_equal(load->counts.busy, fake.requests);
	assert_int_equal(accounted(), load->counts.due_total);
	finish();
}

TEST(shedding_counts_what_found_no_terminal)
{
	fresh(SILENT, 0, 10000, 1);
	load->shed = 1;
	load->drain_ns = load->end_ns + 10000000;
	load_run(load, &stop);
	assert_true(load->counts.no_terminal > 0);
	assert_int_equal(load->counts.left_in_ring, 0);
	assert_int_equal(accounted(), load->counts.due_total);
	finish();
}

TEST(a_flood_goes_beside_the_load)
{
	for (int kind = FLOOD_FORGED; kind <= FLOOD_UNKNOWN; kind++) {
		fresh(ANSWER, 8, 0, 1);
		load->flood.kind = (enum flood_kind)kind;
		load->flood.rate = 10000;
		load_run(load, &stop);
		assert_true(load->flood.sent > 0);
		assert_int_equal(load->flood.sent, fake.floods);
		assert_true(load->flood.sent + load->flood.left_in_ring <= 3500);
		assert_true(load->terminals[0].acked > 0);
		assert_int_equal(load->counts.lost, 0);
		assert_int_equal(load->counts.duplicated, 0);
		finish();
	}
}

/* It was counted as sent: who compares with what the switch saw would miss it. */
TEST(what_the_full_port_kept_of_a_flood_leaves_before_the_end)
{
	for (int kind = FLOOD_FORGED; kind <= FLOOD_UNKNOWN; kind++) {
		fresh(ANSWER, 8, 0, 1);
		fake.keeps = 1;
		load->flood.kind = (enum flood_kind)kind;
		load->flood.rate = 1000000; /* so that the last datagrams are the flood's */
		load_run(load, &stop);
		assert_true(load->flood.sent > 0);
		assert_int_equal(load->flood.sent, fake.floods);
		assert_int_equal(load->counts.lost, 0);
		finish();
	}
}

/* All that is in flight may lie in what was kept: nothing new is due, and no answer comes. */
TEST(requests_the_full_port_kept_do_not_wait_for_a_resend)
{
	fresh(ANSWER, 1, 0, 1);
	fake.keeps = 1;
	load->requests_max = 500; /* at a resend each 100 s */
	load->end_ns += 3600000000000ull;
	load->drain_ns = load->end_ns;
	load_run(load, &stop);
	assert_int_equal(load->counts.acked_total, 500);
	assert_int_equal(load->counts.lost, 0);
	finish();
}

TEST(intervals_are_written_line_by_line)
{
	char path[] = "/tmp/sluice-intervals-XXXXXX", line[512];
	uint64_t acked = 0, value;
	unsigned lines = 0;
	int fd = mkstemp(path);
	FILE *file;

	assert_true(fd >= 0);
	fresh(ANSWER, 8, 0, 1);
	assert_int_equal(interval_start(&load->interval, path, 1), 0);
	load->interval.length_ns = 100000000; /* the run has 350 ms */
	load_run(load, &stop);
	interval_finish(&load->interval);
	file = fdopen(fd, "r");
	while (fgets(line, sizeof(line), file) != NULL) {
		const char *at = strstr(line, "\"acked\": ");

		assert_non_null(at);
		value = strtoull(at + 9, NULL, 10);
		assert_true(value > 0);
		acked += value;
		lines++;
	}
	assert_in_range(lines, 1, 3);
	assert_true(acked <= load->counts.acked_total);
	fclose(file);
	unlink(path);
	finish();
}

TEST(open_loop_counts_what_it_could_not_send)
{
	/* 8 terminals with 32 each may wait: the rest of 3,500 is never sent. */
	fresh(SILENT, 0, 10000, 1);
	load->drain_ns = load->end_ns + 10000000;
	load_run(load, &stop);
	assert_int_equal(load->counts.lost, SESSIONS * LIMIT_IN_FLIGHT_PER_TERMINAL);
	assert_int_equal(load->counts.unsent, 3500 - load->counts.lost);
	finish();
}

TEST(datagrams_of_others_and_damaged_ones_are_counted)
{
	uint8_t data[64] = { WIRE_VERSION << 4 | FRAME_KIND_DATA, FRAME_FLAG_FROM_SWITCH };
	struct frame_header header = { .version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.flags = FRAME_FLAG_FROM_SWITCH };

	fresh(ANSWER, 1, 0, 1);
	load_accept(load, &(struct io_packet){ .data = data, .size = 8 }, 0);
	load_accept(load, &(struct io_packet){ .data = data, .size = 64 }, 0); /* no such session */
	header.session_id = le32_make(entries[0].session_id);
	memcpy(data, &header, sizeof(header));
	load_accept(load, &(struct io_packet){ .data = data, .size = 64 }, 0); /* wrong tag */
	assert_int_equal(load->counts.bad_answers, 3);
	finish();
}

TEST_MAIN()
