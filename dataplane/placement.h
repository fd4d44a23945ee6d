/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPU takes the journal device's completions. A thread that spins on that CPU delays every
 * synced write to the next timer tick (measured: 129 us become 4,000 us), so the worker must not.
 */
#ifndef SLUICE_DATAPLANE_PLACEMENT_H
#define SLUICE_DATAPLANE_PLACEMENT_H

/* The CPU of the busiest interrupt of the device that holds `path`, or -1 when it cannot be told.
 */
int placement_interrupt_cpu(const char *path);

#endif
