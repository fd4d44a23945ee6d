/* SPDX-License-Identifier: Apache-2.0 */
/* The words of alerts. */
#include <string.h>

#include "control/alerts/alerts.h"

static const char *const states[] = {
	[CONTROL_ALERT_NEW] = "new",
	[CONTROL_ALERT_INVESTIGATING] = "investigating",
	[CONTROL_ALERT_CLOSED] = "closed",
	[CONTROL_ALERT_REPORTED] = "reported",
};
static const char *const severities[] = {
	[CONTROL_ALERT_LOW] = "low",
	[CONTROL_ALERT_MEDIUM] = "medium",
	[CONTROL_ALERT_HIGH] = "high",
	[CONTROL_ALERT_CRITICAL] = "critical",
};
static const char *const reasons[] = {
	[CONTROL_ALERT_RISK] = "risk",
	[CONTROL_ALERT_WATCH_LIST] = "watch_list",
	[CONTROL_ALERT_COUNTRY] = "country",
	[CONTROL_ALERT_MANUAL] = "manual",
	[CONTROL_ALERT_LIMIT] = "limit",
};
static const char *const verdicts[] = {
	[CONTROL_ALERT_OPEN] = "none",
	[CONTROL_ALERT_CONFIRMED] = "confirmed",
	[CONTROL_ALERT_FALSE] = "false",
};

static const char *name_of(const char *const *names, size_t count, unsigned number)
{
	return number < count ? names[number] : NULL;
}

static unsigned number_of(const char *const *names, size_t count, const char *name)
{
	for (unsigned i = 1; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return 0;
}

const char *alert_state_name(unsigned state)
{
	return name_of(states, SLUICE_ARRAY_COUNT(states), state);
}

const char *alert_severity_name(unsigned severity)
{
	return name_of(severities, SLUICE_ARRAY_COUNT(severities), severity);
}

const char *alert_reason_name(unsigned reason)
{
	return name_of(reasons, SLUICE_ARRAY_COUNT(reasons), reason);
}

const char *alert_verdict_name(unsigned verdict)
{
	return name_of(verdicts, SLUICE_ARRAY_COUNT(verdicts), verdict);
}

enum control_alert_state alert_state_parse(const char *name)
{
	return (enum control_alert_state)number_of(states, SLUICE_ARRAY_COUNT(states), name);
}

enum control_alert_severity alert_severity_parse(const char *name)
{
	return (enum control_alert_severity)number_of(
	    severities, SLUICE_ARRAY_COUNT(severities), name);
}

enum control_alert_reason alert_reason_parse(const char *name)
{
	return (enum control_alert_reason)number_of(reasons, SLUICE_ARRAY_COUNT(reasons), name);
}
