/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to dataplane/admin: commands on their way through the shards. A job outlives its client:
 * a worker may be writing into the area of its question, and a session's home is noted whoever
 * asked. Places of clients and of jobs are therefore apart, and both are bounded.
 */
#ifndef SLUICE_ADMIN_JOB_H
#define SLUICE_ADMIN_JOB_H

#include "dataplane/admin/admin.h"

/* As many whose client has gone as there are clients. More wait until one is done. */
#define ADMIN_JOBS_MAX (2 * ADMIN_CLIENTS_MAX)

struct admin_peer;

struct admin_job {
	uint64_t ticket;           /* 0: free */
	struct admin_peer *client; /* NULL: gone, nobody is told */
	uint32_t shards_left;      /* 0: checked, to be done as soon as the rings have room */
	int32_t error;
	int32_t refused; /* why the check says that it is not to be done: its number is used up */
	uint8_t already;
	struct admin_request request;
};

struct admin_jobs {
	struct admin_context *context;
	uint64_t ticket_last;
	unsigned running;
	struct admin_job *numbered; /* one numbered command at a time: its check stays true */
	struct admin_job jobs[ADMIN_JOBS_MAX];
	struct shard_query queries[ADMIN_JOBS_MAX];
};

/* Sends a client's request on its way (client->job is it then). 0: no room now, nothing was sent.
 */
int admin_job_start(
    struct admin_jobs *jobs, struct admin_peer *client, const struct admin_request *request);
/* Takes in results, answers clients, sends on what has been checked. */
void admin_jobs_work(struct admin_jobs *jobs);

#endif
