/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"
#include "tools/risk-eval/eval.h"

#define CARD "tx_id,t_seconds,customer_id,terminal_id,amount,is_fraud,fraud_scenario"
#define PAYSIM                                                                                     \
	"step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,"          \
	"newbalanceDest,isFraud,isFlaggedFraud"
#define AMLSIM  "tx_id,source_account,target_account,amount,step,pattern_tx"
#define START_S 1522540800ull

static const char *parse(
    enum eval_format format, const char *header, const char *line, struct eval_row *row)
{
	char head[256], text[512];
	struct eval_columns columns = { 0 };

	snprintf(head, sizeof(head), "%s", header);
	snprintf(text, sizeof(text), "%s", line);
	assert_null(eval_header_parse(head, format, &columns));
	return eval_line_parse(text, format, &columns, row);
}

TEST(card)
{
	struct eval_row row;

	assert_null(parse(EVAL_CARD, CARD, "0,31,596,3156,57.16,1,2", &row));
	assert_true(row.transaction.time_ns == (START_S + 31) * 1000000000);
	assert_int_equal(row.account_id, 596);
	assert_int_equal(row.transaction.terminal_id, 3156);
	assert_int_equal(row.transaction.amount, 5716);
	assert_int_equal(row.label, 1);
	assert_int_equal(row.credits, 0);
	assert_int_equal(row.transaction.has_balances, 0);
	/* Columns by name: another order, without what is not needed. */
	assert_null(parse(
	    EVAL_CARD, "is_fraud,amount,terminal_id,customer_id,t_seconds", "0,1,2,3,4", &row));
	assert_int_equal(row.account_id, 3);
	assert_int_equal(row.transaction.amount, 100);
}

TEST(paysim)
{
	struct eval_row row;

	assert_null(parse(EVAL_PAYSIM, PAYSIM,
	    "2,TRANSFER,181.00,C1305486145,181.0,0.0,C553264065,20.5,0.0,1,0", &row));
	assert_true(row.transaction.time_ns == (START_S + 7200) * 1000000000);
	assert_int_equal(row.transaction.kind, RISK_KIND_TRANSFER);
	assert_int_equal(row.transaction.balance_before, 18100);
	assert_int_equal(row.transaction.other_before, 2050);
	assert_int_equal(row.transaction.has_balances_other, 1);
	assert_int_equal(row.credits, 1);
	assert_int_equal(row.label, 1);
	assert_null(parse(EVAL_PAYSIM, PAYSIM,
	    "1,PAYMENT,9006.78,C1016633682,0.0,0.0,M2018220300,0.0,0.0,0,0", &row));
	assert_int_equal(row.transaction.has_balances_other, 0);
	assert_int_equal(row.credits, 0);
	assert_null(parse(EVAL_PAYSIM, PAYSIM,
	    "1,CASH_IN,1.5,C1016633682,0.0,1.5,C2018220300,9.0,7.5,0.0,0", &row));
	assert_int_equal(row.transaction.kind, RISK_KIND_DEPOSIT);
	assert_int_equal(row.credits, 0);
	/* The same number with another letter is another name. */
	assert_true(row.account_id != (row.account_id ^ (uint64_t)('C' ^ 'M') << 56));
}

TEST(amlsim_does_not_see_amounts)
{
	struct eval_row row, other;

	assert_null(parse(EVAL_AMLSIM, AMLSIM, "0,216,14730,163.3,1,0", &row));
	assert_null(parse(EVAL_AMLSIM, AMLSIM, "0,216,14730,3.23,1,1", &other));
	assert_memory_equal(&row.transaction, &other.transaction, sizeof(row.transaction));
	assert_int_equal(row.transaction.amount, 0);
	assert_int_equal(row.credits, 1);
	assert_int_equal(other.label, 1);
}

TEST(amounts)
{
	static const struct {
		const char *text;
		int64_t amount; /* -1: refused */
	} cases[] = {
		{ "0", 0 },
		{ "0.0", 0 },
		{ "1.", 100 },
		{ "1.5", 150 },
		{ "1.05", 105 },
		{ "1.054", 105 },
		{ "1.055", 106 },
		{ "181.00000000000003", 18100 },
		{ "999999999999.99", 99999999999999 },
		{ "1000000000001", -1 },
		{ "99999999999999999999", -1 },
		{ "", -1 },
		{ ".5", -1 },
		{ "-1", -1 },
		{ "1e5", -1 },
		{ "1.5x", -1 },
		{ " 1", -1 },
		{ "nan", -1 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		char line[128];
		struct eval_row row;
		const char *wrong;

		snprintf(line, sizeof(line), "0,31,596,3156,%s,1,2", cases[i].text);
		wrong = parse(EVAL_CARD, CARD, line, &row);
		if (cases[i].amount < 0)
			assert_string_equal(wrong, "amount");
		else
			assert_case_equal(
			    i, wrong == NULL ? row.transaction.amount : -2, cases[i].amount);
	}
}

TEST(bad_lines_name_the_column)
{
	static const struct {
		enum eval_format format;
		const char *header, *line, *wrong;
	} cases[] = {
		{ EVAL_CARD, CARD, "", "number of columns" },
		{ EVAL_CARD, CARD, "0,31,596,3156,57.16,1", "number of columns" },
		{ EVAL_CARD, CARD, "0,31,596,3156,57.16,1,2,3", "number of columns" },
		{ EVAL_CARD, CARD, "0,x,596,3156,57.16,1,2", "t_seconds" },
		{ EVAL_CARD, CARD, "0,99999999999,596,3156,57.16,1,2", "t_seconds" },
		{ EVAL_CARD, CARD, "0,31,-5,3156,57.16,1,2", "customer_id" },
		{ EVAL_CARD, CARD, "0,31,5,18446744073709551616,57.16,1,2", "terminal_id" },
		{ EVAL_CARD, CARD, "0,31,596,3156,57.16,2,2", "is_fraud" },
		{ EVAL_CARD, CARD, "0,31,596,3156,57.16,,2", "is_fraud" },
		{ EVAL_PAYSIM, PAYSIM, "1,CASH,1,C1,0,0,C2,0,0,0,0", "type" },
		{ EVAL_PAYSIM, PAYSIM, "1,CASH_IN,1,1,0,0,C2,0,0,0,0", "nameOrig" },
		{ EVAL_PAYSIM, PAYSIM, "1,CASH_IN,1,C1,0,0,C,0,0,0,0", "nameDest" },
		{ EVAL_PAYSIM, PAYSIM, "1,CASH_IN,1,C1,0,,C2,0,0,0,0",
		    "oldbalanceOrg or newbalanceOrig" },
		{ EVAL_AMLSIM, AMLSIM, "0,216,14730,163.3,1.5,0", "step" },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct eval_row row;
		const char *wrong = parse(cases[i].format, cases[i].header, cases[i].line, &row);

		if (wrong == NULL || strcmp(wrong, cases[i].wrong) != 0)
			fail_msg("case %zu: %s", i, wrong != NULL ? wrong : "accepted");
	}
}

TEST(header_without_a_column)
{
	char head[] = "t_seconds,customer_id,terminal_id,is_fraud", many[200];
	struct eval_columns columns;

	assert_string_equal(eval_header_parse(head, EVAL_CARD, &columns), "amount");
	memset(many, ',', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_non_null(eval_header_parse(many, EVAL_CARD, &columns));
}

TEST(files_come_in_order_of_time)
{
	static const char text[] = CARD "\r\n2,300,1,1,1,0,0\r\n\n";
	static const char good[] = CARD "\n2,300,1,1,1,0,0\n0,100,2,1,1,0,0\n1,100,3,1,1,1,0";
	char name[] = "/tmp/test-risk-eval-XXXXXX";
	struct eval_rows rows = { 0 };
	int file = mkstemp(name);
	FILE *stream = fdopen(file, "w");

	fputs(good, stream);
	fclose(stream);
	assert_int_equal(eval_read(name, EVAL_CARD, &rows), EXIT_DONE);
	assert_int_equal(rows.count, 3);
	assert_int_equal(rows.rows[0].account_id, 2);
	assert_int_equal(rows.rows[1].account_id, 3);
	assert_int_equal(rows.rows[2].account_id, 1);
	assert_int_equal(eval_rows_begin(&rows, 0), EXIT_DONE);
	assert_int_equal(rows.count, 3);
	assert_int_equal(eval_rows_begin(&rows, 1), EXIT_REFUSED);
	stream = fopen(name, "w");
	fputs(text, stream);
	fclose(stream);
	assert_int_equal(eval_read(name, EVAL_CARD, &rows), EXIT_REFUSED); /* an empty line */
	stream = fopen(name, "w");
	fputs(CARD "\n", stream);
	fclose(stream);
	rows.count = 0;
	assert_int_equal(eval_read(name, EVAL_CARD, &rows), EXIT_REFUSED);
	remove(name);
	assert_int_equal(eval_read(name, EVAL_CARD, &rows), EXIT_MISSING);
	free(rows.rows);
}

TEST_MAIN()
