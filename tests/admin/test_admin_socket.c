/* SPDX-License-Identifier: Apache-2.0 */
/* The socket itself: questions, and clients that end, read late or send too much (place.h). */
#include <errno.h>

#include "tests/admin/place.h"

TEST(a_question_is_answered_from_the_area_the_worker_filled)
{
	struct shard_command command;
	json_t *answer;
	int fd;

	begin();
	fd = client_open();
	say(fd, question);
	command = take(0);
	question_answer(&command);
	finish(0, command.ticket, 0);
	answer = hear(fd);
	assert_true(json_is_true(json_object_get(answer, "found")));
	assert_int_equal(json_integer_value(json_object_get(answer, "stake")), 3);
	assert_int_equal(json_array_size(json_object_get(answer, "legs")), 2);
	json_decref(answer);
	close(fd);
	end();
}

TEST(a_bet_is_asked_of_the_shard_in_its_id_and_told_with_all_64_bits)
{
	struct shard_command command;
	json_t *answer;
	int fd;

	begin();
	fd = client_open();
	say(fd, "{\"cmd\":\"bet_show\",\"bet_id\":\"18428729675200069633\"}\n");
	command = take(1);
	assert_true(command.query->id == 18428729675200069633ull);
	command.query->found = 1;
	command.query->shard = 1;
	command.query->bet = (struct bet_row){
		.id = command.query->id, .stake = 500, .leg_count = 2, .placed_at_ns = 77
	};
	finish(1, command.ticket, 0);
	answer = hear(fd);
	assert_string_equal(
	    json_string_value(json_object_get(answer, "bet_id")), "18428729675200069633");
	assert_string_equal(json_string_value(json_object_get(answer, "placed_at_ns")), "77");
	assert_int_equal(json_integer_value(json_object_get(answer, "shard")), 1);
	assert_int_equal(json_array_size(json_object_get(answer, "legs")), 2);
	json_decref(answer);
	close(fd);
	end();
}

TEST(a_failed_question_tells_nothing_of_the_row)
{
	struct shard_command command;
	json_t *answer;
	int fd;

	begin();
	fd = client_open();
	say(fd, question);
	command = take(0);
	question_answer(&command);
	finish(0, command.ticket, -EIO);
	answer = hear(fd);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_null(json_object_get(answer, "stake"));
	json_decref(answer);
	close(fd);
	end();
}

/* What a home does with a list. */
static uint64_t fill(uint32_t shard)
{
	struct shard_command command = take(shard);

	assert_int_equal(command.kind, SHARD_QUERY);
	for (uint32_t i = 0; i < command.query->sessions_count; i++) {
		struct query_session *session = &command.query->sessions[i];

		if (session->home != shard)
			continue;
		session->session_id = session->slot | 1u << LIMIT_SESSION_SLOT_BITS;
		session->terminal_id = 100 + session->slot;
		if (session->slot == 0)
			session->heartbeat = (struct terminal_heartbeat){
				.received_ns = 9, .sequence = 4, .battery_percent = 55
			};
	}
	return command.ticket;
}

TEST(sessions_come_by_slot_from_all_homes_in_pages)
{
	json_t *answer, *list;
	uint64_t next = 0;
	unsigned seen = 0, pages = 0;
	int fd;

	begin();
	for (uint32_t slot = 0; slot < 600; slot += 2)
		live(slot, (uint8_t)(slot / 2 % SHARDS));
	fd = client_open();
	do {
		char line[100];

		snprintf(line, sizeof(line), "{\"cmd\":\"sessions\",\"from_slot\":%llu}\n",
		    (unsigned long long)next);
		say(fd, line);
		finish(1, fill(1), 0);
		finish(0, fill(0), 0);
		answer = hear(fd);
		list = json_object_get(answer, "sessions");
		for (size_t i = 0; i < json_array_size(list); i++, seen++) {
			json_t *session = json_array_get(list, i);

			assert_case_equal(seen,
			    json_integer_value(json_object_get(session, "terminal_id")),
			    100 + 2 * seen);
			assert_case_equal(
			    seen, json_is_null(json_object_get(session, "heartbeat")), seen != 0);
		}
		next = (uint64_t)json_integer_value(json_object_get(answer, "next_slot"));
		pages++;
		json_decref(answer);
	} while (next != 0);
	assert_int_equal(seen, 300);
	assert_int_equal(pages, 2);
	close(fd);
	end();
}

TEST(a_full_page_that_ends_the_list_names_no_next_slot)
{
	json_t *answer;
	int fd;

	begin();
	for (uint32_t slot = 0; slot < QUERY_SESSIONS_MAX; slot++)
		live(slot, 0);
	fd = client_open();
	say(fd, "{\"cmd\":\"sessions\"}\n");
	finish(0, fill(0), 0);
	finish(1, fill(1), 0);
	answer = hear(fd);
	assert_int_equal(json_array_size(json_object_get(answer, "sessions")), QUERY_SESSIONS_MAX);
	assert_int_equal(json_integer_value(json_object_get(answer, "next_slot")), 0);
	json_decref(answer);
	close(fd);
	end();
}

TEST(what_was_sent_before_the_end_of_input_is_done_and_answered)
{
	struct shard_command command;
	int fd;

	begin();
	fd = client_open();
	say(fd, question);
	say(fd, question);
	say(fd, "{\"cmd\":\"open\"}\n{\"cmd\":");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < 2; i++) {
		command = take(0);
		question_answer(&command);
		finish(0, command.ticket, 0);
		hear_ok(fd, 1);
	}
	hear_ok(fd, 1);
	assert_null(hear(fd)); /* half a line is nothing: closed */
	close(fd);
	end();
}

TEST(big_answers_to_a_client_that_reads_late_come_whole_and_in_order)
{
	enum { ASKED = 40 };
	int fd, small = 4096;
	json_t *answer;

	begin();
	fd = client_open();
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	histogram_add(&place.workers[1]->latency.stages[LATENCY_total], 3000, 5);
	for (int i = 0; i < ASKED; i++)
		say(fd, "{\"cmd\":\"histograms\"}\n");
	say(fd, "{\"cmd\":\"open\"}\n");
	work(200); /* far more than the socket holds: the rest must wait, not be lost */
	for (int i = 0; i < ASKED; i++) {
		json_t *stage, *shard;

		answer = hear(fd);
		assert_non_null(answer);
		assert_int_equal(
		    json_array_size(json_object_get(answer, "bounds_ns")) + 1, HISTOGRAM_BUCKETS);
		shard = json_array_get(json_object_get(answer, "shards"), 1);
		stage = json_object_get(json_object_get(shard, "stages"), "total");
		assert_int_equal(
		    json_array_size(json_object_get(stage, "counts")), HISTOGRAM_BUCKETS);
		assert_int_equal(json_integer_value(json_object_get(stage, "sum_ns")), 15000);
		json_decref(answer);
	}
	hear_ok(fd, 1);
	close(fd);
	end();
}

TEST(a_line_without_end_closes_its_client_alone)
{
	static char flood[ADMIN_LINE_SIZE_MAX];
	int fd, other;
	size_t sent = 0;

	begin();
	memset(flood, 'x', sizeof(flood));
	fd = client_open();
	other = client_open();
	while (sent < sizeof(flood)) {
		ssize_t got =
		    send(fd, flood + sent, sizeof(flood) - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (got > 0)
			sent += (size_t)got;
		work(1);
	}
	assert_null(hear(fd));
	say(other, "{\"cmd\":\"open\"}\n");
	hear_ok(other, 1);
	close(fd);
	close(other);
	end();
}

TEST(bad_questions_are_refused_and_the_field_is_named)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "{\"cmd\":\"account_show\"}\n", "account_id" },
		{ "{\"cmd\":\"account_show\",\"account_id\":0}\n", "account_id" },
		{ "{\"cmd\":\"account_show\",\"account_id\":-5}\n", "account_id" },
		{ "{\"cmd\":\"account_show\",\"account_id\":\"9223372036854775808\"}\n",
		    "account_id" },
		{ "{\"cmd\":\"bet_show\",\"bet_id\":\"18446744073709551616\"}\n", "bet_id" },
		{ "{\"cmd\":\"bet_show\",\"bet_id\":\"12x\"}\n", "bet_id" },
		{ "{\"cmd\":\"bet_show\",\"bet_id\":\" 12\"}\n", "bet_id" },
		{ "{\"cmd\":\"bet_show\",\"bet_id\":\"\"}\n", "bet_id" },
		{ "{\"cmd\":\"bet_show\",\"bet_id\":1.5}\n", "bet_id" },
		{ "{\"cmd\":\"terminal_show\",\"terminal_id\":4294967296}\n", "terminal_id" },
		{ "{\"cmd\":\"market_show\",\"market_id\":[]}\n", "market_id" },
		{ "{\"cmd\":\"sessions\",\"from_slot\":1048576}\n", "from_slot" },
		{ "{\"cmd\":\"sessions\",\"from_slot\":\"x\"}\n", "from_slot" },
		{ "{\"cmd\":\"accounts_show\"}\n", "unknown command" },
	};
	struct shard_command command;
	int fd;

	begin();
	fd = client_open();
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		const char *error;
		json_t *answer;

		say(fd, cases[i].line);
		answer = hear(fd);
		error = json_string_value(json_object_get(answer, "error"));
		assert_case_equal(i, json_is_false(json_object_get(answer, "ok")), 1);
		if (error == NULL || strstr(error, cases[i].says) == NULL)
			fail_msg("case %zu: \"%s\" does not name \"%s\"", i,
			    error == NULL ? "" : error, cases[i].says);
		json_decref(answer);
	}
	for (uint32_t i = 0; i < SHARDS; i++)
		assert_false(spsc_ring_pop(place.workers[i]->rings.command, &command));
	close(fd);
	end();
}

TEST(a_question_waits_for_room_in_the_command_ring)
{
	struct shard_command command, filler = { .ticket = 999, .kind = SHARD_SESSION_END };
	unsigned fillers = 0;
	int fd;

	begin();
	while (spsc_ring_push(place.workers[0]->rings.command, &filler))
		fillers++;
	fd = client_open();
	say(fd, question);
	work(20);
	while (fillers-- > 0)
		assert_int_equal(take(0).ticket, 999);
	command = take(0);
	question_answer(&command);
	finish(0, command.ticket, 0);
	hear_ok(fd, 1);
	close(fd);
	end();
}

TEST_MAIN()
