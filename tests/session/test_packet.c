/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <errno.h>

#include "tests/session/fixture.h"

struct fixture {
	struct session_table *table;
	struct session *session;
	struct wire_peer peer;
	uint64_t now_ns;
	uint8_t datagram[LIMIT_DATAGRAM_SIZE_MAX + 64];
	/* Outputs of the last open. */
	struct session *opened;
	uint8_t *text;
	size_t text_size;
};

static struct fixture fixture;

static void begin(void)
{
	memset(&fixture, 0, sizeof(fixture));
	fixture.table = session_table_create(16, LANE);
	assert_non_null(fixture.table);
	assert_int_equal(install(fixture.table, SESSION_ID, 4, 1), 0);
	fixture.session = session_find(fixture.table, SESSION_ID);
	fixture.peer = peer_of(0x0a000001, 5000);
	fixture.now_ns = START;
}

static void end(void)
{
	session_table_free(fixture.table);
}

static enum drop_reason open_bytes(size_t size)
{
	return session_open(fixture.table, fixture.datagram, size, &fixture.peer, fixture.now_ns,
	    &fixture.opened, &fixture.text, &fixture.text_size);
}

static enum drop_reason open_number(uint16_t epoch, uint64_t number, size_t text_size)
{
	return open_bytes(terminal_seal(fixture.datagram, SESSION_ID, epoch, number, text_size));
}

static enum drop_reason open_forged(uint64_t number)
{
	size_t size = terminal_seal(fixture.datagram, SESSION_ID, 4, number, 16);

	fixture.datagram[size - 1] ^= 1;
	return open_bytes(size);
}

TEST(a_good_datagram_opens_in_place)
{
	begin();
	assert_int_equal(open_number(4, 1, 72), DROP_NONE);
	assert_ptr_equal(fixture.opened, fixture.session);
	assert_ptr_equal(fixture.text, fixture.datagram + 16);
	assert_int_equal(fixture.text_size, 72);
	for (size_t i = 0; i < 72; i++)
		assert_int_equal(fixture.text[i], 0xab);
	assert_int_equal(fixture.session->peer.udp_port, 5000);
	assert_true(fixture.session->last_seen_ns == START);
	end();
}

/* Before epoch, keys and tag are looked at; and no session is given that a RESET could go to. */
TEST(a_session_past_its_time_takes_nothing)
{
	struct session_install again = install_of(SESSION_ID, 4, 1);

	begin();
	again.expires_ns = START + 10;
	assert_int_equal(session_install(fixture.table, &again, START), 0);
	fixture.now_ns = START + 9;
	assert_int_equal(open_number(4, 1, 16), DROP_NONE);
	fixture.now_ns = START + 10;
	fixture.opened = NULL;
	assert_int_equal(open_number(4, 2, 16), DROP_SESSION_EXPIRED);
	assert_null(fixture.opened);
	assert_int_equal(open_number(5, 3, 16), DROP_SESSION_EXPIRED);
	assert_int_equal(open_forged(4), DROP_SESSION_EXPIRED);
	assert_null(fixture.opened);
	assert_true(fixture.session->last_seen_ns == START + 9);
	end();
}

TEST(sizes_from_empty_to_the_maximum)
{
	begin();
	assert_int_equal(open_number(4, 1, 0), DROP_NONE);
	assert_int_equal(fixture.text_size, 0);
	assert_int_equal(open_number(4, 2, LIMIT_PAYLOAD_SIZE_MAX), DROP_NONE);
	assert_int_equal(fixture.text_size, LIMIT_PAYLOAD_SIZE_MAX);
	end();
}

/* One change to a good datagram each; the order of the table is the order of the checks. */
TEST(each_check_has_its_reason)
{
	static const struct {
		int offset; /* byte to set, -1 none */
		uint8_t value;
		int size; /* 0: as sealed (16 + 64 + 16 = 96) */
		enum drop_reason reason;
		int session_given;
	} cases[] = {
		{ -1, 0, 0, DROP_NONE, 1 },
		{ -1, 0, 31, DROP_TOO_SHORT, 0 },
		{ -1, 0, 24, DROP_TOO_SHORT, 0 },
		{ -1, 0, 1, DROP_TOO_SHORT, 0 },
		{ -1, 0, 1208, DROP_TOO_LONG, 0 },
		{ -1, 0, 1201, DROP_TOO_LONG, 0 },
		{ -1, 0, 95, DROP_NOT_MULTIPLE_OF_8, 0 },
		{ 0, 0x21, 0, DROP_WRONG_VERSION, 0 },
		{ 0, 0x12, 0, DROP_WRONG_VERSION, 0 }, /* RESET to the switch */
		{ 0, 0x10, 0, DROP_WRONG_VERSION, 0 },
		{ 1, 0x01, 0, DROP_BAD_FLAGS, 0 }, /* from a switch */
		{ 1, 0x80, 0, DROP_BAD_FLAGS, 0 },
		{ 15, 0x01, 0, DROP_BAD_LANE, 0 },
		{ 8, 0x00, 0, DROP_BAD_LANE, 0 }, /* number 0 */
		{ 4, 0x06, 0, DROP_UNKNOWN_SESSION, 0 },
		{ 6, 0x20, 0, DROP_UNKNOWN_SESSION, 0 }, /* generation */
		{ 5, 0xff, 0, DROP_UNKNOWN_SESSION, 0 }, /* slot above the table */
		{ 2, 0x05, 0, DROP_UNKNOWN_EPOCH, 1 },
		{ 3, 0x01, 0, DROP_UNKNOWN_EPOCH, 1 },
		{ 9, 0x01, 0, DROP_BAD_TAG, 1 }, /* another number: another nonce */
		{ 16, 0x00, 0, DROP_BAD_TAG, 1 },
		{ -1, 0, 88, DROP_BAD_TAG, 1 },
		{ -1, 0, 32, DROP_BAD_TAG, 1 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		size_t size;

		begin();
		size = terminal_seal(fixture.datagram, SESSION_ID, 4, 1, 64);
		if (cases[i].offset >= 0)
			fixture.datagram[cases[i].offset] = cases[i].value;
		if (cases[i].size != 0)
			size = (size_t)cases[i].size;
		assert_case_equal(i, open_bytes(size), cases[i].reason);
		assert_case_equal(i, fixture.opened != NULL, cases[i].session_given);
		if (cases[i].reason != DROP_NONE) {
			assert_false(fixture.session->peer_known);
			assert_true(fixture.session->epochs[0].replay.highest == 0);
		}
		end();
	}
}

TEST(peek_gives_the_id_of_a_well_formed_header_only)
{
	uint32_t session_id = 1;
	size_t size;

	begin();
	size = terminal_seal(fixture.datagram, SESSION_ID, 4, 1, 64);
	assert_int_equal(session_peek(fixture.datagram, size, &session_id), DROP_NONE);
	assert_int_equal(session_id, SESSION_ID);
	session_id = 1;
	assert_int_equal(session_peek(fixture.datagram, 16, &session_id), DROP_TOO_SHORT);
	fixture.datagram[1] = 2;
	assert_int_equal(session_peek(fixture.datagram, size, &session_id), DROP_BAD_FLAGS);
	assert_int_equal(session_id, 1);
	end();
}

TEST(a_number_opens_once_and_per_epoch)
{
	begin();
	assert_int_equal(install(fixture.table, SESSION_ID, 5, 0), 0);
	assert_int_equal(open_number(4, 7, 16), DROP_NONE);
	assert_int_equal(open_number(4, 7, 16), DROP_REPLAYED);
	assert_null(fixture.opened);
	assert_int_equal(open_number(5, 7, 16), DROP_NONE);
	assert_int_equal(open_number(4, 6, 16), DROP_NONE);
	assert_int_equal(open_number(4, 1000, 16), DROP_NONE);
	assert_int_equal(open_number(4, 1000 - 256, 16), DROP_REPLAYED);
	assert_int_equal(open_number(4, LIMIT_PACKET_COUNTER_MAX, 16), DROP_NONE);
	end();
}

TEST(a_forged_number_does_not_move_the_window)
{
	begin();
	assert_int_equal(open_forged(100000), DROP_BAD_TAG);
	assert_int_equal(open_number(4, 1, 16), DROP_NONE);
	assert_int_equal(fixture.session->epochs[0].open_failed, 1);
	assert_int_equal(open_number(4, 100000, 16), DROP_NONE);
	end();
}

TEST(the_address_follows_the_highest_number_of_the_newest_epoch)
{
	static const struct {
		uint16_t epoch;
		uint64_t number;
		int moves;
	} steps[] = {
		{ 4, 10, 1 },
		{ 4, 9, 0 },
		{ 4, 11, 1 },
		{ 5, 1, 1 },
		{ 4, 500, 0 },
		{ 5, 2, 1 },
	};

	begin();
	assert_int_equal(install(fixture.table, SESSION_ID, 5, 0), 0);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(steps); i++) {
		uint16_t before = fixture.session->peer.udp_port;

		fixture.peer.udp_port = (uint16_t)(6000 + i);
		assert_int_equal(open_number(steps[i].epoch, steps[i].number, 16), DROP_NONE);
		assert_case_equal(i, fixture.session->peer.udp_port,
		    steps[i].moves ? fixture.peer.udp_port : before);
	}
	end();
}

TEST(a_forged_datagram_does_not_move_the_address)
{
	begin();
	assert_int_equal(open_number(4, 1, 16), DROP_NONE);
	fixture.peer.udp_port = 6666;
	assert_int_equal(open_forged(2), DROP_BAD_TAG);
	assert_int_equal(fixture.session->peer.udp_port, 5000);
	end();
}

static void slow_session(uint32_t rate_per_s, uint32_t burst)
{
	struct session_install made = install_of(SESSION_ID, 4, 1);

	made.rate_per_s = rate_per_s;
	made.rate_burst = burst;
	assert_int_equal(session_install(fixture.table, &made, START), 0);
}

TEST(the_bucket_empties_by_messages_and_fills_with_time)
{
	begin();
	slow_session(10, 20);
	assert_int_equal(open_number(4, 1, 16), DROP_NONE);
	session_charge(fixture.session, 16);
	assert_int_equal(open_number(4, 2, 16), DROP_NONE);
	session_charge(fixture.session, 4);
	assert_int_equal(open_number(4, 3, 16), DROP_SESSION_RATE);
	fixture.now_ns += SECOND / 10 - 1;
	assert_int_equal(open_number(4, 3, 16), DROP_SESSION_RATE);
	fixture.now_ns += 1;
	/* Refused by rate: not marked as seen. */
	assert_int_equal(open_number(4, 3, 16), DROP_NONE);
	session_charge(fixture.session, 0); /* an empty one costs 1 */
	assert_int_equal(open_number(4, 4, 16), DROP_SESSION_RATE);
	fixture.now_ns += 1000000000 * SECOND;
	assert_int_equal(open_number(4, 4, 16), DROP_NONE);
	assert_true(fixture.session->rate_tokens == 20 << 16);
	end();
}

TEST(an_overdraft_is_paid_back_first)
{
	begin();
	slow_session(10, 1);
	assert_int_equal(open_number(4, 1, 16), DROP_NONE);
	assert_int_equal(open_number(4, 2, 16), DROP_NONE); /* same burst, peeked before charging */
	session_charge(fixture.session, 16);
	session_charge(fixture.session, 16);
	fixture.now_ns += 3 * SECOND;
	assert_int_equal(open_number(4, 3, 16), DROP_SESSION_RATE);
	fixture.now_ns += SECOND / 5;
	assert_int_equal(open_number(4, 3, 16), DROP_NONE);
	end();
}

TEST(forged_datagrams_cost_the_session_nothing)
{
	int64_t before;

	begin();
	slow_session(1, 2);
	before = fixture.session->rate_tokens;
	for (unsigned i = 0; i < 2000; i++) {
		/* Often enough to round every refill of a naive bucket to zero. */
		fixture.now_ns += 1000;
		fixture.peer.udp_port = (uint16_t)(i + 1);
		assert_int_equal(open_forged(i + 1), DROP_BAD_TAG);
	}
	assert_true(fixture.session->rate_tokens == before);
	assert_true(fixture.session->rate_updated_ns == START);
	assert_int_equal(fixture.session->epochs[0].open_failed, 2000);
	end();
}

TEST(long_run_rate_is_the_configured_one)
{
	uint64_t number = 0;
	unsigned opened = 0;

	begin();
	slow_session(333, 5);
	for (unsigned i = 0; i < 100000; i++) {
		fixture.now_ns += 100000; /* 10,000 tries a second for 10 s */
		if (open_number(4, ++number, 16) != DROP_NONE)
			continue;
		session_charge(fixture.session, 1);
		opened++;
	}
	assert_in_range(opened, 3330, 3336);
	end();
}

TEST(a_clock_that_goes_back_does_not_starve_a_session)
{
	begin();
	slow_session(10, 1);
	assert_int_equal(open_number(4, 1, 16), DROP_NONE);
	fixture.now_ns -= 3600 * SECOND;
	assert_int_equal(open_number(4, 2, 16), DROP_NONE);
	session_charge(fixture.session, 1);
	fixture.now_ns += SECOND;
	assert_int_equal(open_number(4, 3, 16), DROP_NONE);
	end();
}

TEST(a_flooding_source_is_refused_before_opening_and_others_are_not)
{
	uint64_t number = 1;

	begin();
	while (number < 1000 && open_forged(number) == DROP_BAD_TAG)
		number++;
	assert_int_equal(number, 1 + SESSION_SOURCE_FAILED_PER_S);
	assert_int_equal(open_forged(number), DROP_SOURCE_RATE);
	assert_null(fixture.opened);
	assert_int_equal(fixture.session->epochs[0].open_failed, SESSION_SOURCE_FAILED_PER_S);
	fixture.peer.ipv4++;
	assert_int_equal(open_number(4, 5000, 16), DROP_NONE);
	fixture.peer.ipv4--;
	assert_int_equal(open_number(4, 5001, 16), DROP_SOURCE_RATE);
	fixture.now_ns += 2 * SECOND;
	assert_int_equal(open_number(4, 5001, 16), DROP_NONE);
	end();
}

TEST(sealed_answers_open_at_the_terminal_and_count_up_in_the_lane)
{
	struct session_install made = install_of(SESSION_ID, 4, 1);
	struct frame_header header;
	struct aead_key key;

	begin();
	memset(&key, 0, sizeof(key));
	assert_int_equal(
	    aead_key_init(&key, aead_backend_default(), made.to_terminal_key, made.to_terminal_iv),
	    0);
	for (uint64_t count = 1; count <= 3; count++) {
		memset(fixture.datagram + 16, 0x5a, 48);
		assert_int_equal(
		    session_seal(fixture.table, fixture.session, fixture.datagram, 48), 80);
		memcpy(&header, fixture.datagram, sizeof(header));
		assert_int_equal(header.version_kind, 0x11);
		assert_int_equal(header.flags, FRAME_FLAG_FROM_SWITCH);
		assert_int_equal(le16_get(header.epoch), 4);
		assert_int_equal(le32_get(header.session_id), SESSION_ID);
		assert_true(le64_get(header.packet_number) == ((uint64_t)LANE << 56 | count));
		assert_int_equal(aead_open(&key, fixture.datagram, 48), 0);
		for (size_t i = 0; i < 48; i++)
			assert_int_equal(fixture.datagram[16 + i], 0x5a);
	}
	aead_key_wipe(&key);
	end();
}

TEST(a_new_epoch_seals_from_1_and_a_used_up_one_does_not_seal)
{
	struct frame_header header;

	begin();
	fixture.session->epochs[0].send_counter = LIMIT_EPOCH_SEALED_MAX - 1;
	assert_int_equal(session_seal(fixture.table, fixture.session, fixture.datagram, 8), 40);
	assert_int_equal(
	    session_seal(fixture.table, fixture.session, fixture.datagram, 8), -EAGAIN);
	assert_int_equal(install(fixture.table, SESSION_ID, 5, 1), 0);
	assert_int_equal(session_seal(fixture.table, fixture.session, fixture.datagram, 8), 40);
	memcpy(&header, fixture.datagram, sizeof(header));
	assert_int_equal(le16_get(header.epoch), 5);
	assert_true(le64_get(header.packet_number) == ((uint64_t)LANE << 56 | 1));
	end();
}

TEST(reset_names_boot_and_epoch_and_verifies)
{
	struct session_install made = install_of(SESSION_ID, 4, 1);
	struct frame_header trigger;
	struct frame_reset reset;

	begin();
	memset(&trigger, 0, sizeof(trigger));
	trigger.epoch = le16_make(2);
	trigger.packet_number = le64_make(1234);
	assert_int_equal(
	    session_make_reset(fixture.session, 0xb007, &trigger, 40, &fixture.peer, START, &reset),
	    0);
	assert_int_equal(reset.header.version_kind, 0x12);
	assert_int_equal(reset.header.flags, FRAME_FLAG_FROM_SWITCH);
	assert_int_equal(le16_get(reset.header.epoch), 4);
	assert_int_equal(le32_get(reset.header.session_id), SESSION_ID);
	assert_int_equal(le64_get(reset.header.packet_number), 1234);
	assert_int_equal(le64_get(reset.boot_id), 0xb007);
	assert_int_equal(keys_reset_verify(&reset, made.reset_key), 0);
	reset.boot_id = le64_make(0xb008);
	assert_int_equal(keys_reset_verify(&reset, made.reset_key), -EBADMSG);
	end();
}

TEST(reset_is_rare_and_never_longer_than_its_trigger)
{
	struct frame_header trigger;
	struct frame_reset reset;
	const uint64_t interval = SESSION_RESET_INTERVAL_NS;

	begin();
	memset(&trigger, 0, sizeof(trigger));
	memset(&reset, 0xee, sizeof(reset));
	assert_int_equal(
	    session_make_reset(fixture.session, 1, &trigger, 32, &fixture.peer, START, &reset),
	    -EAGAIN);
	assert_int_equal(reset.header.version_kind, 0xee);
	assert_int_equal(
	    session_make_reset(fixture.session, 1, &trigger, 40, &fixture.peer, START, &reset), 0);
	assert_int_equal(session_make_reset(fixture.session, 1, &trigger, 40, &fixture.peer,
	                     START + interval - 1, &reset),
	    -EAGAIN);
	assert_int_equal(session_make_reset(fixture.session, 1, &trigger, 40, &fixture.peer,
	                     START + interval, &reset),
	    0);
	end();
}

/* Its source asks as often as it can, the terminal once after a restart of the switch. */
TEST(a_flood_that_asks_for_resets_leaves_the_terminal_its_own)
{
	struct wire_peer flood = peer_of(0x0a000042, 6666);
	struct frame_header trigger;
	struct frame_reset reset;
	unsigned to_flood = 0, to_terminal = 0;

	begin();
	memset(&trigger, 0, sizeof(trigger));
	for (uint64_t ms = 0; ms < 1000; ms++) {
		to_flood += session_make_reset(fixture.session, 1, &trigger, 40, &flood,
		                START + ms * 1000000, &reset) == 0;
		/* In the middle between two RESETs to the flood. */
		if (ms % 200 == 150)
			to_terminal += session_make_reset(fixture.session, 1, &trigger, 40,
			                   &fixture.peer, START + ms * 1000000, &reset) == 0;
	}
	assert_int_equal(to_terminal, 5);
	/* Ten by its own interval, and one more behind each of the terminal's. */
	assert_true(to_flood <= 15);
	end();
}

TEST(random_bytes_never_open)
{
	uint64_t random = test_seed();

	begin();
	for (unsigned round = 0; round < 20000; round++) {
		size_t size = test_random(&random) % sizeof(fixture.datagram);

		for (size_t i = 0; i < size; i++)
			fixture.datagram[i] = (uint8_t)test_random(&random);
		if (round % 2 == 0) /* past the header checks */
			(void)terminal_seal(fixture.datagram, SESSION_ID, 4, round + 1, 0);
		if (round % 2 == 0 && size > 16)
			fixture.datagram[16 + test_random(&random) % 16] ^= 0x40;
		assert_int_not_equal(open_bytes(size), DROP_NONE);
		fixture.now_ns += SECOND / 60;
	}
	assert_false(fixture.session->peer_known);
	end();
}

TEST_MAIN()
