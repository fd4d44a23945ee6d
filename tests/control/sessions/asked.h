/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions made and work taken and answered in a few words. */
#ifndef SLUICE_TESTS_CONTROL_SESSIONS_ASKED_H
#define SLUICE_TESTS_CONTROL_SESSIONS_ASKED_H

#include "control/sessions/table.h"
#include "tests/control/sessions/registry.h"

/* A root that names its session, so that keys can be checked. */
static inline void root_fill(uint8_t root[KEYS_ROOT_SIZE], uint32_t session_id)
{
	memset(root, 0x5a, KEYS_ROOT_SIZE);
	memcpy(root, &session_id, sizeof(session_id));
}

static inline uint32_t establish(struct registry *registry, uint64_t terminal_id)
{
	struct sessions_offer offer;
	uint8_t root[KEYS_ROOT_SIZE];

	assert_int_equal(sessions_reserve(registry->sessions, terminal_id, 1, &offer), 0);
	assert_int_equal(offer.terminal_id, terminal_id);
	assert_int_equal(offer.epoch, 1);
	root_fill(root, offer.session_id);
	assert_int_equal(sessions_establish(registry->sessions, &offer, root, 7, 0, 0), 0);
	return offer.session_id;
}

/* Takes one piece of work, which must be this; leaves it unanswered. */
static inline struct session_work work_expect(
    struct registry *registry, enum session_work_kind kind, uint32_t session_id)
{
	struct session_work work;

	assert_int_equal(sessions_work(registry->sessions, database_now_ns(), &work, 1), 1);
	assert_int_equal(work.kind, kind);
	assert_int_equal(work.session_id, session_id);
	return work;
}

static inline void work_answer(
    struct registry *registry, enum session_work_kind kind, uint32_t session_id, int error)
{
	struct session_work work = work_expect(registry, kind, session_id);

	sessions_work_done(registry->sessions, &work, error);
}

/* The session of terminal 1 in a data plane of this boot, its installation answered so. */
static inline uint32_t installed(struct registry *registry, uint64_t boot_id, int error)
{
	uint32_t id;

	sessions_boot(registry->sessions, boot_id);
	id = establish(registry, 1);
	work_answer(registry, SESSION_WORK_INSTALL, id, error);
	return id;
}

static inline void work_none(struct registry *registry)
{
	struct session_work work;

	assert_int_equal(sessions_work(registry->sessions, database_now_ns(), &work, 1), 0);
}

static inline struct sessions_counts counts_of(struct registry *registry)
{
	struct sessions_counts counts;

	sessions_counts(registry->sessions, &counts);
	return counts;
}

#endif
