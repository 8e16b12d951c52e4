/*
 * model.c: the table of models and the reading of their configurations.
 *
 * A configuration is replaced as a whole.  Models and configurations are
 * counted, so an exchange that is under way keeps what it began with.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "rng.h"

#define BUCKETS 256
#define MS_MAX 86400000.0
#define CONFIG_FILE_MAX_BYTES (64 * 1024 * 1024)

static Model *buckets[BUCKETS];
static uint64_t global_seed;

static bool read_latency_ms(void *target, const cJSON *value, Problem *problem);
static bool read_ttft_ms(void *target, const cJSON *value, Problem *problem);
static bool read_skill(void *target, const cJSON *value, Problem *problem);
static bool read_usage(void *target, const cJSON *value, Problem *problem);
static bool read_reply_json(void *target, const cJSON *value,
							Problem *problem);
static bool read_faults(void *target, const cJSON *value, Problem *problem);

#define CONFIG(member) offsetof(ModelConfig, member)

static const Field model_fields[] = {
	{"name", FIELD_STRING, CONFIG(name), 0, 0, NULL},
	{"latency_ms", FIELD_CUSTOM, 0, 0, 0, read_latency_ms},
	{"ttft_ms", FIELD_CUSTOM, 0, 0, 0, read_ttft_ms},
	{"tokens_per_second", FIELD_NUMBER, CONFIG(tokens_per_second), 0, 1e9,
	NULL},
	{"input_price", FIELD_NUMBER, CONFIG(input_price), 0, 1e9, NULL},
	{"output_price", FIELD_NUMBER, CONFIG(output_price), 0, 1e9, NULL},
	{"report_cost", FIELD_BOOL, CONFIG(report_cost), 0, 0, NULL},
	{"skill", FIELD_CUSTOM, 0, 0, 0, read_skill},
	{"reply", FIELD_STRING, CONFIG(reply), 0, 0, NULL},
	{"reply_json", FIELD_CUSTOM, 0, 0, 0, read_reply_json},
	{"reply_bytes", FIELD_NUMBER, CONFIG(reply_bytes), 0, 1e12, NULL},
	{"chunk_tokens", FIELD_NUMBER, CONFIG(chunk_tokens), 1, 4096, NULL},
	{"dimensions", FIELD_NUMBER, CONFIG(dimensions), 1, 65536, NULL},
	{"usage", FIELD_CUSTOM, 0, 0, 0, read_usage},
	{"api_key", FIELD_STRING, CONFIG(api_key), 0, 0, NULL},
	{"max_in_flight", FIELD_NUMBER, CONFIG(max_in_flight), 0, 1e9, NULL},
	{"request_ids", FIELD_BOOL, CONFIG(request_ids), 0, 0, NULL},
	{"faults", FIELD_CUSTOM, 0, 0, 0, read_faults},
	{NULL, FIELD_NUMBER, 0, 0, 0, NULL}
};

static const Field latency_fields[] = {
	{"p50", FIELD_NUMBER, offsetof(Latency, p50), 0, MS_MAX, NULL},
	{"sigma", FIELD_NUMBER, offsetof(Latency, sigma), 0, 10, NULL},
	{"min", FIELD_NUMBER, offsetof(Latency, min), 0, MS_MAX, NULL},
	{"max", FIELD_NUMBER, offsetof(Latency, max), 0, MS_MAX, NULL},
	{NULL, FIELD_NUMBER, 0, 0, 0, NULL}
};

static const char *const latency_kinds[] = {
	"fixed", "uniform", "lognormal", "exp"
};

static bool
read_latency_kind(Latency *latency, const cJSON *value, Problem *problem)
{
	const char *kind = cJSON_IsString(value) ? value->valuestring : "fixed";

	for (int i = 0; i < 4; i++)
	{
		if (strcmp(kind, latency_kinds[i]) == 0)
		{
			latency->kind = (LatencyKind) i;
			return true;
		}
	}
	return fields_refuse(problem, "unknown dist \"%s\"", kind);
}

/* A number of milliseconds, or an object with "dist". */
static bool
read_latency(Latency *latency, const cJSON *value, Problem *problem)
{
	cJSON	   *numbers;
	bool		good;

	latency->max = MS_MAX;
	latency->sigma = 0.5;
	if (cJSON_IsNumber(value) && value->valuedouble >= 0 &&
		value->valuedouble <= MS_MAX)
	{
		latency->p50 = value->valuedouble;
		return true;
	}
	if (!cJSON_IsObject(value))
		return fields_refuse(problem, "a latency must be milliseconds or an "
							 "object");
	if (!read_latency_kind(latency, cJSON_GetObjectItem(value, "dist"),
						   problem))
		return false;
	numbers = cJSON_Duplicate(value, true);
	cJSON_DeleteItemFromObject(numbers, "dist");
	good = fields_read(latency, latency_fields, numbers, problem);
	cJSON_Delete(numbers);
	if (good && latency->max < latency->min)
		return fields_refuse(problem, "max is less than min");
	if (good && latency->kind == LATENCY_UNIFORM && latency->max >= MS_MAX)
		return fields_refuse(problem, "a uniform latency needs max");
	return good;
}

static bool
read_latency_ms(void *target, const cJSON *value, Problem *problem)
{
	return read_latency(&((ModelConfig *) target)->latency, value, problem);
}

static bool
read_ttft_ms(void *target, const cJSON *value, Problem *problem)
{
	((ModelConfig *) target)->has_ttft = true;
	return read_latency(&((ModelConfig *) target)->ttft, value, problem);
}

static bool
read_skill(void *target, const cJSON *value, Problem *problem)
{
	ModelConfig *config = target;
	const cJSON *member;

	if (!cJSON_IsObject(value))
		return fields_refuse(problem, "skill must be an object");
	cJSON_ArrayForEach(member, value)
	{
		if (config->skill_count == MODEL_SKILLS_MAX)
			return fields_refuse(problem, "skill has more than %d categories",
								 MODEL_SKILLS_MAX);
		if (!cJSON_IsNumber(member) || member->valuedouble < 0 ||
			member->valuedouble > 1)
			return fields_refuse(problem, "skill.%s must be in 0..1",
								 member->string);
		config->skills[config->skill_count].category =
			mem_strdup(member->string);
		config->skills[config->skill_count].good = member->valuedouble;
		config->skill_count++;
	}
	return true;
}

static bool
read_usage(void *target, const cJSON *value, Problem *problem)
{
	ModelConfig *config = target;

	config->usage_missing = cJSON_IsFalse(value);
	if (cJSON_IsObject(value))
	{
		cJSON_Delete(config->usage);
		config->usage = cJSON_Duplicate(value, true);
	}
	else if (!config->usage_missing)
		return fields_refuse(problem, "usage must be an object or false");
	return true;
}

static bool
read_reply_json(void *target, const cJSON *value, Problem *problem)
{
	ModelConfig *config = target;

	(void) problem;
	free(config->reply_json);
	config->reply_json = cJSON_IsString(value) ?
		mem_strdup(value->valuestring) : cJSON_PrintUnformatted(value);
	return true;
}

static bool
read_faults(void *target, const cJSON *value, Problem *problem)
{
	ModelConfig *config = target;
	const cJSON *item;
	int			count = cJSON_GetArraySize(value);

	if (!cJSON_IsArray(value) || config->faults != NULL)
		return fields_refuse(problem, "faults must be an array, given once");
	config->faults = mem_alloc(sizeof(Fault) * (size_t) (count + 1));
	cJSON_ArrayForEach(item, value)
	{
		config->fault_count++;
		if (!fault_read(&config->faults[config->fault_count - 1], item,
						problem))
			return false;
	}
	return true;
}

/* Gives up one reference to the configuration. */
void
model_config_unref(ModelConfig *config)
{
	if (--config->refs > 0)
		return;
	for (int i = 0; i < config->fault_count; i++)
		fault_free(&config->faults[i]);
	for (int i = 0; i < config->skill_count; i++)
		free(config->skills[i].category);
	free(config->faults);
	free(config->reply_json);
	cJSON_Delete(config->usage);
	cJSON_Delete(config->source);
	fields_free_strings(config, model_fields);
	free(config);
}

/* Reads one configuration; NULL with the problem if it is refused. */
static ModelConfig *
read_config(const cJSON *json, Problem *problem)
{
	ModelConfig *config = mem_alloc(sizeof(ModelConfig));

	config->refs = 1;
	config->request_ids = true;
	config->chunk_tokens = 4;
	config->dimensions = 1536;
	if (fields_read(config, model_fields, json, problem))
	{
		if (config->name != NULL && config->name[0] != '\0' &&
			strlen(config->name) < MODEL_KEY_MAX)
		{
			config->source = cJSON_Duplicate(json, true);
			return config;
		}
		fields_refuse(problem, "a model needs a name of less than %d bytes",
					  MODEL_KEY_MAX);
	}
	model_config_unref(config);
	return NULL;
}

static Model **
find_slot(const char *key)
{
	Model	  **slot = &buckets[rng_hash(0, key, strlen(key)) % BUCKETS];

	while (*slot != NULL && strcmp((*slot)->config->name, key) != 0)
		slot = &(*slot)->next;
	return slot;
}

static void
start_draws(Model *model)
{
	const char *key = model->config->name;

	model->seed = rng_hash(global_seed, key, strlen(key));
	model->drawn = 0;
}

/* Puts the configuration into the table; an older one's statistics stay. */
static void
upsert(ModelConfig *config)
{
	Model	  **slot = find_slot(config->name);
	Model	   *model = *slot;

	if (model == NULL)
	{
		model = *slot = mem_alloc(sizeof(Model));
		model->refs = 1;
	}
	else
		model_config_unref(model->config);
	model->config = config;
	start_draws(model);
}

/*
 * Adds or replaces the models of a JSON array or of one object.  It is all or
 * none: nothing changes if one of them is refused.
 */
bool
model_upsert_all(const cJSON *json, Problem *problem)
{
	bool		many = cJSON_IsArray(json);
	int			count = many ? cJSON_GetArraySize(json) : 1;
	ModelConfig **configs = mem_alloc(sizeof(*configs) * (size_t) (count + 1));
	const cJSON *item = many ? json->child : json;
	int			done = 0;
	bool		good = true;

	for (; done < count && good; item = item->next)
	{
		configs[done] = read_config(item, problem);
		good = configs[done] != NULL;
		done += good;
	}
	for (int i = 0; i < done; i++)
	{
		if (good)
			upsert(configs[i]);
		else
			model_config_unref(configs[i]);
	}
	free(configs);
	return good;
}

/* Adds the models of a file. */
bool
model_load_file(const char *path, Problem *problem)
{
	FILE	   *file = fopen(path, "r");
	Buf			text = {0};
	cJSON	   *json;
	bool		good;
	size_t		got;

	if (file == NULL)
		return fields_refuse(problem, "cannot open %s", path);
	do
	{
		got = fread(buf_reserve(&text, 65536), 1, 65536, file);
		text.len += got;
	} while (got > 0 && text.len < CONFIG_FILE_MAX_BYTES);
	fclose(file);
	json = cJSON_ParseWithLength(text.data, text.len);
	good = json != NULL ? model_upsert_all(json, problem)
		: fields_refuse(problem, "%s is not JSON", path);
	cJSON_Delete(json);
	buf_free(&text);
	return good;
}

/*
 * The model that serves a name under a prefix: prefix:name, name, prefix:*
 * or *, in this order; NULL if none does.
 */
Model *
model_find(const char *prefix, size_t prefix_len, const char *name)
{
	const char *const names[] = {name, "*"};

	for (int i = 0; i < 2; i++)
	{
		char		key[MODEL_KEY_MAX];
		Model	   *model = NULL;

		if (strlen(names[i]) + prefix_len + 2 > sizeof(key))
			continue;
		if (prefix_len > 0)
		{
			snprintf(key, sizeof(key), "%.*s:%s", (int) prefix_len, prefix,
					 names[i]);
			model = *find_slot(key);
		}
		if (model == NULL)
			model = *find_slot(names[i]);
		if (model != NULL)
			return model;
	}
	return NULL;
}

/* Gives up one reference to the model. */
void
model_unref(Model *model)
{
	if (--model->refs > 0)
		return;
	model_config_unref(model->config);
	free(model);
}

/* Removes one model; false if there is none with this key. */
bool
model_delete(const char *key)
{
	Model	  **slot = find_slot(key);
	Model	   *model = *slot;

	if (model == NULL)
		return false;
	*slot = model->next;
	stats_free_model(&model->stats);
	model_unref(model);
	return true;
}

/* Removes every model. */
void
model_delete_all(void)
{
	for (int i = 0; i < BUCKETS; i++)
	{
		while (buckets[i] != NULL)
			model_delete(buckets[i]->config->name);
	}
}

/* Sets the seed and starts the draws and fault scripts of all models anew. */
void
model_set_seed(uint64_t seed)
{
	global_seed = seed;
	for (int i = 0; i < BUCKETS; i++)
	{
		for (Model *model = buckets[i]; model != NULL; model = model->next)
			start_draws(model);
	}
}

/* The seed in force. */
uint64_t
model_seed(void)
{
	return global_seed;
}

/* Visits every model, in no order to rely on. */
void
model_each(void (*visit) (Model *model, void *arg), void *arg)
{
	for (int i = 0; i < BUCKETS; i++)
	{
		for (Model *model = buckets[i]; model != NULL; model = model->next)
			visit(model, arg);
	}
}

/*
 * The name that a prefix gives a model; NULL if it does not show it.  A key
 * with a colon is taken for prefix:name here.
 */
static const char *
name_under(const Model *model, const char *prefix, size_t prefix_len)
{
	const char *key = model->config->name;
	char		own[MODEL_KEY_MAX * 2];

	if (strcmp(key, "*") == 0)
		return NULL;
	if (prefix_len == 0 || prefix_len >= MODEL_KEY_MAX)
		return strchr(key, ':') == NULL ? key : NULL;
	if (strncmp(key, prefix, prefix_len) == 0 && key[prefix_len] == ':')
		return strcmp(key + prefix_len + 1, "*") == 0 ? NULL
			: key + prefix_len + 1;
	snprintf(own, sizeof(own), "%.*s:%s", (int) prefix_len, prefix, key);
	return strchr(key, ':') == NULL && *find_slot(own) == NULL ? key : NULL;
}

/* The next name of the walk, NULL at its end; "*" is left out. */
const char *
model_next_name(ModelCursor *cursor, const char *prefix, size_t prefix_len)
{
	for (; cursor->bucket < BUCKETS; cursor->bucket++)
	{
		cursor->model = cursor->started ? cursor->model->next
			: buckets[cursor->bucket];
		cursor->started = true;
		for (; cursor->model != NULL; cursor->model = cursor->model->next)
		{
			const char *name = name_under(cursor->model, prefix, prefix_len);

			if (name != NULL)
				return name;
		}
		cursor->started = false;
	}
	return NULL;
}

/* Milliseconds for request n; the median is p50 in every kind but uniform. */
double
latency_draw(const Latency *latency, uint64_t seed, uint64_t n,
			 uint64_t purpose)
{
	double		ms = latency->p50;
	double		unit;

	if (latency->kind != LATENCY_FIXED)
	{
		unit = rng_unit(rng_draw(seed, n, purpose));
		if (latency->kind == LATENCY_UNIFORM)
			ms = latency->min + unit * (latency->max - latency->min);
		else if (latency->kind == LATENCY_EXP)
			ms = -latency->p50 / M_LN2 * log(1.0 - unit);
		else
			ms *= exp(latency->sigma * rng_normal(seed, n, purpose));
	}
	return ms < latency->min ? latency->min
		: ms > latency->max ? latency->max : ms;
}
