/*
 * calibration.c
 *	  Whether expected quality is what comes true: cells (prompt x model) in
 *	  bins of about the same expected quality, and the moments for the slope.
 *
 * The bins hold about the same number of cells each; cells of equal expected
 * quality (to a thousandth) are in one bin.  Cells without an expectation are
 * left out.
 */
#include "postgres.h"

#include <math.h>

#include "router/evaluate_summary.h"

#define GRAINS	1000

static void count_grains(const MrOutcomes *outcomes, int64 *cells);
static int	assign_bins(const int64 *cells, int *bin_of);
static int	grain_of(double quality);

/*
 * Fills the calibration's columns, and the bins but for their intervals.
 */
void
mr_calibration_fill(MrSummary *summary, MrBootstrap *bootstrap)
{
	const MrOutcomes *outcomes = summary->basis->outcomes;
	MrCalibrationBin *bins = summary->evaluation->bins;
	int			first = summary->calibration_column;
	int64		cells[GRAINS + 1] = {0};
	int			bin_of[GRAINS + 1];

	count_grains(outcomes, cells);
	summary->evaluation->nbins = assign_bins(cells, bin_of);
	for (int i = 0; i < outcomes->nprompts; i++)
	{
		for (int m = 0; m < outcomes->nmodels; m++)
		{
			size_t		cell = mr_outcomes_cell(outcomes, i, m);
			double		quality = outcomes->quality[cell];
			double		score = outcomes->score[cell];
			int			bin;

			if (isnan(quality))
				continue;
			bin = bin_of[grain_of(quality)];
			bins[bin].count++;
			bins[bin].expected += quality;
			mr_bootstrap_add(bootstrap, i, first, quality);
			mr_bootstrap_add(bootstrap, i, first + 1, score);
			mr_bootstrap_add(bootstrap, i, first + 2, quality * quality);
			mr_bootstrap_add(bootstrap, i, first + 3, quality * score);
			mr_bootstrap_add(bootstrap, i, first + 4 + 2 * bin, 1);
			mr_bootstrap_add(bootstrap, i, first + 5 + 2 * bin, score);
		}
	}
	for (int k = 0; k < summary->evaluation->nbins; k++)
		bins[k].expected /= bins[k].count;
}

static void
count_grains(const MrOutcomes *outcomes, int64 *cells)
{
	size_t		ncells = mr_outcomes_cell(outcomes, outcomes->nprompts, 0);

	for (size_t i = 0; i < ncells; i++)
		if (!isnan(outcomes->quality[i]))
			cells[grain_of(outcomes->quality[i])]++;
}

static inline int
grain_of(double quality)
{
	return (int) (Min(Max(quality, 0), 1) * GRAINS);
}

/*
 * A grain goes to the bin where its middle cell belongs.  Returns how many
 * bins there are: those that would be empty are left out.
 */
static int
assign_bins(const int64 *cells, int *bin_of)
{
	int64		total = 0;
	int64		before = 0;
	int			last = -1;
	int			nbins = 0;

	for (int g = 0; g <= GRAINS; g++)
		total += cells[g];
	for (int g = 0; g <= GRAINS; g++)
	{
		int			bin;

		if (cells[g] == 0)
			continue;
		bin = (int) ((before + cells[g] / 2) * MR_EVALUATION_BINS / total);
		if (bin != last)
			nbins++;
		last = bin;
		bin_of[g] = nbins - 1;
		before += cells[g];
	}
	return nbins;
}
