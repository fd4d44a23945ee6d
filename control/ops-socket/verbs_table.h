/* SPDX-License-Identifier: Apache-2.0 */
/* Shorthand for the tables of verbs. Private to verbs.c and verbs_risk.c, behind verbs.h. */
#ifndef SLUICE_CONTROL_VERBS_TABLE_H
#define SLUICE_CONTROL_VERBS_TABLE_H

#include "wire/assert.h"
#include "wire/limits.h"

/* Arguments: { name, type, positional, required, repeats, lowest, highest,
 * choices, help }. */
#define TERMINAL_MAX ((int64_t)LIMIT_TERMINAL_ID_MAX)
#define ID_MAX       ((int64_t)LIMIT_ACCOUNT_ID_MAX)
#define TERMINAL_ID                                                                                \
	{                                                                                          \
		"terminal", VERB_NUMBER, 1, 1, 0, 1, TERMINAL_MAX, NULL, "terminal id"             \
	}
#define MARKET_ID                                                                                  \
	{                                                                                          \
		"market", VERB_NUMBER, 1, 1, 0, 1, ID_MAX, NULL, "market id"                       \
	}
#define ACCOUNT_ID                                                                                 \
	{                                                                                          \
		"account", VERB_NUMBER, 1, 1, 0, 1, ID_MAX, NULL, "account id"                     \
	}
#define COUNT                                                                                      \
	{                                                                                          \
		"count", VERB_NUMBER, 0, 0, 0, 1, 10000, NULL, "rows at most (100)"                \
	}
#define WAIT_MS                                                                                    \
	{                                                                                          \
		"wait_ms", VERB_NUMBER, 0, 0, 0, 0, 600000, NULL,                                  \
		    "how long to wait until all shards have it (10000); 0: do not wait"            \
	}
#define REASON                                                                                     \
	{                                                                                          \
		"reason", VERB_NUMBER, 0, 0, 0, 0, UINT32_MAX, NULL,                               \
		    "the operator's own code, kept in the event (0)"                               \
	}

#define ARGUMENTS(table) (table), SLUICE_ARRAY_COUNT(table)
#define NO_ARGUMENTS     NULL, 0
#define VIEWER           VERB_ROLE_VIEWER
#define OPERATOR         VERB_ROLE_OPERATOR
#define RISK             VERB_ROLE_RISK
#define ADMIN            VERB_ROLE_ADMIN

#endif
