/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts of what is near its limit: one for each crossing, with a distance between up and down. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "control/alerts/alerts_internal.h"

struct limit_context {
	const struct alert_limit *limit;
	int64_t percent;
	uint64_t standing, raised;
};

static int standing_body(struct db_txn *txn, void *argument)
{
	struct limit_context *context = argument;
	int error = alert_index_limit(
	    txn, &context->limit->subject, context->limit->selection, &context->standing);

	return error == -ENOENT ? 0 : error;
}

static int limit_raise(struct db_txn *txn, struct limit_context *context)
{
	const struct alert_limit *limit = context->limit;
	struct record_control_alert row = alert_make(CONTROL_ALERT_LIMIT, &limit->subject,
	    context->percent >= 95 ? CONTROL_ALERT_HIGH : CONTROL_ALERT_MEDIUM);
	struct record_control_alert_history step =
	    alert_step_make(CONTROL_ALERT_RAISED, AUDIT_UID_CONTROL, "control");
	char text[sizeof(row.text)];
	int error;

	snprintf(text, sizeof(text),
	    "%" PRId64 " %% of its limit: %" PRId64 " of %" PRId64 ", %.80s", context->percent,
	    limit->amount, limit->limit, limit->text);
	error = database_text(row.text, sizeof(row.text), text);
	if (error == -EILSEQ || error == -ENAMETOOLONG) { /* a name cut inside a character */
		snprintf(text, sizeof(text), "%" PRId64 " %% of its limit: %" PRId64 " of %" PRId64,
		    context->percent, limit->amount, limit->limit);
		error = database_text(row.text, sizeof(row.text), text);
	}
	row.amount = le64s_make(limit->amount);
	row.currency = le16_make(limit->currency);
	row.entry = le64_make((uint64_t)(limit->selection + 1));
	row.first_ns = row.last_ns = le64_make(database_now_ns());
	if (limit->subject.kind == CONTROL_SUBJECT_TERMINAL)
		row.terminal_id = row.subject_id;
	if (limit->subject.kind == CONTROL_SUBJECT_PARTNER)
		row.partner_id = le32_make((uint32_t)limit->subject.id);
	if (error == 0)
		error = alert_put(txn, NULL, &row, &step);
	if (error == 0)
		context->raised = le64_get(row.number);
	return error;
}

static int cross_body(struct db_txn *txn, void *argument)
{
	struct limit_context *context = argument;
	int up = context->standing == 0, error = up ? limit_raise(txn, context) : 0;

	return error != 0 ? error
	                  : alert_index_limit_put(txn, &context->limit->subject,
	                        context->limit->selection, up ? context->raised : 0);
}

int alerts_limit_see(
    struct database *database, const struct alert_limit *limit, int *near, uint64_t *number)
{
	struct limit_context context = { .limit = limit };
	int error = database_read(database, standing_body, &context);

	*number = 0;
	if (error != 0)
		return error;
	if (limit->limit > 0)
		context.percent = (int64_t)((__int128)limit->amount * 100 / limit->limit);
	*near = context.standing != 0 ? context.percent >= ALERT_LIMIT_AWAY_PERCENT
	                              : context.percent >= ALERT_LIMIT_NEAR_PERCENT;
	if (*near == (context.standing != 0))
		return 0;
	error = database_write(database, cross_body, &context);
	if (error == 0)
		*number = context.raised;
	return error;
}
