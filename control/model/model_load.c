/* SPDX-License-Identifier: Apache-2.0 */
#include "control/model/model_load.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/risk/risk_features.h"

#define TREE_NODES_MAX  4096
#define MARGIN_SUM_MAX  100.0 /* of all trees: the sum stays inside of 32 bits */
#define POINTS_SPAN_MAX 100.0

/* The arrays of one tree as the file has them. */
struct tree_source {
	const json_t *left, *right, *feature, *threshold, *missing_left, *split_type;
	size_t count;
};

struct loader {
	struct risk_model *model;
	const json_t *trees;
	const char *why;
	uint32_t features_version;
	unsigned features; /* of that version */
	double margin_sum; /* of the largest leaf of every tree */
};

static bool fail(struct loader *loader, const char *why)
{
	loader->why = why;
	return false;
}

static const json_t *path_get(const json_t *object, const char *const *names)
{
	for (; *names != NULL; names++)
		object = json_object_get(object, *names);
	return object;
}
#define PATH(object, ...) path_get(object, (const char *const[]){ __VA_ARGS__, NULL })

static bool text_is(const json_t *value, const char *expected)
{
	return json_is_string(value) && strcmp(json_string_value(value), expected) == 0;
}

/* A finite number; XGBoost writes its parameters as strings. */
static bool number_of(const json_t *value, double *out)
{
	const char *text = json_string_value(value);
	char *end;

	if (json_is_number(value)) {
		*out = json_number_value(value);
		return isfinite(*out);
	}
	if (text == NULL || text[0] == '\0')
		return false;
	*out = strtod(text, &end);
	return *end == '\0' && isfinite(*out);
}

/* Item i of an array as a whole number from minimum to maximum. */
static bool item_int(const json_t *array, size_t i, int64_t minimum, int64_t maximum, int64_t *out)
{
	const json_t *item = json_array_get(array, i);

	if (json_is_boolean(item))
		*out = json_is_true(item);
	else if (json_is_integer(item))
		*out = json_integer_value(item);
	else
		return false;
	return *out >= minimum && *out <= maximum;
}

static bool item_float(const json_t *array, size_t i, float *out)
{
	double value;

	if (!json_is_number(json_array_get(array, i)) ||
	    !number_of(json_array_get(array, i), &value) || fabs(value) > 3.4e38)
		return false;
	*out = (float)value;
	return true;
}

static bool features_check(struct loader *loader, const json_t *learner)
{
	const json_t *names = json_object_get(learner, "feature_names");
	double version;

	if (!number_of(PATH(learner, "attributes", "sluice_features_version"), &version) ||
	    (version != 1 && version != RISK_FEATURES_VERSION))
		return fail(loader, "the model is for another version of the features");
	loader->features_version = (uint32_t)version;
	loader->features = risk_features_count(loader->features_version);
	if (json_array_size(names) != loader->features)
		return fail(loader, "the model has another number of features");
	for (unsigned i = 0; i < loader->features; i++)
		if (!text_is(json_array_get(names, i), risk_feature_name((enum risk_feature)i)))
			return fail(
			    loader, "the model's features have other names or another order");
	return true;
}

static bool kind_check(struct loader *loader, const json_t *learner)
{
	double classes, features, parallel;

	if (!text_is(PATH(learner, "objective", "name"), "binary:logistic"))
		return fail(loader, "the objective is not binary:logistic");
	if (!text_is(PATH(learner, "gradient_booster", "name"), "gbtree"))
		return fail(loader, "the booster is not gbtree");
	if (!number_of(PATH(learner, "learner_model_param", "num_class"), &classes) || classes != 0)
		return fail(loader, "the model has classes");
	if (!number_of(PATH(learner, "learner_model_param", "num_feature"), &features) ||
	    features != loader->features)
		return fail(loader, "the model has another number of features");
	if (!number_of(PATH(learner, "gradient_booster", "model", "gbtree_model_param",
	                   "num_parallel_tree"),
	        &parallel) ||
	    parallel != 1)
		return fail(loader, "the model has parallel trees");
	return true;
}

/* A file that lost trees on its way would score as another model. */
static bool count_check(struct loader *loader, const json_t *learner)
{
	const json_t *stated =
	    PATH(learner, "gradient_booster", "model", "gbtree_model_param", "num_trees");
	double count;

	if (stated != NULL &&
	    (!number_of(stated, &count) || count != (double)json_array_size(loader->trees)))
		return fail(
		    loader, "the model has another number of trees than it says (num_trees)");
	return true;
}

static bool tree_source_make(const json_t *tree, struct tree_source *source)
{
	source->left = json_object_get(tree, "left_children");
	source->right = json_object_get(tree, "right_children");
	source->feature = json_object_get(tree, "split_indices");
	source->threshold = json_object_get(tree, "split_conditions");
	source->missing_left = json_object_get(tree, "default_left");
	source->split_type = json_object_get(tree, "split_type");
	source->count = json_array_size(source->left);
	return source->count != 0 && source->count <= TREE_NODES_MAX &&
	       json_array_size(source->right) == source->count &&
	       json_array_size(source->feature) == source->count &&
	       json_array_size(source->threshold) == source->count &&
	       json_array_size(source->missing_left) == source->count &&
	       json_array_size(source->split_type) == source->count;
}

/* A place in the complete tree and the node of the file that stands there. */
struct visit {
	uint32_t place, level;
	int64_t node;
};

/* Children of a node, or both -1 for a leaf. Children lie behind their parent: no cycles. */
static bool node_children(const struct tree_source *source, int64_t node, int64_t children[2])
{
	int64_t last = (int64_t)source->count - 1;

	if (!item_int(source->left, (size_t)node, -1, last, &children[0]) ||
	    !item_int(source->right, (size_t)node, -1, last, &children[1]))
		return false;
	if (children[0] == -1 || children[1] == -1)
		return children[0] == children[1];
	return children[0] > node && children[1] > node && children[0] != children[1];
}

/* The depth of a tree; 0 for a leaf alone, -1 when it is not whole or too deep. */
static int tree_depth(const struct tree_source *source)
{
	struct visit stack[RISK_MODEL_DEPTH_MAX + 2];
	unsigned used = 1;
	int depth = 0;

	stack[0] = (struct visit){ 0, 0, 0 };
	while (used > 0) {
		struct visit visit = stack[--used];
		int64_t children[2];

		if (!node_children(source, visit.node, children))
			return -1;
		if (children[0] == -1)
			continue;
		if (visit.level == RISK_MODEL_DEPTH_MAX)
			return -1;
		if ((int)visit.level + 1 > depth)
			depth = (int)visit.level + 1;
		for (unsigned i = 0; i < 2; i++)
			stack[used++] = (struct visit){ 0, visit.level + 1, children[i] };
	}
	return depth;
}

static bool leaf_put(struct loader *loader, size_t tree, struct visit visit, float value)
{
	uint32_t depth = loader->model->depth;
	int32_t *leaves = risk_model_leaves(loader->model) + (tree << depth);
	uint32_t width = 1u << (depth - visit.level);
	uint32_t first = (visit.place + 1 - (1u << visit.level)) * width;

	if (fabsf(value) > (float)MARGIN_SUM_MAX)
		return fail(loader, "a leaf is too large");
	for (uint32_t i = 0; i < width; i++)
		leaves[first + i] = (int32_t)lrint((double)value * RISK_MODEL_ONE);
	return true;
}

static bool node_put(
    struct loader *loader, const struct tree_source *source, size_t tree, struct visit visit)
{
	struct risk_model_node *node =
	    &loader->model->nodes[(tree << loader->model->depth) + visit.place];
	int64_t feature, missing_left, type;

	if (!item_int(source->feature, (size_t)visit.node, 0, loader->features - 1, &feature))
		return fail(loader, "a node looks at a feature that is not there");
	if (!item_int(source->split_type, (size_t)visit.node, 0, 0, &type))
		return fail(loader, "a node is of another kind than a threshold");
	if (!item_int(source->missing_left, (size_t)visit.node, 0, 1, &missing_left) ||
	    !item_float(source->threshold, (size_t)visit.node, &node->threshold))
		return fail(loader, "a threshold is not a finite number");
	node->feature = (uint16_t)feature;
	node->missing_left = (uint16_t)missing_left;
	return true;
}

/* Nodes below a leaf keep their zeros: both sides hold the same leaf. */
static bool tree_put(struct loader *loader, const struct tree_source *source, size_t tree)
{
	struct visit stack[RISK_MODEL_DEPTH_MAX + 2];
	unsigned used = 1;
	double largest = 0;

	stack[0] = (struct visit){ 0, 0, 0 };
	while (used > 0) {
		struct visit visit = stack[--used];
		int64_t children[2];
		float value;

		if (!node_children(source, visit.node, children))
			return fail(loader, "a tree is not whole or too deep");
		if (children[0] != -1) {
			if (!node_put(loader, source, tree, visit))
				return false;
			for (uint32_t i = 0; i < 2; i++)
				stack[used++] = (struct visit){ 2 * visit.place + 1 + i,
					visit.level + 1, children[i] };
			continue;
		}
		if (!item_float(source->threshold, (size_t)visit.node, &value))
			return fail(loader, "a leaf is not a finite number");
		if (!leaf_put(loader, tree, visit, value))
			return false;
		largest = fmax(largest, fabs((double)value));
	}
	loader->margin_sum += largest;
	return true;
}

/* The deepest tree sets the depth of all; a model of bare leaves has depth 1. */
static bool model_allocate(struct loader *loader)
{
	size_t count = json_array_size(loader->trees);
	int depth = 1;

	if (count == 0 || count > RISK_MODEL_TREES_MAX)
		return fail(loader, "the model has no trees or more than 1,024");
	for (size_t i = 0; i < count; i++) {
		struct tree_source source;
		int own = -1;

		if (tree_source_make(json_array_get(loader->trees, i), &source))
			own = tree_depth(&source);
		if (own < 0)
			return fail(loader, "a tree is not whole or too deep");
		depth = own > depth ? own : depth;
	}
	loader->model = calloc(1, risk_model_size((uint32_t)count, (uint32_t)depth));
	if (loader->model == NULL)
		return fail(loader, "not enough memory");
	loader->model->tree_count = (uint32_t)count;
	loader->model->depth = (uint32_t)depth;
	loader->model->feature_count = loader->features;
	loader->model->features_version = loader->features_version;
	return true;
}

/* The base as a probability, and where points begin and alert; without these, 0 and 1. */
static bool margins_put(struct loader *loader, const json_t *learner)
{
	double base, zero = 0, alert = 1;
	const json_t *zero_text = PATH(learner, "attributes", "sluice_margin_zero");
	const json_t *alert_text = PATH(learner, "attributes", "sluice_margin_alert");

	if (!number_of(PATH(learner, "learner_model_param", "base_score"), &base) || base <= 0 ||
	    base >= 1)
		return fail(loader, "the base score is not between 0 and 1");
	base = log(base / (1 - base));
	if ((zero_text != NULL && !number_of(zero_text, &zero)) ||
	    (alert_text != NULL && !number_of(alert_text, &alert)) ||
	    fabs(zero) > POINTS_SPAN_MAX || fabs(alert) > POINTS_SPAN_MAX || alert - zero < 1e-3)
		return fail(loader, "the margins of points are out of order");
	if (loader->margin_sum + fabs(base) > MARGIN_SUM_MAX)
		return fail(loader, "the leaves are too large together");
	loader->model->base = (int32_t)lrint(base * RISK_MODEL_ONE);
	loader->model->margin_zero = (int32_t)lrint(zero * RISK_MODEL_ONE);
	loader->model->margin_alert = (int32_t)lrint(alert * RISK_MODEL_ONE);
	return true;
}

static bool model_make(struct loader *loader, const json_t *root)
{
	const json_t *learner = json_object_get(root, "learner");

	if (!json_is_object(learner))
		return fail(loader, "this is not a model of XGBoost");
	if (!features_check(loader, learner) || !kind_check(loader, learner))
		return false;
	loader->trees = PATH(learner, "gradient_booster", "model", "trees");
	if (!count_check(loader, learner) || !model_allocate(loader))
		return false;
	for (size_t i = 0; i < loader->model->tree_count; i++) {
		struct tree_source source;

		if (!tree_source_make(json_array_get(loader->trees, i), &source) ||
		    !tree_put(loader, &source, i))
			return false;
	}
	return margins_put(loader, learner);
}

int model_load(const char *text, size_t size, struct risk_model **out, const char **why)
{
	struct loader loader = { .why = "this is not JSON" };
	json_t *root =
	    size <= MODEL_TEXT_MAX ? json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
	bool made = root != NULL && model_make(&loader, root);

	json_decref(root);
	if (!made) {
		free(loader.model);
		*why = loader.why;
		return strcmp(loader.why, "not enough memory") == 0 ? -ENOMEM : -EBADMSG;
	}
	*out = loader.model;
	return 0;
}
