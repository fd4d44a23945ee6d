/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/disk.h"

enum disk_state disk_judge(
    const struct disk_limits *limits, enum disk_state before, uint64_t used, uint64_t free)
{
	uint64_t quota = limits->quota, floor = limits->floor;

	if (before == DISK_QUOTA)
		quota -= quota / 64;
	if (before == DISK_FLOOR)
		floor += floor / 8;
	if (limits->floor != 0 && free < floor)
		return DISK_FLOOR;
	if (limits->quota != 0 && used >= quota)
		return DISK_QUOTA;
	return DISK_ROOM;
}
