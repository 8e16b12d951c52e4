/*
 * report_label.c
 *	  Labels of dots that cover neither dots nor each other: each takes the
 *	  best free place around its dot, near ones first.
 *
 * A label that finds no place is left out: its dot still tells its name when
 * pointed at, and the table below has it.
 */
#include "postgres.h"

#include "router/report_internal.h"

/* Of the font at 12 pixels; the widest common one. */
#define CHARACTER_WIDTH 7.0
#define LINE_HEIGHT		14.0

#define DOT_RADIUS		6.0

/* Where a label may stand, seen from its dot: right, left, below, above, ... */
static const struct
{
	double		dx;
	double		dy;
}			directions[] =
{
	{1, 0},
	{-1, 0},
	{0, 1},
	{0, -1},
	{1, .6},
	{1, -.6},
	{-1, .6},
	{-1, -.6},
	{.5, 1},
	{.5, -1},
	{-.5, 1},
	{-.5, -1}
};

/* How far: beyond the first, a line leads to the dot. */
static const double distances[] = {0, 14, 28, 44, 62, 84};

static bool find_place(const MrLabels *labels, double x, double y,
					   double width, MrBox *best, double *distance);
static MrBox place_at(double x, double y, double width, int direction,
					  double distance);
static bool is_free(const MrLabels *labels, const MrBox *box);
static int	count_avoided(const MrLabels *labels, const MrBox *box);
static int	count_crossed(const MrLabels *labels, double x, double y,
						  const MrBox *box);
static bool overlap(const MrBox *a, const MrBox *b);
static void draw_text(MrReport *report, double x, const MrBox *box,
					  const char *text);
static void draw_leader(MrReport *report, MrLabels *labels, double x, double y,
						const MrBox *box);

void
mr_labels_init(MrLabels *labels, const MrBox *frame, int max_taken,
			   int max_avoided)
{
	*labels = (MrLabels)
	{
		.frame = *frame,
			.taken = palloc(sizeof(MrBox) * max_taken),
			.max_taken = max_taken,
			.avoided = palloc(sizeof(MrBox) * max_avoided),
			.max_avoided = max_avoided
	};
}

/*
 * A dot that no label may cover.
 */
void
mr_labels_take(MrLabels *labels, double x, double y, double radius)
{
	if (labels->ntaken < labels->max_taken)
		labels->taken[labels->ntaken++] = (MrBox)
	{
		x - radius, y - radius,
			x + radius, y + radius
	};
}

/*
 * A line that labels should not cover.
 */
void
mr_labels_avoid_line(MrLabels *labels, double x1, double y1, double x2,
					 double y2)
{
	int			steps = (int) (hypot(x2 - x1, y2 - y1) / 6) + 1;

	for (int i = 0; i <= steps; i++)
	{
		double		x = x1 + (x2 - x1) * i / steps;
		double		y = y1 + (y2 - y1) * i / steps;

		if (labels->navoided < labels->max_avoided)
			labels->avoided[labels->navoided++] = (MrBox)
		{
			x - 2, y - 2,
				x + 2, y + 2
		};
	}
}

/*
 * Draws the label of a dot, which must have been taken.
 */
void
mr_labels_draw(MrReport *report, MrLabels *labels, double x, double y,
			   const char *name)
{
	int			columns;
	char	   *text = mr_report_short_name(name, &columns);
	MrBox		box;
	double		distance = 0;

	if (!find_place(labels, x, y, columns * CHARACTER_WIDTH, &box, &distance))
		return;
	if (labels->ntaken < labels->max_taken)
		labels->taken[labels->ntaken++] = box;
	if (distance > 0)
		draw_leader(report, labels, x, y, &box);
	draw_text(report, x, &box, text);
}

static bool
find_place(const MrLabels *labels, double x, double y, double width,
		   MrBox *best, double *distance)
{
	double		least = INFINITY;

	for (int d = 0; d < (int) lengthof(distances); d++)
	{
		for (int k = 0; k < (int) lengthof(directions); k++)
		{
			MrBox		box = place_at(x, y, width, k, distances[d]);
			double		badness;

			if (!is_free(labels, &box))
				continue;
			badness = distances[d] + k + 8 * count_avoided(labels, &box) +
				(d > 0 ? 60 * count_crossed(labels, x, y, &box) : 0);
			if (badness >= least)
				continue;
			least = badness;
			*best = box;
			*distance = distances[d];
		}
	}
	return isfinite(least);
}

/*
 * The box whose nearest edge lies in a direction at a distance from the dot.
 */
static MrBox
place_at(double x, double y, double width, int direction, double distance)
{
	double		dx = directions[direction].dx;
	double		dy = directions[direction].dy;
	double		length = hypot(dx, dy);
	double		reach = DOT_RADIUS + 2 + distance;
	double		cx = x + dx / length * reach + dx * width / 2;
	double		cy = y + dy / length * reach + dy * LINE_HEIGHT / 2;

	return (MrBox)
	{
		cx - width / 2, cy - LINE_HEIGHT / 2, cx + width / 2,
			cy + LINE_HEIGHT / 2
	};
}

static bool
is_free(const MrLabels *labels, const MrBox *box)
{
	if (box->left < labels->frame.left || box->right > labels->frame.right ||
		box->top < labels->frame.top || box->bottom > labels->frame.bottom)
		return false;
	for (int i = 0; i < labels->ntaken; i++)
		if (overlap(box, &labels->taken[i]))
			return false;
	return true;
}

static int
count_avoided(const MrLabels *labels, const MrBox *box)
{
	int			n = 0;

	for (int i = 0; i < labels->navoided; i++)
		n += overlap(box, &labels->avoided[i]);
	return n;
}

/*
 * How much of what is taken the line from a dot to its label would cross.
 */
static int
count_crossed(const MrLabels *labels, double x, double y, const MrBox *box)
{
	double		dx = Min(Max(x, box->left), box->right) - x;
	double		dy = Min(Max(y, box->top), box->bottom) - y;
	int			steps = (int) (hypot(dx, dy) / 4);
	int			n = 0;

	for (int i = 0; i < labels->ntaken; i++)
	{
		const MrBox *taken = &labels->taken[i];
		int			inside = 0;

		for (int k = 2; k < steps; k++)
		{
			double		at_x = x + dx * k / steps;
			double		at_y = y + dy * k / steps;
			MrBox		at = {at_x, at_y, at_x, at_y};

			inside += overlap(&at, taken);
		}
		if (inside > 0 && !(taken->left < x && taken->right > x &&
							taken->top < y && taken->bottom > y))
			n++;
	}
	return n;
}

static inline bool
overlap(const MrBox *a, const MrBox *b)
{
	return a->left < b->right && b->left < a->right &&
		a->top < b->bottom && b->top < a->bottom;
}

/*
 * The text touches the side that is next to the dot, however wide it is.  A
 * halo keeps it apart from lines below.
 */
static void
draw_text(MrReport *report, double x, const MrBox *box, const char *text)
{
	const char *anchor = "middle";
	double		at = (box->left + box->right) / 2;

	if (box->left >= x)
	{
		anchor = "start";
		at = box->left;
	}
	else if (box->right <= x)
	{
		anchor = "end";
		at = box->right;
	}
	for (int k = 0; k < 2; k++)
		appendStringInfo(report->out,
						 "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
						 k == 0 ? "halo" : "label", at, box->bottom - 3.5,
						 anchor, text);
}

/*
 * From the dot's edge to the nearest point of the box.
 */
static void
draw_leader(MrReport *report, MrLabels *labels, double x, double y,
			const MrBox *box)
{
	double		to_x = Min(Max(x, box->left), box->right);
	double		to_y = Min(Max(y, box->top), box->bottom);
	double		length = hypot(to_x - x, to_y - y);

	mr_labels_avoid_line(labels, x, y, to_x, to_y);
	appendStringInfo(report->out,
					 "<line class=\"leader\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
					 x + (to_x - x) * DOT_RADIUS / length,
					 y + (to_y - y) * DOT_RADIUS / length, to_x, to_y);
}
