/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and outcomes whose every member follows from the id and the body. */
#ifndef SLUICE_TESTS_SESSION_WINDOW_FIXTURE_H
#define SLUICE_TESTS_SESSION_WINDOW_FIXTURE_H

#include <string.h>

#include "tests/test.h"

#include "dataplane/session/window.h"
#include "wire/codes.h"

#define TERMINAL 7

static inline struct wire_request request_of(uint64_t id, uint64_t body)
{
	struct wire_request request;

	memset(&request, 0, sizeof(request));
	request.request_id = id;
	request.body_hash[0] = body;
	request.body_hash[1] = ~body;
	request.template_id = WIRE_PLACE_BET;
	return request;
}

static inline struct window_outcome outcome_of(uint64_t id, uint64_t body)
{
	struct window_outcome done;

	memset(&done, 0, sizeof(done));
	done.request_id = id;
	done.body_hash[0] = body;
	done.body_hash[1] = ~body;
	done.lsn = id * 10;
	done.object_id = id * 100;
	done.balance = (int64_t)id * -3;
	done.payout = (int64_t)id * 7;
	done.code = id % 2 != 0 ? WIRE_CODE_OK : WIRE_CODE_FUNDS_INSUFFICIENT;
	done.template_id = WIRE_PLACE_BET;
	done.shard = 3;
	done.score = 40;
	return done;
}

static inline enum window_verdict admit(struct terminal_window *window, uint64_t id)
{
	struct wire_request request = request_of(id, id);
	const struct window_entry *entry;

	return window_admit(window, &request, &entry);
}

static inline void complete(struct terminal_window *window, uint64_t id)
{
	struct window_outcome done = outcome_of(id, id);

	window_complete(window, &done);
}

static inline void restore(struct terminal_window *window, uint64_t id)
{
	struct window_outcome done = outcome_of(id, id);

	window_restore(window, &done);
}

static inline void run(struct terminal_window *window, uint64_t first, uint64_t last)
{
	for (uint64_t id = first; id <= last; id++) {
		assert_int_equal(admit(window, id), WINDOW_ADMITTED);
		complete(window, id);
	}
}

#endif
