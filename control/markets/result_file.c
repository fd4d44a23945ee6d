/* SPDX-License-Identifier: Apache-2.0 */
/* The words for a result, and files of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/markets/markets.h"

#define RESULT_HEADER    "market,result"
#define RESULT_WORD_SIZE 512
#define RESULT_HELP                                                                                \
	"give a score like 2:1, void, rollback, final, or an outcome for each selection like "     \
	"win;lose;lose (win, lose, void, half_win, half_lose, dead_heat P/N)"

/* "1/2" to places and winners. 0 or -EINVAL. */
static int dead_heat_parse(const char *text, struct settlement_outcome *outcome)
{
	char *end;
	unsigned long places, winners;

	if (text[0] < '1' || text[0] > '9')
		return -EINVAL;
	places = strtoul(text, &end, 10);
	if (end[0] != '/' || end[1] < '1' || end[1] > '9')
		return -EINVAL;
	winners = strtoul(end + 1, &end, 10);
	if (*end != '\0' || winners > UINT8_MAX || places >= winners)
		return -EINVAL;
	*outcome =
	    (struct settlement_outcome){ SETTLEMENT_DEAD_HEAT, (uint8_t)places, (uint8_t)winners };
	return 0;
}

static int outcome_parse(const char *text, struct settlement_outcome *outcome)
{
	static const char dead_heat[] = "dead_heat ";

	if (strncmp(text, dead_heat, sizeof(dead_heat) - 1) == 0)
		return dead_heat_parse(text + sizeof(dead_heat) - 1, outcome);
	for (unsigned kind = SETTLEMENT_WIN; kind < SETTLEMENT_DEAD_HEAT; kind++)
		if (strcmp(text, settlement_kind_name(kind)) == 0) {
			*outcome = (struct settlement_outcome){ .kind = (uint8_t)kind };
			return 0;
		}
	return -EINVAL;
}

/* "2:1". 1 when it is a score. */
static int score_parse(const char *text, struct settlement_score *score)
{
	unsigned long values[2];

	for (int i = 0; i < 2; i++) {
		char *end;

		if (text[0] < '0' || text[0] > '9')
			return 0;
		values[i] = strtoul(text, &end, 10);
		if (*end != (i == 0 ? ':' : '\0') || values[i] > SETTLEMENT_GOALS_MAX)
			return 0;
		text = end + 1;
	}
	*score = (struct settlement_score){ (uint16_t)values[0], (uint16_t)values[1] };
	return 1;
}

/* "win;lose;void". 0 or -EINVAL. */
static int outcomes_parse(const char *text, struct market_result *result)
{
	char word[RESULT_WORD_SIZE], *rest = NULL;

	if (snprintf(word, sizeof(word), "%s", text) >= (int)sizeof(word))
		return -EINVAL;
	for (char *one = strtok_r(word, ";", &rest); one != NULL; one = strtok_r(NULL, ";", &rest))
		if (result->count == LIMIT_MARKET_SELECTIONS_MAX ||
		    outcome_parse(one, &result->outcomes.of[result->count++]) != 0)
			return -EINVAL;
	return result->count > 0 ? 0 : -EINVAL;
}

int market_result_parse(
    const char *text, struct market_result *result, char *message, size_t message_size)
{
	struct market_result parsed = { .op = RESULT_SET };

	if (strcmp(text, "rollback") == 0)
		parsed.op = RESULT_ROLLBACK;
	else if (strcmp(text, "final") == 0)
		parsed.op = RESULT_FINAL;
	else if (strcmp(text, "void") == 0)
		parsed.all_void = 1;
	else if (score_parse(text, &parsed.score))
		parsed.has_score = 1;
	else if (outcomes_parse(text, &parsed) != 0) {
		snprintf(message, message_size, "\"%.60s\" is no result; " RESULT_HELP, text);
		return -EINVAL;
	}
	parsed.market_id = result->market_id;
	*result = parsed;
	return 0;
}

void market_result_list_free(struct market_result_list *list)
{
	free(list->results);
	*list = (struct market_result_list){ 0 };
}

/* "12,2:1", cut in place. 0 or -EINVAL. */
static int line_parse(char *line, struct market_result *result, char *message, size_t message_size)
{
	char *comma = strchr(line, ','), *end = line;

	errno = 0;
	result->market_id = strtoull(line, &end, 10);
	if (line[0] < '0' || line[0] > '9' || end != comma || errno != 0 ||
	    result->market_id == 0 || result->market_id > LIMIT_ACCOUNT_ID_MAX) {
		snprintf(message, message_size,
		    "\"%.40s\" is not MARKET,RESULT with a market id from 1", line);
		return -EINVAL;
	}
	return market_result_parse(comma + 1, result, message, message_size);
}

static int result_room(struct market_result_list *list)
{
	void *grown;

	if (list->count % 1024 != 0)
		return 0;
	grown = reallocarray(list->results, list->count + 1024, sizeof(list->results[0]));
	if (grown == NULL)
		return -ENOMEM;
	list->results = grown;
	return 0;
}

/* One line of `length` bytes without its end. 0, -EINVAL with `why`, -ENOMEM. */
static int line_take(const char *text, size_t length, int header, struct market_result_list *list,
    char *why, size_t why_size)
{
	char line[RESULT_WORD_SIZE + 32];
	int error;

	if (length >= sizeof(line)) {
		snprintf(why, why_size, "longer than %zu bytes", sizeof(line) - 1);
		return -EINVAL;
	}
	memcpy(line, text, length);
	line[length] = '\0';
	line[strcspn(line, "\r")] = '\0';
	if (header) {
		snprintf(why, why_size, "unknown header; give " RESULT_HEADER);
		return strcmp(line, RESULT_HEADER) == 0 ? 0 : -EINVAL;
	}
	if (line[0] == '\0')
		return 0;
	if (list->count == MARKETS_IMPORT_MAX) {
		snprintf(why, why_size, "more than %u results", MARKETS_IMPORT_MAX);
		return -EINVAL;
	}
	error = result_room(list);
	if (error == 0)
		error = line_parse(line, &list->results[list->count], why, why_size);
	list->count += error == 0;
	return error;
}

static int lines_read(
    const char *text, size_t size, struct market_result_list *list, char *message, size_t room)
{
	char why[512] = "no result behind the header";
	size_t number = 0, at = 0;
	int error = 0;

	while (at < size && error == 0) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t length = (end == NULL ? size : (size_t)(end - text)) - at;

		error = line_take(text + at, length, number == 0, list, why, sizeof(why));
		at += length + 1;
		number++;
	}
	if (error == 0 && list->count == 0) {
		snprintf(why, sizeof(why), "no result behind the header");
		error = -EINVAL;
	}
	if (error == -EINVAL)
		snprintf(message, room, "line %zu: %s. No result was taken.",
		    number > 0 ? number : 1, why);
	return error;
}

int market_result_list_read(const char *text, size_t size, struct market_result_list *list,
    char *message, size_t message_size)
{
	struct market_result_list read = { 0 };
	int error = lines_read(text, size, &read, message, message_size);

	if (error != 0)
		market_result_list_free(&read);
	else
		*list = read;
	return error;
}
