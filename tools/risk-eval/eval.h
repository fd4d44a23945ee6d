/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of risk-eval: rows of a file, their replay through the production code, figures. */
#ifndef SLUICE_RISK_EVAL_H
#define SLUICE_RISK_EVAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "dataplane/risk/risk_features.h"
#include "dataplane/risk/risk_model.h"
#include "wire/assert.h"

#define EXIT_DONE    0
#define EXIT_REFUSED 1
#define EXIT_USAGE   2
#define EXIT_MISSING 3

#define EVAL_LABELS_NEVER UINT32_MAX

enum eval_format {
	EVAL_CARD,
	EVAL_PAYSIM,
	EVAL_AMLSIM,
	EVAL_FORMATS,
};
extern const char *const eval_format_names[EVAL_FORMATS];

/* One transaction as the switch would see it, and its label. */
struct eval_row {
	struct risk_transaction transaction;
	uint64_t account_id;
	uint64_t place;  /* in the file, 0 is the first row */
	uint8_t label;   /* never seen by the scoring, but days later as feedback */
	uint8_t credits; /* the other side is an account that receives the amount */
};

struct eval_rows {
	struct eval_row *rows;
	size_t count, size;
};

/* Reads a plain or zstd file; 0 or an exit status, with a sentence on standard error. */
SLUICE_MUST_USE int eval_read(const char *path, enum eval_format format, struct eval_rows *rows);
/* Takes out the rows before `day`, counted from the first row's; EXIT_REFUSED if none is left. */
SLUICE_MUST_USE int eval_rows_begin(struct eval_rows *rows, uint64_t day);
/* One line of a file of this format, for tests and fuzzing: NULL, or what is wrong. */
struct eval_columns {
	uint8_t place[16]; /* column of each field, by enum in rows.c */
	uint8_t count;     /* columns of a line */
};
const char *eval_header_parse(char *line, enum eval_format format, struct eval_columns *columns);
const char *eval_line_parse(
    char *line, enum eval_format format, const struct eval_columns *columns, struct eval_row *row);

/* The text of a plain or zstd file, in memory, ended by a zero. */
SLUICE_MUST_USE int eval_file_read(const char *path, char **text, size_t *size);

struct eval_options {
	enum eval_format format;
	const char *path, *model_path, *export_path, *scores_path, *history_path;
	const char *flatten_path;  /* write the model as the switch reads it, and do no more */
	uint64_t number;           /* of that model */
	uint32_t label_delay_days; /* EVAL_LABELS_NEVER: none */
	uint64_t
	    from_day; /* of the day of the first row judged otherwise; earlier rows are history */
	size_t history_rows;
	uint64_t first_day;
	bool json;
};

struct eval_scores {
	float *rules, *model, *both; /* of the rows judged; model and both NULL without a model */
	uint8_t *labels;
	size_t count;
	/* Medians a decision; ns_trees: the model's trees alone, without looking and features. */
	double ns_rules, ns_model, ns_both, ns_trees;
};

SLUICE_MUST_USE int eval_replay(const struct eval_options *options, struct eval_rows *rows,
    const struct risk_model *model, struct eval_scores *scores);

struct eval_figures {
	double roc_auc, pr_auc, recall_at_1pct_fpr;
	uint64_t rows, positives;
};
/* NAN where there is only one class. */
void eval_figures_make(
    const float *scores, const uint8_t *labels, size_t count, struct eval_figures *figures);

/* Rows of features for training, as a NumPy file (.npy) of records. */
struct eval_export;
SLUICE_MUST_USE int eval_export_open(const char *path, size_t rows, struct eval_export **out);
SLUICE_MUST_USE int eval_export_row(
    struct eval_export *export, const struct eval_row *row, const float *features, uint32_t stride);
SLUICE_MUST_USE int eval_export_close(struct eval_export *export);

#endif
