/* SPDX-License-Identifier: Apache-2.0 */
/* The process: its parts, and the handlers of the verbs over them. Private to this folder. */
#ifndef SLUICE_CONTROL_H
#define SLUICE_CONTROL_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "control/alerts/follow.h"
#include "control/config/config.h"
#include "control/database/database.h"
#include "control/keys/authority.h"
#include "control/keys/key_server.h"
#include "control/link/link.h"
#include "control/ops-socket/ops.h"
#include "control/replication/replication.h"
#include "control/sessions/sessions.h"
#include "control/watchlist/watchlist.h"
#include "lmdb-schema/object.h"

#define CONTROL_PATH_SIZE      4400
#define CONTROL_WAIT_MS        10000
#define CONTROL_HEARTBEAT_NS   25000000000ull /* longest silence of a terminal (HELLO) */
#define CONTROL_STATUS_LATE_MS 5000

/* sluicectl's exit statuses, which handlers return. */
enum {
	CONTROL_DONE = 0,
	CONTROL_REFUSED = 1,
	CONTROL_USAGE = 2,
	CONTROL_UNREACHABLE = 3,
};

/* Rates of one shard between the last two looks at the data plane's status. */
struct shard_rate {
	uint64_t events, busy_ns;             /* as read */
	uint64_t events_per_s, busy_permille; /* derived */
};

/* What is seen of terminals and shards; written by the link's and the main thread. */
struct monitor {
	pthread_mutex_t lock;
	json_t *terminals; /* terminal id in decimal -> last session report, with "seen_ns" */
	struct shard_rate rates[LIMIT_SHARDS];
	uint64_t sampled_ns, boot_id;
};

/* Of the main thread, but for `near` (limits.c). */
enum {
	LIMIT_SCOPE_SELECTION,
	LIMIT_SCOPE_MARKET,
	LIMIT_SCOPE_PARTNER,
	LIMIT_SCOPE_TERMINAL,
	LIMIT_SCOPES,
};
struct limits_watch {
	uint64_t next[LIMIT_SCOPES];
	unsigned counting[LIMIT_SCOPES];
	_Atomic uint64_t near[LIMIT_SCOPES]; /* a figure; relaxed both sides */
	uint8_t had_markets;
};

struct control {
	char root[4096];
	char config_path[CONTROL_PATH_SIZE];
	int lock_fd;
	uint64_t started_ns;
	pthread_mutex_t config_lock; /* over config, which reload changes */
	struct control_config config;
	struct monitor monitor;
	struct database *database;
	struct authority *authority;
	struct sessions *sessions;
	struct replication *replication;
	struct alerts_follow *alerts;
	struct watchlist *watchlist;
	struct screen *screen; /* of the alerts' thread */
	struct link *link;
	struct key_server *key_server;
	struct ops *ops;
	/* Of the main thread (care.c): the market to go on with, the last one that was refused, and
	 * when to ask again. */
	uint64_t care_next, care_refused_id, care_again_ns;
	struct limits_watch limits;
	/* Versions of rules here and on the shards as they were found to differ. */
	uint32_t care_rules_wanted, care_rules_shards;
};

/* ROOT/relative. 0 or -ENAMETOOLONG. */
SLUICE_MUST_USE int control_path(
    const struct control *control, const char *relative, char *out, size_t size);
/* A copy of the configuration in force. */
void control_config_get(struct control *control, struct control_config *out);
/* What a reload changed, {"keys.epoch_minutes": 60}, and which differing keys want a restart. */
struct reload_report {
	json_t *before, *after; /* the caller's */
	char restart_keys[512];
};
/* Reads the file again, and takes it over unless `dry_run`. CONTROL_DONE with *report, or why not.
 */
int control_reload(struct control *control, int dry_run, struct reload_report *report,
    char *message, size_t message_size);
/* The same on a signal: audited as control's own doing, logged. */
void control_reload_by_signal(struct control *control);
/* Takes over what changed in the configuration. */
void control_settings_apply(struct control *control);

/* ---- monitor.c ---- */

void monitor_init(struct monitor *monitor);
void monitor_free(struct monitor *monitor);
/* The link's on_session: keeps what the data plane says of one session. */
void monitor_session(void *control, const json_t *session);
/* Once a second: rates out of the data plane's status. */
void monitor_sample(struct control *control);
struct shard_rate monitor_rate(struct control *control, uint32_t shard);
/* {"online","last_seen_ns",...,"heartbeat"} of one terminal, NULL: never seen. New reference. */
json_t *monitor_terminal(struct control *control, uint64_t terminal_id);
/* Every terminal seen, for `terminal monitor`. New reference. */
json_t *monitor_terminals(struct control *control);
uint64_t monitor_online(struct control *control);

/* ---- care.c ---- */

/* Before the link starts: what control puts right when the shards refuse a command. */
void care_begin(struct control *control);
/* A new installation's first command: the factors of the states are in force before anything can
 * be decided. When the link may take commands; does nothing where there are some. */
void care_first_rules(struct control *control);
/* Once a second: makes results final whose time is over, and brings back the rows of commands that
 * the shards refused; a few markets a turn. */
void care_turn(struct control *control);

/* ---- limits.c ---- */

/* Once a second, while the data plane answers: an alert of what comes near its limit. */
struct risk_rules;
void limits_turn(struct control *control, const struct risk_rules *rules);
const char *limits_scope_name(unsigned scope);

/* ---- view.c: answers of the data plane in the words of the verbs, changed in place ---- */

void view_account(json_t *answer);
void view_bet(json_t *answer);
void view_terminal(json_t *answer);
void view_market(json_t *answer);
void view_object(json_t *answer);
/* "open" of a bet_state. */
const char *view_bet_state(json_int_t state);
/* view_object.c: an object of the log or of a closed table, as the data plane would answer. New
 * reference. */
json_t *view_object_bytes(const struct object_bytes *object);
/* "cash": the kind of a system account. */
const char *view_system_account(uint64_t account_id);

/* ---- handle*.c ---- */

/* {"ok","problems":[sentences]} out of the data plane's status, which may be NULL. */
json_t *health_json(struct control *control, const json_t *status);

/* Handlers by verb_index; every verb that is not VERB_LOCAL has one. */
ops_handler *const *control_handlers(void);

/* Formats `message` and returns `status`. */
__attribute__((format(printf, 4, 5))) int handle_refuse(
    int status, char *message, size_t message_size, const char *format, ...);
/* Below the root: backups, named by their time. */
#define CONTROL_BACKUP_FOLDER "var/backups/sluice"
/* handle_liability.c: the nearest to their limits; NULL: not to be had now. New reference. */
json_t *handle_liability_top(struct control *control, size_t count, int *cut);
/* model_rows.c: models in control's database, beside their files. 0 or -errno. */
int model_rows_put(struct db_txn *txn, uint32_t number, const uint8_t *bytes, size_t size);
int model_rows_remove(struct db_txn *txn, uint32_t number); /* none is there: 0 */
/* At a start: those of the folder that are not in the database, as older programs left them. */
int model_rows_take(struct database *database, const char *folder);
/* handle_model.c: is this model there, whole? CONTROL_DONE, or refused with `message`. */
int handle_model_check(
    struct control *control, uint32_t number, char *message, size_t message_size);
/* Runs sluice-db with these arguments and waits: its JSON in *result, or its words as the message.
 */
int control_program_run(
    char *const arguments[], json_t **result, char *message, size_t message_size);
/* Score, factors with the numbers they saw, and where the points come from (explain_risk.c). */
struct event_view;
void explain_risk_add(struct control *control, const struct event_view *view, json_t *object);
/* The limit that a request was refused for, or the odds that had changed (explain_limit.c); nothing
 * for other codes. */
void explain_limit_add(struct control *control, const struct event_view *view, json_t *object);
/* Names of enum play_limit, as `account limits` has them. */
const char *play_limit_name(unsigned limit);
/* What was staked or moved, without its sign; of a cash bet too. */
int64_t explain_amount(const struct event_view *view);
/* It was done, but the audit entry could not be written: says both. */
int handle_unaudited(int error, char *message, size_t message_size);
/* What an -errno of the database or a module means for the caller. */
int handle_error(int error, const char *what, char *message, size_t message_size);
/*
 * Wakes the link and waits until command `sequence` (0: none was needed) is durable on all shards.
 * Adds "command" and "done" to *result. CONTROL_DONE, or the status with `message`; *result is
 * released then.
 */
int handle_wait(struct control *control, const struct ops_request *request, uint64_t sequence,
    json_t **result, char *message, size_t message_size);
/* Asks the data plane; `question` is released. CONTROL_DONE with *answer the caller's. */
int handle_ask(
    struct control *control, json_t *question, json_t **answer, char *message, size_t message_size);
/* What an error of handle_bet_find and handle_object_find means; `message` as they left it. */
int handle_ask_error(int error, const char *what, char *message, size_t message_size);
/* The same about one thing; CONTROL_REFUSED ("there is no such `what`") when it is not there. */
int handle_show(struct control *control, json_t *question, const char *what, json_t **result,
    char *message, size_t message_size);
json_t *handle_account_question(uint64_t account_id);
/* handle_closed.c: a bet or object in the shards' memory or put away, in the admin socket's form.
 * 0 with *answer the caller's; -ENOENT; an error of link_ask with its message. */
SLUICE_MUST_USE int handle_bet_find(
    struct control *control, uint64_t bet_id, json_t **answer, char *message, size_t message_size);
SLUICE_MUST_USE int handle_object_find(struct control *control, uint64_t object_id, json_t **answer,
    char *message, size_t message_size);
/* The log of a shard. -errno, also for a shard there is not. */
struct log_history;
SLUICE_MUST_USE int handle_history_open(
    struct control *control, uint32_t shard, struct log_history **history);
/* Asks the data plane whether it would take the command (borrowed), before anything is committed.
 * CONTROL_DONE also when there is none to ask. */
int handle_check(
    struct control *control, const json_t *command, char *message, size_t message_size);
/*
 * Checks `command`, commits it with the audit entry (request->audit.before as the caller has set
 * it), and waits. command, audit.before and `after` are released here; the result is `after`.
 */
int handle_command(struct control *control, struct ops_request *request, json_t *command,
    const char *object, json_t *after, json_t **result, char *message, size_t message_size);
/* Everything the database writes until the matching call with 0 is rolled back, errors apart. */
void handle_dry_run(const struct ops_request *request, int on);

#define HANDLER(name)                                                                              \
	int name(void *context, struct ops_request *request, json_t **result, char *message,       \
	    size_t message_size)

HANDLER(handle_status);
HANDLER(handle_top);
HANDLER(handle_shards);
HANDLER(handle_ca_init);
HANDLER(handle_ca_show);
HANDLER(handle_ca_renew);
HANDLER(handle_ca_activate);
HANDLER(handle_ca_retire);
HANDLER(handle_ca_server_renew);
HANDLER(handle_terminal_enroll);
HANDLER(handle_terminal_set);
HANDLER(handle_terminal_list);
HANDLER(handle_terminal_show);
HANDLER(handle_terminal_block);
HANDLER(handle_terminal_unblock);
HANDLER(handle_terminal_revoke);
HANDLER(handle_terminal_monitor);
HANDLER(handle_session_list);
HANDLER(handle_session_end);
HANDLER(handle_session_rotate);
HANDLER(handle_market_import);
HANDLER(handle_market_list);
HANDLER(handle_market_show);
HANDLER(handle_market_open);
HANDLER(handle_market_suspend);
HANDLER(handle_market_close);
HANDLER(handle_market_result);
HANDLER(handle_market_results);
HANDLER(handle_market_rollback);
HANDLER(handle_market_void);
HANDLER(handle_market_final);
HANDLER(handle_odds_set);
HANDLER(handle_model_list);
HANDLER(handle_model_load);
HANDLER(handle_model_show);
HANDLER(handle_model_remove);
HANDLER(handle_rules_show);
HANDLER(handle_rules_set);
HANDLER(handle_rules_list);
HANDLER(handle_rules_diff);
HANDLER(handle_rules_rollback);
HANDLER(handle_rules_activate);
HANDLER(handle_rules_shadow);
HANDLER(handle_account_open);
HANDLER(handle_account_show);
HANDLER(handle_account_freeze);
HANDLER(handle_account_unfreeze);
HANDLER(handle_account_adjust);
HANDLER(handle_account_limits);
HANDLER(handle_account_exclude);
HANDLER(handle_adjustment_list);
HANDLER(handle_adjustment_approve);
HANDLER(handle_adjustment_reject);
HANDLER(handle_withdrawal_list);
HANDLER(handle_withdrawal_approve);
HANDLER(handle_withdrawal_reject);
HANDLER(handle_partner_set);
HANDLER(handle_partner_list);
HANDLER(handle_partner_show);
HANDLER(handle_report_liability);
HANDLER(handle_report_partners);
HANDLER(handle_report_receivables);
HANDLER(handle_bet_show);
HANDLER(handle_bet_void);
HANDLER(handle_ticket_verify);
HANDLER(handle_object_show);
HANDLER(handle_explain);
HANDLER(handle_journal_status);
HANDLER(handle_journal_verify);
HANDLER(handle_journal_archive);
HANDLER(handle_replication_status);
HANDLER(handle_replication_verify);
HANDLER(handle_replication_pause);
HANDLER(handle_replication_resume);
HANDLER(handle_audit_tail);
HANDLER(handle_audit_verify);
HANDLER(handle_backup_create);
HANDLER(handle_backup_list);
HANDLER(handle_backup_verify);
HANDLER(handle_command_list);
HANDLER(handle_command_adopt);
HANDLER(handle_config_show);
HANDLER(handle_config_check);
HANDLER(handle_config_reload);
HANDLER(handle_log_level);
HANDLER(handle_alert_list);
HANDLER(handle_alert_show);
HANDLER(handle_alert_create);
HANDLER(handle_alert_assign);
HANDLER(handle_alert_note);
HANDLER(handle_alert_investigate);
HANDLER(handle_alert_severity);
HANDLER(handle_alert_close);
HANDLER(handle_alert_report);
HANDLER(handle_account_profile);
HANDLER(handle_feedback_import);
HANDLER(handle_subject_set);
HANDLER(handle_subject_list);
HANDLER(handle_watchlist_import);
HANDLER(handle_watchlist_list);
HANDLER(handle_watchlist_match);
HANDLER(handle_country_import);
HANDLER(handle_country_list);
HANDLER(handle_country_set);

#endif
