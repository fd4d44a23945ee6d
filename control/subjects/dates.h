/* SPDX-License-Identifier: Apache-2.0 */
/* Dates and times as people write them into files and on command lines: strict, since one that is
 * read as another day than was meant is worse than one refused. Pure. */
#ifndef SLUICE_CONTROL_SUBJECTS_DATES_H
#define SLUICE_CONTROL_SUBJECTS_DATES_H

#include <stdint.h>

#include "wire/assert.h"

struct date_time {
	uint64_t day_ns;  /* midnight of the day as written, read as UTC */
	uint64_t time_ns; /* zoned: since 1970; else as written, read as UTC */
	int32_t zone_s;   /* east of Greenwich, as written */
	uint8_t zoned;
};

/*
 * "2026-11-21", or with a time, "2026-11-21T10:00:00" (or a blank for the T), with a fraction of up
 * to nine digits, and with a zone: "Z", "+09:00". From 2000 to 9999. 0 or -EINVAL.
 */
SLUICE_MUST_USE int date_time_parse(const char *text, struct date_time *out);
/* 1 for a day that there is, from 2000 on, written "2026-11-21" and nothing else. */
int date_fits(const char *text);

#endif
