/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/harness.h"
#include "tests/test.h"

static const struct client_config plain;

static const struct {
	const char *name;
	uint64_t boot_id;
	uint16_t epoch;
	int damage; /* offset of a byte to change, -1 none */
	enum drop_reason expected;
} resets[] = {
	{ "same boot id and epoch", 1000, 3, -1, DROP_REPLAYED },
	{ "same boot id, epoch behind", 1000, 2, -1, DROP_REPLAYED },
	{ "boot id behind", 999, 9, -1, DROP_REPLAYED },
	{ "boot id 0", 0, 9, -1, DROP_REPLAYED },
	{ "mac changed", 2000, 3, 39, DROP_BAD_TAG },
	{ "boot id changed", 2000, 3, 16, DROP_BAD_TAG },
	{ "epoch changed", 2000, 3, 2, DROP_BAD_TAG },
	{ "packet number changed", 2000, 3, 8, DROP_BAD_TAG },
	{ "another session", 2000, 3, 4, DROP_UNKNOWN_SESSION },
	{ "direction", 2000, 3, 1, DROP_BAD_FLAGS },
	{ "version", 2000, 3, 0, DROP_WRONG_VERSION },
	{ "epoch ahead", 1000, 4, -1, DROP_NONE },
	{ "boot id ahead, epoch behind", 2000, 1, -1, DROP_NONE },
};

TEST(a_reset_only_moves_forward_and_only_with_its_mac)
{
	for (int i = 0; i < (int)SLUICE_ARRAY_COUNT(resets); i++) {
		struct harness *harness = harness_make(&plain, 1);
		uint8_t reset[40];
		int taken = resets[i].expected == DROP_NONE;

		harness_connect(harness);
		sim_switch_restart(&harness->sim, resets[i].boot_id, resets[i].epoch);
		sim_switch_reset(&harness->sim, 1, reset);
		if (resets[i].damage >= 0)
			reset[resets[i].damage] ^= 0x80;
		assert_case_equal(i,
		    client_datagram_in(harness->client, reset, sizeof(reset), harness->now_ns),
		    resets[i].expected);
		assert_case_equal(
		    i, client_boot_id(harness->client), taken ? resets[i].boot_id : 1000);
		assert_case_equal(i, client_epoch(harness->client), taken ? resets[i].epoch : 3);
		harness_free(harness);
	}
}

TEST(each_lane_has_its_own_window)
{
	static const struct {
		uint64_t lane, number;
		enum drop_reason expected;
	} cases[] = {
		{ 0, 1000, DROP_NONE },
		{ 0, 1000, DROP_REPLAYED },
		{ 1, 1000, DROP_NONE },
		{ 63, 1, DROP_NONE },
		{ 63, 1, DROP_REPLAYED },
		{ 64, 1, DROP_BAD_LANE },
		{ 2, 0, DROP_BAD_LANE },
		{ 0, 744, DROP_REPLAYED },
		{ 0, 745, DROP_NONE },
	};
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	for (int i = 0; i < (int)SLUICE_ARRAY_COUNT(cases); i++) {
		struct frame_header header = { .version_kind = 0x11,
			.flags = FRAME_FLAG_FROM_SWITCH,
			.epoch = le16_make(3),
			.session_id = le32_make(harness->sim.session_id),
			.packet_number = le64_make(cases[i].lane << 56 | cases[i].number) };
		uint8_t datagram[32];

		memcpy(datagram, &header, sizeof(header));
		aead_seal(&harness->sim.seal_key, datagram, 0);
		assert_case_equal(i,
		    client_datagram_in(
		        harness->client, datagram, sizeof(datagram), harness->now_ns),
		    cases[i].expected);
	}
	harness_free(harness);
}

TEST(a_datagram_of_the_next_epoch_moves_the_terminal_there)
{
	static const struct {
		uint16_t epoch;
		enum drop_reason expected;
		uint16_t epoch_after;
	} cases[] = {
		{ 5, DROP_UNKNOWN_EPOCH, 3 }, /* two ahead */
		{ 1, DROP_UNKNOWN_EPOCH, 3 },
		{ 4, DROP_NONE, 4 },
		{ 3, DROP_NONE, 4 }, /* the previous key still opens */
		{ 5, DROP_NONE, 5 },
		{ 3, DROP_UNKNOWN_EPOCH, 5 },
	};
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	for (int i = 0; i < (int)SLUICE_ARRAY_COUNT(cases); i++) {
		struct frame_header header = { .version_kind = 0x11,
			.flags = FRAME_FLAG_FROM_SWITCH,
			.epoch = le16_make(cases[i].epoch),
			.session_id = le32_make(harness->sim.session_id),
			.packet_number = le64_make(900 + (uint64_t)i) };
		uint8_t datagram[32];

		sim_switch_restart(&harness->sim, 1000, cases[i].epoch);
		memcpy(datagram, &header, sizeof(header));
		aead_seal(&harness->sim.seal_key, datagram, 0);
		assert_case_equal(i,
		    client_datagram_in(
		        harness->client, datagram, sizeof(datagram), harness->now_ns),
		    cases[i].expected);
		assert_case_equal(i, client_epoch(harness->client), cases[i].epoch_after);
	}
	/* And it sends under it. */
	sim_switch_restart(&harness->sim, 1000, 5);
	harness->sim.sent = 2000; /* above the numbers used here */
	harness_bet(harness, 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_ANSWERED, 1), 1);
	assert_int_equal(harness->sim.seen_epoch, 5);
	harness_free(harness);
}

TEST(a_damaged_answer_is_dropped_with_its_reason_and_the_good_one_still_counts)
{
	static const struct {
		size_t size;
		int damage;
		enum drop_reason expected;
	} cases[] = {
		{ 24, -1, DROP_TOO_SHORT }, { 0, -1, DROP_TOO_SHORT }, { 1201, -1, DROP_TOO_LONG },
		{ 44, -1, DROP_NOT_MULTIPLE_OF_8 }, { 48, 0, DROP_WRONG_VERSION },
		{ 48, 1, DROP_BAD_FLAGS }, { 48, 2, DROP_UNKNOWN_EPOCH },
		{ 48, 5, DROP_UNKNOWN_SESSION }, { 48, 8, DROP_BAD_TAG }, { 48, 20, DROP_BAD_TAG },
		{ 48, 47, DROP_BAD_TAG },
		{ 48, -1, DROP_BAD_FRAMING }, /* right tag, text of zeros */
	};
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	for (int i = 0; i < (int)SLUICE_ARRAY_COUNT(cases); i++) {
		uint8_t datagram[LIMIT_DATAGRAM_SIZE_MAX + 8] = { 0 };
		struct frame_header header = { .version_kind = 0x11,
			.flags = FRAME_FLAG_FROM_SWITCH,
			.epoch = le16_make(3),
			.session_id = le32_make(harness->sim.session_id),
			.packet_number = le64_make(900) };

		memcpy(datagram, &header, sizeof(header));
		aead_seal(&harness->sim.seal_key, datagram, 16);
		if (cases[i].damage >= 0)
			datagram[cases[i].damage] ^= 0x40;
		assert_case_equal(i,
		    client_datagram_in(harness->client, datagram, cases[i].size, harness->now_ns),
		    cases[i].expected);
		if (cases[i].expected != DROP_BAD_TAG) /* counted under its reason */
			assert_true(client_stats(harness->client)->dropped[cases[i].expected] > 0);
	}
	harness_free(harness);
}

TEST_MAIN()
