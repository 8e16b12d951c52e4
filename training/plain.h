/*
 * plain.h
 *	  Exponential and logarithm in plain arithmetic: the mathematical library's
 *	  differ in their last bits between machines, and the trained weights must
 *	  not.
 */
#ifndef PLAIN_H
#define PLAIN_H

#define LN2 0.69314718055994530942

/* e to the power of x, for x of moderate size; 0 below -700. */
static inline double
plain_exp(double x)
{
	double		term = 1;
	double		sum = 1;
	double		power = 1;
	int			halves = 0;

	if (x < -700)
		return 0;
	while (x > 0.5 || x < -0.5)
	{
		x /= 2;
		halves++;
	}
	for (int i = 1; i <= 14; i++)
	{
		term *= x / i;
		sum += term;
	}
	for (power = sum; halves > 0; halves--)
		power *= power;
	return power;
}

/* The natural logarithm of a positive x: 2 atanh((x - 1) / (x + 1)). */
static inline double
plain_log(double x)
{
	double		whole = 0;
	double		s;
	double		power;
	double		sum = 0;

	for (; x > 1.5; x /= 2)
		whole += LN2;
	for (; x < 0.75; x *= 2)
		whole -= LN2;
	s = (x - 1) / (x + 1);
	power = s;
	for (int i = 1; i <= 25; i += 2)
	{
		sum += power / i;
		power *= s * s;
	}
	return whole + 2 * sum;
}

#endif							/* PLAIN_H */
