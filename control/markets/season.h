/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Season files: `date,home,away,home_goals,away_goals,odds_home,odds_draw,odds_away,odds_over25,
 * odds_under25`, a header line first. A file is checked whole before anything of it is used.
 */
#ifndef SLUICE_CONTROL_SEASON_H
#define SLUICE_CONTROL_SEASON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "wire/assert.h"

#define SEASON_NAME_SIZE 64
#define SEASON_ROWS_MAX  1000000u

struct season_match {
	int64_t day; /* days since 1970-01-01 */
	char home[SEASON_NAME_SIZE], away[SEASON_NAME_SIZE];
	uint32_t home_goals, away_goals;
	uint32_t odds_1x2[3];        /* home, draw, away, in 1/1000 */
	uint32_t odds_over_under[2]; /* over 2.5, under 2.5 */
};

struct season {
	struct season_match *matches; /* event id = index + 1 */
	size_t count;
	int64_t day_first; /* of the earliest match */
};

/*
 * Reads a whole file. 0; -EINVAL with `message` naming file, line, column and remedy; other -errno.
 * `*season` is untouched on failure.
 */
SLUICE_MUST_USE int season_load(
    const char *path, struct season *season, char *message, size_t message_size);
/* The same from an open file, which stays the caller's; `name` is for messages. */
SLUICE_MUST_USE int season_read(
    FILE *file, const char *name, struct season *season, char *message, size_t message_size);
void season_free(struct season *season);

/* "1.85" or "11" to thousandths, at most three decimals. 0 or -EINVAL (also out of range). */
SLUICE_MUST_USE int season_odds_parse(const char *text, uint32_t *odds);
/* "2022-08-05" to days since 1970-01-01. 0 or -EINVAL. */
SLUICE_MUST_USE int season_date_parse(const char *text, int64_t *day);

#endif
