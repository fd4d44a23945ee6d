/* SPDX-License-Identifier: Apache-2.0 */
/* What happens before the load: HELLO for every session, then the markets. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/load.h"
#include "wire/codec.h"

#define START_WINDOW      32             /* sessions greeted at once */
#define START_PATIENCE_NS 30000000000ull /* without progress */
#define START_REQUEST_ID  1              /* these requests are not journalled: any id will do */

static void start_sleep(void)
{
	struct timespec time = { .tv_nsec = 5000 };

	nanosleep(&time, NULL);
}

/* Sends one request of its own datagram; nothing when the port is full: it is asked again. */
static void start_send(
    struct load *load, struct bench_terminal *terminal, const struct wire_request *request)
{
	struct io_packet packet;
	int size;

	if (load->io->room(load->io, &packet, 1) == 0)
		return;
	size = wire_request_encode(
	    request, packet.data + LIMIT_FRAME_HEADER_SIZE, LIMIT_PAYLOAD_SIZE_MAX);
	SLUICE_REQUIRE(size > 0);
	packet.size = terminal_seal(terminal, packet.data, (size_t)size);
	load->io->send(load->io, &packet, 1);
}

/*
 * Takes one datagram that is an answer of `template_id`: 1 with *terminal and *reply; 2 when a
 * RESET gave the terminal new keys; else 0.
 */
static int start_accept(struct load *load, const struct io_packet *packet, uint16_t template_id,
    struct bench_terminal **terminal, struct wire_reply *reply)
{
	const uint8_t *text = packet->data + LIMIT_FRAME_HEADER_SIZE;
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	int text_size, count;

	*terminal = load_terminal(load, packet);
	if (*terminal == NULL)
		return 0;
	if ((packet->data[0] & 0xf) == FRAME_KIND_RESET)
		return terminal_reset(*terminal, packet->data, packet->size) == 1 ? 2 : 0;
	text_size = terminal_open(*terminal, packet->data, packet->size);
	if (text_size < 0)
		return 0;
	count = wire_frame_messages(text, (size_t)text_size, offsets);
	for (int i = 0; i < count; i++) {
		size_t end = i + 1 < count ? offsets[i + 1] : (size_t)text_size;

		if (wire_reply_decode(text + offsets[i], end - offsets[i], reply) == 0 &&
		    reply->template_id == template_id)
			return 1;
	}
	return 0;
}

/* Receives what there is; returns the sessions greeted or given new keys. */
static unsigned greet_receive(struct load *load, uint64_t boot_id[1], uint16_t epoch[1])
{
	struct io_packet packets[LIMIT_BURST];
	unsigned count = load->io->receive(load->io, packets, LIMIT_BURST), progress = 0;

	for (unsigned i = 0; i < count; i++) {
		struct bench_terminal *terminal;
		struct wire_reply reply;
		int kind = start_accept(load, &packets[i], WIRE_HELLO, &terminal, &reply);

		if (kind == 2) {
			*boot_id = terminal->boot_id;
			*epoch = terminal->epoch;
			progress++;
		}
		if (kind != 1 || reply.code != WIRE_CODE_OK || terminal->greeted)
			continue;
		terminal->greeted = 1;
		if (reply.hello.next_id > terminal->next_id)
			terminal->next_id = reply.hello.next_id;
		load->switch_time_ns = reply.switch_time_ns;
		progress++;
	}
	load->io->release(load->io);
	return progress;
}

int load_greet(struct load *load, char message[LOAD_MESSAGE_SIZE])
{
	uint64_t progress_ns = load_clock_ns(), boot_id = 0;
	struct wire_request hello = { .request_id = START_REQUEST_ID, .template_id = WIRE_HELLO };
	uint32_t first = 0;
	uint16_t epoch = 0;

	while (first < load->terminal_count) {
		uint64_t now_ns = load_clock_ns();

		for (uint32_t i = first; i < load->terminal_count && i < first + START_WINDOW;
		     i++) {
			struct bench_terminal *terminal = &load->terminals[i];

			if (terminal->greeted || (terminal->hello_ns != 0 &&
			                             now_ns - terminal->hello_ns < LOAD_RESEND_NS))
				continue;
			/* All sessions live under one boot id: what one learnt, the next tries. */
			if (boot_id > terminal->boot_id &&
			    terminal_rekey(terminal, boot_id, epoch) != 0) {
				snprintf(message, LOAD_MESSAGE_SIZE, "Key derivation failed.");
				return -EIO;
			}
			terminal->hello_ns = now_ns;
			start_send(load, terminal, &hello);
		}
		if (greet_receive(load, &boot_id, &epoch) > 0)
			progress_ns = load_clock_ns();
		else
			start_sleep();
		while (first < load->terminal_count && load->terminals[first].greeted)
			first++;
		if (load_clock_ns() - progress_ns > START_PATIENCE_NS) {
			snprintf(message, LOAD_MESSAGE_SIZE,
			    "The switch does not answer session %u of %u. Install the sessions of "
			    "this file, open the ports, and check --switch.",
			    first + 1, load->terminal_count);
			return -ETIMEDOUT;
		}
	}
	return 0;
}

static void markets_take(struct load *load, const struct wire_reply *reply)
{
	for (unsigned row = 0; row < reply->markets.row_count; row++) {
		const struct market_row *market = &reply->markets.rows[row];

		if (market->state != MARKET_OPEN)
			continue;
		for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(market->odds); i++) {
			uint32_t odds = le32_get(market->odds[i]);

			if (odds < LIMIT_ODDS_MIN || load->plan.choice_count == LOAD_CHOICES_MAX)
				continue;
			load->choices[load->plan.choice_count++] = (struct bet_choice){
				.market_id = le64_get(market->market_id),
				.odds = odds,
				.selection = (uint16_t)(market->selection_first + i),
			};
		}
	}
}

int load_markets(struct load *load, char message[LOAD_MESSAGE_SIZE])
{
	struct wire_request query = { .request_id = START_REQUEST_ID,
		.template_id = WIRE_MARKET_QUERY };
	uint64_t progress_ns = load_clock_ns(), sent_ns = 0;
	int more = 1;

	while (more) {
		struct io_packet packets[LIMIT_BURST];
		uint64_t now_ns = load_clock_ns();
		unsigned count;

		if (sent_ns == 0 || now_ns - sent_ns >= LOAD_RESEND_NS) {
			start_send(load, &load->terminals[0], &query);
			sent_ns = now_ns;
		}
		count = load->io->receive(load->io, packets, LIMIT_BURST);
		for (unsigned i = 0; i < count; i++) {
			struct bench_terminal *terminal;
			struct wire_reply reply;

			if (start_accept(load, &packets[i], WIRE_MARKET_QUERY, &terminal, &reply) !=
			        1 ||
			    reply.request_id != query.request_id || reply.code != WIRE_CODE_OK)
				continue;
			markets_take(load, &reply);
			more = reply.markets.more;
			query.market_query.since_version = reply.markets.up_to_version;
			query.request_id++; /* tells a late answer of this page from the next */
			progress_ns = now_ns;
			sent_ns = 0;
		}
		load->io->release(load->io);
		if (count == 0)
			start_sleep();
		if (now_ns - progress_ns > START_PATIENCE_NS) {
			snprintf(message, LOAD_MESSAGE_SIZE,
			    "The switch does not answer MARKET_QUERY. Give the first session the "
			    "right to it (bit 3), or markets with --markets.");
			return -ETIMEDOUT;
		}
	}
	if (load->plan.choice_count == 0) {
		snprintf(message, LOAD_MESSAGE_SIZE,
		    "No market is open. Load some with `sluice-provision markets`.");
		return -ENOENT;
	}
	return 0;
}
