/* SPDX-License-Identifier: Apache-2.0 */
/* The thread: connect, bring the data plane up to date, serve, again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/link/inside.h"
#include "control/log/log.h"

#define RETRY_FIRST_NS 50000000ull
#define RETRY_MAX_NS   2000000000ull

/* A shard's data are gone; with the numbers looked at by this thread alone. */
static void lost_say(struct link *link)
{
	unsigned shard;
	uint64_t has, done;
	int is_lsn;

	pthread_mutex_lock(&link->mutex);
	is_lsn = link->lost_is_lsn;
	shard = link->lost_shard;
	has = link->lost_has;
	done = link->lost_done;
	pthread_mutex_unlock(&link->mutex);
	if (is_lsn) {
		link_state_set(link, LINK_REFUSED,
		    "The journal of shard %u of the data plane ends at LSN %" PRIu64
		    ", and went to %" PRIu64
		    " before: an older copy was put there, and its ports stay closed. Put the "
		    "newest state back or restore a backup (sluice-db backup restore). If what is "
		    "missing is given up, `sluicectl command adopt` opens it as it is.",
		    shard, has, done);
		return;
	}
	link_state_set(link, LINK_REFUSED,
	    "Shard %u of the data plane has done commands up to %" PRIu64 ", and up to %" PRIu64
	    " before: its data are gone, or older ones were put there, and its ports stay closed. "
	    "Mount its disk or restore a backup (sluice-db backup restore). If what is missing is "
	    "given up, `sluicectl command adopt` sends the commands again.",
	    shard, has, done);
}

/* 1 when a shard had a number control never gave out, or has lost what it had done; then the state
 * says so. */
static int link_refuses(struct link *link)
{
	enum numbers_state numbers;
	uint64_t last, max;
	unsigned shard;

	if (!link_numbers_refused(link))
		return 0;
	pthread_mutex_lock(&link->mutex);
	numbers = link->numbers;
	last = link->ahead_last;
	max = link->ahead_max;
	shard = link->ahead_shard;
	pthread_mutex_unlock(&link->mutex);
	if (numbers == NUMBERS_LOST)
		lost_say(link);
	else if (link->shard_max > last)
		link_state_set(link, LINK_REFUSED,
		    "Shard %u of the data plane is at command %" PRIu64 ", control has given out "
		    "only %" PRIu64 ": its database is too old. Restore it from its newest copy, "
		    "or let control take over the numbers with `sluicectl command adopt`.",
		    shard, max, last);
	else
		link_state_set(link, LINK_REFUSED,
		    "Shard %u of the data plane was at command %" PRIu64 ", control had given out "
		    "only %" PRIu64 "; another data plane answers now. Restart control when this "
		    "is the right one.",
		    shard, max, last);
	return 1;
}

/* Whoever adopts the numbers wipes the message meanwhile: a copy of it. */
static void refused_log(struct link *link)
{
	struct link_report report;

	link_report(link, &report);
	if (report.state == LINK_REFUSED)
		log_event(LOG_ERROR, "link", "refused", NULL, "%s", report.message);
}

/* Waits until no shard is ahead of control or has lost its data. Sessions are ended and questions
 * answered meanwhile. */
static int link_refused(struct link *link)
{
	int said = 0;

	while (link_refuses(link)) {
		int busy = 0, result = link_sessions_turn(link, 1, &busy);

		if (result == 0)
			result = link_questions_turn(link, &busy);
		if (!said)
			refused_log(link);
		said = 1;
		if (result == 0 && !busy)
			result = link_wait(link, link_mono_ns() + LINK_STATUS_NS);
		if (result == 0 && link_stopping(link))
			result = -ECANCELED;
		if (result == 0)
			result = link_status_read(link);
		if (result != 0)
			return result;
	}
	return 0;
}

/* Ends, commands, installs, questions; a revocation waits for at most one lot of each. */
static int link_turn(struct link *link, int *busy)
{
	int result = link_sessions_turn(link, 0, busy);

	if (result == 0)
		result = link_commands_turn(link, busy);
	if (result == 0)
		result = link_questions_turn(link, busy);
	if (result == 0 && link_stopping(link))
		result = -ECANCELED;
	return result;
}

static int link_open(struct link *link)
{
	json_t *answer = NULL;
	int result = link_call(link, json_pack("{s:s}", "cmd", "open"), &answer);

	if (result == 0 && !link_answer_ok(answer)) {
		snprintf(link->admin.message, sizeof(link->admin.message),
		    "The data plane does not open its ports: %.300s.", link_answer_error(answer));
		result = -EPROTO;
	}
	json_decref(answer);
	return result;
}

static int link_sync(struct link *link)
{
	uint64_t boot_id = link->report.boot_id; /* written by this thread alone */
	unsigned installs;
	int busy = 1, result = 0;

	link_state_set(link, LINK_SYNCING, "%s", "");
	link_commands_resume(link);
	installs = sessions_boot(link->config.sessions, boot_id);
	/*
	 * A command that a shard cannot do (no room) keeps later commands waiting, not the ports
	 * closed: busy is not set for it.
	 */
	while (busy && result == 0) {
		busy = 0;
		result = link_turn(link, &busy);
	}
	if (result != 0 || link_numbers_refused(link))
		return result;
	result = link_open(link);
	if (result != 0)
		return result;
	link_state_set(link, LINK_UP, "%s", link->pause_message);
	log_event(LOG_INFO, "link", "up", NULL,
	    "the data plane is up to date and open: boot id %" PRIu64 ", %u sessions installed, "
	    "command %" PRIu64,
	    boot_id, installs, link->next_sequence - 1);
	return 0;
}

/* When there is something to do without being woken, by the monotonic clock. */
static uint64_t link_next_ns(struct link *link)
{
	uint64_t next_ns = link->status_due_ns, due_ns = sessions_due_ns(link->config.sessions);
	uint64_t now_ns = database_now_ns(), mono_ns = link_mono_ns();

	if (link->histograms_due_ns < next_ns)
		next_ns = link->histograms_due_ns;
	if (link->list_due_ns < next_ns)
		next_ns = link->list_due_ns;
	if (link->command_retry_ns != 0 && link->command_retry_ns < next_ns)
		next_ns = link->command_retry_ns;
	due_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	return due_ns < LINK_STATUS_NS && mono_ns + due_ns < next_ns ? mono_ns + due_ns : next_ns;
}

/* 0: the numbers do not fit, it is to be brought up to date anew. */
static int link_up(struct link *link)
{
	link->histograms_due_ns = link->list_due_ns = link_mono_ns();
	link->list_slot = 0;
	for (;;) {
		uint64_t now_ns;
		int busy = 0, result;

		/* A status may have been read by the turn, too. */
		if (link_numbers_refused(link))
			return 0;
		result = link_turn(link, &busy);
		now_ns = link_mono_ns();
		if (result == 0 && now_ns >= link->status_due_ns) {
			result = link_status_read(link);
			if (result == 0 && link_numbers_refused(link))
				return 0;
		}
		if (result == 0 && now_ns >= link->histograms_due_ns)
			result = link_histograms_read(link);
		if (result == 0 && now_ns >= link->list_due_ns)
			result = link_list_read(link);
		if (result == 0 && !busy)
			result = link_wait(link, link_next_ns(link));
		if (result != 0)
			return result;
	}
}

/* One connection from its begin to its end, which is why it broke. */
static int link_serve(struct link *link)
{
	int result = link_status_read(link);

	if (result != 0)
		return result;
	pthread_mutex_lock(&link->mutex);
	link->report.connects++;
	pthread_mutex_unlock(&link->mutex);
	(void)sessions_boot(link->config.sessions, link->report.boot_id);
	while (result == 0) {
		result = link_refused(link);
		if (result == 0)
			result = link_sync(link);
		if (result == 0)
			result = link_up(link);
	}
	return result;
}

/* Who waits for the numbers to be compared need not wait any longer. */
static void link_tried(struct link *link)
{
	pthread_mutex_lock(&link->mutex);
	link->tried = 1;
	pthread_mutex_unlock(&link->mutex);
}

void *link_run(void *argument)
{
	struct link *link = argument;
	uint64_t retry_ns = RETRY_FIRST_NS;
	int said = 0;

	link_commands_find(link);
	while (!link_stopping(link)) {
		uint64_t connects = link->report.connects, until_ns;
		int result = link_connect(link), served;

		if (result == 0)
			result = link_serve(link);
		served = link->report.connects != connects; /* written by this thread alone */
		if ((served || !said) && !link_stopping(link))
			log_event(LOG_WARNING, "link", "down", NULL, "%s", link->admin.message);
		said = 1;
		link_tried(link);
		link_state_set(link, LINK_DOWN, "%s", link->admin.message);
		link_disconnect(link);
		link_questions_fail(link);
		/* A connection that came to something ends the long pauses. */
		if (served && result != -EPROTO)
			retry_ns = RETRY_FIRST_NS;
		until_ns = link_mono_ns() + retry_ns;
		while (!link_stopping(link) && link_mono_ns() < until_ns)
			(void)link_wait(link, until_ns);
		retry_ns = retry_ns * 2 < RETRY_MAX_NS ? retry_ns * 2 : RETRY_MAX_NS;
	}
	link_questions_fail(link);
	return NULL;
}
