/* SPDX-License-Identifier: Apache-2.0 */
/* A server on a real socket, its clients, and what stands in place of the modules around it. */
#ifndef SLUICE_TESTS_CONTROL_OPS_SOCKET_OPS_BED_H
#define SLUICE_TESTS_CONTROL_OPS_SOCKET_OPS_BED_H

#include "control/ops-socket/ops.h"
#include "tests/test.h"

/* The last audit entry of a refusal, how many there were, and what audit_note() returns. */
extern char ops_bed_noted[1024];
extern unsigned ops_bed_noted_count;
extern int ops_bed_note_result;
/* Pipes: market 15 writes a byte to the second and waits for one of the first. */
extern int ops_bed_gate[2], ops_bed_entered[2];

#define SUSPEND(market) "{\"verb\":\"market suspend\",\"arguments\":{\"market\":" #market "}}"

struct ops_bed {
	char folder[256], path[400];
	struct control_config config;
	ops_handler *handlers[128];
	struct ops_config ops_config;
	struct ops *ops;
};

/* `below`: a folder of that name between, or NULL. */
void ops_bed_start(struct ops_bed *bed, const char *below, unsigned clients_max);
void ops_bed_stop(struct ops_bed *bed);
/* A connection, or -1. */
int ops_bed_connect(const char *path);
/* Sends the line and its end. */
void ops_bed_say(int fd, const char *line);
/* The next line without its end: 1; 0 at the end of the stream, -1 if nothing came. */
int ops_bed_hear(int fd, char *line, size_t size);
/* Sends `request` unless NULL; fails unless the next answer has `answer_has` in it. */
void ops_bed_expect(int fd, const char *request, const char *answer_has);

#endif
