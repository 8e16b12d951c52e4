/*
 * fault.h: what can be made to go wrong with an answer.
 */
#ifndef UPSTREAM_FAULT_H
#define UPSTREAM_FAULT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "fields.h"

struct Conn;
struct Fault;

/* When a fault takes hold of an answer. */
typedef enum FaultStage
{
	FAULT_REPLACES = 0,			/* instead of the answer */
	FAULT_SHAPES,				/* before the answer is built */
	FAULT_SENDS					/* after it was built: how it leaves */
} FaultStage;

typedef struct FaultKind
{
	const char *name;
	FaultStage	stage;
	bool		at_once;		/* does not wait for the model's latency */
	void		(*apply) (struct Conn *conn, const struct Fault *fault);
} FaultKind;

/* One fault of a model's configuration; numbers not given are negative. */
typedef struct Fault
{
	const FaultKind *kind;
	double		rate;
	char	   *script;			/* one byte for each request: 0 or 1 */
	int			script_len;
	double		times;
	double		after;
	char	   *match;			/* only prompts that contain this */
	double		delay_ms;
	double		status;
	char	   *retry_after;
	double		retry_after_date_in;
	double		retry_after_ms;
	char	   *should_retry;
	cJSON	   *code;
	char	   *type;
	char	   *message;
	char	   *body;
	bool		quota;
	double		at;
	double		delta;
	double		bytes;
	double		depth;
	double		bytes_per_second;
	char	   *location;
	bool		reset;
	bool		raw;
	bool		announce;
} Fault;

bool		fault_read(Fault *fault, const cJSON *json, Problem *problem);
void		fault_free(Fault *fault);
const Fault *fault_choose(const Fault *faults, int count, uint64_t seed,
						  uint64_t n, const char *prompt, size_t prompt_len);
const FaultKind *fault_find_kind(const char *name);

#endif
