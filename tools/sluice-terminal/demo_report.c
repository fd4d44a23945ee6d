/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-terminal/demo.h"

void demo_outcome_count(struct demo_outcomes *outcomes, uint16_t code)
{
	unsigned i = 0;

	outcomes->answered++;
	outcomes->accepted += code == WIRE_CODE_OK;
	while (i < outcomes->used && outcomes->counts[i].code != code)
		i++;
	if (i == DEMO_CODES_MAX)
		return; /* more codes than the registry has */
	if (i == outcomes->used)
		outcomes->counts[outcomes->used++] = (struct demo_count){ .code = code };
	outcomes->counts[i].count++;
}

void demo_ack_write(
    struct demo *demo, const struct demo_pending *pending, const struct wire_reply *reply)
{
	/* Only final outcomes are in the journal; the others left no trace to compare with. */
	if (demo->ack_log == NULL || !wire_code_is_final(reply->code))
		return;
	fprintf(demo->ack_log,
	    "%" PRIu64 " %s %" PRIu64 " %" PRId64 " %s %" PRIu64 " %u %" PRIu64 " %" PRId64
	    " %" PRIu64 " %d\n",
	    reply->request_id, wire_template_name(pending->template_id), pending->account_id,
	    pending->amount, wire_code_name(reply->code), reply->lsn, reply->shard,
	    reply->object_id, reply->balance, demo->connection->session.terminal_id,
	    (reply->flags & MESSAGE_FLAG_ANSWER_REPLAYED) != 0);
	fflush(demo->ack_log);
}

static int us_compare(const void *left, const void *right)
{
	uint32_t a, b;

	memcpy(&a, left, sizeof(a));
	memcpy(&b, right, sizeof(b));
	return (a > b) - (a < b);
}

/* The value below which `per_mille` of the sorted samples lie; null without samples. */
static json_t *quantile(const struct demo *demo, unsigned per_mille)
{
	size_t index;

	if (demo->latency_count == 0)
		return json_null();
	index = demo->latency_count * per_mille / 1000;
	if (index >= demo->latency_count)
		index = demo->latency_count - 1;
	return json_integer((json_int_t)demo->latency_us[index]);
}

static json_t *outcomes_json(const struct demo_outcomes *outcomes, int refused_only)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < outcomes->used; i++) {
		if (refused_only && outcomes->counts[i].code == WIRE_CODE_OK)
			continue;
		json_object_set_new(object, wire_code_name(outcomes->counts[i].code),
		    json_integer((json_int_t)outcomes->counts[i].count));
	}
	return object;
}

static void set_int(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *summary_make(struct demo *demo)
{
	const struct client_stats *stats = client_stats(demo->connection->client);
	uint64_t bets_ns = demo->bets_started_ns == 0 ? 0 : demo->ended_ns - demo->bets_started_ns;
	json_t *object = json_object();

	if (demo->latency_count > 0)
		qsort(demo->latency_us, demo->latency_count, sizeof(*demo->latency_us), us_compare);
	json_object_set_new(object, "schema", json_string("sluice-terminal-demo/1"));
	set_int(object, "terminal", demo->connection->session.terminal_id);
	set_int(object, "accounts", demo->options->account_count);
	set_int(object, "markets", demo->book->count);
	set_int(object, "bets_sent", demo->bets_sent);
	set_int(object, "accumulators_sent", demo->accumulators_sent);
	set_int(object, "bets_accepted", demo->bets.accepted);
	json_object_set_new(object, "bets_refused", outcomes_json(&demo->bets, 1));
	json_object_set_new(object, "bets_by_code", outcomes_json(&demo->bets, 0));
	set_int(object, "stake_sum", (uint64_t)demo->stake_sum);
	set_int(object, "deposits_sent", demo->deposits_sent);
	set_int(object, "deposits_accepted", demo->deposits.accepted);
	set_int(object, "deposit_sum", (uint64_t)demo->deposit_sum);
	json_object_set_new(object, "deposits_by_code", outcomes_json(&demo->deposits, 0));
	set_int(object, "unanswered", demo->under_way);
	set_int(object, "expired_unsent", demo->expired_unsent);
	set_int(object, "outcome_unknown_at_deadline", demo->unknown);
	set_int(object, "answers_replayed", demo->replayed);
	json_object_set_new(object, "p50_us", quantile(demo, 500));
	json_object_set_new(object, "p90_us", quantile(demo, 900));
	json_object_set_new(object, "p99_us", quantile(demo, 990));
	json_object_set_new(object, "p999_us", quantile(demo, 999));
	json_object_set_new(object, "max_us", quantile(demo, 1000));
	json_object_set_new(
	    object, "seconds", json_real((double)(demo->ended_ns - demo->started_ns) / 1e9));
	json_object_set_new(object, "bets_per_s",
	    bets_ns == 0 ? json_null()
	                 : json_real((double)demo->bets.answered * 1e9 / (double)bets_ns));
	set_int(object, "datagrams_out", stats->datagrams_out);
	set_int(object, "datagrams_in", stats->datagrams_in);
	set_int(object, "resends", stats->resends);
	set_int(object, "transient", stats->transient);
	set_int(object, "duplicates", stats->answers_unmatched);
	set_int(object, "rekeys", demo->connection->counts.resets); /* its name before "resets" */
	report_counts(object, &demo->connection->counts);
	return object;
}

static void summary_print(const struct demo *demo)
{
	printf(
	    "bets: %" PRIu64 " sent, %" PRIu64 " accepted", demo->bets_sent, demo->bets.accepted);
	for (unsigned i = 0; i < demo->bets.used; i++) {
		if (demo->bets.counts[i].code != WIRE_CODE_OK)
			printf(", %" PRIu64 " %s", demo->bets.counts[i].count,
			    wire_code_name(demo->bets.counts[i].code));
	}
	printf("\ndeposits: %" PRIu64 " of %" PRIu64 " accepted, sum %" PRId64 "\n",
	    demo->deposits.accepted, demo->deposits_sent, demo->deposit_sum);
	if (demo->under_way > 0)
		printf("without an answer: %u\n", demo->under_way);
	if (demo->latency_count > 0)
		printf("bet latency: p50 %u us, p99 %u us\n",
		    demo->latency_us[demo->latency_count / 2],
		    demo->latency_us[demo->latency_count * 99 / 100]);
}

int demo_report(struct demo *demo)
{
	json_t *object = summary_make(demo);
	int status = EXIT_DONE;

	if (demo->options->json) {
		json_dumpf(object, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		summary_print(demo);
	}
	if (demo->options->json_out != NULL &&
	    json_dump_file(object, demo->options->json_out, JSON_INDENT(2)) < 0) {
		fprintf(stderr, "sluice-terminal: cannot write %s: %s.\n", demo->options->json_out,
		    strerror(errno));
		status = EXIT_UNREACHABLE;
	}
	if (demo->memory_out)
		fprintf(stderr, "sluice-terminal: out of memory; the latencies are incomplete.\n");
	json_decref(object);
	return status;
}
