/* SPDX-License-Identifier: Apache-2.0 */
/* The table of handlers, and what they share. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/control.h"

/* `commits`: the verb may append commands for the shards, so it must be allowed to first. */
static const struct {
	const char *verb;
	ops_handler *handler;
	uint8_t commits;
} table[] = {
	{ "status", handle_status, 0 },
	{ "shards", handle_shards, 0 },
	{ "top", handle_top, 0 },
	{ "ca init", handle_ca_init, 0 },
	{ "ca show", handle_ca_show, 0 },
	{ "ca renew", handle_ca_renew, 0 },
	{ "ca activate", handle_ca_activate, 0 },
	{ "ca retire", handle_ca_retire, 0 },
	{ "ca server-renew", handle_ca_server_renew, 0 },
	{ "terminal enroll", handle_terminal_enroll, 1 },
	{ "terminal set", handle_terminal_set, 1 },
	{ "terminal list", handle_terminal_list, 0 },
	{ "terminal show", handle_terminal_show, 0 },
	{ "terminal block", handle_terminal_block, 1 },
	{ "terminal unblock", handle_terminal_unblock, 1 },
	{ "terminal revoke", handle_terminal_revoke, 1 },
	{ "terminal monitor", handle_terminal_monitor, 0 },
	{ "session list", handle_session_list, 0 },
	{ "session end", handle_session_end, 0 },
	{ "session rotate", handle_session_rotate, 0 },
	{ "market import", handle_market_import, 1 },
	{ "market list", handle_market_list, 0 },
	{ "market show", handle_market_show, 0 },
	{ "market open", handle_market_open, 1 },
	{ "market suspend", handle_market_suspend, 1 },
	{ "market close", handle_market_close, 1 },
	{ "market result", handle_market_result, 1 },
	{ "market results", handle_market_results, 1 },
	{ "market rollback", handle_market_rollback, 1 },
	{ "market void", handle_market_void, 1 },
	{ "market final", handle_market_final, 1 },
	{ "odds set", handle_odds_set, 1 },
	{ "model list", handle_model_list, 0 },
	{ "model load", handle_model_load, 0 },
	{ "model show", handle_model_show, 0 },
	{ "model remove", handle_model_remove, 0 },
	{ "rules show", handle_rules_show, 0 },
	{ "rules set", handle_rules_set, 1 },
	{ "rules list", handle_rules_list, 0 },
	{ "rules diff", handle_rules_diff, 0 },
	{ "rules rollback", handle_rules_rollback, 1 },
	{ "rules activate", handle_rules_activate, 1 },
	{ "rules shadow", handle_rules_shadow, 0 },
	{ "account open", handle_account_open, 1 },
	{ "account show", handle_account_show, 0 },
	{ "account freeze", handle_account_freeze, 1 },
	{ "account unfreeze", handle_account_unfreeze, 1 },
	{ "account adjust", handle_account_adjust, 1 },
	{ "account limits", handle_account_limits, 1 },
	{ "account exclude", handle_account_exclude, 1 },
	{ "adjustment list", handle_adjustment_list, 0 },
	{ "adjustment approve", handle_adjustment_approve, 1 },
	{ "adjustment reject", handle_adjustment_reject, 0 },
	{ "withdrawal list", handle_withdrawal_list, 0 },
	{ "withdrawal approve", handle_withdrawal_approve, 1 },
	{ "withdrawal reject", handle_withdrawal_reject, 1 },
	{ "partner set", handle_partner_set, 1 },
	{ "partner list", handle_partner_list, 0 },
	{ "partner show", handle_partner_show, 0 },
	{ "report liability", handle_report_liability, 0 },
	{ "report partners", handle_report_partners, 0 },
	{ "report receivables", handle_report_receivables, 0 },
	{ "bet show", handle_bet_show, 0 },
	{ "bet void", handle_bet_void, 1 },
	{ "ticket verify", handle_ticket_verify, 0 },
	{ "object show", handle_object_show, 0 },
	{ "explain", handle_explain, 0 },
	{ "replication status", handle_replication_status, 0 },
	{ "replication verify", handle_replication_verify, 0 },
	{ "replication pause", handle_replication_pause, 0 },
	{ "replication resume", handle_replication_resume, 0 },
	{ "journal status", handle_journal_status, 0 },
	{ "journal verify", handle_journal_verify, 0 },
	{ "journal archive", handle_journal_archive, 0 },
	{ "audit tail", handle_audit_tail, 0 },
	{ "audit verify", handle_audit_verify, 0 },
	{ "backup create", handle_backup_create, 0 },
	{ "backup list", handle_backup_list, 0 },
	{ "backup verify", handle_backup_verify, 0 },
	{ "command list", handle_command_list, 0 },
	{ "command adopt", handle_command_adopt, 0 },
	{ "config show", handle_config_show, 0 },
	{ "config check", handle_config_check, 0 },
	{ "config reload", handle_config_reload, 0 },
	{ "log level", handle_log_level, 0 },
	{ "alert list", handle_alert_list, 0 },
	{ "alert show", handle_alert_show, 0 },
	{ "alert create", handle_alert_create, 0 },
	{ "alert assign", handle_alert_assign, 0 },
	{ "alert note", handle_alert_note, 0 },
	{ "alert investigate", handle_alert_investigate, 0 },
	{ "alert severity", handle_alert_severity, 0 },
	{ "alert close", handle_alert_close, 0 },
	{ "alert report", handle_alert_report, 0 },
	{ "account profile", handle_account_profile, 0 },
	{ "feedback import", handle_feedback_import, 0 },
	{ "subject set", handle_subject_set, 0 },
	{ "subject list", handle_subject_list, 0 },
	{ "watchlist import", handle_watchlist_import, 0 },
	{ "watchlist list", handle_watchlist_list, 0 },
	{ "watchlist match", handle_watchlist_match, 0 },
	{ "country import", handle_country_import, 0 },
	{ "country list", handle_country_list, 0 },
	{ "country set", handle_country_set, 0 },
};

/* By verb_index; filled by control_handlers. */
static ops_handler *own[128];

/*
 * A verb that commits commands waits here, before it does anything, for the moment in which numbers
 * are compared after a start, and is refused while a shard is ahead. commands_append asks the same
 * again, in its transaction.
 */
static int handle_committing(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	int error = request->dry_run ? 0 : link_commands_open(control->link, message, message_size);

	if (error != 0)
		return error == -EAGAIN ? CONTROL_UNREACHABLE : CONTROL_REFUSED;
	if (!request->dry_run)
		care_first_rules(control);
	return own[verb_index(request->verb)](context, request, result, message, message_size);
}

ops_handler *const *control_handlers(void)
{
	static ops_handler *handlers[SLUICE_ARRAY_COUNT(own)];

	SLUICE_REQUIRE(verb_count() <= SLUICE_ARRAY_COUNT(own));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(table); i++) {
		const struct verb *verb = verb_find(table[i].verb);

		SLUICE_REQUIRE(verb != NULL);
		own[verb_index(verb)] = table[i].handler;
		handlers[verb_index(verb)] =
		    table[i].commits ? handle_committing : table[i].handler;
	}
	for (size_t i = 0; i < verb_count(); i++)
		SLUICE_REQUIRE(handlers[i] != NULL || (verb_at(i)->flags & VERB_LOCAL) != 0);
	return handlers;
}

int handle_refuse(int status, char *message, size_t message_size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, message_size, format, arguments);
	va_end(arguments);
	return status;
}

int handle_error(int error, const char *what, char *message, size_t message_size)
{
	switch (-error) {
	case ENOENT:
		return handle_refuse(
		    CONTROL_REFUSED, message, message_size, "there is no such %s", what);
	case EILSEQ:
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "a text holds control characters or is not UTF-8; write it anew");
	case ENAMETOOLONG:
		return handle_refuse(
		    CONTROL_USAGE, message, message_size, "a text is too long; shorten it");
	case EINVAL:
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "a value of the %s is out of range", what);
	case EAGAIN: /* as commands_append says */
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "nothing was changed: control has not compared its commands with the data "
		    "plane's since it was started; start the data plane, or try again in a moment");
	case ESTALE:
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "nothing was changed: the data plane has commands that control's database does "
		    "not know; restore its newest copy, or take over the numbers: sluicectl "
		    "command "
		    "adopt");
	case ENOSPC:
	case EXFULL:
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "control's disk is full: nothing was changed; make room and try again");
	case EIO:
	case EROFS:
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "the %s could not be written or read: %s; see control's log. If it was to be "
		    "changed, look whether it is before you repeat it (`sluicectl audit tail`)",
		    what, strerror(-error));
	case EBADMSG:
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "the %s could not be written or read: control's database is damaged, or its "
		    "disk failed and control ends; see control's log",
		    what);
	default:
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "the %s could not be written or read: %s; see control's log", what,
		    strerror(-error));
	}
}

int handle_unaudited(int error, char *message, size_t message_size)
{
	return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
	    "it was done, but the audit log could not be written: %s; make room on control's disk "
	    "and note it by hand",
	    strerror(-error));
}

void handle_dry_run(const struct ops_request *request, int on)
{
	if (request->dry_run)
		database_dry_run(on);
}

int handle_wait(struct control *control, const struct ops_request *request, uint64_t sequence,
    json_t **result, char *message, size_t message_size)
{
	int64_t wait_ms = ops_number(request, "wait_ms", CONTROL_WAIT_MS);
	char why[512] = "";
	int error = 0;

	if (request->dry_run) {
		json_object_set_new(*result, "dry_run", json_true());
		return CONTROL_DONE;
	}
	if (sequence != 0) {
		link_wake(control->link);
		error = wait_ms == 0 ? -ETIMEDOUT
		                     : link_command_wait(control->link, sequence, (unsigned)wait_ms,
		                           why, sizeof(why));
		json_object_set_new(*result, "command", json_integer((json_int_t)sequence));
	}
	json_object_set_new(*result, "done", json_boolean(error == 0));
	if (error == 0 || (error == -ETIMEDOUT && wait_ms == 0))
		return CONTROL_DONE;
	json_decref(*result);
	*result = NULL;
	if (error == -EPERM)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "the shards refused command %" PRIu64 ", and nothing was changed there: %s",
		    sequence, why);
	return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
	    "command %" PRIu64
	    " is committed, but not on all shards after %lld ms: it will be done "
	    "when the data plane is there (`sluicectl command list`). %s",
	    sequence, (long long)wait_ms, why);
}
