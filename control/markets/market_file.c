/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/markets/markets.h"
#include "control/markets/season.h"

#define MARKET_LINE_SIZE 2048
#define MARKET_HEADER    "market,event,name,start,kind,"
#define MARKET_COLUMNS   "market,event,name,start,kind[,line][,state],selections"
#define DAY_NS           86400000000000ull
#define SEASON_LINE      10 /* 2.5 in quarters */
/* Times are answered as signed 64-bit nanoseconds: to the year 2262. */
#define START_NS_MAX ((uint64_t)INT64_MAX)

void market_list_free(struct market_list *list)
{
	free(list->markets);
	*list = (struct market_list){ 0 };
}

static int list_room(struct market_list *list, size_t wanted)
{
	list->markets = calloc(wanted, sizeof(list->markets[0]));
	return list->markets == NULL ? -ENOMEM : 0;
}

static struct record_control_market market_new(
    uint64_t id, uint64_t event_id, uint64_t start_ns, enum market_kind kind)
{
	const size_t size = sizeof(struct record_control_market);

	return (struct record_control_market){
		.header = record_control_header(RECORD_CONTROL_MARKET, size),
		.id = le64_make(id),
		.market = {
			.event_id = le64_make(event_id),
			.start_time_ns = le64_make(start_ns),
			.state = MARKET_OPEN,
			.kind = (uint8_t)kind,
		},
	};
}

static int selection_add(struct record_control_market *row, const char *name, uint32_t odds)
{
	unsigned index = row->market.selection_count;
	int error =
	    index == LIMIT_MARKET_SELECTIONS_MAX
	        ? -E2BIG
	        : database_text(row->selections[index], sizeof(row->selections[index]), name);

	if (error != 0)
		return error;
	row->market.odds[index] = le32_make(odds);
	row->market.selection_count++;
	return 0;
}

/* ---- A season ---- */

static int season_market(struct record_control_market *row, const struct season_match *match,
    const char *const *names, const uint32_t *odds, unsigned count)
{
	char name[2 * SEASON_NAME_SIZE + 4];
	size_t cut = sizeof(row->name) - 1;
	int error;

	snprintf(name, sizeof(name), "%s - %s", match->home, match->away);
	/* Two names of 63 bytes do not fit: cut, between characters. */
	if (strlen(name) < sizeof(row->name))
		cut = strlen(name);
	while (cut > 0 && ((uint8_t)name[cut] & 0xc0) == 0x80)
		cut--;
	name[cut] = '\0';
	error = database_text(row->name, sizeof(row->name), name);
	for (unsigned i = 0; error == 0 && i < count; i++)
		error = selection_add(row, names[i], odds[i]);
	return error;
}

/* Days from the season's first one that still are times. */
static int season_day_fits(const struct season *season, size_t match, uint64_t start_ns)
{
	uint64_t days = (uint64_t)(season->matches[match].day - season->day_first);

	return start_ns <= START_NS_MAX && days <= (START_NS_MAX - start_ns) / DAY_NS;
}

static int season_list(const struct season *season, uint64_t start_ns, struct market_list *list,
    char *message, size_t message_size)
{
	static const char *const names_1x2[] = { "home", "draw", "away" };
	static const char *const names_over_under[] = { "over 2.5", "under 2.5" };
	int error = list_room(list, 2 * season->count);

	for (size_t i = 0; error == 0 && i < season->count; i++) {
		const struct season_match *match = &season->matches[i];
		uint64_t start = start_ns + (uint64_t)(match->day - season->day_first) * DAY_NS;
		struct record_control_market *pair = &list->markets[list->count];

		if (!season_day_fits(season, i, start_ns)) {
			snprintf(message, message_size,
			    "line %zu: its day is too far from the first match's. Nothing was "
			    "imported.",
			    i + 2);
			return -EINVAL;
		}
		pair[0] = market_new(10 * (i + 1) + 1, i + 1, start, MARKET_KIND_1X2);
		pair[1] = market_new(10 * (i + 1) + 2, i + 1, start, MARKET_KIND_OVER_UNDER);
		pair[1].market.line = le16_make(SEASON_LINE);
		error = season_market(&pair[0], match, names_1x2, match->odds_1x2, 3);
		if (error == 0)
			error = season_market(
			    &pair[1], match, names_over_under, match->odds_over_under, 2);
		if (error == -EILSEQ) {
			snprintf(message, message_size,
			    "line %zu: a name holds control characters or is not UTF-8. Nothing "
			    "was imported.",
			    i + 2);
			return -EINVAL;
		}
		list->count += 2;
	}
	return error;
}

/* ---- One line a market ---- */

/* Columns of a file, in its own order. */
enum column {
	COLUMN_MARKET,
	COLUMN_EVENT,
	COLUMN_NAME,
	COLUMN_START,
	COLUMN_KIND,
	COLUMN_LINE,
	COLUMN_STATE,
	COLUMN_SELECTIONS,
	COLUMN_COUNT,
};

struct parse {
	size_t line;
	char *message;
	size_t message_size;
	unsigned column_count;
	uint8_t columns[COLUMN_COUNT]; /* enum column */
};

__attribute__((format(printf, 2, 3))) static int parse_refused(
    const struct parse *parse, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	snprintf(parse->message, parse->message_size, "line %zu: %s. Nothing was imported.",
	    parse->line, text);
	return -EINVAL;
}

static int id_parse(
    const struct parse *parse, const char *column, const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || *value == 0 ||
	    *value > LIMIT_ACCOUNT_ID_MAX)
		return parse_refused(parse,
		    "column %s: \"%.40s\" is not an id; give a whole number from 1", column, text);
	return 0;
}

static int start_parse(const struct parse *parse, const char *text, uint64_t *start_ns)
{
	struct tm parts = { 0 };
	char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
	time_t seconds = end == NULL || *end != '\0' ? -1 : timegm(&parts);

	if (seconds < 0 || (uint64_t)seconds > START_NS_MAX / 1000000000u)
		return parse_refused(parse,
		    "column start: \"%.40s\" is not a time; write it like 2026-11-21T12:00:00Z",
		    text);
	*start_ns = (uint64_t)seconds * 1000000000ull;
	return 0;
}

static int kind_parse(const struct parse *parse, const char *text, enum market_kind *kind)
{
	if (strcmp(text, "1x2") == 0)
		*kind = MARKET_KIND_1X2;
	else if (strcmp(text, "over_under") == 0)
		*kind = MARKET_KIND_OVER_UNDER;
	else if (strcmp(text, "handicap") == 0)
		*kind = MARKET_KIND_HANDICAP;
	else if (strcmp(text, "other") == 0)
		*kind = MARKET_KIND_OTHER;
	else
		return parse_refused(
		    parse, "column kind: \"%.40s\"; give 1x2, over_under, handicap or other", text);
	return 0;
}

/* "2.5", "-0.75", "+1" to quarters. 0 or -EINVAL. */
static int quarters_parse(const char *text, int *quarters)
{
	static const char *const parts[][2] = { { "0", "00" }, { "25", "25" }, { "5", "50" },
		{ "75", "75" } };
	int negative = *text == '-', whole = 0, digits = 0;

	text += *text == '-' || *text == '+';
	for (; *text >= '0' && *text <= '9' && digits < 5; text++, digits++)
		whole = 10 * whole + (*text - '0');
	if (digits == 0 || whole > SETTLEMENT_LINE_MAX / 4)
		return -EINVAL;
	for (int i = 0; i < 4; i++) {
		int same = *text == '\0' ? i == 0
		                         : *text == '.' && (strcmp(text + 1, parts[i][0]) == 0 ||
		                                               strcmp(text + 1, parts[i][1]) == 0);
		int value = 4 * whole + i;

		if (!same || value > SETTLEMENT_LINE_MAX)
			continue;
		*quarters = negative ? -value : value;
		return 0;
	}
	return -EINVAL;
}

static int market_line_parse(
    const struct parse *parse, const char *text, enum market_kind kind, int *quarters)
{
	int lined = kind == MARKET_KIND_OVER_UNDER || kind == MARKET_KIND_HANDICAP;

	*quarters = 0;
	if (!lined && (text[0] == '\0' || strcmp(text, "0") == 0))
		return 0;
	if (!lined)
		return parse_refused(parse,
		    "column line: \"%.40s\", but only over_under and handicap have one; leave it "
		    "empty",
		    text);
	if (quarters_parse(text, quarters) != 0 ||
	    (kind == MARKET_KIND_OVER_UNDER && *quarters < 1))
		return parse_refused(parse,
		    "column line: \"%.40s\" is not a line; give steps of a quarter like 2.5 or, "
		    "for "
		    "a handicap, -0.75",
		    text);
	return 0;
}

static int state_parse(const struct parse *parse, const char *text, uint8_t *state)
{
	enum market_state given = text[0] == '\0' ? MARKET_OPEN : markets_state_parse(text);

	if (given < MARKET_BEFORE || given > MARKET_SUSPENDED)
		return parse_refused(
		    parse, "column state: \"%.40s\"; give before, open or suspended", text);
	*state = (uint8_t)given;
	return 0;
}

/* "home:1.85;draw:3.4;away:4.2", cut in place. */
static int selections_parse(
    const struct parse *parse, char *text, struct record_control_market *row)
{
	char *rest = NULL;

	for (char *pair = strtok_r(text, ";", &rest); pair != NULL;
	     pair = strtok_r(NULL, ";", &rest)) {
		char *colon = strrchr(pair, ':');
		uint32_t odds;
		int error;

		if (colon == NULL || colon == pair)
			return parse_refused(
			    parse, "column selections: \"%.40s\" is not NAME:ODDS", pair);
		*colon = '\0';
		if (strcmp(colon + 1, "-") == 0)
			odds = 0;
		else if (season_odds_parse(colon + 1, &odds) != 0)
			return parse_refused(parse,
			    "column selections: \"%.20s\" is no odds; give 1.001 to 10000 with at "
			    "most three decimals, or - for none",
			    colon + 1);
		error = selection_add(row, pair, odds);
		if (error != 0)
			return parse_refused(parse,
			    error == -E2BIG ? "more than %u selections"
			                    : "a selection's name is longer than 31 bytes or holds "
			                      "control characters (%u selections are allowed)",
			    LIMIT_MARKET_SELECTIONS_MAX);
	}
	return row->market.selection_count > 0
	           ? 0
	           : parse_refused(parse, "column selections: none; give NAME:ODDS;NAME:ODDS");
}

/* Which columns the header names, in their order. */
static int header_parse(struct parse *parse, const char *header)
{
	static const char *const names[COLUMN_COUNT] = { "market", "event", "name", "start", "kind",
		"line", "state", "selections" };

	parse->column_count = 0;
	for (unsigned column = 0; column < COLUMN_COUNT; column++) {
		size_t length = strlen(names[column]);
		char end = column == COLUMN_SELECTIONS ? '\0' : ',';

		if (strncmp(header, names[column], length) == 0 && header[length] == end) {
			parse->columns[parse->column_count++] = (uint8_t)column;
			header += length + (end == ',');
		} else if (column != COLUMN_LINE && column != COLUMN_STATE) {
			return parse_refused(parse, "unknown header; give " MARKET_COLUMNS);
		}
	}
	return 0;
}

/* Cuts `line` at its commas; what a file has no column for is empty. */
static int columns_cut(const struct parse *parse, char *line, char *texts[COLUMN_COUNT])
{
	static char empty[] = "";
	char *next = line;

	for (unsigned i = 0; i < COLUMN_COUNT; i++)
		texts[i] = empty;
	for (unsigned i = 0; i < parse->column_count; i++) {
		if (next == NULL)
			return parse_refused(
			    parse, "not %u columns (" MARKET_COLUMNS ")", parse->column_count);
		texts[parse->columns[i]] = next;
		next = strchr(next, ',');
		if (next != NULL)
			*next++ = '\0';
	}
	return next == NULL ? 0
	                    : parse_refused(parse, "not %u columns (" MARKET_COLUMNS ")",
	                          parse->column_count);
}

static int has_column(const struct parse *parse, enum column column)
{
	return memchr(parse->columns, (int)column, parse->column_count) != NULL;
}

static int line_parse(const struct parse *parse, char *line, struct record_control_market *row)
{
	char *texts[COLUMN_COUNT];
	uint64_t id = 0, event_id = 0, start_ns = 0;
	enum market_kind kind = MARKET_KIND_OTHER;
	uint8_t state = MARKET_OPEN;
	int quarters = 0, error = columns_cut(parse, line, texts);

	if (error == 0)
		error = id_parse(parse, "market", texts[COLUMN_MARKET], &id);
	if (error == 0)
		error = id_parse(parse, "event", texts[COLUMN_EVENT], &event_id);
	if (error == 0)
		error = start_parse(parse, texts[COLUMN_START], &start_ns);
	if (error == 0)
		error = kind_parse(parse, texts[COLUMN_KIND], &kind);
	if (error == 0 && has_column(parse, COLUMN_LINE))
		error = market_line_parse(parse, texts[COLUMN_LINE], kind, &quarters);
	else if (error == 0 && kind == MARKET_KIND_HANDICAP)
		error = parse_refused(parse, "a handicap needs the column line in the header");
	if (error == 0)
		error = state_parse(parse, texts[COLUMN_STATE], &state);
	if (error != 0)
		return error;
	*row = market_new(id, event_id, start_ns, kind);
	row->market.line = le16_make((uint16_t)(int16_t)quarters);
	row->market.state = state;
	if (database_text(row->name, sizeof(row->name), texts[COLUMN_NAME]) != 0)
		return parse_refused(
		    parse, "column name: longer than 95 bytes, or it holds control characters");
	return selections_parse(parse, texts[COLUMN_SELECTIONS], row);
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = le64_get(((const struct record_control_market *)a)->id);
	uint64_t y = le64_get(((const struct record_control_market *)b)->id);

	return (x > y) - (x < y);
}

static int lines_read(FILE *file, struct market_list *list, struct parse *parse)
{
	char line[MARKET_LINE_SIZE];
	size_t room = 0;

	while (fgets(line, sizeof(line), file) != NULL) {
		size_t length = strcspn(line, "\r\n");
		int error;

		parse->line++;
		if (line[length] == '\0' && !feof(file))
			return parse_refused(parse, "longer than %d bytes", MARKET_LINE_SIZE - 2);
		line[length] = '\0';
		if (parse->line == 1) {
			int refused = header_parse(parse, line);

			if (refused != 0)
				return refused;
			continue;
		}
		if (length == 0)
			continue;
		if (list->count == MARKETS_IMPORT_MAX)
			return parse_refused(parse, "more than %u markets", MARKETS_IMPORT_MAX);
		if (list->count == room) {
			void *grown =
			    reallocarray(list->markets, room + 1024, sizeof(list->markets[0]));

			if (grown == NULL)
				return -ENOMEM;
			list->markets = grown;
			room += 1024;
		}
		error = line_parse(parse, line, &list->markets[list->count]);
		if (error != 0)
			return error;
		list->count++;
	}
	if (list->count == 0)
		return parse_refused(parse, "no market behind the header");
	qsort(list->markets, list->count, sizeof(list->markets[0]), by_id);
	for (size_t i = 1; i < list->count; i++)
		if (by_id(&list->markets[i - 1], &list->markets[i]) == 0)
			return parse_refused(parse, "market %" PRIu64 " stands there twice",
			    le64_get(list->markets[i].id));
	return 0;
}

int market_list_read(const char *text, size_t size, uint64_t start_ns, struct market_list *list,
    char *message, size_t message_size)
{
	struct parse parse = { .message = message, .message_size = message_size };
	struct market_list read = { 0 };
	struct season season = { 0 };
	char copy = '\0'; /* fmemopen refuses an empty buffer */
	FILE *file;
	int error;

	file = fmemopen((void *)(uintptr_t)(size > 0 ? text : &copy), size > 0 ? size : 1, "r");
	if (file == NULL)
		return -ENOMEM;
	if (size >= sizeof(MARKET_HEADER) - 1 &&
	    strncmp(text, MARKET_HEADER, sizeof(MARKET_HEADER) - 1) == 0) {
		error = lines_read(file, &read, &parse);
	} else if (size >= 5 && strncmp(text, "date,", 5) == 0) {
		error = season_read(file, "line", &season, message, message_size);
		if (error == 0)
			error = season_list(&season, start_ns, &read, message, message_size);
		season_free(&season);
	} else {
		parse.line = 1;
		error = parse_refused(&parse, "unknown header; begin with " MARKET_COLUMNS
		                              " or with a season's date,home,away,...");
	}
	fclose(file);
	if (error != 0)
		market_list_free(&read);
	else
		*list = read;
	return error;
}
