/* SPDX-License-Identifier: Apache-2.0 */
/* Framing of a plaintext into messages. */
#include "tests/test.h"

#include <errno.h>

#include "wire/codec.h"

static size_t message_put(uint8_t *text, size_t at, size_t total)
{
	struct message_header header = { .total_length = le16_make((uint16_t)total) };

	memcpy(text + at, &header, sizeof(header));
	return at + total;
}

TEST(empty_text_has_no_message)
{
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	uint8_t text[1] = { 0 };

	assert_int_equal(wire_frame_messages(text, 0, offsets), 0);
}

TEST(total_lengths)
{
	static const struct {
		size_t text_size, first, second; /* second 0: none */
		int result;
	} rows[] = {
		{ 16, 16, 0, 1 }, { 24, 24, 0, 1 }, { 40, 16, 24, 2 }, { 40, 24, 16, 2 },
		{ 1168, 1168, 0, 1 }, { 8, 0, 0, -EBADMSG },      /* no room for a header */
		{ 16, 0, 0, -EBADMSG },                           /* zero would never end */
		{ 16, 8, 0, -EBADMSG },                           /* shorter than a header */
		{ 24, 20, 0, -EBADMSG },                          /* not a multiple of 8 */
		{ 24, 17, 0, -EBADMSG }, { 24, 32, 0, -EBADMSG }, /* past the end */
		{ 40, 20, 20, -EBADMSG }, /* fills the text, but unaligned */
		{ 24, 0xfff8, 0, -EBADMSG }, { 24, 16, 0, -EBADMSG }, /* eight bytes left over */
		{ 40, 16, 16, -EBADMSG }, { 40, 16, 32, -EBADMSG },
		{ 1176, 1176, 0, -EBADMSG }, /* longer than a datagram's payload */
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM] = { 9, 9 };
		uint8_t *text = calloc(1, rows[i].text_size);
		int result;

		assert_non_null(text);
		if (rows[i].text_size >= 16)
			message_put(text, 0, rows[i].first);
		if (rows[i].second != 0)
			message_put(text, rows[i].first, rows[i].second);
		result = wire_frame_messages(text, rows[i].text_size, offsets);
		assert_case_equal(i, result, rows[i].result);
		if (result >= 1)
			assert_case_equal(i, offsets[0], 0);
		if (result == 2)
			assert_case_equal(i, offsets[1], rows[i].first);
		if (result < 0)
			assert_case_equal(i, offsets[0], 9);
		free(text);
	}
}

TEST(sixteen_messages_fit_and_seventeen_do_not)
{
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	uint8_t text[17 * 16] = { 0 };
	size_t at = 0;

	for (int i = 0; i < 17; i++)
		at = message_put(text, at, 16);
	assert_int_equal(wire_frame_messages(text, 16 * 16, offsets), 16);
	for (int i = 0; i < 16; i++)
		assert_case_equal(i, offsets[i], 16 * i);
	assert_int_equal(wire_frame_messages(text, 17 * 16, offsets), -E2BIG);
	/* A broken seventeenth is a framing fault, not a count. */
	text[16 * 16 + 6] = 24;
	assert_int_equal(wire_frame_messages(text, 17 * 16, offsets), -EBADMSG);
}

TEST(sixteen_single_bets_fill_a_datagram)
{
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	uint8_t text[LIMIT_PAYLOAD_SIZE_MAX] = { 0 };
	struct wire_request request = { .template_id = WIRE_PLACE_BET, .request_id = 1 };
	size_t at = 0;

	request.place_bet.account_id = 4;
	request.place_bet.leg_count = 1;
	for (int i = 0; i < 16; i++) {
		int size = wire_request_encode(&request, text + at, sizeof(text) - at);

		assert_int_equal(size, 72);
		at += 72;
	}
	assert_int_equal(wire_frame_messages(text, at, offsets), 16);
}

TEST_MAIN()
