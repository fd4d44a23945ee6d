/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: market_list_read (both forms of a market file, season_read behind one), and
 * market_result_list_read, market_result_parse (results): the files operators import.
 *
 * First byte: 0 a market file, 1 a result file, 2 the word of one result. What is accepted is what
 * the database reads again and JSON can show; a refusal has a sentence and leaves nothing behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/markets/markets_internal.h"
#include "control/markets/season.h"
#include "tests/fuzz/fuzz.h"

#define START_NS     1795262400000000000ull
#define MESSAGE_SIZE 512

static void check_refusal(int error, const char *message)
{
	SLUICE_REQUIRE(error == -EINVAL);
	SLUICE_REQUIRE(message[0] != '\0' && strlen(message) < MESSAGE_SIZE);
}

/* A row of an import is one the database and the answer can carry. */
static void check_market(const struct record_control_market *row)
{
	struct record_control_market again;
	json_t *shown = markets_json(row);
	const char *name = json_string_value(json_object_get(shown, "name"));
	const json_t *selections = json_object_get(shown, "selections");

	SLUICE_REQUIRE(record_control_market_read(
	                   (struct db_bytes){ (void *)(uintptr_t)row, sizeof(*row) }, &again) == 0);
	SLUICE_REQUIRE(name != NULL && strcmp(name, (const char *)row->name) == 0);
	SLUICE_REQUIRE(json_array_size(selections) == row->market.selection_count);
	for (size_t i = 0; i < row->market.selection_count; i++)
		SLUICE_REQUIRE(
		    json_is_string(json_object_get(json_array_get(selections, i), "name")));
	/* Whole seconds, as they are written: one that does not fit 64 bits is none. */
	SLUICE_REQUIRE(le64_get(row->market.start_time_ns) % 1000000000u == 0);
	SLUICE_REQUIRE(le64_get(row->market.start_time_ns) <= INT64_MAX);
	SLUICE_REQUIRE(row->market.state >= MARKET_BEFORE && row->market.state <= MARKET_SUSPENDED);
	json_decref(shown);
}

static void markets_read(const char *text, size_t size)
{
	struct market_list list = { NULL, 0 };
	char message[MESSAGE_SIZE] = "";
	int error = market_list_read(text, size, START_NS, &list, message, sizeof(message));

	if (error != 0) {
		SLUICE_REQUIRE(list.markets == NULL && list.count == 0);
		check_refusal(error, message);
		return;
	}
	SLUICE_REQUIRE(list.count >= 1 && list.count <= MARKETS_IMPORT_MAX);
	for (size_t i = 0; i < list.count; i++) {
		check_market(&list.markets[i]);
		SLUICE_REQUIRE(
		    i == 0 || le64_get(list.markets[i - 1].id) < le64_get(list.markets[i].id));
	}
	market_list_free(&list);
}

/* Outcomes written as words say the same again. */
static void check_result(const struct market_result *result)
{
	char word[LIMIT_MARKET_SELECTIONS_MAX * (MARKET_OUTCOME_SIZE + 1)] = "", one[64],
	                                                               message[1];
	struct market_result again = { .market_id = result->market_id };
	size_t used = 0;

	SLUICE_REQUIRE(result->op >= RESULT_SET && result->op <= RESULT_FINAL);
	SLUICE_REQUIRE(result->count <= LIMIT_MARKET_SELECTIONS_MAX);
	if (result->count == 0) {
		SLUICE_REQUIRE(result->op != RESULT_SET || result->has_score || result->all_void);
		return;
	}
	SLUICE_REQUIRE(result->op == RESULT_SET && !result->has_score && !result->all_void);
	SLUICE_REQUIRE(settlement_outcomes_complete(&result->outcomes, result->count));
	for (unsigned i = 0; i < result->count; i++) {
		market_outcome_text(result->outcomes.of[i], one);
		used += (size_t)snprintf(
		    word + used, sizeof(word) - used, "%s%s", i > 0 ? ";" : "", one);
	}
	if (strcmp(word, "void") == 0) /* of one selection: the word for all of them */
		return;
	SLUICE_REQUIRE(market_result_parse(word, &again, message, sizeof(message)) == 0);
	SLUICE_REQUIRE(memcmp(&again, result, sizeof(again)) == 0);
}

static void results_read(const char *text, size_t size)
{
	struct market_result_list list = { NULL, 0 };
	char message[MESSAGE_SIZE] = "";
	int error = market_result_list_read(text, size, &list, message, sizeof(message));

	if (error != 0) {
		SLUICE_REQUIRE(list.results == NULL && list.count == 0);
		check_refusal(error, message);
		return;
	}
	SLUICE_REQUIRE(list.count >= 1 && list.count <= MARKETS_IMPORT_MAX);
	for (size_t i = 0; i < list.count; i++) {
		SLUICE_REQUIRE(list.results[i].market_id >= 1);
		check_result(&list.results[i]);
	}
	market_result_list_free(&list);
}

static void word_read(const char *text)
{
	struct market_result result = { .market_id = 1 };
	char message[MESSAGE_SIZE] = "";
	int error = market_result_parse(text, &result, message, sizeof(message));

	if (error != 0)
		check_refusal(error, message);
	else
		check_result(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1 || size > 65536)
		return 0;
	/* Of exactly this size, so that a sanitizer sees a read behind the end. */
	text = malloc(size);
	SLUICE_REQUIRE(text != NULL);
	memcpy(text, data + 1, size - 1);
	if (data[0] == 2) {
		text[size - 1] = '\0';
		word_read(text);
	} else if (size > 1) {
		text = realloc(text, size - 1);
		SLUICE_REQUIRE(text != NULL);
		if (data[0] == 1)
			results_read(text, size - 1);
		else
			markets_read(text, size - 1);
	}
	free(text);
	return 0;
}
