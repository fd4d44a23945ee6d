/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include <jansson.h>

#include "control/model/model_load.h"
#include "dataplane/risk/risk_features.h"
#include "tests/test.h"

/*
 * Two trees. The first: amount_log (1) < 10 ? -1 : (hour (2) < 6 ? 2 : 0.5), missing left at the
 * root only. The second: a leaf of 0.25 alone. base_score 0.5 is a margin of 0.
 */
static json_t *model_make(void)
{
	json_t *names = json_array(), *root;

	for (unsigned i = 0; i < RISK_FEATURE_COUNT; i++)
		json_array_append_new(names, json_string(risk_feature_name((enum risk_feature)i)));
	root = json_pack("{s:{s:{s:s,s:s,s:s},s:o,s:{s:{s:{s:s},s:[{s:[iiiii],s:[iiiii],s:[iiiii],"
	                 "s:[fffff],s:[iiiii],s:[iiiii]},{s:[i],s:[i],s:[i],s:[f],s:[i],s:[i]}]},"
	                 "s:s},s:{s:s,s:s,s:s},s:{s:s}},s:[iii]}",
	    "learner", "attributes", "sluice_features_version", "2", "sluice_margin_zero", "-1.5",
	    "sluice_margin_alert", "2", "feature_names", names, "gradient_booster", "model",
	    "gbtree_model_param", "num_parallel_tree", "1", "trees", "left_children", 1, -1, 3, -1,
	    -1, "right_children", 2, -1, 4, -1, -1, "split_indices", 1, 0, 2, 0, 0,
	    "split_conditions", 10.0, -1.0, 6.0, 2.0, 0.5, "default_left", 1, 0, 0, 0, 0,
	    "split_type", 0, 0, 0, 0, 0, "left_children", -1, "right_children", -1, "split_indices",
	    0, "split_conditions", 0.25, "default_left", 0, "split_type", 0, "name", "gbtree",
	    "learner_model_param", "num_class", "0", "num_feature", "NUMBER", "base_score", "5E-1",
	    "objective", "name", "binary:logistic", "version", 1, 7, 4);
	assert_non_null(root);
	return root;
}

static json_t *at(json_t *value, const char *path)
{
	char copy[128], *rest = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *word = strtok_r(copy, "/", &rest); word != NULL;
	     word = strtok_r(NULL, "/", &rest))
		value = json_is_array(value) ? json_array_get(value, strtoul(word, NULL, 10))
		                             : json_object_get(value, word);
	return value;
}

/* Loads; takes the JSON with it. */
static int load(json_t *root, struct risk_model **model, const char **why)
{
	char number[16], *text;
	json_t *count = at(root, "learner/learner_model_param/num_feature");
	int result;

	snprintf(number, sizeof(number), "%d", RISK_FEATURE_COUNT);
	if (json_is_string(count) && strcmp(json_string_value(count), "NUMBER") == 0)
		json_string_set(count, number);
	text = json_dumps(root, JSON_ENCODE_ANY);
	assert_non_null(text);
	result = model_load(text, strlen(text), model, why);
	free(text);
	json_decref(root);
	return result;
}

TEST(a_model_scores_as_written)
{
	static const struct {
		float amount_log, hour;
		double margin;
	} cases[] = {
		{ 9.99f, 3, -1 + 0.25 },
		{ 10, 3, 2 + 0.25 },
		{ 10, 5.99f, 2 + 0.25 },
		{ 11, 6, 0.5 + 0.25 },
		{ NAN, 3, -1 + 0.25 },
		{ 11, NAN, 0.5 + 0.25 },
	};
	struct risk_model *model = NULL;
	const char *why = "none";
	float features[RISK_FEATURE_COUNT * RISK_MODEL_LANES] = { 0 };
	int32_t margins[RISK_MODEL_LANES];

	assert_int_equal(load(model_make(), &model, &why), 0);
	assert_int_equal(model->tree_count, 2);
	assert_int_equal(model->depth, 2);
	assert_int_equal(model->margin_zero, -3 * RISK_MODEL_ONE / 2);
	assert_int_equal(model->margin_alert, 2 * RISK_MODEL_ONE);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		features[RISK_FEATURE_amount_log * RISK_MODEL_LANES + i] = cases[i].amount_log;
		features[RISK_FEATURE_hour * RISK_MODEL_LANES + i] = cases[i].hour;
	}
	risk_model_score(model, features, RISK_MODEL_LANES, SLUICE_ARRAY_COUNT(cases), margins);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		assert_case_equal(i, margins[i], (int32_t)(cases[i].margin * RISK_MODEL_ONE));
	free(model);
}

TEST(base_score_is_a_probability)
{
	struct risk_model *model = NULL;
	const char *why;
	json_t *root = model_make();

	json_string_set(at(root, "learner/learner_model_param/base_score"), "2E-1");
	json_object_del(at(root, "learner/attributes"), "sluice_margin_zero");
	json_object_del(at(root, "learner/attributes"), "sluice_margin_alert");
	assert_int_equal(load(root, &model, &why), 0);
	assert_int_equal(model->base, (int32_t)lrint(log(0.25) * RISK_MODEL_ONE));
	assert_int_equal(model->margin_zero, 0);
	assert_int_equal(model->margin_alert, RISK_MODEL_ONE);
	free(model);
}

/* It has the first of this version's features and looks at no other. */
TEST(a_model_of_the_first_version_of_the_features_is_taken)
{
	struct risk_model *model = NULL;
	const char *why;

	for (unsigned beyond = 0; beyond < 2; beyond++) {
		json_t *root = model_make(), *names = at(root, "learner/feature_names");

		while (json_array_size(names) > risk_features_count(1))
			json_array_remove(names, json_array_size(names) - 1);
		json_string_set(at(root, "learner/attributes/sluice_features_version"), "1");
		json_string_set(at(root, "learner/learner_model_param/num_feature"), "71");
		if (beyond)
			json_array_set_new(at(root, "learner/gradient_booster/model/trees/0/"
			                            "split_indices"),
			    0, json_integer(71));
		assert_int_equal(load(root, &model, &why), beyond ? -EBADMSG : 0);
		if (beyond)
			continue;
		assert_int_equal(model->features_version, 1);
		assert_int_equal(model->feature_count, 71);
		free(model);
	}
}

TEST(every_rule_of_the_loader)
{
	/* `value` is JSON that replaces what is at the path; NULL takes it out. */
	static const struct {
		const char *folder, *name, *value;
	} cases[] = {
		{ "learner/attributes", "sluice_features_version", NULL },
		{ "learner/attributes", "sluice_features_version", "\"3\"" },
		{ "learner/attributes", "sluice_features_version", "\"1\"" },
		{ "learner/attributes", "sluice_features_version", "\"0\"" },
		{ "learner/attributes", "sluice_features_version", "\"1x\"" },
		{ "learner/attributes", "sluice_margin_zero", "\"2\"" },
		{ "learner/attributes", "sluice_margin_zero", "\"nan\"" },
		{ "learner/attributes", "sluice_margin_alert", "\"1e9\"" },
		{ "learner", "feature_names", "[]" },
		{ "learner", "feature_names", NULL },
		{ "learner/feature_names", "0", "\"amount_log\"" },
		{ "learner/feature_names", "3", "7" },
		{ "learner/objective", "name", "\"reg:squarederror\"" },
		{ "learner/gradient_booster", "name", "\"dart\"" },
		{ "learner/learner_model_param", "num_class", "\"3\"" },
		{ "learner/gradient_booster/model/gbtree_model_param", "num_trees", "\"1\"" },
		{ "learner/gradient_booster/model/gbtree_model_param", "num_trees", "\"3\"" },
		{ "learner/gradient_booster/model/gbtree_model_param", "num_trees", "\"2x\"" },
		{ "learner/learner_model_param", "num_feature", "\"3\"" },
		{ "learner/learner_model_param", "base_score", "\"0\"" },
		{ "learner/learner_model_param", "base_score", "\"1\"" },
		{ "learner/learner_model_param", "base_score", "\"inf\"" },
		{ "learner/learner_model_param", "base_score", "\"\"" },
		{ "learner/gradient_booster/model/gbtree_model_param", "num_parallel_tree",
		    "\"2\"" },
		{ "learner/gradient_booster/model", "trees", "[]" },
		{ "learner/gradient_booster/model", "trees", "{}" },
		{ "learner/gradient_booster/model/trees", "1", "{}" },
		{ "learner/gradient_booster/model/trees/0", "left_children", "[1,-1,3,-1]" },
		{ "learner/gradient_booster/model/trees/0/left_children", "2", "-1" },
		{ "learner/gradient_booster/model/trees/0/left_children", "2", "2" },
		{ "learner/gradient_booster/model/trees/0/left_children", "2", "0" },
		{ "learner/gradient_booster/model/trees/0/left_children", "2", "4" },
		{ "learner/gradient_booster/model/trees/0/left_children", "2", "5" },
		{ "learner/gradient_booster/model/trees/0/left_children", "2", "-2" },
		{ "learner/gradient_booster/model/trees/0/left_children", "2", "3.0" },
		{ "learner/gradient_booster/model/trees/0/split_indices", "0", "-1" },
		{ "learner/gradient_booster/model/trees/0/split_indices", "0", "1000" },
		{ "learner/gradient_booster/model/trees/0/split_type", "0", "1" },
		{ "learner/gradient_booster/model/trees/0/default_left", "0", "2" },
		{ "learner/gradient_booster/model/trees/0/split_conditions", "0", "1e39" },
		{ "learner/gradient_booster/model/trees/0/split_conditions", "0", "\"1\"" },
		{ "learner/gradient_booster/model/trees/0/split_conditions", "1", "101" },
		{ "learner/gradient_booster/model/trees/0/split_conditions", "1", "null" },
		{ "learner/gradient_booster/model/trees/1/split_conditions", "0", "99" },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct risk_model *model = NULL;
		const char *why = NULL;
		json_t *root = model_make(), *folder = at(root, cases[i].folder), *value = NULL;

		assert_non_null(folder);
		if (cases[i].value != NULL)
			value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
		if (json_is_array(folder))
			json_array_set_new(folder, strtoul(cases[i].name, NULL, 10), value);
		else if (value != NULL)
			json_object_set_new(folder, cases[i].name, value);
		else
			json_object_del(folder, cases[i].name);
		if (load(root, &model, &why) != -EBADMSG || why == NULL || model != NULL)
			fail_msg("case %zu: accepted", i);
	}
}

TEST(text_that_is_no_model)
{
	static const char *const texts[] = { "", "{", "[]", "{}", "null", "{\"learner\": 1}",
		"{\"learner\": {}, \"learner\": {}}" };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(texts); i++) {
		struct risk_model *model = NULL;
		const char *why = NULL;

		assert_int_equal(model_load(texts[i], strlen(texts[i]), &model, &why), -EBADMSG);
		assert_non_null(why);
	}
}

/* Seven levels: one too many. Six: as many as there may be. */
TEST(depth_is_limited)
{
	for (int depth = 6; depth <= 7; depth++) {
		json_t *root = model_make(),
		       *tree = at(root, "learner/gradient_booster/model/trees/0");
		static const char *const arrays[] = { "left_children", "right_children",
			"split_indices", "split_conditions", "default_left", "split_type" };
		struct risk_model *model = NULL;
		const char *why = NULL;

		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(arrays); i++)
			json_object_set_new(tree, arrays[i], json_array());
		/* A chain: node 2k has leaf 2k + 1 at its left and goes on at 2k + 2. */
		for (int node = 0; node <= 2 * depth; node++) {
			int inner = node % 2 == 0 && node < 2 * depth;

			json_array_append_new(
			    at(tree, "left_children"), json_integer(inner ? node + 1 : -1));
			json_array_append_new(
			    at(tree, "right_children"), json_integer(inner ? node + 2 : -1));
			json_array_append_new(at(tree, "split_indices"), json_integer(0));
			json_array_append_new(at(tree, "split_conditions"), json_real(node));
			json_array_append_new(at(tree, "default_left"), json_integer(0));
			json_array_append_new(at(tree, "split_type"), json_integer(0));
		}
		assert_int_equal(load(root, &model, &why), depth == 6 ? 0 : -EBADMSG);
		free(model);
	}
}

TEST_MAIN()
