/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the risk states, of the model and of other currencies; flags of lists; judged cases. */
#include <ctype.h>

#include "dataplane/admin/admin.h"
#include "dataplane/admin/admin_fields.h"

/* A member that is an object, read into `inner`. 0: not there, or no object. */
static int inner_object(struct admin_fields *fields, const char *name, struct admin_fields *inner)
{
	json_t *value = json_object_get(fields->object, name);

	*inner = (struct admin_fields){ value, NULL, NULL };
	if (value == NULL || fields->error != NULL)
		return 0;
	if (json_is_object(value))
		return 1;
	fields->error = admin_error("\"%s\" must be an object", name);
	return 0;
}

/* What is wrong inside is what is wrong outside. */
static void inner_end(struct admin_fields *fields, struct admin_fields *inner)
{
	if (inner->error == NULL)
		return;
	if (fields->error == NULL)
		fields->error = inner->error;
	else
		json_decref(inner->error);
}

/* Names of factors in lower case: {"stake_ladder": 20}. */
static void points_parse(struct admin_fields *factors, struct risk_factor_rules *rules)
{
	struct admin_fields points;

	if (!inner_object(factors, "points", &points))
		return;
	for (unsigned i = 0; i < RISK_STATE_FACTOR_COUNT; i++) {
		const char *from = risk_state_factor_name((enum risk_state_factor)i);
		char name[40];
		size_t length = strlen(from);

		SLUICE_REQUIRE(length < sizeof(name));
		for (size_t k = 0; k <= length; k++)
			name[k] = (char)tolower((unsigned char)from[k]);
		rules->points[i] =
		    (uint8_t)admin_field_optional(&points, name, 100, rules->points[i]);
	}
	inner_end(factors, &points);
}

static void factors_parse(struct admin_fields *rules, struct risk_rules_extra *extra)
{
	struct admin_fields factors;

	if (!inner_object(rules, "factors", &factors))
		return;
#define RULE(name, low, high)                                                                      \
	extra->factors.name = (__typeof__(extra->factors.name))admin_field_optional(               \
	    &factors, #name, (high), extra->factors.name);
	RISK_FACTOR_RULES(RULE)
#undef RULE
	points_parse(&factors, &extra->factors);
	inner_end(rules, &factors);
}

static void model_parse(struct admin_fields *rules, struct risk_rules_extra *extra)
{
	static const char *const states[] = {
		[RISK_MODEL_OFF] = "off",
		[RISK_MODEL_SHADOW] = "shadow",
		[RISK_MODEL_ACTIVE] = "active",
	};
	struct admin_fields model;
	const char *state;
	unsigned i = 0;

	if (!inner_object(rules, "model", &model))
		return;
	state = json_string_value(json_object_get(model.object, "state"));
	while (state != NULL && i < SLUICE_ARRAY_COUNT(states) && strcmp(states[i], state) != 0)
		i++;
	if (state == NULL || i == SLUICE_ARRAY_COUNT(states))
		rules->error = admin_error("\"model.state\" must be off, shadow or active");
	extra->model_state = (uint8_t)i;
	extra->model_version = (uint32_t)admin_field_optional(&model, "version", UINT32_MAX, 0);
	inner_end(rules, &model);
}

static void currency_parse(struct admin_fields *rules, json_t *value, struct risk_amounts *amounts)
{
	struct admin_fields fields = { value, NULL, NULL };

	amounts->currency = (uint16_t)admin_field_number(&fields, "currency", 1, 999);
#define AMOUNT(name, high) amounts->name = (int64_t)admin_field_optional(&fields, #name, high, 0)
	AMOUNT(stake_single_max, LIMIT_STAKE_MAX);
	AMOUNT(stake_daily_max, LIMIT_BALANCE_MAX);
	AMOUNT(payout_max, LIMIT_PAYOUT_MAX);
	AMOUNT(large_amount, LIMIT_BALANCE_MAX);
	AMOUNT(longshot_liability, LIMIT_PAYOUT_MAX);
	AMOUNT(report_threshold, LIMIT_BALANCE_MAX);
	AMOUNT(withdraw_pending_min, LIMIT_STAKE_MAX);
#undef AMOUNT
	inner_end(rules, &fields);
}

static void currencies_parse(struct admin_fields *rules, struct risk_rules_extra *extra)
{
	json_t *list = json_object_get(rules->object, "currencies");
	size_t count = json_array_size(list);

	if (list == NULL || rules->error != NULL)
		return;
	if (!json_is_array(list) || count > LIMIT_RULES_CURRENCIES_MAX) {
		rules->error = admin_error(
		    "\"currencies\" must be a list of at most %u", LIMIT_RULES_CURRENCIES_MAX);
		return;
	}
	extra->currency_count = (uint8_t)count;
	for (size_t i = 0; i < count; i++)
		currency_parse(rules, json_array_get(list, i), &extra->currencies[i]);
}

/*
 * Without a member "factors" there is nothing of all this, as there was before. With it, even an
 * empty one, what is not given has its default.
 */
void admin_rules_extra_parse(struct admin_fields *rules, struct risk_rules_extra *extra)
{
	static const char *const need_factors[] = { "model", "currencies", "report_threshold",
		"points_country", "points_watch_list", "points_model_max",
		"points_partner_confirmed" };

	memset(extra, 0, sizeof(*extra));
	if (json_object_get(rules->object, "factors") == NULL) {
		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(need_factors); i++)
			if (rules->error == NULL &&
			    json_object_get(rules->object, need_factors[i]) != NULL)
				rules->error = admin_error(
				    "\"%s\" needs \"factors\" beside it; give {} for the defaults",
				    need_factors[i]);
		return;
	}
	risk_rules_extra_default(extra);
	factors_parse(rules, extra);
	model_parse(rules, extra);
	currencies_parse(rules, extra);
#define RULE(name, highest)                                                                        \
	extra->name = (__typeof__(extra->name))admin_field_optional(                               \
	    rules, #name, highest, (uint64_t)extra->name)
	RULE(report_threshold, LIMIT_BALANCE_MAX);
	RULE(points_country, 100);
	RULE(points_watch_list, 100);
	RULE(points_model_max, 100);
	RULE(points_partner_confirmed, 100);
#undef RULE
}

/* Complete: what is not given is not so. */
void admin_account_flags_parse(struct admin_fields *fields, struct ledger_command *command)
{
	uint16_t flags = 0;

	command->type = EVENT_ACCOUNT_FLAGS;
	command->account_id = admin_field_number(fields, "account_id", 1, LIMIT_ACCOUNT_ID_MAX);
	if (admin_field_bool(fields, "pep"))
		flags |= ACCOUNT_PEP;
	if (admin_field_bool(fields, "sanctioned"))
		flags |= ACCOUNT_SANCTIONED;
	if (admin_field_bool(fields, "country_risk"))
		flags |= ACCOUNT_COUNTRY_RISK;
	command->account_flags.flags = le16_make(flags);
	command->account_flags.country =
	    le16_make((uint16_t)admin_field_optional(fields, "country", 999, 0));
}

void admin_feedback_parse(struct admin_fields *fields, struct ledger_command *command)
{
	struct event_feedback *feedback = &command->feedback;

	command->type = EVENT_FEEDBACK;
	feedback->account_id =
	    le64_make(admin_field_optional(fields, "account_id", LIMIT_ACCOUNT_ID_MAX, 0));
	feedback->terminal_id =
	    le64_make(admin_field_optional(fields, "terminal_id", LIMIT_TERMINAL_ID_MAX, 0));
	feedback->partner_id = le16_make(
	    (uint16_t)admin_field_optional(fields, "partner_id", LIMIT_PARTNER_ID_MAX, 0));
	feedback->transaction_ns = le64_make(admin_field_time(fields, "transaction_ns"));
	feedback->confirmed = (uint8_t)admin_field_bool(fields, "confirmed");
	if (json_object_get(fields->object, "withdrawn") != NULL)
		feedback->withdrawn = (uint8_t)admin_field_bool(fields, "withdrawn");
	if (feedback->withdrawn)
		feedback->learned_s =
		    le32_make((uint32_t)admin_field_optional(fields, "learned_s", UINT32_MAX, 0));
	if (fields->error == NULL && le64_get(feedback->account_id) == 0 &&
	    le64_get(feedback->terminal_id) == 0 && le16_get(feedback->partner_id) == 0)
		fields->error = admin_error(
		    "give at least one of \"account_id\", \"terminal_id\" and \"partner_id\"");
}
