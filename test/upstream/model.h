/*
 * model.h: the configured models.
 */
#ifndef UPSTREAM_MODEL_H
#define UPSTREAM_MODEL_H

#include "buf.h"
#include "fault.h"
#include "fields.h"
#include "stats.h"

#define MODEL_KEY_MAX 512
#define MODEL_SKILLS_MAX 32

typedef enum LatencyKind
{
	LATENCY_FIXED = 0,
	LATENCY_UNIFORM,
	LATENCY_LOGNORMAL,
	LATENCY_EXP
} LatencyKind;

/* A distribution of milliseconds. */
typedef struct Latency
{
	LatencyKind kind;
	double		p50;
	double		sigma;
	double		min;
	double		max;
} Latency;

typedef struct Skill
{
	char	   *category;
	double		good;			/* probability of a good reply */
} Skill;

/* What a model does; never changed once made, replaced as a whole. */
typedef struct ModelConfig
{
	int			refs;
	cJSON	   *source;			/* as it was given */
	char	   *name;			/* the key: name or prefix:name */
	Latency		latency;
	Latency		ttft;
	bool		has_ttft;
	double		tokens_per_second;
	double		input_price;
	double		output_price;
	bool		report_cost;
	Skill		skills[MODEL_SKILLS_MAX];
	int			skill_count;
	char	   *reply;
	char	   *reply_json;
	double		reply_bytes;
	double		chunk_tokens;
	double		dimensions;
	bool		usage_missing;
	cJSON	   *usage;			/* members that replace computed ones */
	char	   *api_key;
	double		max_in_flight;
	bool		request_ids;
	Fault	   *faults;
	int			fault_count;
} ModelConfig;

typedef struct Model
{
	int			refs;			/* the table's, and one for each exchange */
	struct Model *next;			/* of the same bucket */
	ModelConfig *config;
	uint64_t	seed;
	uint64_t	drawn;			/* requests since the seed was set */
	ModelStats	stats;
} Model;

/* A walk over the models that a prefix shows; start with zeroes. */
typedef struct ModelCursor
{
	int			bucket;
	Model	   *model;
	bool		started;
} ModelCursor;

bool		model_upsert_all(const cJSON *json, Problem *problem);
bool		model_load_file(const char *path, Problem *problem);
Model	   *model_find(const char *prefix, size_t prefix_len,
					   const char *name);
void		model_unref(Model *model);
void		model_config_unref(ModelConfig *config);
bool		model_delete(const char *key);
void		model_delete_all(void);
void		model_set_seed(uint64_t seed);
uint64_t	model_seed(void);
const char *model_next_name(ModelCursor *cursor, const char *prefix,
							size_t prefix_len);
void		model_each(void (*visit) (Model *model, void *arg), void *arg);
double		latency_draw(const Latency *latency, uint64_t seed, uint64_t n,
						 uint64_t purpose);

#endif
