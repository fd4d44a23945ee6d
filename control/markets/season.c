/* SPDX-License-Identifier: Apache-2.0 */
#include "control/markets/season.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/limits.h"

#define SEASON_LINE_SIZE 512

enum season_column {
	COLUMN_DATE,
	COLUMN_HOME,
	COLUMN_AWAY,
	COLUMN_HOME_GOALS,
	COLUMN_AWAY_GOALS,
	COLUMN_ODDS_HOME,
	COLUMN_ODDS_DRAW,
	COLUMN_ODDS_AWAY,
	COLUMN_ODDS_OVER,
	COLUMN_ODDS_UNDER,
	COLUMN_COUNT,
};

static const char *const column_names[COLUMN_COUNT] = { "date", "home", "away", "home_goals",
	"away_goals", "odds_home", "odds_draw", "odds_away", "odds_over25", "odds_under25" };

int season_odds_parse(const char *text, uint32_t *odds)
{
	uint64_t value = 0;
	int decimals = -1, digits = 0;

	for (; *text != '\0'; text++) {
		if (*text == '.' && decimals < 0 && digits > 0) {
			decimals = 0;
			continue;
		}
		if (*text < '0' || *text > '9' || digits == 12 || decimals == 3)
			return -EINVAL;
		value = value * 10 + (uint64_t)(*text - '0');
		digits++;
		if (decimals >= 0)
			decimals++;
	}
	if (digits == 0 || decimals == 0)
		return -EINVAL;
	for (int i = decimals < 0 ? 0 : decimals; i < 3; i++)
		value *= 10;
	if (value < LIMIT_ODDS_MIN || value > LIMIT_ODDS_MAX)
		return -EINVAL;
	*odds = (uint32_t)value;
	return 0;
}

/* Days since 1970-01-01 of a civil date: count of leap days before a year that begins in March. */
static int64_t civil_to_day(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t month_from_march = (month + 9) % 12;
	int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

int season_date_parse(const char *text, int64_t *day)
{
	static const uint8_t month_days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year = 0, month = 0, number = 0, leap;

	if (strlen(text) != 10 || text[4] != '-' || text[7] != '-')
		return -EINVAL;
	for (int i = 0; i < 10; i++) {
		if (i == 4 || i == 7)
			continue;
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		*(i < 4 ? &year : i < 7 ? &month : &number) *= 10;
		*(i < 4 ? &year : i < 7 ? &month : &number) += (unsigned)(text[i] - '0');
	}
	if (year < 1970 || month < 1 || month > 12 || number < 1)
		return -EINVAL;
	leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (number > month_days[month - 1] + (month == 2 ? leap : 0u))
		return -EINVAL;
	*day = civil_to_day(year, month, number);
	return 0;
}

static int parse_goals(const char *text, uint32_t *goals)
{
	uint32_t value = 0;

	if (text[0] == '\0' || strlen(text) > 3)
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (uint32_t)(*text - '0');
	}
	*goals = value;
	return 0;
}

static int parse_name(const char *text, char out[SEASON_NAME_SIZE])
{
	if (text[0] == '\0' || strlen(text) >= SEASON_NAME_SIZE)
		return -EINVAL;
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static const char *column_remedy(unsigned column)
{
	if (column == COLUMN_DATE)
		return "write it as YYYY-MM-DD";
	if (column <= COLUMN_AWAY)
		return "give a name of 1..63 characters";
	if (column <= COLUMN_AWAY_GOALS)
		return "give a whole number";
	return "give decimal odds from 1.001 to 10000 with at most three decimals";
}

/* 0, or -EINVAL with *column the first bad one. */
static int parse_match(
    char *const fields[COLUMN_COUNT], struct season_match *match, unsigned *column)
{
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		const char *text = fields[i];
		int result;

		if (i == COLUMN_DATE)
			result = season_date_parse(text, &match->day);
		else if (i <= COLUMN_AWAY)
			result = parse_name(text, i == COLUMN_HOME ? match->home : match->away);
		else if (i <= COLUMN_AWAY_GOALS)
			result = parse_goals(
			    text, i == COLUMN_HOME_GOALS ? &match->home_goals : &match->away_goals);
		else if (i <= COLUMN_ODDS_AWAY)
			result = season_odds_parse(text, &match->odds_1x2[i - COLUMN_ODDS_HOME]);
		else
			result =
			    season_odds_parse(text, &match->odds_over_under[i - COLUMN_ODDS_OVER]);
		if (result != 0) {
			*column = i;
			return result;
		}
	}
	return 0;
}

/* Splits at commas in place; -EINVAL when the count is wrong. No quoting: names hold no commas. */
static int split_line(char *line, char *fields[COLUMN_COUNT])
{
	unsigned count = 0;
	char *next = line;

	while (next != NULL && count < COLUMN_COUNT) {
		fields[count++] = next;
		next = strchr(next, ',');
		if (next != NULL)
			*next++ = '\0';
	}
	return next != NULL || count != COLUMN_COUNT ? -EINVAL : 0;
}

static int check_header(char *line)
{
	char *fields[COLUMN_COUNT];

	if (split_line(line, fields) != 0)
		return -EINVAL;
	for (unsigned i = 0; i < COLUMN_COUNT; i++)
		if (strcmp(fields[i], column_names[i]) != 0)
			return -EINVAL;
	return 0;
}

static int season_grow(struct season *season, size_t *capacity)
{
	size_t wanted = *capacity == 0 ? 512 : *capacity * 2;
	void *grown;

	if (season->count < *capacity)
		return 0;
	if (season->count >= SEASON_ROWS_MAX)
		return -E2BIG;
	grown = realloc(season->matches, wanted * sizeof(season->matches[0]));
	if (grown == NULL)
		return -ENOMEM;
	season->matches = grown;
	*capacity = wanted;
	return 0;
}

/* 0, or the error with `message`. `line` has its end of line removed. */
static int season_line(struct season *season, size_t *capacity, const char *path, size_t number,
    char *line, char *message, size_t message_size)
{
	char *fields[COLUMN_COUNT];
	struct season_match match = { 0 };
	unsigned column = 0;
	int result;

	if (number == 1) {
		if (check_header(line) == 0)
			return 0;
		snprintf(message, message_size,
		    "%s:1: the header is not the expected one. Begin the file with "
		    "date,home,away,home_goals,away_goals,odds_home,odds_draw,odds_away,"
		    "odds_over25,odds_under25.",
		    path);
		return -EINVAL;
	}
	if (split_line(line, fields) != 0) {
		snprintf(message, message_size, "%s:%zu: not %u columns. Complete the line.", path,
		    number, (unsigned)COLUMN_COUNT);
		return -EINVAL;
	}
	if (parse_match(fields, &match, &column) != 0) {
		snprintf(message, message_size, "%s:%zu: column %s: \"%.40s\" is not valid: %s.",
		    path, number, column_names[column], fields[column], column_remedy(column));
		return -EINVAL;
	}
	if (strcmp(match.home, match.away) == 0) {
		snprintf(message, message_size,
		    "%s:%zu: column away: the same team as home. Correct the names.", path, number);
		return -EINVAL;
	}
	result = season_grow(season, capacity);
	if (result != 0) {
		snprintf(
		    message, message_size, "%s:%zu: too many rows for this machine.", path, number);
		return result;
	}
	if (season->count == 0 || match.day < season->day_first)
		season->day_first = match.day;
	season->matches[season->count++] = match;
	return 0;
}

int season_read(
    FILE *file, const char *name, struct season *season, char *message, size_t message_size)
{
	struct season loaded = { 0 };
	char line[SEASON_LINE_SIZE];
	size_t capacity = 0, number = 0;
	int result = 0;

	while (result == 0 && fgets(line, sizeof(line), file) != NULL) {
		size_t length = strcspn(line, "\r\n");

		number++;
		if (line[length] == '\0' && !feof(file)) {
			snprintf(message, message_size,
			    "%s:%zu: the line is too long or holds a zero byte. Shorten it.", name,
			    number);
			result = -EINVAL;
			break;
		}
		line[length] = '\0';
		result = season_line(&loaded, &capacity, name, number, line, message, message_size);
	}
	if (result == 0 && ferror(file)) {
		result = -EIO;
		snprintf(message, message_size, "Cannot read %s to its end. Check the disk.", name);
	}
	if (result == 0 && loaded.count == 0) {
		snprintf(message, message_size, "%s holds no match. Give a season file.", name);
		result = -EINVAL;
	}
	if (result != 0)
		season_free(&loaded);
	else
		*season = loaded;
	return result;
}

int season_load(const char *path, struct season *season, char *message, size_t message_size)
{
	FILE *file = fopen(path, "re");
	int result;

	if (file == NULL) {
		result = -errno;
		snprintf(message, message_size, "Cannot read %s: %s. Check the path.", path,
		    strerror(-result));
		return result;
	}
	result = season_read(file, path, season, message, message_size);
	fclose(file);
	return result;
}

void season_free(struct season *season)
{
	free(season->matches);
	*season = (struct season){ 0 };
}
