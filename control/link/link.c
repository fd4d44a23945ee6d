/* SPDX-License-Identifier: Apache-2.0 */
/* What other threads call. */
#include "control/link/link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/commands/commands.h"
#include "control/link/inside.h"

const char *link_state_name(enum link_state state)
{
	switch (state) {
	case LINK_DOWN:
		return "down";
	case LINK_SYNCING:
		return "syncing";
	case LINK_UP:
		return "up";
	case LINK_REFUSED:
		return "refused";
	}
	return "unknown";
}

uint64_t link_mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int link_stopping(struct link *link)
{
	int stop;

	pthread_mutex_lock(&link->mutex);
	stop = link->stop;
	pthread_mutex_unlock(&link->mutex);
	return stop;
}

void link_message_set(struct link *link, const char *message)
{
	pthread_mutex_lock(&link->mutex);
	snprintf(link->report.message, sizeof(link->report.message), "%s", message);
	pthread_mutex_unlock(&link->mutex);
}

void link_state_set(struct link *link, enum link_state state, const char *format, ...)
{
	char message[sizeof(link->report.message)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	pthread_mutex_lock(&link->mutex);
	link->report.state = state;
	memcpy(link->report.message, message, sizeof(message));
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->mutex);
}

static void link_free(struct link *link)
{
	if (link->wake_fd >= 0)
		close(link->wake_fd);
	json_decref(link->status);
	json_decref(link->histograms);
	pthread_cond_destroy(&link->changed);
	pthread_mutex_destroy(&link->mutex);
	free(link->root);
	free(link);
}

static struct timespec until_of(unsigned timeout_ms)
{
	uint64_t until_ns = link_mono_ns() + (uint64_t)timeout_ms * 1000000u;

	return (
	    struct timespec){ (time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u) };
}

/* ---- Whether numbers may be given out ---- */

static int gate_open(void *context)
{
	struct link *link = context;
	enum numbers_state numbers;

	pthread_mutex_lock(&link->mutex);
	numbers = link->numbers;
	pthread_mutex_unlock(&link->mutex);
	return numbers == NUMBERS_GOOD ? 0 : numbers == NUMBERS_AHEAD ? -ESTALE : -EAGAIN;
}

static void gate_adopted(void *context)
{
	link_adopted(context);
}

static void gate_put(struct link *link)
{
	commands_gate_set(&(struct commands_gate){ gate_open, gate_adopted, link });
}

int link_is_lost(struct link *link)
{
	int lost;

	pthread_mutex_lock(&link->mutex);
	lost = link->numbers == NUMBERS_LOST;
	pthread_mutex_unlock(&link->mutex);
	return lost;
}

void link_adopted(struct link *link)
{
	pthread_mutex_lock(&link->mutex);
	link->adoptions++;
	link->seen_given_up = link->is_lost;
	link->is_lost = 0;
	link->numbers = NUMBERS_UNKNOWN;
	link->refused_above = UINT64_MAX;
	if (link->report.state == LINK_REFUSED) {
		/* Until the thread has compared them, which may refuse anew. */
		link->report.state = LINK_SYNCING;
		link->report.message[0] = '\0';
	}
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->mutex);
	link_wake(link);
}

int link_commands_open(struct link *link, char *message, size_t message_size)
{
	struct timespec until = until_of(LINK_COMPARE_WAIT_MS);
	int result = 0;

	pthread_mutex_lock(&link->mutex);
	while (link->numbers == NUMBERS_UNKNOWN && !link->stop &&
	       (link->report.state != LINK_DOWN || !link->tried))
		if (pthread_cond_timedwait(&link->changed, &link->mutex, &until) == ETIMEDOUT)
			break;
	if (link->numbers == NUMBERS_UNKNOWN) {
		result = -EAGAIN;
		snprintf(message, message_size,
		    "Control has not compared its commands with the data plane's since it was "
		    "started. Start the data plane, then repeat this.");
	} else if (link->numbers == NUMBERS_AHEAD) {
		result = -EPERM;
		snprintf(message, message_size,
		    "The data plane has command %" PRIu64 ", control has given out only %" PRIu64
		    ": its database is too old. Restore it from its newest copy, or take over the "
		    "numbers with `sluicectl command adopt`.",
		    link->ahead_max, link->ahead_last);
	} else if (link->numbers == NUMBERS_LOST) {
		result = -EPERM;
		snprintf(message, message_size,
		    "Shard %u of the data plane has lost its data. Mount its disk or restore a "
		    "backup; `sluicectl status` says more.",
		    link->lost_shard);
	}
	pthread_mutex_unlock(&link->mutex);
	return result;
}

int link_start(struct link **out, const struct link_config *config)
{
	struct link *link = calloc(1, sizeof(*link));
	pthread_condattr_t attributes;
	int result;

	if (link == NULL)
		return -ENOMEM;
	link->config = *config;
	link->fd = link->admin.fd = -1;
	link->questions_end = &link->questions;
	link->refused_above = UINT64_MAX;
	snprintf(link->report.message, sizeof(link->report.message),
	    "Control has not reached the data plane yet.");
	pthread_mutex_init(&link->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&link->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	link->root = strdup(config->root);
	link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	result = link->root == NULL ? -ENOMEM : link->wake_fd < 0 ? -errno : 0;
	if (result == 0) {
		link_seen_load(link);
		gate_put(link);
		result = -pthread_create(&link->thread, NULL, link_run, link);
	}
	if (result != 0) {
		commands_gate_set(NULL);
		link_free(link);
		return result;
	}
	*out = link;
	return 0;
}

void link_wake(struct link *link)
{
	uint64_t one = 1;

	/* Full means that it will wake anyway. */
	if (write(link->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void link_cancel(struct link *link)
{
	if (link == NULL)
		return;
	pthread_mutex_lock(&link->mutex);
	link->stop = 1;
	if (link->fd >= 0)
		(void)shutdown(link->fd, SHUT_RDWR); /* a thread that waits for an answer returns */
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->mutex);
	link_wake(link);
}

void link_stop(struct link *link)
{
	if (link == NULL)
		return;
	link_cancel(link);
	pthread_join(link->thread, NULL);
	commands_gate_set(NULL);
	link_free(link);
}

/* ---- Commands ---- */

struct refused_context {
	uint64_t sequence;
	uint8_t state;
};

static int refused_body(struct db_txn *txn, void *argument)
{
	struct refused_context *context = argument;
	struct db_key key = db_key_make(context->sequence);
	struct record_control_command record;
	struct db_bytes value, text;
	int error = db_get(txn, CONTROL_TABLE_COMMAND, db_key(&key), &value);

	if (error == 0)
		error = record_control_command_read(value, &record, &text);
	if (error == 0)
		context->state = record.state;
	return error;
}

/* 1 when the command was refused, with the reason if it is still known. */
static int command_was_refused(
    struct link *link, uint64_t sequence, char *message, size_t message_size)
{
	struct refused_context context = { sequence, CONTROL_COMMAND_DONE };
	int found = 0;

	pthread_mutex_lock(&link->mutex);
	for (unsigned i = 0; i < LINK_REFUSALS_KEPT && !found; i++) {
		if (link->refusals[i].sequence != sequence)
			continue;
		snprintf(message, message_size, "%s", link->refusals[i].message);
		found = 1;
	}
	pthread_mutex_unlock(&link->mutex);
	if (found)
		return 1;
	if (database_read(link->config.database, refused_body, &context) != 0 ||
	    context.state != CONTROL_COMMAND_REFUSED)
		return 0;
	snprintf(message, message_size,
	    "The data plane refused command %" PRIu64 "; control's log says why.", sequence);
	return 1;
}

int link_command_wait(
    struct link *link, uint64_t sequence, unsigned timeout_ms, char *message, size_t message_size)
{
	struct timespec until = until_of(timeout_ms);
	int result = 0;

	link_wake(link);
	pthread_mutex_lock(&link->mutex);
	while (link->report.command_done < sequence && sequence <= link->refused_above &&
	       result == 0) {
		if (link->stop ||
		    pthread_cond_timedwait(&link->changed, &link->mutex, &until) == ETIMEDOUT)
			result = -ETIMEDOUT;
	}
	if (link->report.command_done >= sequence || sequence > link->refused_above)
		result = 0;
	else
		snprintf(message, message_size,
		    "Command %" PRIu64 " is committed and will be done when the data plane takes "
		    "it. %s",
		    sequence, link->report.message);
	pthread_mutex_unlock(&link->mutex);
	if (result == 0 && command_was_refused(link, sequence, message, message_size))
		result = -EPERM;
	return result;
}

/* ---- Questions ---- */

/* Waits for a place in the queue; with the mutex held. */
static int question_put(struct link *link, struct question *question, const struct timespec *until)
{
	for (;;) {
		if (link->report.state == LINK_DOWN || link->stop) {
			snprintf(question->message, sizeof(question->message), "%s",
			    link->report.message);
			return -EHOSTDOWN;
		}
		if (link->question_count < LINK_QUESTIONS_MAX)
			break;
		if (pthread_cond_timedwait(&link->changed, &link->mutex, until) == ETIMEDOUT)
			return -ETIMEDOUT;
	}
	*link->questions_end = question;
	link->questions_end = &question->next;
	link->question_count++;
	return 0;
}

/* Takes a question nobody has looked at out of the queue; with the mutex held. */
static void question_remove(struct link *link, struct question *question)
{
	struct question **at = &link->questions;

	while (*at != question)
		at = &(*at)->next;
	*at = question->next;
	if (link->questions_end == &question->next)
		link->questions_end = at;
	link->question_count--;
	pthread_cond_broadcast(&link->changed); /* there is a place */
}

int link_ask(struct link *link, json_t *request, unsigned timeout_ms, json_t **answer,
    char *message, size_t message_size)
{
	struct timespec until = until_of(timeout_ms);
	struct question *question = calloc(1, sizeof(*question));
	int result;

	if (question == NULL || request == NULL) {
		free(question);
		json_decref(request);
		return -ENOMEM;
	}
	question->request = request;
	snprintf(question->message, sizeof(question->message),
	    "The data plane did not answer in time. See `sluicectl status`.");
	pthread_mutex_lock(&link->mutex);
	result = question_put(link, question, &until);
	if (result == 0) {
		link_wake(link);
		while (!question->done && result == 0)
			if (pthread_cond_timedwait(&link->changed, &link->mutex, &until) ==
			    ETIMEDOUT)
				result = question->done ? 0 : -ETIMEDOUT;
		if (result != 0 && question->request != NULL)
			question_remove(link, question);
		else if (result != 0)
			question->abandoned = 1;
		else
			result = question->result;
	}
	if (result == 0)
		*answer = question->answer;
	else
		snprintf(message, message_size, "%s", question->message);
	if (!question->abandoned) {
		json_decref(question->request);
		free(question);
	}
	pthread_mutex_unlock(&link->mutex);
	return result;
}

/* ---- Reports ---- */

void link_report(struct link *link, struct link_report *report)
{
	pthread_mutex_lock(&link->mutex);
	*report = link->report;
	report->status_age_ms = link->status_mono_ns == 0
	                            ? UINT64_MAX
	                            : (link_mono_ns() - link->status_mono_ns) / 1000000u;
	pthread_mutex_unlock(&link->mutex);
}

/*
 * Copies, not references: jansson counts them with plain reads beside atomic writes, which is a
 * data race between two threads that hold the same object.
 */
json_t *link_status(struct link *link)
{
	json_t *status;

	pthread_mutex_lock(&link->mutex);
	status = json_deep_copy(link->status);
	pthread_mutex_unlock(&link->mutex);
	return status;
}

json_t *link_histograms(struct link *link)
{
	json_t *histograms;

	pthread_mutex_lock(&link->mutex);
	histograms = json_deep_copy(link->histograms);
	pthread_mutex_unlock(&link->mutex);
	return histograms;
}
