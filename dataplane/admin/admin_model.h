/* SPDX-License-Identifier: Apache-2.0 */
/* Learned models: files of control's (dataplane/risk/risk_model_file.h), handed to the workers. */
#ifndef SLUICE_ADMIN_MODEL_H
#define SLUICE_ADMIN_MODEL_H

#include "dataplane/shard/worker.h"

/*
 * Reads FOLDER/VERSION, checks all of it and hands it to the workers, which take it at the begin of
 * a turn. 0, also when the workers have it already; -errno: of the file, or -EBADMSG: it is no
 * model of this version and of this program's features. Main's thread only.
 */
SLUICE_MUST_USE int admin_model_load(
    struct switch_shared *shared, const char *folder, uint32_t version);
/* The same without handing it over: would it be taken? */
SLUICE_MUST_USE int admin_model_check(
    struct switch_shared *shared, const char *folder, uint32_t version);
/* When no worker runs any more. */
void admin_models_free(struct switch_shared *shared);

#endif
