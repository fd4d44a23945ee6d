/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket of faultfs: one line in, one line of JSON out. */
#ifndef SLUICE_FAULTS_CONTROL_H
#define SLUICE_FAULTS_CONTROL_H

enum control_counter { CONTROL_WRITES, CONTROL_WRITES_SYNCED, CONTROL_SYNCS, CONTROL_COUNTERS };

/* One more of these; any thread. */
void control_count(enum control_counter counter);
/* Listens on `path` with a thread of its own, until the process ends. 0, -errno (and errno). */
int control_start(const char *path);
/* `faultfs ctl`: sends the words, prints the answer. An exit status. */
int control_ask(const char *path, char **words);

#endif
