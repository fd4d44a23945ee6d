/* SPDX-License-Identifier: Apache-2.0 */
#include "control/ops-socket/verbs.h"

#include <stdio.h>
#include <string.h>

#include "control/ops-socket/verbs_table.h"

#define TERMINAL_SETTINGS                                                                          \
	{ "name", VERB_TEXT, 0, 0, 0, 0, 63, NULL, "name for people" },                            \
	    { "location", VERB_TEXT, 0, 0, 0, 0, 63, NULL, "where it stands" },                    \
	    { "rights", VERB_TEXT, 0, 0, 0, 1, 100, NULL,                                          \
		    "bet,balance,deposit,market,withdraw,transfer,account,cash,sprinkle,round or " \
		    "all (all)" },                                                                 \
	    { "daily_max", VERB_NUMBER, 0, 0, 0, 0, LIMIT_BALANCE_MAX, NULL,                       \
		    "stakes a day in minor units; 0: as the rules say" },                          \
	    { "rate_per_s", VERB_NUMBER, 0, 0, 0, 0, 16777215, NULL,                               \
		    "messages a second; 0: the configured default" },                              \
	{                                                                                          \
		"rate_burst", VERB_NUMBER, 0, 0, 0, 0, 16777215, NULL, "messages at once"          \
	}

static const struct verb_argument terminal_enroll[] = {
	{ "csr", VERB_FILE, 0, 1, 0, 0, 0, NULL, "certificate request of the terminal (PEM)" },
	{ "terminal", VERB_NUMBER, 1, 1, 0, 1, TERMINAL_MAX, NULL, "terminal id" },
	TERMINAL_SETTINGS,
	{ "out", VERB_OUT, 0, 0, 0, 0, 0, "certificate", "where to write the certificate" },
	{ "trust_out", VERB_OUT, 0, 0, 0, 0, 0, "trust", "where to write the trusted authorities" },
	WAIT_MS,
};
static const struct verb_argument terminal_set[] = { TERMINAL_ID, TERMINAL_SETTINGS, WAIT_MS };
static const struct verb_argument terminal_one[] = { TERMINAL_ID };
static const struct verb_argument terminal_change[] = { TERMINAL_ID, WAIT_MS };
static const struct verb_argument terminal_list[] = {
	{ "from", VERB_NUMBER, 0, 0, 0, 0, TERMINAL_MAX, NULL, "first terminal id" },
	COUNT,
};
static const struct verb_argument session_list[] = {
	{ "terminal", VERB_NUMBER, 0, 0, 0, 1, TERMINAL_MAX, NULL, "only of this terminal" },
};
static const struct verb_argument session_end[] = {
	{ "session", VERB_NUMBER, 1, 1, 0, 1, UINT32_MAX, NULL, "session id" },
};
static const struct verb_argument market_import[] = {
	{ "file", VERB_FILE, 1, 1, 0, 0, 0, NULL,
	    "CSV: football-data season, or market,event,name,start,kind,selection:odds..." },
	{ "start", VERB_TIME, 0, 0, 0, 0, 0, NULL, "start of the first event (in one day)" },
	WAIT_MS,
};
static const struct verb_argument market_change[] = { MARKET_ID, WAIT_MS };
static const struct verb_argument market_one[] = { MARKET_ID };
static const struct verb_argument market_list[] = {
	{ "from", VERB_NUMBER, 0, 0, 0, 0, ID_MAX, NULL, "first market id" },
	{ "state", VERB_CHOICE, 0, 0, 0, 0, 0, "before|open|suspended|closed|settled|void",
	    "only these" },
	COUNT,
};
static const struct verb_argument odds_set[] = {
	MARKET_ID,
	{ "odds", VERB_ODDS, 1, 1, 1, LIMIT_ODDS_MIN, LIMIT_ODDS_MAX, NULL,
	    "decimal odds of every selection, in order" },
	WAIT_MS,
};
static const struct verb_argument market_result[] = {
	MARKET_ID,
	{ "score", VERB_TEXT, 0, 0, 0, 3, 15, NULL,
	    "H:A, e.g. 2:1; the outcomes follow from the market's kind and line" },
	{ "outcomes", VERB_TEXT, 0, 0, 0, 3, 400, NULL,
	    "of every selection in order, e.g. win,lose,lose; or void, half_win, half_lose, "
	    "dead_heat 1/2" },
	WAIT_MS,
};
static const struct verb_argument market_results[] = {
	{ "file", VERB_FILE, 1, 1, 0, 0, 0, NULL,
	    "CSV: market,result; a result is 2:1, void, rollback, final or win;lose;lose" },
	WAIT_MS,
};
static const struct verb_argument bet_void[] = {
	{ "bet", VERB_ID, 1, 1, 0, 0, 0, NULL, "bet id" },
	REASON,
	WAIT_MS,
};
static const struct verb_argument account_adjust[] = {
	ACCOUNT_ID,
	{ "credit", VERB_NUMBER, 0, 0, 0, 1, LIMIT_BALANCE_MAX, NULL,
	    "adds this much, in minor units" },
	{ "debit", VERB_NUMBER, 0, 0, 0, 1, LIMIT_BALANCE_MAX, NULL,
	    "takes this much, in minor units" },
	REASON,
	{ "note", VERB_TEXT, 0, 0, 0, 0, 95, NULL, "why, for people" },
	WAIT_MS,
};
static const struct verb_argument adjustment_list[] = {
	{ "state", VERB_CHOICE, 0, 0, 0, 0, 0, "waiting|approved|rejected", "only these" },
	COUNT,
	{ "before", VERB_NUMBER, 0, 0, 0, 1, INT64_MAX, NULL, "older than this number" },
};
static const struct verb_argument adjustment_one[] = {
	{ "adjustment", VERB_NUMBER, 1, 1, 0, 1, INT64_MAX, NULL, "number of the proposal" },
	WAIT_MS,
};
static const struct verb_argument withdrawal_list[] = { COUNT };
static const struct verb_argument withdrawal_one[] = {
	{ "withdrawal", VERB_ID, 1, 1, 0, 0, 0, NULL, "withdrawal id" },
	REASON,
	WAIT_MS,
};
#define PLAY_LIMIT(name, what)                                                                     \
	{                                                                                          \
		name, VERB_TEXT, 0, 0, 0, 1, 20, NULL,                                             \
		    what " in minor units, or none; as it is when not given"                       \
	}
static const struct verb_argument account_limits[] = {
	ACCOUNT_ID,
	PLAY_LIMIT("deposit_day", "deposits a day"),
	PLAY_LIMIT("deposit_week", "deposits a week"),
	PLAY_LIMIT("stake_day", "stakes a day"),
	PLAY_LIMIT("stake_week", "stakes a week"),
	PLAY_LIMIT("loss_day", "losses a day, open stakes included"),
	PLAY_LIMIT("loss_week", "losses a week, open stakes included"),
	WAIT_MS,
};
static const struct verb_argument account_exclude[] = {
	ACCOUNT_ID,
	{ "until", VERB_TIME, 0, 0, 0, 0, 0, NULL, "end of the exclusion or break" },
	{ "forever", VERB_SWITCH, 0, 0, 0, 0, 0, NULL, "it has no end" },
	{ "cooloff", VERB_SWITCH, 0, 0, 0, 0, 0, NULL, "a break, no self-exclusion" },
	WAIT_MS,
};
#define PARTNER_ID                                                                                 \
	{                                                                                          \
		"partner", VERB_NUMBER, 1, 1, 0, 1, LIMIT_PARTNER_ID_MAX, NULL, "partner id"       \
	}
static const struct verb_argument partner_set[] = {
	PARTNER_ID,
	{ "name", VERB_TEXT, 0, 0, 0, 0, 63, NULL, "name for people" },
	{ "exposure_max", VERB_NUMBER, 0, 0, 0, 0, LIMIT_BALANCE_MAX, NULL,
	    "payouts of its customers' open bets, in minor units; 0: no limit; only in the rules' "
	    "currency" },
	{ "keys_max", VERB_NUMBER, 0, 0, 0, 0, UINT32_MAX, NULL,
	    "idempotency keys held at a time (1000000)" },
	{ "currency", VERB_NUMBER, 0, 0, 0, 1, 999, NULL,
	    "ISO 4217 number of its limit (410); cannot change" },
	{ "blocked", VERB_ON_OFF, 0, 0, 0, 0, 0, NULL, "on: its customers may change nothing" },
	WAIT_MS,
};
static const struct verb_argument partner_one[] = { PARTNER_ID };
static const struct verb_argument partner_list[] = {
	{ "from", VERB_NUMBER, 0, 0, 0, 0, LIMIT_PARTNER_ID_MAX, NULL, "first partner id" },
	COUNT,
};
static const struct verb_argument report_partners[] = {
	{ "from", VERB_TIME, 0, 1, 0, 0, 0, NULL, "begin, included" },
	{ "to", VERB_TIME, 0, 1, 0, 0, 0, NULL, "end, not included" },
};
static const struct verb_argument report_liability[] = { COUNT };
static const struct verb_argument report_receivables[] = {
	{ "partner", VERB_NUMBER, 0, 0, 0, 0, LIMIT_PARTNER_ID_MAX, NULL,
	    "this partner's customers only; 0: nobody's" },
};
static const struct verb_argument ticket_verify_one[] = {
	{ "code", VERB_TEXT, 1, 1, 0, 24, 31, NULL, "the code on the ticket" },
};
static const struct verb_argument object_one[] = {
	{ "object", VERB_ID, 1, 1, 0, 0, 0, NULL,
	    "id of a withdrawal, transfer, sprinkle, round ..." },
};
static const struct verb_argument account_open[] = {
	{ "first", VERB_NUMBER, 1, 1, 0, 1, ID_MAX / 2, NULL, "account id" },
	{ "count", VERB_NUMBER, 0, 0, 0, 1, LIMIT_ACCOUNTS_PER_COMMAND, NULL,
	    "this many, ids in a row (1)" },
	{ "currency", VERB_NUMBER, 0, 0, 0, 1, 999, NULL, "ISO 4217 number (410)" },
	{ "opening_balance", VERB_NUMBER, 0, 0, 0, 0, LIMIT_STAKE_MAX, NULL,
	    "in minor units, from the FUNDING account (0); for all together below "
	    "approval.adjustment_min" },
	WAIT_MS,
};
static const struct verb_argument account_one[] = { ACCOUNT_ID };
static const struct verb_argument account_freeze[] = { ACCOUNT_ID, WAIT_MS };
static const struct verb_argument journal_archive[] = {
	{ "wait_ms", VERB_NUMBER, 0, 0, 0, 0, 600000, NULL,
	    "how long to wait until nothing is left to be done (10000)" },
};
static const struct verb_argument bet_show[] = {
	{ "bet", VERB_ID, 1, 1, 0, 0, 0, NULL, "bet id" },
};
static const struct verb_argument explain[] = {
	{ "id", VERB_ID, 1, 0, 0, 0, 0, NULL, "bet id" },
	{ "shard", VERB_NUMBER, 0, 0, 0, 0, LIMIT_SHARDS - 1, NULL, "with --lsn: its shard (0)" },
	{ "lsn", VERB_NUMBER, 0, 0, 0, 1, INT64_MAX, NULL, "position of any decision" },
	{ "terminal", VERB_NUMBER, 0, 0, 0, 1, TERMINAL_MAX, NULL, "with --request" },
	{ "request", VERB_NUMBER, 0, 0, 0, 1, INT64_MAX, NULL, "request id of a terminal" },
};
static const struct verb_argument backup_create[] = {
	{ "label", VERB_TEXT, 0, 0, 0, 1, 64, NULL, "a text for people" },
};
static const struct verb_argument backup_verify[] = {
	{ "name", VERB_TEXT, 1, 1, 0, 1, 64, NULL, "its name, as backup list says" },
};
static const struct verb_argument audit_tail[] = {
	COUNT,
	{ "before", VERB_NUMBER, 0, 0, 0, 1, INT64_MAX, NULL, "older than this sequence" },
};
static const struct verb_argument command_list[] = {
	COUNT,
	{ "before", VERB_NUMBER, 0, 0, 0, 1, INT64_MAX, NULL, "older than this number" },
};
static const struct verb_argument ca_show[] = {
	{ "trust_out", VERB_OUT, 0, 0, 0, 0, 0, "trust", "where to write the trusted authorities" },
};
static const struct verb_argument ca_activate[] = {
	{ "force", VERB_SWITCH, 0, 0, 0, 0, 0, NULL,
	    "even if some terminals have not fetched the new authority" },
};
static const struct verb_argument ca_retire[] = {
	{ "force", VERB_SWITCH, 0, 0, 0, 0, 0, NULL,
	    "even if some terminals still have a certificate of the previous authority" },
};
static const struct verb_argument log_level[] = {
	{ "level", VERB_CHOICE, 1, 1, 0, 0, 0, "debug|info|warning|error", "lowest level logged" },
};
static const struct verb_argument status[] = {
	{ "health", VERB_SWITCH, 0, 0, 0, 0, 0, NULL, "exit status 1 unless all is well" },
};
static const struct verb_argument config_check[] = {
	{ "file", VERB_FILE, 1, 1, 0, 0, 0, NULL, "YAML file to check" },
};

static const struct verb verbs[] = {
	{ "status", VIEWER, 0, ARGUMENTS(status), NULL, NULL,
	    "State of every process, shard, session, replication." },
	{ "shards", VIEWER, 0, NO_ARGUMENTS, "shards",
	    "shard events rate_per_s busy_percent durable_lsn store_lag log_lag replication_lag "
	    "bets_open accounts "
	    "sessions",
	    "What each shard does." },
	{ "ca init", ADMIN, VERB_CHANGES, NO_ARGUMENTS, NULL, NULL,
	    "Makes the certificate authority and the key server's certificate." },
	{ "ca show", VIEWER, 0, ARGUMENTS(ca_show), NULL, NULL,
	    "The authority, its certificates and their ends." },
	{ "ca renew", ADMIN, VERB_CHANGES, NO_ARGUMENTS, NULL, NULL,
	    "Makes the next authority; terminals learn to trust it." },
	{ "ca activate", ADMIN, VERB_CHANGES | VERB_IRREVERSIBLE, ARGUMENTS(ca_activate), NULL,
	    NULL, "Certificates come from the next authority from now on." },
	{ "ca retire", ADMIN, VERB_CHANGES | VERB_IRREVERSIBLE, ARGUMENTS(ca_retire), NULL, NULL,
	    "The previous authority is trusted no more." },
	{ "ca server-renew", ADMIN, VERB_CHANGES, NO_ARGUMENTS, NULL, NULL,
	    "Makes a new certificate for the key server now." },
	{ "terminal enroll", OPERATOR, VERB_CHANGES, ARGUMENTS(terminal_enroll), NULL, NULL,
	    "Signs a terminal's certificate request and admits it." },
	{ "terminal set", OPERATOR, VERB_CHANGES, ARGUMENTS(terminal_set), NULL, NULL,
	    "Changes name, rights, limits or rate of a terminal." },
	{ "terminal list", VIEWER, 0, ARGUMENTS(terminal_list), "terminals",
	    "terminal state name location rights daily_max online last_seen", "All terminals." },
	{ "terminal show", VIEWER, 0, ARGUMENTS(terminal_one), NULL, NULL,
	    "One terminal: settings, certificates, session, what it reports." },
	{ "terminal block", OPERATOR, VERB_CHANGES, ARGUMENTS(terminal_change), NULL, NULL,
	    "Ends its session at once and refuses it until unblocked." },
	{ "terminal unblock", OPERATOR, VERB_CHANGES, ARGUMENTS(terminal_change), NULL, NULL,
	    "Admits a blocked terminal again." },
	{ "terminal revoke", OPERATOR, VERB_CHANGES | VERB_IRREVERSIBLE, ARGUMENTS(terminal_change),
	    NULL, NULL, "Ends its session at once; its certificates are worth nothing." },
	{ "terminal monitor", VIEWER, 0, NO_ARGUMENTS, "terminals",
	    "terminal online last_seen silent_s paper printer door battery error clock_offset_ms "
	    "resend_percent",
	    "What the terminals report of themselves." },
	{ "session list", VIEWER, 0, ARGUMENTS(session_list), "sessions",
	    "session terminal state epoch established expires", "Live sessions." },
	{ "session end", OPERATOR, VERB_CHANGES, ARGUMENTS(session_end), NULL, NULL,
	    "Ends one session; its terminal makes a new one." },
	{ "session rotate", OPERATOR, VERB_CHANGES, ARGUMENTS(session_end), NULL, NULL,
	    "Gives one session its next key now; one whose keys died with an earlier control "
	    "ends." },
	{ "market import", OPERATOR, VERB_CHANGES, ARGUMENTS(market_import), NULL, NULL,
	    "Opens all markets of a file, or none of them." },
	{ "market list", VIEWER, 0, ARGUMENTS(market_list), "markets",
	    "market event name kind state start_time odds", "Markets." },
	{ "market show", VIEWER, 0, ARGUMENTS(market_one), NULL, NULL, "One market." },
	{ "market open", OPERATOR, VERB_CHANGES, ARGUMENTS(market_change), NULL, NULL,
	    "Takes bets on a market (again)." },
	{ "market suspend", OPERATOR, VERB_CHANGES, ARGUMENTS(market_change), NULL, NULL,
	    "Takes no bets on a market for now." },
	{ "market close", OPERATOR, VERB_CHANGES | VERB_IRREVERSIBLE, ARGUMENTS(market_change),
	    NULL, NULL, "Takes no more bets on a market, for good." },
	{ "market result", OPERATOR, VERB_CHANGES, ARGUMENTS(market_result), NULL, NULL,
	    "Says how a market ended and settles its bets; the same again pays bets that were "
	    "left open because their account had no room." },
	{ "market results", OPERATOR, VERB_CHANGES, ARGUMENTS(market_results), NULL, NULL,
	    "Takes the results of a file, or none of them." },
	{ "market rollback", OPERATOR, VERB_CHANGES, ARGUMENTS(market_change), NULL, NULL,
	    "Takes a market's result back: its bets are open again, payouts reversed." },
	{ "market void", OPERATOR, VERB_CHANGES, ARGUMENTS(market_change), NULL, NULL,
	    "Voids a market: a leg on it counts as odds 1." },
	{ "market final", OPERATOR, VERB_CHANGES | VERB_IRREVERSIBLE, ARGUMENTS(market_change),
	    NULL, NULL, "The result can no longer be taken back." },
	{ "odds set", OPERATOR, VERB_CHANGES, ARGUMENTS(odds_set), NULL, NULL,
	    "New odds for all selections of a market." },
	{ "account open", OPERATOR, VERB_CHANGES, ARGUMENTS(account_open), NULL, NULL,
	    "Opens accounts." },
	{ "account show", VIEWER, 0, ARGUMENTS(account_one), NULL, NULL,
	    "Balance, limits used and profile of an account, now." },
	{ "account freeze", RISK, VERB_CHANGES, ARGUMENTS(account_freeze), NULL, NULL,
	    "The account may not bet until unfrozen." },
	{ "account unfreeze", RISK, VERB_CHANGES, ARGUMENTS(account_freeze), NULL, NULL,
	    "The account may bet again." },
	{ "account adjust", OPERATOR, VERB_CHANGES, ARGUMENTS(account_adjust), NULL, NULL,
	    "Corrects a balance; above a limit another operator must approve." },
	{ "account limits", OPERATOR, VERB_CHANGES, ARGUMENTS(account_limits), NULL, NULL,
	    "The customer's own limits: lower ones act at once, higher ones later." },
	{ "account exclude", OPERATOR, VERB_CHANGES | VERB_IRREVERSIBLE, ARGUMENTS(account_exclude),
	    NULL, NULL, "The customer may not bet until then; it is never shortened." },
	{ "adjustment list", VIEWER, 0, ARGUMENTS(adjustment_list), "adjustments",
	    "adjustment state account amount currency reason note proposed_by proposed_ns "
	    "decided_by",
	    "Corrections of balances that wait, or waited, for approval." },
	{ "adjustment approve", OPERATOR, VERB_CHANGES, ARGUMENTS(adjustment_one), NULL, NULL,
	    "Carries out a correction that another operator proposed." },
	{ "adjustment reject", OPERATOR, VERB_CHANGES, ARGUMENTS(adjustment_one), NULL, NULL,
	    "Drops a correction that waits." },
	{ "withdrawal list", VIEWER, 0, ARGUMENTS(withdrawal_list), "withdrawals",
	    "withdrawal account amount currency created_ns due_ns terminal shard",
	    "Withdrawals that wait for approval." },
	{ "withdrawal approve", OPERATOR, VERB_CHANGES, ARGUMENTS(withdrawal_one), NULL, NULL,
	    "Pays a withdrawal that waits." },
	{ "withdrawal reject", OPERATOR, VERB_CHANGES, ARGUMENTS(withdrawal_one), NULL, NULL,
	    "Gives a withdrawal that waits back to the account." },
	{ "partner set", OPERATOR, VERB_CHANGES, ARGUMENTS(partner_set), NULL, NULL,
	    "Makes or changes a partner: limit, quota, blocked or not." },
	{ "partner list", VIEWER, 0, ARGUMENTS(partner_list), "partners",
	    "partner name exposure_max keys_max currency blocked", "Partners." },
	{ "partner show", VIEWER, 0, ARGUMENTS(partner_one), NULL, NULL,
	    "One partner, as set and as the shards have it." },
	{ "report liability", VIEWER, VERB_SLOW, ARGUMENTS(report_liability), "liabilities",
	    "scope id selection name liability limit share_percent warning",
	    "Payouts of open bets by selection, market and partner over all shards, what is "
	    "nearest "
	    "to its limit first; a warning from 80 % on." },
	{ "report partners", VIEWER, VERB_SLOW, ARGUMENTS(report_partners), "partners",
	    "partner currency bets stakes payouts refunds net rounds_debited rounds_credited "
	    "rounds_net fees",
	    "What each partner's customers staked and won, from PostgreSQL." },
	{ "report receivables", VIEWER, VERB_SLOW, ARGUMENTS(report_receivables), "receivables",
	    "account partner currency owed",
	    "Customers who owe, and the sum of each currency, from PostgreSQL." },
	{ "bet show", VIEWER, 0, ARGUMENTS(bet_show), NULL, NULL, "One bet, now." },
	{ "bet void", OPERATOR, VERB_CHANGES | VERB_IRREVERSIBLE, ARGUMENTS(bet_void), NULL, NULL,
	    "Voids an open bet: the stake goes back." },
	{ "ticket verify", VIEWER, 0, ARGUMENTS(ticket_verify_one), NULL, NULL,
	    "Whether a ticket's code is genuine, and what it is worth." },
	{ "object show", VIEWER, 0, ARGUMENTS(object_one), NULL, NULL,
	    "One withdrawal, transfer, sprinkle, round or other object, now." },
	{ "explain", VIEWER, 0, ARGUMENTS(explain), NULL, NULL,
	    "Why a bet or request was decided as it was." },
	{ "replication status", VIEWER, 0, NO_ARGUMENTS, NULL, NULL,
	    "Where replication to PostgreSQL stands." },
	{ "replication verify", VIEWER, VERB_SLOW, NO_ARGUMENTS, NULL, NULL,
	    "Compares every replicated event with the log." },
	{ "replication pause", ADMIN, VERB_CHANGES, NO_ARGUMENTS, NULL, NULL,
	    "Sends nothing to PostgreSQL until resumed." },
	{ "replication resume", ADMIN, VERB_CHANGES, NO_ARGUMENTS, NULL, NULL, "Goes on." },
	{ "journal status", VIEWER, 0, NO_ARGUMENTS, "shards",
	    "shard sealed_segment sealed_lsn waiting_segments archived_segment archive_files "
	    "archive_bytes archive_error disk disk_used_bytes disk_free_bytes",
	    "What of each shard's journal is sealed and archived, and the room on its disk." },
	{ "journal verify", VIEWER, VERB_SLOW, NO_ARGUMENTS, NULL, NULL,
	    "Compares seals, segments and archive files of the running switch." },
	{ "journal archive", ADMIN, 0, ARGUMENTS(journal_archive), "shards",
	    "shard sealed_segment archived_segment waiting_segments archive_error",
	    "Tries at once what could not be sealed or archived." },
	{ "audit tail", VIEWER, 0, ARGUMENTS(audit_tail), "entries",
	    "sequence time user action object before->after outcome",
	    "The newest entries of the audit log." },
	{ "audit verify", VIEWER, VERB_SLOW, NO_ARGUMENTS, NULL, NULL,
	    "Checks the audit log's chain of hashes." },
	{ "backup create", ADMIN, VERB_CHANGES | VERB_SLOW, ARGUMENTS(backup_create), NULL, NULL,
	    "Makes a backup under var/backups/sluice while the switch runs." },
	{ "backup list", VIEWER, 0, NO_ARGUMENTS, "backups", "name covered bytes shards label ok",
	    "The backups made so, and up to when they hold everything." },
	{ "backup verify", VIEWER, VERB_SLOW, ARGUMENTS(backup_verify), NULL, NULL,
	    "Proves a backup: files, chains, every balance, state hashes." },
	{ "command list", VIEWER, 0, ARGUMENTS(command_list), "commands",
	    "sequence type state committed done", "Commands sent to the shards." },
	{ "command adopt", ADMIN, VERB_CHANGES | VERB_IRREVERSIBLE, NO_ARGUMENTS, NULL, NULL,
	    "Accepts shards that know newer commands than this database, or lost theirs." },
	{ "config show", VIEWER, 0, NO_ARGUMENTS, "keys", "key value unit change help",
	    "Configuration in force." },
	{ "config check", VIEWER, 0, ARGUMENTS(config_check), NULL, NULL,
	    "Checks a configuration file without using it." },
	{ "config reload", ADMIN, VERB_CHANGES, NO_ARGUMENTS, NULL, NULL,
	    "Reads the configuration file again." },
	{ "log level", ADMIN, VERB_CHANGES, ARGUMENTS(log_level), NULL, NULL,
	    "Lowest level that control logs." },
	{ "completion", VIEWER, VERB_LOCAL, NO_ARGUMENTS, NULL, NULL,
	    "Prints the completion script for bash." },
	{ "manual", VIEWER, VERB_LOCAL, NO_ARGUMENTS, NULL, NULL,
	    "Prints the part of the manual page that lists the verbs (mdoc)." },
};

const char *verb_role_name(enum verb_role role)
{
	static const char *const names[] = { NULL, "viewer", "operator", "risk", "admin" };

	return role >= VERB_ROLE_VIEWER && role <= VERB_ROLE_ADMIN ? names[role] : NULL;
}

int verb_role_may(enum verb_role has, enum verb_role needs)
{
	return has == needs || has == VERB_ROLE_ADMIN || needs == VERB_ROLE_VIEWER;
}

/* Those of risk work (verbs_risk.c) stand behind these. */
const struct verb *verb_at(size_t index)
{
	if (index < SLUICE_ARRAY_COUNT(verbs))
		return &verbs[index];
	index -= SLUICE_ARRAY_COUNT(verbs);
	return index < verbs_risk_count ? &verbs_risk[index] : NULL;
}

size_t verb_count(void)
{
	return SLUICE_ARRAY_COUNT(verbs) + verbs_risk_count;
}

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < verb_count(); i++)
		if (strcmp(verb_at(i)->name, name) == 0)
			return verb_at(i);
	return NULL;
}

size_t verb_index(const struct verb *verb)
{
	if (verb >= verbs_risk && verb < verbs_risk + verbs_risk_count)
		return SLUICE_ARRAY_COUNT(verbs) + (size_t)(verb - verbs_risk);
	return (size_t)(verb - verbs);
}

const struct verb_argument *verb_argument_find(const struct verb *verb, const char *name)
{
	for (size_t i = 0; i < verb->argument_count; i++)
		if (strcmp(verb->arguments[i].name, name) == 0)
			return &verb->arguments[i];
	return NULL;
}

void verb_schema(const struct verb *verb, char out[VERB_NAME_SIZE_MAX])
{
	snprintf(out, VERB_NAME_SIZE_MAX, "%s/1", verb->name);
	for (char *at = strchr(out, ' '); at != NULL; at = strchr(at, ' '))
		*at = '-';
}

int verb_choice_has(const char *choices, const char *text)
{
	size_t length = strcspn(text, "|");

	if (text[length] != '\0')
		return 0;
	for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, text, length) == 0 && (at[length] == '|' || at[length] == '\0'))
			return length > 0;
	}
	return 0;
}

int verb_id_fits(const char *text)
{
	static const char highest[] = "18446744073709551615";
	size_t length;

	if (text == NULL || text[0] < '1' || text[0] > '9')
		return 0;
	length = strspn(text, "0123456789");
	if (text[length] != '\0' || length >= sizeof(highest))
		return 0;
	return length < sizeof(highest) - 1 || strcmp(text, highest) <= 0;
}
