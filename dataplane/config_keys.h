/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the data plane's configuration, and what is wrong with those of a file, by line. */
#ifndef SLUICE_DATAPLANE_CONFIG_KEYS_H
#define SLUICE_DATAPLANE_CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

/*
 * Every key is known, there once, of its type and in its range, and none is missing. 0, or -EINVAL
 * (-ENOMEM) with `message` = NAME:LINE: key "...": what was expected and found. Values that depend
 * on one another: config.c.
 */
SLUICE_MUST_USE int config_keys_check(
    const uint8_t *text, size_t size, const char *name, char *message, size_t message_size);

#endif
