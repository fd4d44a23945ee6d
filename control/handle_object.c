/* SPDX-License-Identifier: Apache-2.0 */
/* ticket verify, object show. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "wire/hex.h"
#include "wire/ticket.h"

int handle_ticket_verify(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const char *code = ops_text(request, "code", "");
	char id[24], hex[2 * TICKET_SIZE + 1];
	uint8_t ticket[TICKET_SIZE];
	uint64_t bet_id;
	json_t *answer = NULL;
	int genuine, status;

	if (ticket_parse(code, &bet_id, ticket) != 0)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "\"%s\" is no ticket code: it has 24 letters and digits, in groups of six",
		    code);
	snprintf(id, sizeof(id), "%" PRIu64, bet_id);
	hex_encode(ticket, sizeof(ticket), hex);
	status = handle_ask(context,
	    json_pack("{s:s, s:s, s:s}", "cmd", "ticket_verify", "bet_id", id, "ticket", hex),
	    &answer, message, message_size);
	if (status != CONTROL_DONE)
		return status;
	genuine = json_is_true(json_object_get(answer, "genuine"));
	/* Nothing of a bet for a code that was guessed. */
	if (genuine && json_is_true(json_object_get(answer, "found"))) {
		view_bet(answer);
		*result = json_pack("{s:b, s:O}", "genuine", 1, "bet", answer);
		json_object_del(answer, "ok");
		json_object_del(answer, "found");
		json_object_del(answer, "genuine");
		json_decref(answer);
		return CONTROL_DONE;
	}
	json_decref(answer);
	return handle_refuse(CONTROL_REFUSED, message, message_size,
	    "the code is not genuine: no ticket of this switch has it");
}

int handle_object_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	json_t *id = json_object_get(request->arguments, "object"), *answer = NULL, *object;
	int status =
	    handle_show(context, json_pack("{s:s, s:O}", "cmd", "object_show", "object_id", id),
	        "object (it may be closed for long: see explain)", &answer, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	object = json_array_get(json_object_get(answer, "objects"), 0);
	view_object(object);
	*result = json_incref(object);
	json_decref(answer);
	return CONTROL_DONE;
}
