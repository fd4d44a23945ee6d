/* SPDX-License-Identifier: Apache-2.0 */
/* What only a series of looks at the counters can tell: the age of a lag, the share of a second. */
#include "dataplane/admin/admin_sample.h"

/* Every second one goes, and later ones come at that distance. */
static void lag_thin(struct admin_lag *lag)
{
	uint32_t kept = 0;

	lag->apart_ns =
	    2 * (lag->seen[ADMIN_LAG_SEEN - 1].time_ns - lag->seen[0].time_ns) / ADMIN_LAG_SEEN;

	for (uint32_t i = 0; i < lag->count; i += 2)
		lag->seen[kept++] = lag->seen[i];
	lag->count = kept;
}

void admin_lag_see(struct admin_lag *lag, uint64_t now_ns, uint64_t reached, uint64_t done)
{
	uint32_t passed = 0;

	while (passed < lag->count && lag->seen[passed].position <= done)
		passed++;
	if (passed != 0) {
		lag->count -= passed;
		memmove(lag->seen, lag->seen + passed, lag->count * sizeof(lag->seen[0]));
	}
	if (lag->count == 0)
		lag->apart_ns = 0;
	if (reached <= done)
		return;
	if (lag->count != 0 && (lag->seen[lag->count - 1].position >= reached ||
	                           now_ns - lag->seen[lag->count - 1].time_ns < lag->apart_ns))
		return;
	if (lag->count == ADMIN_LAG_SEEN)
		lag_thin(lag);
	lag->seen[lag->count].position = reached;
	lag->seen[lag->count].time_ns = now_ns;
	lag->count++;
}

uint64_t admin_lag_ns(const struct admin_lag *lag, uint64_t now_ns)
{
	return lag->count == 0 || now_ns < lag->seen[0].time_ns ? 0 : now_ns - lag->seen[0].time_ns;
}

void admin_share_see(struct admin_share *share, uint64_t now_ns, uint64_t busy_ns)
{
	uint64_t passed_ns = now_ns - share->since_ns;

	if (share->since_ns != 0 && passed_ns < ADMIN_SHARE_NS)
		return;
	if (share->since_ns != 0) {
		share->permille = (uint32_t)((busy_ns - share->busy_ns) * 1000 / passed_ns);
		if (share->permille > 1000)
			share->permille = 1000;
	}
	share->since_ns = now_ns;
	share->busy_ns = busy_ns;
}
