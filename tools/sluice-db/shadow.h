/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What-if: a range of the shards' logs decided anew by other rules.
 *
 * The events of all shards are walked in the order of their times. Each request that rules have a
 * say in is made again from its event, decided on the state the ledgers are in at that place, and
 * compared with what the event says; then the event is applied. So every decision is about the
 * history that was, not about one that other decisions would have led to.
 */
#ifndef SLUICE_TOOLS_SHADOW_H
#define SLUICE_TOOLS_SHADOW_H

#include "control/markets/rule_fields.h"
#include "dataplane/risk/risk_model_file.h"
#include "tools/sluice-db/db.h"
#include "tools/sluice-db/derive.h"
#include "wire/codec.h"

#define SHADOW_EXAMPLES_MAX 1000u
#define SHADOW_CODES        0x8000u /* above every code an event has */
#define SHADOW_MODELS_MAX   64u     /* versions in one range */

/* One outcome of a request. */
struct shadow_outcome {
	int64_t payout; /* of an accepted bet */
	uint32_t factor_bits;
	uint16_t code;
	uint8_t score;
	uint8_t model_asked;
	uint8_t model_points; /* of 100, no more than the rules let it give */
	uint8_t model_score;  /* the score, had the model been active */
};

/* A model of ROOT/var/lib/sluice/models. */
struct shadow_model {
	uint32_t version;
	struct risk_model *model; /* NULL: there is none, or it cannot be read */
};

/* What the model said, whether it is active or not. */
struct shadow_model_counts {
	uint64_t asked, missing; /* missing: the rules name one that is not there */
	uint64_t with_points, alerts, refused;
};

/* What a range came to, as it was or as it would have been. */
struct shadow_side {
	uint64_t accepted, refused, alerts;
	uint64_t codes[SHADOW_CODES];
	uint64_t factors[32];
	int64_t stakes, payouts; /* of accepted bets */
};

enum shadow_change {
	SHADOW_NEWLY_REFUSED,
	SHADOW_NEWLY_ACCEPTED,
	SHADOW_OTHER_REFUSAL,
	SHADOW_ALERT_NEW,
	SHADOW_ALERT_GONE,
	SHADOW_CHANGES,
};

struct shadow_example {
	enum shadow_change change;
	uint32_t shard;
	struct event_record record;
	struct shadow_outcome before, after;
};

/* Payouts of accepted bets with a leg on it. */
struct shadow_selection {
	uint64_t key; /* market << 8 | selection */
	int64_t before, after;
};

struct shadow_shard {
	char path[PATH_MAX], base_path[PATH_MAX];
	uint32_t shard;
	struct scan scan;
	struct replay replay;
	struct events events;
	struct event_buffer event; /* the next one */
	size_t event_size;         /* 0: there are no more */
	struct db_bytes behind;    /* the one behind it; size 0: none */
	struct ledger_ahead ahead;
	const uint8_t *piece_at; /* where the next event lies, in the same block or batch */
	uint64_t event_ns;       /* its time; UINT64_MAX: there are no more */
	uint8_t group;           /* the event before it was part of a linked group */
	uint64_t undone_terminal, undone_ns; /* the event before it: a member of a group that was
	                                        refused for another's sake; 0: it was not */
	const struct risk_model *model;      /* that the ledger has */
	uint32_t model_version;
	struct damage damage;
};

struct shadow {
	uint64_t from_ns, to_ns; /* from included, to not */
	const char *rules_text;  /* NULL: the rules of then, as a proof of the replay */
	struct rule_set rules;   /* decided by, once the range is reached */
	uint8_t rules_known,
	    factors_then; /* factors_then: the rules at the range's begin had them */
	struct shadow_shard *shards;
	uint32_t shard_count;
	uint32_t examples_max, example_count, example_counts[SHADOW_CHANGES];
	struct shadow_example *examples;
	uint64_t events, requests, kept, undecided;
	uint64_t home_counts; /* of a terminal's day, taken from what happened: shadow_request.c */
	uint64_t changes[SHADOW_CHANGES];
	struct shadow_side before, after;
	struct table selections;           /* struct shadow_selection */
	char message[400];                 /* why the rules do not fit */
	double seconds, range_cpu_seconds; /* one thread: as many of one core */
	uint64_t range_events;
	char models_path[PATH_MAX];
	uint32_t model_wanted; /* asked whatever the rules say; 0: those of the rules */
	struct shadow_model models[SHADOW_MODELS_MAX];
	uint32_t model_count;
	struct shadow_model_counts model;
};

/*
 * The request an event is the outcome of. 1; 0: not one to decide anew: not of a terminal, of a
 * kind that rules say nothing about, or refused for what no rule can change.
 */
int shadow_request(const struct ledger *ledger, const struct db_bytes *event,
    const struct event_record *record, struct wire_request *request);
/* 1: a member of a linked group that was refused for another member's sake. */
int shadow_is_undone(const struct event_record *record);
/* The decision by the rules of `shadow`. 0 or -errno. */
SLUICE_MUST_USE int shadow_decide(struct shadow *shadow, struct shadow_shard *shard,
    const struct event_record *record, const struct wire_request *request,
    struct shadow_outcome *outcome);
/* Before a decision by `extra`: the ledger has the model it names. With --model that one is named,
 * in shadow if they have none active. 1: it will be asked. */
int shadow_model_prepare(
    struct shadow *shadow, struct shadow_shard *shard, struct risk_rules_extra *extra);
/* What the event of such a decision says of it. */
void shadow_model_take(struct shadow *shadow, const struct risk_rules *rules,
    const struct event_buffer *event, size_t length, struct shadow_outcome *outcome);
void shadow_models_free(struct shadow *shadow);
/* Counts both. */
void shadow_compare(struct shadow *shadow, const struct shadow_shard *shard,
    const struct event_record *record, const struct wire_request *request,
    const struct shadow_outcome *after);
void shadow_print_text(const struct shadow *shadow);
json_t *shadow_json(const struct shadow *shadow);

#endif
