/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, questions and the connection itself; commands are in test_link.c. */
#include <errno.h>

#include "tests/control/link/bed.h"

TEST_MAIN()

TEST(an_end_names_its_terminal_and_kinds_of_refusals_are_read)
{
	struct bed *bed = bed_make(0);
	struct sessions_counts counts;
	struct fake_session *other;
	uint32_t id, gone, taken;

	bed->fake = fake_start(bed->root, 1);
	bed->fake->kinds = 1;
	bed_link(bed);
	state_await(bed, LINK_UP);
	id = establish(bed, 41);
	gone = establish(bed, 42);
	link_wake(bed->link);
	assert_int_equal(sessions_wait(bed->sessions, id, WAIT_MS), 0);
	assert_int_equal(sessions_wait(bed->sessions, gone, WAIT_MS), 0);
	pthread_mutex_lock(&bed->fake->mutex);
	bed->fake->sessions[gone & (FAKE_SLOTS - 1)].live = 0;
	other = &bed->fake->sessions[(gone + 1) & (FAKE_SLOTS - 1)]; /* the next slot */
	other->session_id = UINT32_MAX;
	other->live = 1;
	pthread_mutex_unlock(&bed->fake->mutex);
	assert_int_equal(sessions_end(bed->sessions, id), 0);
	assert_int_equal(sessions_end(bed->sessions, gone), 0);
	taken = establish(bed, 43);
	link_wake(bed->link);
	assert_int_equal(sessions_wait(bed->sessions, taken, WAIT_MS), -ENOENT); /* over at once */
	for (unsigned i = 0; i < WAIT_MS; i++) {
		sessions_counts(bed->sessions, &counts);
		if (counts.ending == 0)
			break;
		usleep(1000);
	}
	assert_int_equal(counts.ending, 0);
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->sessions[id & (FAKE_SLOTS - 1)].end_terminal_id, 41);
	pthread_mutex_unlock(&bed->fake->mutex);
	bed_free(bed);
}

TEST(a_new_boot_id_gets_all_sessions_and_an_old_one_none)
{
	struct bed *bed = bed_make(0);
	struct sessions_counts counts;
	struct link_report report;

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	for (uint64_t terminal = 1; terminal <= 50; terminal++) {
		uint32_t id = establish(bed, terminal);

		link_wake(bed->link);
		assert_int_equal(sessions_wait(bed->sessions, id, WAIT_MS), 0);
	}
	sessions_counts(bed->sessions, &counts);
	assert_int_equal(counts.installs, 50);
	fake_disconnect(bed->fake);
	for (unsigned i = 0; i < WAIT_MS; i++) {
		link_report(bed->link, &report);
		if (report.connects == 2 && report.state == LINK_UP)
			break;
		usleep(1000);
	}
	assert_int_equal(report.connects, 2);
	assert_int_equal(report.boots, 1);
	sessions_counts(bed->sessions, &counts);
	assert_int_equal(counts.installs, 50);
	fake_reboot(bed->fake);
	for (unsigned i = 0; i < WAIT_MS; i++) {
		link_report(bed->link, &report);
		if (report.boots == 2 && report.state == LINK_UP)
			break;
		usleep(1000);
	}
	sessions_counts(bed->sessions, &counts);
	assert_int_equal(counts.live, 50);
	assert_int_equal(counts.installs, 100);
	assert_int_equal(counts.established, 50);
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->sessions_at_open, 50);
	pthread_mutex_unlock(&bed->fake->mutex);
	bed_free(bed);
}

TEST(the_list_is_passed_on_rotates_and_finds_strays)
{
	struct bed *bed = bed_make(0);
	struct fake_session *stray, *tired;
	uint32_t ids[7];
	unsigned done = 0;

	bed->fake = fake_start(bed->root, 1);
	for (uint64_t i = 0; i < 7; i++)
		ids[i] = establish(bed, i + 1);
	stray = &bed->fake->sessions[77];
	stray->session_id = 5u << 20 | 77;
	stray->terminal_id = 3;
	stray->live = 1;
	bed_link(bed);
	state_await(bed, LINK_UP);
	tired = &bed->fake->sessions[ids[3] & (FAKE_SLOTS - 1)];
	pthread_mutex_lock(&bed->fake->mutex);
	tired->wants_rotation = 1;
	pthread_mutex_unlock(&bed->fake->mutex);
	for (unsigned i = 0; i < WAIT_MS && !done; i++) {
		usleep(1000);
		pthread_mutex_lock(&bed->fake->mutex);
		done = bed->listed >= 8 && !stray->live && tired->epoch == 2;
		pthread_mutex_unlock(&bed->fake->mutex);
	}
	assert_true(done);
	bed_free(bed);
}

TEST(questions_are_answered_and_fail_without_a_data_plane)
{
	struct bed *bed = bed_make(0);
	char message[512];
	json_t *answer = NULL, *status;

	bed_link(bed);
	assert_int_equal(link_ask(bed->link, json_pack("{s:s}", "cmd", "account_show"), 100,
	                     &answer, message, sizeof(message)),
	    -EHOSTDOWN);
	assert_null(link_status(bed->link));
	bed->fake = fake_start(bed->root, 1);
	state_await(bed, LINK_UP);
	assert_int_equal(
	    link_ask(bed->link, json_pack("{s:s, s:i}", "cmd", "account_show", "account_id", 12),
	        WAIT_MS, &answer, message, sizeof(message)),
	    0);
	assert_int_equal(json_integer_value(json_object_get(answer, "account_id")), 12);
	json_decref(answer);
	assert_int_equal(link_ask(bed->link, json_pack("{s:s}", "cmd", "nonsense"), WAIT_MS,
	                     &answer, message, sizeof(message)),
	    -EPERM);
	assert_string_equal(message, "unknown command");
	status = link_status(bed->link);
	assert_non_null(json_object_get(status, "boot_id"));
	json_decref(status);
	bed_free(bed);
}

TEST(a_root_too_long_for_a_socket_name_is_reached)
{
	struct bed *bed = bed_make(1);

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	state_await(bed, LINK_UP);
	bed_free(bed);
}

TEST(sessions_can_be_ended_while_a_shard_is_ahead)
{
	struct bed *bed = bed_make(0);
	uint32_t id = establish(bed, 1), other;
	unsigned live = 1;

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	assert_int_equal(sessions_wait(bed->sessions, id, WAIT_MS), 0);
	state_await(bed, LINK_UP);
	pthread_mutex_lock(&bed->fake->mutex);
	bed->fake->last[2] = 1;
	pthread_mutex_unlock(&bed->fake->mutex);
	state_await(bed, LINK_REFUSED);
	other = establish(bed, 2);
	assert_int_equal(sessions_end(bed->sessions, id), 0);
	link_wake(bed->link);
	for (unsigned i = 0; i < WAIT_MS && live; i++) {
		usleep(1000);
		pthread_mutex_lock(&bed->fake->mutex);
		live = bed->fake->sessions[id & (FAKE_SLOTS - 1)].live;
		pthread_mutex_unlock(&bed->fake->mutex);
	}
	assert_int_equal(live, 0);
	assert_int_equal(sessions_wait(bed->sessions, other, 1), -ETIMEDOUT);
	bed_free(bed);
}
