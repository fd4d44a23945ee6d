/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: ticket_parse, ticket_format.
 *
 * The input is a printed ticket code. What is taken is printed again, and that reads as the same.
 */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t ticket[TICKET_SIZE] = { 0 }, again[TICKET_SIZE];
	char text[TICKET_TEXT_SIZE], input[256];
	uint64_t bet_id = 0, same = 0;
	int rc;

	if (size >= sizeof(input))
		return 0;
	memcpy(input, data, size);
	input[size] = '\0';
	rc = ticket_parse(input, &bet_id, ticket);
	SLUICE_REQUIRE(rc == 0 || rc == -EINVAL);
	if (rc < 0) {
		SLUICE_REQUIRE(bet_id == 0 && ticket[0] == 0 && ticket[TICKET_SIZE - 1] == 0);
		return 0;
	}
	ticket_format(bet_id, ticket, text);
	SLUICE_REQUIRE(strlen(text) == TICKET_TEXT_SIZE - 1);
	SLUICE_REQUIRE(ticket_parse(text, &same, again) == 0);
	SLUICE_REQUIRE(same == bet_id && memcmp(again, ticket, sizeof(ticket)) == 0);
	return 0;
}
