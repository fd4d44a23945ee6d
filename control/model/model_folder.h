/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of models the data plane reads, ROOT/var/lib/sluice/models: a file for each, named by
 * its number. A file there is whole: it is written beside and renamed.
 */
#ifndef SLUICE_CONTROL_MODEL_FOLDER_H
#define SLUICE_CONTROL_MODEL_FOLDER_H

#include <jansson.h>
#include <stdint.h>

#include "dataplane/risk/risk_model.h"
#include "wire/assert.h"

/* Writes FOLDER/number. 0 or -errno; -EEXIST: there is one of this number, or what is to become
 * one. */
SLUICE_MUST_USE int model_folder_save(
    const char *folder, uint32_t number, const struct risk_model *model);
/*
 * {"model","trees","depth","features_version","margin_zero","margin_alert","bytes","checksum",
 * "loaded_ns","damaged"}; of one that is damaged only model, bytes, loaded_ns and damaged. New
 * reference; NULL with errno: ENOENT.
 */
json_t *model_folder_show(const char *folder, uint32_t number);
/* All of them, the newest number first; none when there is no folder. New reference. */
json_t *model_folder_list(const char *folder);
/* The highest number, 0: none. */
uint32_t model_folder_last(const char *folder);
/* The bytes of one's file, the caller's to free(). 0; -EFBIG: more than a model has; -errno. */
SLUICE_MUST_USE int model_folder_read(
    const char *folder, uint32_t number, uint8_t **bytes, size_t *size);
/* 0 or -errno. */
SLUICE_MUST_USE int model_folder_remove(const char *folder, uint32_t number);

#endif
