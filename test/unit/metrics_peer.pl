#!/usr/bin/perl
#
# metrics_peer.pl
#	  Compares router/metrics with an independent program on random tables, to
#	  1e-6.
#
# That program, router_metrics.py, is not part of the project: ROUTER_METRICS
# leads to it, or it lies in ../shared/routing beside the checkout.  Without
# it, or without Python, the test is skipped.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use File::Temp;
use JSON::PP;
use Test::More;

my $TOLERANCE = 1e-6;

my $top  = abs_path(dirname(__FILE__) . '/../..');
my $peer = $ENV{ROUTER_METRICS} // "$top/../shared/routing/router_metrics.py";
my $dir  = File::Temp->newdir;

plan skip_all => 'router_metrics.py is not here' unless -r $peer;
plan skip_all => 'python3 is not here'
  if system('python3 -c "" >/dev/null 2>&1') != 0;

srand(20240626);
build_driver();
compare_pair('scores of 0 and 1',          500, [ 0, 1 ],            1e6);
compare_pair('fractional scores',          333, [ map { $_ / 7 } 0 .. 7 ], 1e6);
compare_pair('few different router scores', 400, [ 0, 1 ],           6);
compare_pair('a router without opinion',   50,  [ 0, .5, 1 ],        1);
compare_pair('seven prompts',              7,   [ 0, .3, 1 ],        3);
compare_many('two models',        200, 2,  5,  [ 0, 1 ]);
compare_many('many models',       300, 14, 20, [ map { $_ / 9 } 0 .. 9 ]);
compare_many('one point',         60,  4,  1,  [ 0, .5, 1 ]);
compare_many('few prompts',       5,   3,  6,  [ 0, 1 ]);
compare_many('all scores alike',  40,  3,  4,  [ .5 ]);
done_testing();

sub build_driver
{
	my $pg_config = $ENV{PG_CONFIG} // '/usr/lib/postgresql/15/bin/pg_config';
	my $cc        = $ENV{CC} // 'gcc';

	chomp(my $include = `'$pg_config' --includedir-server`);
	chomp(my $lib     = `'$pg_config' --pkglibdir`);
	my $failed = system("cd '$top' && $cc -std=gnu11 -O1 -Wall -Werror"
		  . " -I'$include' -Isrc -Itest/fuzz -o '$dir/driver'"
		  . ' test/unit/metrics_driver.c test/fuzz/shim.c'
		  . ' src/router/metrics.c src/router/metrics_pair.c'
		  . " '$lib/libpgcommon.a' '$lib/libpgport.a' -lm");

	BAIL_OUT('the driver does not compile') if $failed;
	return;
}

# Router scores are multiples of 1/$steps that lean towards the truth.
sub compare_pair
{
	my ($name, $prompts, $scores, $steps) = @_;
	my @rows;

	foreach my $prompt (1 .. $prompts)
	{
		my ($weak, $strong) = map { $scores->[ rand @$scores ] } 1 .. 2;
		my $router = ($strong - $weak) / 4 + rand();

		$strong = $scores->[-1] if rand() < .3;
		push @rows,
		  [ map { sprintf '%.15g', $_ } int($router * $steps) / $steps,
			$weak, $strong ];
	}
	write_rows('pair.csv', ',', [qw(router_score score_weak score_strong)],
		@rows);
	write_rows('pair.txt', ' ', [ 'pair', $prompts ], @rows);
	compare($name, "pair '$dir/pair.csv'", 'pair.txt');
	return;
}

# Dearer models are better; picks are random, but less so from point to point.
sub compare_many
{
	my ($name, $prompts, $models, $points, $scores) = @_;
	my (@eval, @choices, @all);

	foreach my $prompt (0 .. $prompts - 1)
	{
		my @score = map { $scores->[ rand() < $_ / $models ? -1 :
			  rand @$scores ] } 0 .. $models - 1;
		my @cost = map { (1 + $_)**2 * (1 + rand()) / 1000 } 0 .. $models - 1;
		my @pick = map { int(rand() * $models * ($_ + 1) / $points) }
		  0 .. $points - 1;

		@score = map { sprintf '%.15g', $_ } @score;
		@cost  = map { sprintf '%.15g', $_ } @cost;
		push @eval, [ "p$prompt", @score, @cost ];
		push @choices, map { [ "op$_", $prompt, "m$pick[$_]" ] } 0 .. $#pick;
		push @all, [ @score, @cost, @pick ];
	}
	my @names = map { "m$_" } 0 .. $models - 1;

	write_rows('eval.csv', ',',
		[ 'prompt', (map { "score:$_" } @names), map { "cost:$_" } @names ],
		@eval);
	write_rows('choices.csv', ',', [qw(op row model)], @choices);
	write_rows('many.txt', ' ', [ 'many', $prompts, $models, $points ], @all);
	compare($name, "multi '$dir/eval.csv' '$dir/choices.csv'", 'many.txt');
	return;
}

sub write_rows
{
	my ($file, $separator, @rows) = @_;

	open(my $out, '>', "$dir/$file") or die "$file: $!\n";
	print $out join($separator, @$_), "\n" foreach @rows;
	close($out) or die "$file: $!\n";
	return;
}

sub compare
{
	my ($name, $arguments, $input) = @_;
	my %ours = map { split ' ' } `'$dir/driver' <'$dir/$input'`;
	my $text = `python3 '$peer' --json $arguments 2>&1`;

	# Where a number is not defined it divides by zero.
	if ($text =~ /ZeroDivisionError/)
	{
		ok((grep { /nan/i } values %ours), "$name: not defined");
		return;
	}
	$text =~ s/\bNaN\b/"nan"/g;
	my $theirs = flatten(decode_json($text));
	my @differing = grep {
		defined $theirs->{$_} && !alike($ours{$_}, $theirs->{$_})
	} sort keys %ours;
	my @common = grep { defined $theirs->{$_} } keys %ours;

	is_deeply(\@differing, [], "$name: " . @common . ' metrics agree');
	diag("$_: $ours{$_}, expected $theirs->{$_}") foreach @differing;
	cmp_ok(scalar @common, '>=', 12, "$name: the names are the same");
	return;
}

# Operating points become quality_0, cost_0, quality_1, ...
sub flatten
{
	my ($metrics) = @_;
	my $points = delete $metrics->{ops} // [];

	foreach my $number (0 .. $#$points)
	{
		$metrics->{"${_}_$number"} = $points->[$number]{$_}
		  foreach qw(quality cost gap_closed);
	}
	return $metrics;
}

sub alike
{
	my ($ours, $theirs) = @_;

	return $ours =~ /nan/i && $theirs =~ /nan/i
	  if "$ours $theirs" =~ /nan/i;
	return abs($ours - $theirs) <= $TOLERANCE;
}
