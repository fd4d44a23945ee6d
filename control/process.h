/* SPDX-License-Identifier: Apache-2.0 */
/* Start, stop and the regular duties of the process. Private to this folder. */
#ifndef SLUICE_CONTROL_PROCESS_H
#define SLUICE_CONTROL_PROCESS_H

#include "control/control.h"

/*
 * Directories, lock, database, authority, sessions, replication, link, key server, ops socket, in
 * this order: each needs those before it. CONTROL_DONE, or the exit status with `message`;
 * process_stop undoes what was done in either case, in the opposite order.
 */
int process_start(struct control *control, char *message, size_t message_size);
void process_stop(struct control *control);

void process_metrics_write(struct control *control);
uint64_t process_metrics_interval_ns(struct control *control);
/* The key server's certificate is renewed before it ends. */
void process_server_renew(struct control *control);

#endif
