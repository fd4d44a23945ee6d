/* SPDX-License-Identifier: Apache-2.0 */
#include "control/subjects/dates.h"

#include <errno.h>
#include <string.h>

#define NS_PER_S  1000000000ull
#define S_PER_DAY 86400u
#define YEAR_MIN  2000u

/* Exactly `count` digits; moves behind them. -EINVAL. */
static int digits_take(const char **text, unsigned count, unsigned *value)
{
	*value = 0;
	for (unsigned i = 0; i < count; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return -EINVAL;
		*value = *value * 10 + (unsigned)(**text - '0');
	}
	return 0;
}

static int sign_take(const char **text, char sign)
{
	if (**text != sign)
		return -EINVAL;
	(*text)++;
	return 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static int day_take(const char **text, uint64_t *day_ns)
{
	unsigned year, month, day;
	uint64_t days;

	if (digits_take(text, 4, &year) != 0 || sign_take(text, '-') != 0 ||
	    digits_take(text, 2, &month) != 0 || sign_take(text, '-') != 0 ||
	    digits_take(text, 2, &day) != 0 || year < YEAR_MIN || month == 0 || month > 12 ||
	    day == 0 || day > month_days(year, month))
		return -EINVAL;
	days = 365u * (year - 1970u) + (year - 1969u) / 4 - (year - 1901u) / 100 +
	       (year - 1601u) / 400 + day - 1;
	for (unsigned i = 1; i < month; i++)
		days += month_days(year, i);
	*day_ns = days * S_PER_DAY * NS_PER_S;
	return 0;
}

/* "10:00:00", with up to nine digits behind a point. */
static int clock_take(const char **text, uint64_t *ns)
{
	unsigned hours, minutes, seconds, digit;
	uint64_t unit = NS_PER_S;

	if (digits_take(text, 2, &hours) != 0 || sign_take(text, ':') != 0 ||
	    digits_take(text, 2, &minutes) != 0 || sign_take(text, ':') != 0 ||
	    digits_take(text, 2, &seconds) != 0 || hours > 23 || minutes > 59 || seconds > 59)
		return -EINVAL;
	*ns = ((uint64_t)hours * 3600 + minutes * 60u + seconds) * NS_PER_S;
	if (sign_take(text, '.') != 0)
		return 0;
	do {
		unit /= 10;
		if (unit == 0 || digits_take(text, 1, &digit) != 0)
			return -EINVAL;
		*ns += digit * unit;
	} while (**text >= '0' && **text <= '9');
	return 0;
}

/* Nothing, "Z", "+09:00", "-05:30". */
static int zone_take(const char **text, struct date_time *out)
{
	unsigned hours, minutes;
	int west = **text == '-';

	if (**text == '\0')
		return 0;
	out->zoned = 1;
	if (sign_take(text, 'Z') == 0)
		return 0;
	if (**text != '+' && **text != '-')
		return -EINVAL;
	(*text)++;
	if (digits_take(text, 2, &hours) != 0 || sign_take(text, ':') != 0 ||
	    digits_take(text, 2, &minutes) != 0 || hours > 14 || minutes > 59)
		return -EINVAL;
	out->zone_s = (int32_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
	return 0;
}

int date_time_parse(const char *text, struct date_time *out)
{
	uint64_t clock_ns = 0;
	int error;

	*out = (struct date_time){ .zoned = 0 };
	error = day_take(&text, &out->day_ns);
	if (error == 0 && *text != '\0') {
		error = *text == 'T' || *text == ' ' ? 0 : -EINVAL;
		text++;
		if (error == 0)
			error = clock_take(&text, &clock_ns);
		if (error == 0)
			error = zone_take(&text, out);
		if (error == 0 && *text != '\0')
			error = -EINVAL;
	}
	out->time_ns = out->day_ns + clock_ns;
	if (out->zoned)
		out->time_ns -= (uint64_t)((int64_t)out->zone_s * (int64_t)NS_PER_S);
	return error;
}

int date_fits(const char *text)
{
	uint64_t day_ns;

	return day_take(&text, &day_ns) == 0 && *text == '\0';
}
