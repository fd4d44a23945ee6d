/* SPDX-License-Identifier: Apache-2.0 */
/* Text to the value sent, digit by digit: no locale and no floating point has a say. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tools/sluicectl/sluicectl.h"

#define NS_PER_S 1000000000ll

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int ctl_value_number(const char *text, int64_t lowest, int64_t highest, int64_t *value)
{
	int64_t number = 0;

	if (*text == '\0')
		return -EINVAL;
	for (const char *at = text; *at != '\0'; at++)
		if (!is_digit(*at))
			return -EINVAL;
	for (; *text != '\0'; text++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *text - '0', &number))
			return -ERANGE;
	if (number < lowest || number > highest)
		return -ERANGE;
	*value = number;
	return 0;
}

int ctl_value_odds(const char *text, int64_t lowest, int64_t highest, int64_t *value)
{
	const char *point = strchr(text, '.');
	size_t whole = point != NULL ? (size_t)(point - text) : strlen(text);
	size_t behind = point != NULL ? strlen(point + 1) : 0;
	char digits[32];

	if (whole == 0 || (point != NULL && (behind == 0 || behind > 3)))
		return -EINVAL;
	for (size_t i = 0; text[i] != '\0'; i++)
		if (!is_digit(text[i]) && i != whole)
			return -EINVAL;
	if (whole > 16)
		return -ERANGE;
	memcpy(digits, text, whole);
	for (size_t i = 0; i < 3; i++)
		digits[whole + i] = '0';
	if (point != NULL)
		memcpy(digits + whole, point + 1, behind);
	digits[whole + 3] = '\0';
	return ctl_value_number(digits, lowest, highest, value);
}

void ctl_odds_text(int64_t thousandths, char out[32])
{
	uint64_t size = thousandths < 0 ? 0 - (uint64_t)thousandths : (uint64_t)thousandths;

	snprintf(out, 32, "%s%" PRIu64 ".%03" PRIu64, thousandths < 0 ? "-" : "", size / 1000,
	    size % 1000);
}

/* Exactly `count` digits; moves on. -1 when they are not there. */
static int digits_take(const char **text, int count)
{
	int number = 0;

	for (int i = 0; i < count; i++, (*text)++) {
		if (!is_digit(**text))
			return -1;
		number = number * 10 + (**text - '0');
	}
	return number;
}

static int take(const char **text, char expected)
{
	if (**text != expected)
		return 0;
	(*text)++;
	return 1;
}

/* Days since 1970-01-01 of a day of the Gregorian calendar, year >= 1970. */
static int64_t days_of(int year, int month, int day)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	int64_t last = year - 1;

	return (int64_t)(year - 1970) * 365 + (last / 4 - last / 100 + last / 400) -
	       (1969 / 4 - 1969 / 100 + 1969 / 400) + before[month - 1] + (leap && month > 2) +
	       day - 1;
}

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* "Z", "+09:00", "-03:30": seconds east of UTC. A time without a zone has two meanings: refused. */
static int zone_take(const char **text, int *seconds)
{
	int sign, hours, minutes;

	if (take(text, 'Z')) {
		*seconds = 0;
		return 0;
	}
	sign = **text == '+' ? 1 : **text == '-' ? -1 : 0;
	if (sign == 0)
		return -EINVAL;
	(*text)++;
	hours = digits_take(text, 2);
	if (hours < 0 || hours > 14 || !take(text, ':'))
		return -EINVAL;
	minutes = digits_take(text, 2);
	if (minutes < 0 || minutes > 59)
		return -EINVAL;
	*seconds = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int ctl_value_time(const char *text, int64_t *value)
{
	int year, month, day, hour, minute, second = 0, zone = 0;
	int64_t seconds;

	year = digits_take(&text, 4);
	if (year < 0 || !take(&text, '-') || (month = digits_take(&text, 2)) < 0 ||
	    !take(&text, '-') || (day = digits_take(&text, 2)) < 0 || !take(&text, 'T') ||
	    (hour = digits_take(&text, 2)) < 0 || !take(&text, ':') ||
	    (minute = digits_take(&text, 2)) < 0)
		return -EINVAL;
	if (take(&text, ':') && (second = digits_take(&text, 2)) < 0)
		return -EINVAL;
	if (zone_take(&text, &zone) != 0 || *text != '\0')
		return -EINVAL;
	if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59 || day < 1)
		return -EINVAL;
	/* Nanoseconds in 64 bits end in 2262. */
	if (year < 1970 || year > 2261)
		return -ERANGE;
	if (day > days_in(year, month))
		return -EINVAL;
	seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
	if (seconds < 0)
		return -ERANGE;
	*value = seconds * NS_PER_S;
	return 0;
}

int ctl_value_on_off(const char *text, int *value)
{
	if (strcmp(text, "on") == 0)
		*value = 1;
	else if (strcmp(text, "off") == 0)
		*value = 0;
	else
		return -EINVAL;
	return 0;
}
