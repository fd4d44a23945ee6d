/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of risk work: rules, alerts, subjects, watch lists, countries. */
#include "control/ops-socket/verbs.h"
#include "control/ops-socket/verbs_table.h"

#define NOTE(size)                                                                                 \
	{                                                                                          \
		"note", VERB_TEXT, 0, 0, 0, 1, size, NULL, "why, for people"                       \
	}
#define KINDS "account|terminal|partner"
#define SUBJECT                                                                                    \
	{ "kind", VERB_CHOICE, 1, 1, 0, 0, 0, KINDS, "whom it is about" },                         \
	{                                                                                          \
		"id", VERB_NUMBER, 1, 1, 0, 1, ID_MAX, NULL, "its id"                              \
	}
#define ALERT_ID                                                                                   \
	{                                                                                          \
		"alert", VERB_NUMBER, 1, 1, 0, 1, INT64_MAX, NULL, "number of the alert"           \
	}
#define SEVERITIES "low|medium|high|critical"

/* ---- Rules ---- */

#define RULES_VERSION(name, positional, required, help)                                            \
	{                                                                                          \
		name, VERB_NUMBER, positional, required, 0, 1, UINT32_MAX, NULL, help              \
	}
static const struct verb_argument rules_show[] = {
	RULES_VERSION("rules_version", 1, 0, "a version (those in force)"),
	{ "out", VERB_OUT, 0, 0, 0, 0, 0, "file", "where to write them as a file of rules" },
};
static const struct verb_argument rules_set[] = {
	{ "setting", VERB_TEXT, 1, 0, 1, 3, 100, NULL,
	    "KEY=VALUE, e.g. stake_single_max=1000000; the rest stays" },
	{ "file", VERB_FILE, 0, 0, 0, 0, 0, NULL,
	    "file of rules: lines key: value, as rules show --out writes them" },
	{ "stage", VERB_SWITCH, 0, 0, 0, 0, 0, NULL,
	    "only store them under their number; rules activate puts them in force" },
	NOTE(159),
	WAIT_MS,
};
static const struct verb_argument rules_activate[] = {
	RULES_VERSION("rules_version", 1, 1, "a version; an older one becomes a new one"),
	NOTE(159),
	WAIT_MS,
};
static const struct verb_argument rules_shadow[] = {
	{ "file", VERB_FILE, 1, 0, 0, 0, 0, NULL,
	    "file of rules; what it leaves out is as in force, or as in --rules-version" },
	RULES_VERSION("rules_version", 0, 0, "a version, e.g. one that is stored"),
	{ "model", VERB_NUMBER, 0, 0, 0, 1, UINT32_MAX, NULL,
	    "a model asked beside these rules, or those of then; it changes nothing" },
	{ "from", VERB_TIME, 0, 1, 0, 0, 0, NULL, "begin of the range, included" },
	{ "to", VERB_TIME, 0, 0, 0, 0, 0, NULL, "end of the range, not included (now)" },
	{ "examples", VERB_NUMBER, 0, 0, 0, 0, 1000, NULL, "of each kind of change (20)" },
	{ "base", VERB_TEXT, 0, 0, 0, 1, 64, NULL,
	    "a backup from before the range, when the log does not go back to its begin" },
};
static const struct verb_argument rules_list[] = { COUNT };
static const struct verb_argument rules_diff[] = {
	RULES_VERSION("from", 1, 1, "a version; 1: the defaults"),
	RULES_VERSION("to", 1, 0, "another one (those in force)"),
	{ "file", VERB_FILE, 0, 0, 0, 0, 0, NULL, "instead of another version: a file of rules" },
};
static const struct verb_argument rules_rollback[] = {
	RULES_VERSION("rules_version", 1, 1, "whose content becomes the next version"),
	NOTE(159),
	WAIT_MS,
};

/* ---- Alerts ---- */

static const struct verb_argument alert_list[] = {
	{ "open", VERB_SWITCH, 0, 0, 0, 0, 0, NULL, "only new ones and those under investigation" },
	{ "state", VERB_CHOICE, 0, 0, 0, 0, 0, "new|investigating|closed|reported", "only these" },
	{ "severity", VERB_CHOICE, 0, 0, 0, 0, 0, SEVERITIES, "only these" },
	{ "reason", VERB_CHOICE, 0, 0, 0, 0, 0, "risk|watch_list|country|manual|limit",
	    "only these" },
	{ "account", VERB_NUMBER, 0, 0, 0, 1, ID_MAX, NULL, "only about this account" },
	{ "assignee", VERB_TEXT, 0, 0, 0, 0, 63, NULL, "only assigned to this person" },
	COUNT,
	{ "before", VERB_NUMBER, 0, 0, 0, 1, INT64_MAX, NULL, "older than this number" },
};
static const struct verb_argument alert_one[] = { ALERT_ID };
static const struct verb_argument alert_create[] = {
	SUBJECT,
	{ "text", VERB_TEXT, 1, 1, 0, 1, 159, NULL, "what it is about" },
	{ "severity", VERB_CHOICE, 0, 0, 0, 0, 0, SEVERITIES, "how much it matters (medium)" },
	{ "terminal", VERB_NUMBER, 0, 0, 0, 1, TERMINAL_MAX, NULL, "terminal it happened at" },
};
static const struct verb_argument alert_assign[] = {
	ALERT_ID,
	{ "assignee", VERB_TEXT, 1, 1, 0, 0, 63, NULL, "who works on it; \"\": nobody" },
	NOTE(511),
};
static const struct verb_argument alert_note[] = {
	ALERT_ID,
	{ "note", VERB_TEXT, 1, 1, 0, 1, 511, NULL, "kept with the alert, for people" },
};
static const struct verb_argument alert_investigate[] = { ALERT_ID, NOTE(511) };
static const struct verb_argument alert_severity[] = {
	ALERT_ID,
	{ "severity", VERB_CHOICE, 1, 1, 0, 0, 0, SEVERITIES, "how much it matters" },
	NOTE(511),
};
static const struct verb_argument alert_close[] = {
	ALERT_ID,
	{ "verdict", VERB_CHOICE, 1, 1, 0, 0, 0, "confirmed|false", "what it turned out to be" },
	NOTE(511),
};
static const struct verb_argument alert_report[] = {
	ALERT_ID,
	{ "reference", VERB_TEXT, 1, 1, 0, 1, 63, NULL, "of the report to the authority" },
	NOTE(511),
};
static const struct verb_argument account_profile[] = { ACCOUNT_ID, COUNT };

/* ---- Subjects, countries ---- */

static const struct verb_argument feedback_import[] = {
	{ "file", VERB_FILE, 1, 1, 0, 0, 0, NULL,
	    "CSV: kind,id,label,date[,reference]; a label is confirmed or false" },
};
static const struct verb_argument subject_set[] = {
	SUBJECT,
	{ "name", VERB_TEXT, 0, 0, 0, 0, 127, NULL, "of the holder; \"\": not known" },
	{ "country", VERB_TEXT, 0, 0, 0, 0, 3, NULL,
	    "ISO 3166 letters, e.g. KOR; \"\": not known" },
};
static const struct verb_argument subject_list[] = {
	{ "kind", VERB_CHOICE, 0, 0, 0, 0, 0, KINDS, "only these" },
	{ "from", VERB_NUMBER, 0, 0, 0, 0, ID_MAX, NULL, "first id" },
	COUNT,
};
static const struct verb_argument watchlist_import[] = {
	{ "list", VERB_TEXT, 1, 1, 0, 1, 31, NULL, "name of the list, e.g. ofac" },
	{ "sdn", VERB_FILE, 0, 0, 0, 0, 0, NULL, "OFAC's SDN.CSV: number,name,..." },
	{ "alt", VERB_FILE, 0, 0, 0, 0, 0, NULL, "its ALT.CSV: number,number,kind,alias" },
	{ "names", VERB_FILE, 0, 0, 0, 0, 0, NULL, "or names, one a line" },
	{ "dated", VERB_TEXT, 0, 0, 0, 4, 15, NULL, "date of the list, e.g. 2026-03-22" },
};
static const struct verb_argument watchlist_match[] = {
	{ "name", VERB_TEXT, 1, 0, 0, 1, 400, NULL, "a name" },
	{ "file", VERB_FILE, 0, 0, 0, 0, 0, NULL, "or a file of names, one a line" },
	{ "threshold", VERB_NUMBER, 0, 0, 0, 500, 1000, NULL,
	    "thousandths (alerts.name_similarity_permille)" },
};
static const struct verb_argument top[] = {
	{ "once", VERB_SWITCH, 0, 0, 0, 0, 0, NULL,
	    "one frame, for scripts; so too without a terminal" },
	{ "count", VERB_NUMBER, 0, 0, 0, 1, 1000, NULL, "rows of liability (15)" },
};
static const struct verb_argument model_load[] = {
	{ "file", VERB_FILE, 1, 1, 0, 0, 0, NULL, "JSON of tools/risk-train" },
	{ "note", VERB_TEXT, 0, 0, 0, 1, 159, NULL, "what it was trained on, for the audit log" },
};
static const struct verb_argument model_one[] = {
	{ "model", VERB_NUMBER, 1, 1, 0, 1, UINT32_MAX, NULL, "its number" },
};
static const struct verb_argument country_import[] = {
	{ "file", VERB_FILE, 1, 1, 0, 0, 0, NULL, "CSV: iso3,fatf_status" },
	{ "dated", VERB_TEXT, 0, 1, 0, 4, 15, NULL, "date of the list, e.g. 2026-10-24" },
};
static const struct verb_argument country_set[] = {
	{ "country", VERB_TEXT, 1, 1, 0, 3, 3, NULL, "ISO 3166 letters, e.g. PRK" },
	{ "level", VERB_CHOICE, 1, 1, 0, 0, 0, "none|monitored|high", "what it counts as" },
};

const struct verb verbs_risk[] = {
	{ "rules show", VIEWER, 0, ARGUMENTS(rules_show), "rules", "key value unit help",
	    "The rules in force, or those of a version." },
	{ "rules list", VIEWER, 0, ARGUMENTS(rules_list), "versions",
	    "version state set set_by copied_from note refusal",
	    "Versions of the rules, newest first." },
	{ "rules diff", VIEWER, 0, ARGUMENTS(rules_diff), "differences", "key from to unit",
	    "What differs between two versions, or a version and a file." },
	{ "rules rollback", RISK, VERB_CHANGES, ARGUMENTS(rules_rollback), NULL, NULL,
	    "Makes the content of an older version the next one." },
	{ "rules set", RISK, VERB_CHANGES, ARGUMENTS(rules_set), NULL, NULL,
	    "Changes rules under a new version, in force at once unless --stage." },
	{ "rules activate", RISK, VERB_CHANGES, ARGUMENTS(rules_activate), NULL, NULL,
	    "Puts a version that is stored in force." },
	{ "rules shadow", RISK, VERB_SLOW, ARGUMENTS(rules_shadow), "comparison",
	    "what before after difference",
	    "What other rules would have decided, or a model said, in a time range of the logs; "
	    "changes nothing." },
	{ "top", VIEWER, VERB_LIVE, ARGUMENTS(top), NULL, NULL,
	    "A live view: shards, liability beside its limits, terminals, alerts." },
	{ "model list", VIEWER, 0, NO_ARGUMENTS, "models",
	    "model state damaged trees depth bytes loaded checksum",
	    "Learned models that rules may name." },
	{ "model load", RISK, VERB_CHANGES, ARGUMENTS(model_load), NULL, NULL,
	    "Checks a trained model (XGBoost's JSON) and keeps it under the next number; `rules "
	    "set "
	    "model_version=N model_state=shadow` uses it." },
	{ "model show", VIEWER, 0, ARGUMENTS(model_one), NULL, NULL, "One model." },
	{ "model remove", RISK, VERB_CHANGES | VERB_IRREVERSIBLE, ARGUMENTS(model_one), NULL, NULL,
	    "Removes a model that the rules in force do not use." },
	{ "alert list", VIEWER, 0, ARGUMENTS(alert_list), "alerts",
	    "alert state severity reason about score count assignee first text",
	    "Alerts, newest first." },
	{ "alert show", VIEWER, 0, ARGUMENTS(alert_one), NULL, NULL,
	    "One alert with everything that was done about it." },
	{ "alert create", RISK, VERB_CHANGES, ARGUMENTS(alert_create), NULL, NULL,
	    "Raises an alert by hand." },
	{ "alert assign", RISK, VERB_CHANGES, ARGUMENTS(alert_assign), NULL, NULL,
	    "Gives an alert to somebody." },
	{ "alert note", RISK, VERB_CHANGES, ARGUMENTS(alert_note), NULL, NULL,
	    "Adds a note to an alert." },
	{ "alert investigate", RISK, VERB_CHANGES, ARGUMENTS(alert_investigate), NULL, NULL,
	    "Begins work on a new alert, or takes a closed one up again: its verdict is taken "
	    "back." },
	{ "alert severity", RISK, VERB_CHANGES, ARGUMENTS(alert_severity), NULL, NULL,
	    "Says anew how much an alert matters." },
	{ "alert close", RISK, VERB_CHANGES, ARGUMENTS(alert_close), NULL, NULL,
	    "Closes an alert as confirmed or false, which counts for its account, terminal and "
	    "partner." },
	{ "alert report", RISK, VERB_CHANGES, ARGUMENTS(alert_report), NULL, NULL,
	    "Notes that an alert was reported to the authority." },
	{ "account profile", VIEWER, 0, ARGUMENTS(account_profile), NULL, NULL,
	    "What is known of an account: holder, cases, factors seen, alerts, and the shard's own "
	    "profile." },
	{ "feedback import", RISK, VERB_CHANGES | VERB_SLOW, ARGUMENTS(feedback_import), NULL, NULL,
	    "Counts confirmed and false cases of a file, days late or not: each line is a case, "
	    "however many are alike, but what a reference names counts once, and the same file "
	    "again adds nothing." },
	{ "subject set", RISK, VERB_CHANGES, ARGUMENTS(subject_set), NULL, NULL,
	    "Name of the holder and country of an account, terminal or partner." },
	{ "subject list", VIEWER, 0, ARGUMENTS(subject_list), "subjects",
	    "kind id name country confirmed dismissed", "What is known of whom." },
	{ "watchlist import", RISK, VERB_CHANGES, ARGUMENTS(watchlist_import), NULL, NULL,
	    "Replaces a watch list; all names are screened again." },
	{ "watchlist list", VIEWER, 0, NO_ARGUMENTS, "lists",
	    "list version entries names dated imported imported_by", "Watch lists." },
	{ "watchlist match", VIEWER, VERB_SLOW, ARGUMENTS(watchlist_match), "matches",
	    "name similarity_permille list entry listed",
	    "What on the watch lists is like a name, or like each name of a file." },
	{ "country import", RISK, VERB_CHANGES, ARGUMENTS(country_import), NULL, NULL,
	    "Replaces the list of countries of higher risk." },
	{ "country list", VIEWER, 0, NO_ARGUMENTS, "countries", "country level status dated",
	    "Countries of higher risk; those not listed have none." },
	{ "country set", RISK, VERB_CHANGES, ARGUMENTS(country_set), NULL, NULL,
	    "Puts a country on the list, or changes what it counts as." },
};
const size_t verbs_risk_count = SLUICE_ARRAY_COUNT(verbs_risk);
