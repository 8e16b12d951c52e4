#!/usr/bin/perl
#
# synthetic.pl
#	  Prints prompts that look like text: number, topic and prompt, parted by
#	  tabs, as COPY reads them.
#
# usage: synthetic.pl PROMPTS BYTES
#
# Words are drawn from 20,000 by Zipf's law, a fifth of them from 200 words of
# the prompt's topic, one of ten.  BYTES is the mean length; 1 prompt in 2 is
# within 30 % of it, none is outside a half and twice.  An exact length is
# given as =BYTES.  The same arguments give the same prompts.

use strict;
use warnings;

my ($prompts, $bytes) = @ARGV;
my $exact = $bytes =~ s/^=//;
my @words = map { word($_) } 1 .. 20_000;
my $scale = log(scalar @words);

srand(1);
print_prompt($_) foreach 1 .. $prompts;

# Frequent words are short; every number is another word.
sub word
{
	my ($number) = @_;
	my @syllables = qw(a be co di en fo gu hi in ja ke lo ma ni or pe re su
	  ti un ve wa ex y);
	my $word = '';

	for (; $number > 0; $number = int($number / @syllables))
	{
		$word .= $syllables[ $number % @syllables ];
	}
	return $word;
}

sub print_prompt
{
	my ($number) = @_;
	my $topic  = int(rand(10));
	my $length = $exact ? $bytes : int($bytes * 2**(rand(2) - 1));
	my $prompt = '';

	while (length($prompt) < $length)
	{
		$prompt .= ucfirst(sentence($topic));
	}
	printf "%d\t%d\t%s\n", $number, $topic, substr($prompt, 0, $length);
	return;
}

sub sentence
{
	my ($topic) = @_;
	my @chosen = map { rand() < 0.2
		  ? $words[ 1000 + 200 * $topic + rand(200) ]
		  : $words[ exp(rand() * $scale) - 1 ] } 1 .. 5 + rand(12);

	$chosen[rand @chosen] = int(rand(1000)) if rand() < 0.3;
	$chosen[rand @chosen] .= ',' if rand() < 0.5;
	return join(' ', @chosen) . (rand() < 0.2 ? '? ' : '. ');
}
