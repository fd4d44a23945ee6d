/* SPDX-License-Identifier: Apache-2.0 */
/* A learned model handed to two workers: bets of here and of the other home are asked about. */
#include <stdlib.h>

#include "dataplane/risk/risk_features.h"
#include "dataplane/risk/risk_model.h"
#include "lmdb-schema/event_sections.h"
#include "tests/shard/bed.h"

#define VERSION 7
#define BETS    6

/* One tree: 30 points for stakes from 2^12 on. */
static struct risk_model *model_make(void)
{
	struct risk_model *model = calloc(1, risk_model_size(1, 1));

	assert_non_null(model);
	*model = (struct risk_model){ .tree_count = 1,
		.depth = 1,
		.feature_count = RISK_FEATURE_COUNT,
		.features_version = RISK_FEATURES_VERSION,
		.margin_alert = RISK_MODEL_ONE };
	model->nodes[0] = (struct risk_model_node){ 12.0f, RISK_FEATURE_amount_log, 0 };
	risk_model_leaves(model)[1] = RISK_MODEL_ONE / 2;
	return model;
}

static void rules_set(struct bed *bed, uint32_t shard)
{
	struct ledger_command rules = { .type = EVENT_RULES_SET, .control_sequence = 1 };
	struct shard_command command = { .kind = SHARD_LEDGER, .ticket = 1 };
	struct shard_result result;

	rules.rules = ledger_shard(bed->workers[shard]->ledger)->rules;
	rules.rules.version++;
	risk_rules_extra_default(&rules.extra);
	rules.extra.model_state = RISK_MODEL_ACTIVE;
	rules.extra.model_version = VERSION;
	command.ledger = rules;
	command.ledger.control_sequence =
	    ledger_shard(bed->workers[shard]->ledger)->control_sequence + 1;
	assert_true(spsc_ring_push(bed->workers[shard]->rings.command, &command));
	bed_settle(bed, 1);
	assert_true(spsc_ring_pop(bed->workers[shard]->rings.result, &result));
	assert_int_equal(result.error, 0);
}

TEST(both_workers_ask_the_model_about_every_bet)
{
	struct bed *bed = bed_open(2, 0);
	struct shard_model held = { .version = VERSION, .model = model_make() };
	struct wire_request requests[BETS];
	uint64_t begin[2];
	unsigned asked = 0;

	atomic_store(&bed->shared.model, &held);
	rules_set(bed, 0);
	rules_set(bed, 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(bed->workers[i]->model, &held);
		begin[i] = bed_lsn(bed, i);
	}
	for (unsigned i = 0; i < BETS; i++)
		requests[i] =
		    bed_bet(1 + i, bed_account(bed, i % 2, i / 3), i % 3 == 0 ? 5000 : 1000);
	bed_send_all(bed, 0, requests, BETS);
	bed_settle(bed, 1);
	for (unsigned i = 0; i < BETS; i++) {
		struct wire_reply reply = bed_take(bed);

		assert_int_equal(reply.code, WIRE_CODE_OK);
		assert_int_equal(reply.score, (reply.request_id - 1) % 3 == 0 ? 30 : 0);
	}
	for (uint32_t shard = 0; shard < 2; shard++) {
		for (uint64_t lsn = begin[shard] + 1; lsn <= bed_lsn(bed, shard); lsn++) {
			const struct event_buffer *event =
			    fake_journal_event(bed->journals[shard], lsn);
			struct event_view view;
			struct event_risk risk;

			assert_int_equal(
			    event_view_read(event->bytes, sizeof(event->bytes), &view), 0);
			assert_non_null(view.risk);
			memcpy(&risk, view.risk, sizeof(risk));
			assert_int_equal(le32_get(risk.model_version), VERSION);
			assert_int_equal(risk.model_state, RISK_MODEL_ACTIVE);
			asked++;
		}
	}
	assert_int_equal(asked, BETS);
	free(held.model);
	bed_close(bed);
}

BED_MAIN()
