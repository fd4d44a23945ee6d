/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/risk-eval/eval.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "control/model/model_load.h"
#include "dataplane/risk/risk_model_file.h"

static void usage(FILE *out)
{
	fputs(
	    "Usage: risk-eval --format card|paysim|amlsim FILE [options]\n"
	    "\n"
	    "Replays labelled transactions through the switch's own risk code, in order of time, "
	    "and\n"
	    "says how well rules, a model and both tell fraud from the rest. FILE is CSV, plain "
	    "or\n"
	    ".zst.\n"
	    "\n"
	    "  --format F            card, paysim or amlsim (see the manual page)\n"
	    "  --model FILE          a model of tools/risk-train (XGBoost JSON)\n"
	    "  --label-delay-days N  labels come back as feedback N days late (7); none: never\n"
	    "  --history FILE        transactions before FILE, replayed first and not judged\n"
	    "  --from-day N          judge from day N of the first row's day on (0)\n"
	    "  --first-day N         leave out rows before day N, as if the switch began then (0)\n"
	    "  --export FILE         features and labels of the rows judged, as NumPy records\n"
	    "  --scores FILE         the model's probabilities of the rows judged, as text\n"
	    "  --flatten FILE        write the model as the switch reads it, and do no more: no "
	    "--format,\n"
	    "                        no FILE; put it at ROOT/var/lib/sluice/models/NUMBER\n"
	    "  --number N            the model's number, by which rules name it\n"
	    "  --json                one JSON object on standard output\n"
	    "  --help, --version\n"
	    "\n"
	    "Exit status: 0 done, 1 refused (file or model not understood), 2 usage, 3 file "
	    "missing.\n",
	    out);
}

static int format_of(const char *text, enum eval_format *format)
{
	for (unsigned i = 0; i < EVAL_FORMATS; i++)
		if (strcmp(text, eval_format_names[i]) == 0) {
			*format = (enum eval_format)i;
			return 0;
		}
	fprintf(stderr, "--format: give card, paysim or amlsim.\n");
	return EXIT_USAGE;
}

static int number_of(const char *option, const char *text, uint64_t maximum, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && errno == 0 && *end == '\0' && *value <= maximum)
		return 0;
	fprintf(stderr, "%s: give a number from 0 to %llu.\n", option, (unsigned long long)maximum);
	return EXIT_USAGE;
}

static int delay_of(const char *text, uint32_t *days)
{
	uint64_t value;
	int result;

	if (strcmp(text, "none") == 0) {
		*days = EVAL_LABELS_NEVER;
		return 0;
	}
	result = number_of("--label-delay-days", text, 3650, &value);
	*days = (uint32_t)value;
	return result;
}

enum { OPTION_HELP = 256, OPTION_VERSION };

static const struct option long_options[] = {
	{ "format", required_argument, NULL, 'f' },
	{ "model", required_argument, NULL, 'm' },
	{ "label-delay-days", required_argument, NULL, 'd' },
	{ "history", required_argument, NULL, 'i' },
	{ "from-day", required_argument, NULL, 'n' },
	{ "first-day", required_argument, NULL, 'b' },
	{ "export", required_argument, NULL, 'e' },
	{ "scores", required_argument, NULL, 's' },
	{ "flatten", required_argument, NULL, 'F' },
	{ "number", required_argument, NULL, 'N' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* Options that are a path. */
static bool path_take(int option, struct eval_options *options)
{
	const char **path = option == 'm'   ? &options->model_path
	                    : option == 'i' ? &options->history_path
	                    : option == 'e' ? &options->export_path
	                    : option == 's' ? &options->scores_path
	                    : option == 'F' ? &options->flatten_path
	                                    : NULL;

	if (path == NULL)
		return false;
	*path = optarg;
	return true;
}

/* What must be there, and what not. */
static int options_check(const struct eval_options *options, bool have_format, int files)
{
	if (options->flatten_path != NULL) {
		if (options->model_path != NULL && options->number != 0 && files == 0)
			return EXIT_DONE;
		fprintf(stderr, "--flatten: give --model and --number, and no file to replay.\n");
		return EXIT_USAGE;
	}
	if (have_format && files == 1)
		return EXIT_DONE;
	fprintf(stderr, "Give --format and one file. Say `risk-eval --help`.\n");
	return EXIT_USAGE;
}

/* EXIT_DONE with *done set when help or version was asked for. */
static int options_parse(int argc, char **argv, struct eval_options *options, bool *done)
{
	int option, result = 0;
	bool have_format = false;

	while (result == 0 && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (path_take(option, options))
			continue;
		switch (option) {
		case 'f':
			result = format_of(optarg, &options->format);
			have_format = true;
			break;
		case 'd':
			result = delay_of(optarg, &options->label_delay_days);
			break;
		case 'n':
			result = number_of("--from-day", optarg, 36500, &options->from_day);
			break;
		case 'b':
			result = number_of("--first-day", optarg, 36500, &options->first_day);
			break;
		case 'N':
			result = number_of("--number", optarg, UINT32_MAX, &options->number);
			break;
		case 'j':
			options->json = true;
			break;
		case OPTION_HELP:
			usage(stdout);
			*done = true;
			return EXIT_DONE;
		case OPTION_VERSION:
			printf("risk-eval %s\n", SLUICE_VERSION);
			*done = true;
			return EXIT_DONE;
		default:
			fprintf(stderr, "Say `risk-eval --help` for the options.\n");
			return EXIT_USAGE;
		}
	}
	if (result == 0)
		result = options_check(options, have_format, argc - optind);
	options->path = argv[optind];
	return result;
}

static int model_read(const char *path, struct risk_model **model)
{
	char *text;
	const char *why;
	size_t size;
	int result = eval_file_read(path, &text, &size);

	if (result != 0) {
		fprintf(stderr, "%s: cannot be read: %s.\n", path, strerror(-result));
		return EXIT_MISSING;
	}
	result = model_load(text, size, model, &why);
	free(text);
	if (result == 0)
		return EXIT_DONE;
	fprintf(stderr, "%s: %s. Train it again with tools/risk-train.\n", path, why);
	return EXIT_REFUSED;
}

/* JSON has no number that is none. */
static void figure_print(const char *name, double value, const char *behind)
{
	if (isnan(value))
		printf("\"%s\": null%s", name, behind);
	else
		printf("\"%s\": %.6f%s", name, value, behind);
}

static void part_print(const char *name, const float *values, const struct eval_scores *scores,
    double ns, bool json, const char *behind)
{
	struct eval_figures figures;

	eval_figures_make(values, scores->labels, scores->count, &figures);
	if (!json) {
		printf("%-6s  roc_auc %.4f  pr_auc %.4f  recall at 1 %% fpr %.4f  %4.0f ns\n", name,
		    figures.roc_auc, figures.pr_auc, figures.recall_at_1pct_fpr, ns);
		return;
	}
	printf("\"%s\": {", name);
	figure_print("roc_auc", figures.roc_auc, ", ");
	figure_print("pr_auc", figures.pr_auc, ", ");
	figure_print("recall_at_1pct_fpr", figures.recall_at_1pct_fpr, ", ");
	printf("\"rows\": %llu, \"ns_per_decision\": %.0f}%s", (unsigned long long)figures.rows, ns,
	    behind);
}

static void figures_print(const struct eval_options *options, const struct eval_scores *scores)
{
	bool model = options->model_path != NULL;
	uint64_t positives = 0;

	for (size_t i = 0; i < scores->count; i++)
		positives += scores->labels[i];
	if (options->json)
		printf("{\"schema\": \"sluice-risk-eval/1\", \"format\": \"%s\", \"rows\": %zu, "
		       "\"positives\": %llu, ",
		    eval_format_names[options->format], scores->count,
		    (unsigned long long)positives);
	else
		printf("%zu rows, %llu positive\n", scores->count, (unsigned long long)positives);
	part_print("rules", scores->rules, scores, scores->ns_rules, options->json,
	    model ? ", " : ", \"model\": null, \"both\": null, ");
	if (model) {
		part_print("model", scores->model, scores, scores->ns_model, options->json, ", ");
		part_print("both", scores->both, scores, scores->ns_both, options->json, ", ");
	}
	if (options->json)
		printf("\"ns_trees\": %.0f}\n", model ? scores->ns_trees : 0);
	else if (model)
		printf("the trees alone: %.0f ns\n", scores->ns_trees);
}

static int scores_write(const char *path, const struct eval_scores *scores)
{
	FILE *file = fopen(path, "w");
	int failed;

	if (file == NULL) {
		fprintf(stderr, "%s: cannot be written: %s.\n", path, strerror(errno));
		return EXIT_MISSING;
	}
	for (size_t i = 0; i < scores->count; i++)
		fprintf(file, "%.9g\n", 1 / (1 + exp(-(double)scores->model[i])));
	failed = ferror(file);
	if (fclose(file) == 0 && !failed)
		return EXIT_DONE;
	fprintf(stderr, "%s: could not be written wholly. Is the disk full?\n", path);
	return EXIT_REFUSED;
}

/* The model as a file of the switch's. */
static int flatten(const struct eval_options *options)
{
	struct risk_model *model;
	uint8_t *bytes;
	size_t size;
	FILE *file;
	int result = model_read(options->model_path, &model);

	if (result != EXIT_DONE)
		return result;
	size = risk_model_file_size(model->tree_count, model->depth);
	bytes = malloc(size);
	if (bytes != NULL)
		risk_model_file_make(model, (uint32_t)options->number, bytes);
	file = bytes == NULL ? NULL : fopen(options->flatten_path, "we");
	if (file == NULL || fwrite(bytes, 1, size, file) != size)
		result = EXIT_REFUSED;
	if (file != NULL && fclose(file) != 0)
		result = EXIT_REFUSED;
	if (result != EXIT_DONE)
		fprintf(
		    stderr, "%s: cannot be written: %s.\n", options->flatten_path, strerror(errno));
	else
		printf("model %llu: %u trees of depth %u, %zu bytes\n",
		    (unsigned long long)options->number, model->tree_count, model->depth, size);
	free(bytes);
	free(model);
	return result;
}

static int run(struct eval_options *options)
{
	struct eval_rows rows = { 0 };
	struct eval_scores scores = { 0 };
	struct risk_model *model = NULL;
	int result = EXIT_DONE;

	if (options->flatten_path != NULL)
		return flatten(options);
	if (options->model_path != NULL)
		result = model_read(options->model_path, &model);
	if (result == EXIT_DONE && options->history_path != NULL)
		result = eval_read(options->history_path, options->format, &rows);
	options->history_rows = rows.count;
	if (result == EXIT_DONE)
		result = eval_read(options->path, options->format, &rows);
	if (result == EXIT_DONE)
		result = eval_rows_begin(&rows, options->first_day);
	if (result == EXIT_DONE) {
		int replayed = eval_replay(options, &rows, model, &scores);

		if (replayed != 0) {
			fprintf(stderr, "The replay failed: %s.\n", strerror(-replayed));
			result = EXIT_REFUSED;
		}
	}
	if (result == EXIT_DONE && options->scores_path != NULL && model != NULL)
		result = scores_write(options->scores_path, &scores);
	if (result == EXIT_DONE)
		figures_print(options, &scores);
	free(rows.rows);
	free(model);
	free(scores.rules);
	free(scores.model);
	free(scores.both);
	free(scores.labels);
	return result;
}

int main(int argc, char **argv)
{
	struct eval_options options = { .label_delay_days = 7 };
	bool done = false;
	int result = options_parse(argc, argv, &options, &done);

	if (result != EXIT_DONE || done)
		return result;
	return run(&options);
}
