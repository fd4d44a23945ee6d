/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/event_sections.h"

#include <errno.h>
#include <string.h>

#include "wire/ids.h"

static const char *const type_names[EVENT_TYPE_MAX + 1] = {
	[EVENT_ACCOUNT_OPEN] = "account_open",
	[EVENT_DEPOSIT] = "deposit",
	[EVENT_PLACE_BET] = "place_bet",
	[EVENT_CANCEL_BET] = "cancel_bet",
	[EVENT_MARKET_SET] = "market_set",
	[EVENT_RULES_SET] = "rules_set",
	[EVENT_COMMAND_MARK] = "command_mark",
	[EVENT_TICK] = "tick",
	[EVENT_ACCOUNT_FREEZE] = "account_freeze",
	[EVENT_TERMINAL_SET] = "terminal_set",
	[EVENT_WITHDRAW] = "withdraw",
	[EVENT_WITHDRAW_CLOSE] = "withdraw_close",
	[EVENT_TRANSFER] = "transfer",
	[EVENT_TRANSFER_OUT] = "transfer_out",
	[EVENT_TRANSFER_IN] = "transfer_in",
	[EVENT_TRANSFER_DONE] = "transfer_done",
	[EVENT_ADJUST] = "adjust",
	[EVENT_BET_SETTLE] = "bet_settle",
	[EVENT_BET_VOID] = "bet_void",
	[EVENT_MARKET_RESULT] = "market_result",
	[EVENT_REDEEM] = "redeem",
	[EVENT_TICKET_EXPIRE] = "ticket_expire",
	[EVENT_BET_RETIRE] = "bet_retire",
	[EVENT_OBJECT_RETIRE] = "object_retire",
	[EVENT_ROUND_DEBIT] = "round_debit",
	[EVENT_ROUND_CREDIT] = "round_credit",
	[EVENT_ROUND_ROLLBACK] = "round_rollback",
	[EVENT_ROUND_CLOSE] = "round_close",
	[EVENT_SPRINKLE_CREATE] = "sprinkle_create",
	[EVENT_CLAIM] = "claim",
	[EVENT_SPRINKLE_END] = "sprinkle_end",
	[EVENT_FENCE] = "fence",
	[EVENT_REVERSE] = "reverse",
	[EVENT_PLAY_SET] = "play_set",
	[EVENT_SHIFT] = "shift",
	[EVENT_REPRINT] = "reprint",
	[EVENT_PARTNER_SET] = "partner_set",
	[EVENT_LEASE] = "lease",
	[EVENT_ACCOUNT_FLAGS] = "account_flags",
	[EVENT_FEEDBACK] = "feedback",
};

uint32_t event_bucket(const struct event_record *record)
{
	uint64_t account_id = le64_get(record->account_id);

	if (account_id != 0)
		return ids_bucket_of_key(account_id);
	if (le16_get(record->type) == EVENT_PLACE_BET || le16_get(record->type) == EVENT_REDEEM ||
	    le16_get(record->type) == EVENT_CANCEL_BET)
		return ids_bucket_of_printed(le64_get(record->object_id));
	return ids_bucket_of_key(le64_get(record->terminal_id));
}

const char *event_type_name(unsigned type)
{
	return type <= EVENT_TYPE_MAX ? type_names[type] : NULL;
}

int event_body_size(const struct event_record *record)
{
	unsigned type = le16_get(record->type), count = record->leg_count;

	switch (type) {
	case EVENT_PLACE_BET:
		return count <= LIMIT_BET_LEGS_MAX ? (int)(count * sizeof(struct event_leg))
		                                   : -EBADMSG;
	case EVENT_BET_RETIRE:
	case EVENT_OBJECT_RETIRE:
		return count <= EVENT_IDS_MAX ? (int)(count * sizeof(struct le64)) : -EBADMSG;
	case EVENT_MARKET_SET:
		return sizeof(struct event_market);
	case EVENT_RULES_SET:
		return sizeof(struct event_rules);
	case EVENT_TERMINAL_SET:
		return sizeof(struct event_terminal);
	case EVENT_CANCEL_BET:
	case EVENT_BET_SETTLE:
	case EVENT_BET_VOID:
	case EVENT_REDEEM:
	case EVENT_TICKET_EXPIRE:
		return sizeof(struct event_bet_change);
	case EVENT_MARKET_RESULT:
		return sizeof(struct event_result);
	case EVENT_SHIFT:
		return sizeof(struct event_shift);
	case EVENT_LEASE:
		return sizeof(struct event_lease);
	case EVENT_ACCOUNT_FLAGS:
		return sizeof(struct event_account_flags);
	case EVENT_FEEDBACK:
		return sizeof(struct event_feedback);
	default:
		return event_type_name(type) == NULL ? -EBADMSG : 0;
	}
}

static int line_read(const uint8_t *at, size_t size, struct event_view *view)
{
	struct event_line line;

	if (size != sizeof(line) || view->line_count == EVENT_LINES_MAX)
		return -EBADMSG;
	memcpy(&line, at, sizeof(line));
	view->lines[view->line_count++] = (struct event_view_line){
		.account_id = le64_get(line.account_id),
		.prev_lsn = le64_get(line.prev_lsn),
		.amount = le64s_get(line.amount),
		.balance = le64s_get(line.balance),
	};
	return 0;
}

static int object_read(const uint8_t *at, size_t size, struct event_view *view)
{
	struct event_object head;
	struct object_bytes *object;

	if (size < sizeof(head) || view->object_count == EVENT_OBJECTS_MAX)
		return -EBADMSG;
	memcpy(&head, at, sizeof(head));
	if (size - sizeof(head) > object_body_size(head.kind))
		return -EBADMSG;
	object = &view->objects[view->object_count++];
	memset(object, 0, sizeof(*object));
	object->id = head.id;
	object->lsn = view->record.lsn;
	object->due_ns = head.due_ns;
	object->kind = head.kind;
	object->state = head.state;
	object->currency = head.currency;
	object->partner_id = head.partner_id;
	memcpy(object->body, at + sizeof(head), size - sizeof(head));
	return object_check(object);
}

/* One that an event has at most once, of a fixed size. */
static int single_read(const uint8_t *at, size_t size, size_t fixed, const uint8_t **section)
{
	if (size != fixed || *section != NULL)
		return -EBADMSG;
	*section = at;
	return 0;
}

static int section_read(
    const struct event_section *section, const uint8_t *at, struct event_view *view)
{
	size_t size = le16_get(section->size);

	switch (section->kind) {
	case SECTION_LINE:
		return line_read(at, size, view);
	case SECTION_OBJECT:
		return object_read(at, size, view);
	case SECTION_FACTOR_RULES:
		return single_read(
		    at, size, sizeof(struct event_factor_rules), &view->factor_rules);
	case SECTION_RISK:
		return single_read(at, size, sizeof(struct event_risk), &view->risk);
	case SECTION_LIMIT:
		return single_read(at, size, sizeof(struct event_limit), &view->limit);
	case SECTION_RULES_CURRENCY:
		if (size != sizeof(struct event_rules_currency) ||
		    view->currency_count == LIMIT_RULES_CURRENCIES_MAX)
			return -EBADMSG;
		view->currencies[view->currency_count++] = at;
		return 0;
	default:
		return -EBADMSG;
	}
}

int event_view_read(const uint8_t *event, size_t room, struct event_view *view)
{
	struct event_section section;
	size_t length, at;
	int body_size, error = 0;

	if (room < sizeof(view->record))
		return -EBADMSG;
	memcpy(&view->record, event, sizeof(view->record));
	length = le16_get(view->record.length);
	body_size = event_body_size(&view->record);
	if (body_size < 0 || length > room || length > LIMIT_EVENT_SIZE_MAX || length % 8 != 0 ||
	    length < sizeof(view->record) + (size_t)body_size)
		return -EBADMSG;
	view->body = event + sizeof(view->record);
	view->body_size = (size_t)body_size;
	event_view_bare(view);
	for (at = sizeof(view->record) + view->body_size; at < length && error == 0;) {
		size_t size;

		if (length - at < sizeof(section))
			return -EBADMSG;
		memcpy(&section, event + at, sizeof(section));
		size = le16_get(section.size);
		if (size < sizeof(section) || size % 8 != 0 || size > length - at ||
		    section.reserved0 != 0 ||
		    !bytes_all_zero(section.reserved, sizeof(section.reserved)))
			return -EBADMSG;
		error = section_read(&section, event + at, view);
		at += size;
	}
	return error;
}
