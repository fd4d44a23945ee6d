/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the three public formats as transactions. Columns are found by their names, so further
 * ones and another order do no harm; labels never get into what is scored.
 */
#include "tools/risk-eval/eval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NANOSECONDS  1000000000ull
#define DAY_NS       (86400 * NANOSECONDS)
#define CARD_START_S 1522540800ull /* 2018-04-01 00:00:00 UTC */
#define FIELDS_MAX   8
#define COLUMNS_MAX  64
#define AMOUNT_MAX   1000000000000ll
#define STEPS_MAX    100000000ull

const char *const eval_format_names[EVAL_FORMATS] = { "card", "paysim", "amlsim" };

enum { CARD_TIME, CARD_ACCOUNT, CARD_TERMINAL, CARD_AMOUNT, CARD_LABEL };
enum { PAY_STEP, PAY_TYPE, PAY_AMOUNT, PAY_ACCOUNT, PAY_BEFORE, PAY_AFTER, PAY_OTHER, PAY_LABEL };
enum { AML_SOURCE, AML_TARGET, AML_STEP, AML_LABEL };

static const char *const field_names[EVAL_FORMATS][FIELDS_MAX + 2] = {
	{ "t_seconds", "customer_id", "terminal_id", "amount", "is_fraud" },
	{ "step", "type", "amount", "nameOrig", "oldbalanceOrg", "newbalanceOrig", "nameDest",
	    "isFraud", "oldbalanceDest", "newbalanceDest" },
	{ "source_account", "target_account", "step", "pattern_tx" },
};
#define PAY_OTHER_BEFORE 8
#define PAY_OTHER_AFTER  9

/* Cuts a line at its commas; the number of fields, or 0 when there are too many. */
static unsigned line_cut(char *line, char *fields[COLUMNS_MAX])
{
	unsigned count = 0;

	for (char *at = line; at != NULL;) {
		if (count == COLUMNS_MAX)
			return 0;
		fields[count++] = at;
		at = strchr(at, ',');
		if (at != NULL)
			*at++ = '\0';
	}
	return count;
}

const char *eval_header_parse(char *line, enum eval_format format, struct eval_columns *columns)
{
	char *fields[COLUMNS_MAX];
	unsigned count = line_cut(line, fields);

	if (count == 0)
		return "more than 64 columns";
	columns->count = (uint8_t)count;
	for (unsigned i = 0; i < FIELDS_MAX + 2 && field_names[format][i] != NULL; i++) {
		unsigned column = 0;

		while (column < count && strcmp(fields[column], field_names[format][i]) != 0)
			column++;
		if (column == count)
			return field_names[format][i];
		columns->place[i] = (uint8_t)column;
	}
	return NULL;
}

static bool number_parse(const char *text, uint64_t maximum, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && errno == 0 && *end == '\0' && *value <= maximum;
}

/* A decimal number in hundredths; further digits round. */
static bool amount_parse(const char *text, int64_t *value)
{
	int64_t whole = 0, hundredths = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9' && whole <= AMOUNT_MAX; at++)
		whole = whole * 10 + (*at - '0');
	if (at == text || whole > AMOUNT_MAX)
		return false;
	if (*at == '.') {
		const char *point = at++;

		for (; *at >= '0' && *at <= '9'; at++) {
			if (at - point <= 2)
				hundredths += (*at - '0') * (at - point == 1 ? 10 : 1);
			else if (at - point == 3 && *at >= '5')
				hundredths++;
		}
	}
	*value = whole * 100 + hundredths;
	return *at == '\0';
}

/* A letter and a number: C1016633682. */
static bool name_parse(const char *text, uint64_t *id)
{
	if (text[0] < 'A' || text[0] > 'Z' || !number_parse(text + 1, (1ull << 56) - 1, id))
		return false;
	*id |= (uint64_t)text[0] << 56;
	return true;
}

static bool label_parse(const char *text, uint8_t *label)
{
	*label = text[0] == '1';
	return (text[0] == '0' || text[0] == '1') &&
	       (text[1] == '\0' || strcmp(text + 1, ".0") == 0);
}

static const char *card_parse(char **fields, const uint8_t *place, struct eval_row *row)
{
	struct risk_transaction *transaction = &row->transaction;
	uint64_t seconds;

	if (!number_parse(fields[place[CARD_TIME]], STEPS_MAX * 10, &seconds))
		return "t_seconds";
	if (!number_parse(fields[place[CARD_ACCOUNT]], UINT64_MAX, &row->account_id))
		return "customer_id";
	if (!number_parse(fields[place[CARD_TERMINAL]], UINT64_MAX, &transaction->terminal_id))
		return "terminal_id";
	if (!amount_parse(fields[place[CARD_AMOUNT]], &transaction->amount))
		return "amount";
	if (!label_parse(fields[place[CARD_LABEL]], &row->label))
		return "is_fraud";
	transaction->time_ns = (CARD_START_S + seconds) * NANOSECONDS;
	transaction->kind = RISK_KIND_PAYMENT;
	return NULL;
}

static bool kind_parse(const char *text, uint8_t *kind)
{
	static const struct {
		const char *name;
		uint8_t kind;
	} kinds[] = {
		{ "PAYMENT", RISK_KIND_PAYMENT },
		{ "TRANSFER", RISK_KIND_TRANSFER },
		{ "CASH_OUT", RISK_KIND_WITHDRAWAL },
		{ "DEBIT", RISK_KIND_DEBIT },
		{ "CASH_IN", RISK_KIND_DEPOSIT },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(kinds); i++)
		if (strcmp(text, kinds[i].name) == 0) {
			*kind = kinds[i].kind;
			return true;
		}
	return false;
}

static const char *paysim_parse(char **fields, const uint8_t *place, struct eval_row *row)
{
	struct risk_transaction *transaction = &row->transaction;
	uint64_t step;

	if (!number_parse(fields[place[PAY_STEP]], STEPS_MAX, &step))
		return "step";
	if (!kind_parse(fields[place[PAY_TYPE]], &transaction->kind))
		return "type";
	if (!amount_parse(fields[place[PAY_AMOUNT]], &transaction->amount))
		return "amount";
	if (!name_parse(fields[place[PAY_ACCOUNT]], &row->account_id))
		return "nameOrig";
	if (!name_parse(fields[place[PAY_OTHER]], &transaction->terminal_id))
		return "nameDest";
	if (!amount_parse(fields[place[PAY_BEFORE]], &transaction->balance_before) ||
	    !amount_parse(fields[place[PAY_AFTER]], &transaction->balance_after))
		return "oldbalanceOrg or newbalanceOrig";
	if (!amount_parse(fields[place[PAY_OTHER_BEFORE]], &transaction->other_before) ||
	    !amount_parse(fields[place[PAY_OTHER_AFTER]], &transaction->other_after))
		return "oldbalanceDest or newbalanceDest";
	if (!label_parse(fields[place[PAY_LABEL]], &row->label))
		return "isFraud";
	transaction->time_ns = (CARD_START_S + step * 3600) * NANOSECONDS;
	transaction->has_balances = 1;
	/* Balances of merchants (M...) are not in the file. */
	transaction->has_balances_other = fields[place[PAY_OTHER]][0] == 'C';
	row->credits = transaction->has_balances_other && transaction->kind != RISK_KIND_DEPOSIT;
	return NULL;
}

/* Without the amount: it gives the label of this set away. A step is a day. */
static const char *amlsim_parse(char **fields, const uint8_t *place, struct eval_row *row)
{
	struct risk_transaction *transaction = &row->transaction;
	uint64_t step;

	if (!number_parse(fields[place[AML_SOURCE]], UINT64_MAX, &row->account_id))
		return "source_account";
	if (!number_parse(fields[place[AML_TARGET]], UINT64_MAX, &transaction->terminal_id))
		return "target_account";
	if (!number_parse(fields[place[AML_STEP]], STEPS_MAX / 24, &step))
		return "step";
	if (!label_parse(fields[place[AML_LABEL]], &row->label))
		return "pattern_tx";
	transaction->time_ns = (CARD_START_S + step * 86400) * NANOSECONDS;
	transaction->amount = 0;
	transaction->kind = RISK_KIND_TRANSFER;
	row->credits = 1;
	return NULL;
}

const char *eval_line_parse(
    char *line, enum eval_format format, const struct eval_columns *columns, struct eval_row *row)
{
	static const char *(*const parsers[EVAL_FORMATS])(char **, const uint8_t *,
	    struct eval_row *) = { card_parse, paysim_parse, amlsim_parse };
	char *fields[COLUMNS_MAX];

	*row = (struct eval_row){ .transaction.keeps_moved = 1 };
	if (line_cut(line, fields) != columns->count)
		return "number of columns";
	return parsers[format](fields, columns->place, row);
}

static int by_time(const void *left, const void *right)
{
	const struct eval_row *a = left, *b = right;

	if (a->transaction.time_ns != b->transaction.time_ns)
		return a->transaction.time_ns < b->transaction.time_ns ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

static int rows_add(struct eval_rows *rows, const struct eval_row *row)
{
	if (rows->count == rows->size) {
		size_t size = rows->size != 0 ? rows->size * 2 : 65536;
		struct eval_row *larger = realloc(rows->rows, size * sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		rows->rows = larger;
		rows->size = size;
	}
	rows->rows[rows->count] = *row;
	rows->rows[rows->count].place = rows->count;
	rows->count++;
	return 0;
}

static int text_parse(const char *path, char *text, enum eval_format format, struct eval_rows *rows)
{
	struct eval_columns columns = { 0 };
	struct eval_row row;
	size_t number = 0;

	for (char *line = text, *next; line != NULL && *line != '\0'; line = next) {
		const char *wrong;
		size_t length = strcspn(line, "\n");

		next = line[length] == '\n' ? line + length + 1 : NULL;
		line[length] = '\0';
		if (length != 0 && line[length - 1] == '\r')
			line[length - 1] = '\0';
		number++;
		if (number == 1) {
			wrong = eval_header_parse(line, format, &columns);
			if (wrong != NULL) {
				fprintf(stderr, "%s: no column %s. Give a file of format %s.\n",
				    path, wrong, eval_format_names[format]);
				return EXIT_REFUSED;
			}
			continue;
		}
		wrong = eval_line_parse(line, format, &columns, &row);
		if (wrong != NULL) {
			fprintf(stderr, "%s: line %zu, %s: not understood. Correct the file.\n",
			    path, number, wrong);
			return EXIT_REFUSED;
		}
		if (rows_add(rows, &row) != 0) {
			fprintf(stderr, "%s: not enough memory for its rows.\n", path);
			return EXIT_REFUSED;
		}
	}
	return EXIT_DONE;
}

int eval_read(const char *path, enum eval_format format, struct eval_rows *rows)
{
	char *text;
	size_t size, first = rows->count;
	int result = eval_file_read(path, &text, &size);

	if (result != 0) {
		fprintf(stderr, "%s: cannot be read: %s.\n", path,
		    result == -EBADMSG ? "damaged or cut zstd data" : strerror(-result));
		return EXIT_MISSING;
	}
	result = text_parse(path, text, format, rows);
	free(text);
	if (result == EXIT_DONE && rows->count == first) {
		fprintf(stderr, "%s: no rows.\n", path);
		return EXIT_REFUSED;
	}
	for (size_t i = first + 1; result == EXIT_DONE && i < rows->count; i++)
		if (rows->rows[i].transaction.time_ns < rows->rows[i - 1].transaction.time_ns) {
			qsort(rows->rows + first, rows->count - first, sizeof(rows->rows[0]),
			    by_time);
			break;
		}
	return result;
}

int eval_rows_begin(struct eval_rows *rows, uint64_t day)
{
	uint64_t begin = (rows->rows[0].transaction.time_ns / DAY_NS + day) * DAY_NS;
	size_t first = 0;

	while (first < rows->count && rows->rows[first].transaction.time_ns < begin)
		first++;
	if (first == rows->count) {
		fprintf(stderr, "--first-day: no rows are left.\n");
		return EXIT_REFUSED;
	}
	memmove(rows->rows, rows->rows + first, (rows->count - first) * sizeof(rows->rows[0]));
	rows->count -= first;
	return EXIT_DONE;
}
