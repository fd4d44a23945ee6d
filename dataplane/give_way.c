/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/give_way.h"

int give_way_judge(uint64_t *since_ns, const struct give_way_look *look)
{
	if (!look->walking) {
		*since_ns = 0;
		return 0;
	}
	if (*since_ns == 0)
		*since_ns = look->now_ns;
	return !look->journal_crowded && look->events_left < GIVE_WAY_EVENTS_MAX &&
	       look->now_ns - *since_ns < GIVE_WAY_NS_MAX;
}
