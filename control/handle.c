/* SPDX-License-Identifier: Apache-2.0 */
/* The table of handlers, and what they share. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/control.h"

static const struct {
	const char *verb;
	ops_handler *handler;
} table[] = {
	{ "status", handle_status },
	{ "shards", handle_shards },
	{ "ca init", handle_ca_init },
	{ "ca show", handle_ca_show },
	{ "ca renew", handle_ca_renew },
	{ "ca activate", handle_ca_activate },
	{ "ca retire", handle_ca_retire },
	{ "ca server-renew", handle_ca_server_renew },
	{ "terminal enroll", handle_terminal_enroll },
	{ "terminal set", handle_terminal_set },
	{ "terminal list", handle_terminal_list },
	{ "terminal show", handle_terminal_show },
	{ "terminal block", handle_terminal_block },
	{ "terminal unblock", handle_terminal_unblock },
	{ "terminal revoke", handle_terminal_revoke },
	{ "terminal monitor", handle_terminal_monitor },
	{ "session list", handle_session_list },
	{ "session end", handle_session_end },
	{ "session rotate", handle_session_rotate },
	{ "market import", handle_market_import },
	{ "market list", handle_market_list },
	{ "market show", handle_market_show },
	{ "market open", handle_market_open },
	{ "market suspend", handle_market_suspend },
	{ "market close", handle_market_close },
	{ "odds set", handle_odds_set },
	{ "rules show", handle_rules_show },
	{ "rules set", handle_rules_set },
	{ "account open", handle_account_open },
	{ "account show", handle_account_show },
	{ "account freeze", handle_account_freeze },
	{ "account unfreeze", handle_account_unfreeze },
	{ "bet show", handle_bet_show },
	{ "explain", handle_explain },
	{ "replication status", handle_replication_status },
	{ "replication verify", handle_replication_verify },
	{ "replication pause", handle_replication_pause },
	{ "replication resume", handle_replication_resume },
	{ "audit tail", handle_audit_tail },
	{ "audit verify", handle_audit_verify },
	{ "command list", handle_command_list },
	{ "command adopt", handle_command_adopt },
	{ "config show", handle_config_show },
	{ "config check", handle_config_check },
	{ "config reload", handle_config_reload },
	{ "log level", handle_log_level },
};

ops_handler *const *control_handlers(void)
{
	static ops_handler *handlers[128];

	SLUICE_REQUIRE(verb_count() <= SLUICE_ARRAY_COUNT(handlers));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(table); i++) {
		const struct verb *verb = verb_find(table[i].verb);

		SLUICE_REQUIRE(verb != NULL);
		handlers[verb_index(verb)] = table[i].handler;
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
