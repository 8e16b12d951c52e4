/*
 * objective.c
 *	  Objectives: their names, and weights such as quality=0.6,cost=0.4 or
 *	  quality=1,usd=50.
 */
#include "postgres.h"

#include <math.h>

#include "router/router.h"

static const MrObjective objectives[] = {
	{.name = "balanced", .quality = 0.5, .cost = 0.3, .latency = 0.2},
	{.name = "quality", .quality = 1},
	{.name = "cost", .cost = 1, .floor = true},
	{.name = "latency", .latency = 1, .floor = true}
};

static bool parse_weights(const char *text, MrObjective *objective,
						  const char **problem);
static bool scale_weights(MrObjective *objective, const char **problem);
static bool parse_weight(const char **next, MrObjective *objective,
						 unsigned *given, const char **problem);
static bool parse_term(const char **next, int *term);
static const char *skip_spaces(const char *next);

/*
 * Read an objective: a name, or a comma list of quality=, cost=, latency= and
 * usd= with weights that are not negative and not all zero.  The first three
 * are scaled to sum to 1, unless only usd is there; it stays as it is, the
 * utility that one US dollar costs.  What is not given is 0.  objective->name
 * is text itself.  quality_floor is left to the caller, who knows the setting.
 * On failure returns false and sets problem to a static sentence.
 */
bool
mr_objective_parse(const char *text, MrObjective *objective,
				   const char **problem)
{
	double		quality_floor = objective->quality_floor;
	bool		good = true;
	size_t		i;

	for (i = 0; i < lengthof(objectives); i++)
		if (strcmp(text, objectives[i].name) == 0)
			break;
	if (i < lengthof(objectives))
		*objective = objectives[i];
	else
	{
		memset(objective, 0, sizeof(*objective));
		good = parse_weights(text, objective, problem);
	}
	objective->name = text;
	objective->quality_floor = quality_floor;
	return good;
}

static bool
parse_weights(const char *text, MrObjective *objective, const char **problem)
{
	const char *next = skip_spaces(text);
	unsigned	given = 0;

	if (strchr(text, '=') == NULL)
	{
		*problem = "It must be quality, cost, latency, balanced, or weights such as quality=0.6,cost=0.4.";
		return false;
	}
	for (;;)
	{
		if (!parse_weight(&next, objective, &given, problem))
			return false;
		if (*next == '\0')
			break;
		if (*next++ != ',')
		{
			*problem = "Weights are separated by commas.";
			return false;
		}
		next = skip_spaces(next);
	}
	return scale_weights(objective, problem);
}

static bool
scale_weights(MrObjective *objective, const char **problem)
{
	double		sum = objective->quality + objective->cost +
		objective->latency;

	if (objective->usd > MR_USD_WEIGHT_MAX)
	{
		*problem = "The weight usd must be at most 1000000000.";
		return false;
	}
	if (isinf(sum) || !(sum > 0 || objective->usd > 0))
	{
		*problem = "The weights must have a positive, finite sum.";
		return false;
	}
	if (sum > 0)
	{
		objective->quality /= sum;
		objective->cost /= sum;
		objective->latency /= sum;
	}
	return true;
}

/*
 * One term=weight at *next, which moves behind it and any spaces.
 */
static bool
parse_weight(const char **next, MrObjective *objective, unsigned *given,
			 const char **problem)
{
	double	   *weights[] = {
		&objective->quality, &objective->cost, &objective->latency,
		&objective->usd
	};
	char	   *end;
	double		value;
	int			term;

	if (!parse_term(next, &term))
	{
		*problem = "A weight is quality=, cost=, latency= or usd= and a number.";
		return false;
	}
	if (*given & (1u << term))
	{
		*problem = "A weight is given twice.";
		return false;
	}
	*given |= 1u << term;
	value = strtod(*next, &end);
	if (end == *next || !isfinite(value) || value < 0)
	{
		*problem = "A weight must be a finite number that is not negative.";
		return false;
	}
	*weights[term] = value;
	*next = skip_spaces(end);
	return true;
}

static bool
parse_term(const char **next, int *term)
{
	static const char *const names[] = {"quality", "cost", "latency", "usd"};

	for (*term = 0; *term < (int) lengthof(names); (*term)++)
	{
		size_t		length = strlen(names[*term]);
		const char *after;

		if (strncmp(*next, names[*term], length) != 0)
			continue;
		after = skip_spaces(*next + length);
		if (*after == '=')
		{
			*next = skip_spaces(after + 1);
			return true;
		}
	}
	return false;
}

static const char *
skip_spaces(const char *next)
{
	while (*next == ' ' || *next == '\t' || *next == '\n')
		next++;
	return next;
}
