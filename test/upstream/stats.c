/*
 * stats.c: counts requests by model and keeps their ids in order.
 *
 * Ids lie in blocks, so keeping millions never moves what is kept.  What is
 * not safe in JSON is replaced when an id comes in.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "model.h"
#include "stats.h"

StatsTotals stats_totals;

/* Keeps a request id, unless STATS_IDS_MAX are kept already. */
void
stats_note_id(ModelStats *stats, const char *id, size_t len)
{
	IdBlock    *block = stats->last_ids;

	if (stats_totals.ids_kept >= STATS_IDS_MAX)
	{
		stats_totals.ids_dropped++;
		return;
	}
	if (len > STATS_ID_BYTES)
		len = STATS_ID_BYTES;
	if (block == NULL || block->used + len + 1 > sizeof(block->data))
	{
		block = malloc(sizeof(IdBlock));
		if (block == NULL)
			die("out of memory");
		block->next = NULL;
		block->used = 0;
		if (stats->last_ids != NULL)
			stats->last_ids->next = block;
		else
			stats->first_ids = block;
		stats->last_ids = block;
	}
	for (size_t i = 0; i < len; i++)
	{
		char		c = id[i];

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			c = '?';
		block->data[block->used++] = c;
	}
	block->data[block->used++] = '\n';
	stats->id_count++;
	stats_totals.ids_kept++;
}

/* Gives back the ids of a model. */
void
stats_free_model(ModelStats *stats)
{
	IdBlock    *block = stats->first_ids;

	while (block != NULL)
	{
		IdBlock    *next = block->next;

		free(block);
		block = next;
	}
	stats_totals.ids_kept -= stats->id_count;
	stats->first_ids = stats->last_ids = NULL;
	stats->id_count = 0;
}

/* Calls visit for every id of the model, in the order of arrival. */
static void
each_id(const ModelStats *stats, void (*visit) (const char *id, size_t len,
												void *arg), void *arg)
{
	for (IdBlock *block = stats->first_ids; block; block = block->next)
	{
		const char *at = block->data;
		const char *end = block->data + block->used;

		while (at < end)
		{
			const char *stop = memchr(at, '\n', (size_t) (end - at));

			visit(at, (size_t) (stop - at), arg);
			at = stop + 1;
		}
	}
}

static void
write_id(const char *id, size_t len, void *arg)
{
	Buf		   *out = arg;

	if (out->data[out->len - 1] != '[')
		buf_puts(out, ",");
	buf_puts(out, "\"");
	buf_append(out, id, len);
	buf_puts(out, "\"");
}

typedef struct Report
{
	Buf		   *out;
	bool		with_ids;
	const char *id;
	uint64_t	seen;
	bool		first;
} Report;

static void
write_key(Report *report, const Model *model)
{
	if (!report->first)
		buf_puts(report->out, ",");
	report->first = false;
	buf_puts(report->out, "\"");
	buf_json_clean(report->out, model->config->name,
				   strlen(model->config->name));
	buf_puts(report->out, "\":");
}

static void
write_model(Model *model, void *arg)
{
	Report	   *report = arg;
	const ModelStats *stats = &model->stats;

	write_key(report, model);
	buf_printf(report->out, "{\"received\":%" PRIu64 ",\"answered\":%" PRIu64
			   ",\"ok\":%" PRIu64 ",\"faulted\":%" PRIu64
			   ",\"refused\":%" PRIu64 ",\"abandoned\":%" PRIu64
			   ",\"in_flight\":%" PRIu64 ",\"max_in_flight\":%" PRIu64,
			   stats->received, stats->answered, stats->ok, stats->faulted,
			   stats->refused, stats->abandoned, stats->in_flight,
			   stats->max_in_flight);
	if (report->with_ids)
	{
		buf_puts(report->out, ",\"ids\":[");
		each_id(stats, write_id, report->out);
		buf_puts(report->out, "]");
	}
	buf_puts(report->out, "}");
}

/* Writes the whole report as JSON. */
void
stats_write(Buf *out, bool with_ids)
{
	Report		report = {.out = out, .with_ids = with_ids, .first = true};

	buf_printf(out, "{\"totals\":{\"requests\":%" PRIu64
			   ",\"connections_opened\":%" PRIu64
			   ",\"connections_open\":%" PRIu64
			   ",\"unknown_model\":%" PRIu64 ",\"bad_requests\":%" PRIu64
			   ",\"ids_dropped\":%" PRIu64 "},\"models\":{",
			   stats_totals.requests, conn_totals.opened, conn_totals.open,
			   stats_totals.unknown_model, stats_totals.bad_requests,
			   stats_totals.ids_dropped);
	model_each(write_model, &report);
	buf_puts(out, "}}");
}

static void
count_id(const char *id, size_t len, void *arg)
{
	Report	   *report = arg;

	if (strlen(report->id) == len && memcmp(report->id, id, len) == 0)
		report->seen++;
}

static void
write_model_id(Model *model, void *arg)
{
	Report	   *report = arg;
	uint64_t	before = report->seen;

	each_id(&model->stats, count_id, report);
	if (report->seen == before)
		return;
	write_key(report, model);
	buf_printf(report->out, "%" PRIu64, report->seen - before);
}

/* Writes how often each model saw one request id. */
void
stats_write_id(Buf *out, const char *id)
{
	Report		report = {.out = out, .id = id, .first = true};

	buf_puts(out, "{\"id\":\"");
	buf_json_clean(out, id, strlen(id));
	buf_puts(out, "\",\"models\":{");
	model_each(write_model_id, &report);
	buf_printf(out, "},\"seen\":%" PRIu64 "}", report.seen);
}

static void
reset_model(Model *model, void *arg)
{
	uint64_t	in_flight = model->stats.in_flight;

	(void) arg;
	stats_free_model(&model->stats);
	memset(&model->stats, 0, sizeof(model->stats));
	model->stats.in_flight = model->stats.max_in_flight = in_flight;
}

/* Sets every count to zero; requests in flight stay in flight. */
void
stats_reset(void)
{
	model_each(reset_model, NULL);
	memset(&stats_totals, 0, sizeof(stats_totals));
	conn_totals.opened = 0;
}
