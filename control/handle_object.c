/* SPDX-License-Identifier: Apache-2.0 */
/* ticket verify, object show. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "dataplane/ledger/ledger.h"
#include "wire/hex.h"
#include "wire/ticket.h"

/* The question, with what was sold when the bet has left memory. */
static json_t *ticket_question(uint64_t bet_id, const uint8_t ticket[TICKET_SIZE], json_t *closed)
{
	char id[24], hex[2 * TICKET_SIZE + 1];
	uint32_t odds[LIMIT_BET_LEGS_MAX];
	json_t *question, *sold, *stake = json_object_get(closed, "stake"), *leg;
	size_t index;

	snprintf(id, sizeof(id), "%" PRIu64, bet_id);
	hex_encode(ticket, TICKET_SIZE, hex);
	question =
	    json_pack("{s:s, s:s, s:s}", "cmd", "ticket_verify", "bet_id", id, "ticket", hex);
	if (closed == NULL)
		return question;
	sold = json_array();
	json_array_foreach(json_object_get(closed, "legs"), index, leg)
	{
		if (index < LIMIT_BET_LEGS_MAX)
			odds[index] = (uint32_t)json_integer_value(json_object_get(leg, "odds"));
		json_array_append(sold, json_object_get(leg, "odds"));
	}
	json_object_set_new(question, "odds", sold);
	json_object_set(question, "stake", stake);
	json_object_set_new(question, "payout",
	    json_integer((json_int_t)ledger_payout(json_integer_value(stake), odds,
	        (unsigned)json_array_size(json_object_get(closed, "legs")))));
	json_object_set(question, "placed_at_ns", json_object_get(closed, "placed_at_ns"));
	return question;
}

/* `bet`: what is known of it; NULL: the worker has it, or nobody. 1 genuine, 0 not, or -status. */
static int ticket_ask(struct control *control, uint64_t bet_id, const uint8_t ticket[TICKET_SIZE],
    json_t *bet, char *message, size_t message_size)
{
	json_t *answer = NULL;
	int genuine, status = handle_ask(control, ticket_question(bet_id, ticket, bet), &answer,
	                 message, message_size);

	if (status != CONTROL_DONE)
		return -status;
	genuine = json_is_true(json_object_get(answer, "genuine"));
	json_decref(answer);
	return genuine;
}

int handle_ticket_verify(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const char *code = ops_text(request, "code", "");
	uint8_t ticket[TICKET_SIZE];
	uint64_t bet_id;
	json_t *bet = NULL;
	int genuine = 0, error;

	if (ticket_parse(code, &bet_id, ticket) != 0)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "\"%s\" is no ticket code: it has 24 letters and digits, in groups of six",
		    code);
	error = handle_bet_find(context, bet_id, &bet, message, message_size);
	if (error != 0 && error != -ENOENT)
		return handle_ask_error(error, "bet", message, message_size);
	if (error == 0)
		genuine = ticket_ask(context, bet_id, ticket, bet, message, message_size);
	/* Nothing of a bet for a code that was guessed. */
	if (genuine <= 0) {
		json_decref(bet);
		return genuine < 0
		           ? -genuine
		           : handle_refuse(CONTROL_REFUSED, message, message_size,
		                 "the code is not genuine: no ticket of this switch has it");
	}
	json_object_del(bet, "ok");
	json_object_del(bet, "found");
	view_bet(bet);
	json_object_set_new(bet, "genuine", json_true());
	*result = bet;
	return CONTROL_DONE;
}

int handle_object_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	uint64_t id = strtoull(ops_text(request, "object", "0"), NULL, 10);
	json_t *object = NULL;
	int error = handle_object_find(context, id, &object, message, message_size);

	if (error != 0)
		return handle_ask_error(error, "object", message, message_size);
	view_object(object);
	*result = object;
	return CONTROL_DONE;
}
