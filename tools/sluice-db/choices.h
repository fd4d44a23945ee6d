/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-db: its options, and which command takes which. */
#ifndef SLUICE_TOOLS_CHOICES_H
#define SLUICE_TOOLS_CHOICES_H

#include "tools/sluice-db/db.h"

#define CHOICES_WHY 400

enum choices_result {
	CHOICES_TAKEN,
	CHOICES_WRONG,   /* `why` says what; wrong usage */
	CHOICES_SAID,    /* wrong usage, and getopt has said so already */
	CHOICES_HELP,    /* was asked for */
	CHOICES_VERSION, /* was asked for */
};

/*
 * Reads the arguments into `options`, which holds the defaults: command, its words, options. An
 * option that the command does not take is wrong: what is accepted and ignored was meant.
 */
enum choices_result choices_read(
    int argc, char **argv, struct options *options, char why[CHOICES_WHY]);

#endif
