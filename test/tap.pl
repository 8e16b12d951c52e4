#!/usr/bin/perl
#
# tap.pl
#	  Runs TAP tests and writes how many passed and failed to a file.
#
# usage: tap.pl [--jobs N] [--limit SECONDS] [--exec PROGRAM] --result FILE
#        TEST...
#
# A test that dies, is cut short, bails out, breaks its plan or takes longer
# than the limit counts as one failure more than the "not ok" lines it
# printed; the others still run.  Logs of failed PostgreSQL TAP tests are
# shown.

use strict;
use warnings;

use File::Basename;
use Getopt::Long;
use TAP::Harness;

my ($jobs, $limit, $exec, $result) = (1, 600);

GetOptions(
	'jobs=i'   => \$jobs,
	'limit=i'  => \$limit,
	'exec=s'   => \$exec,
	'result=s' => \$result) && $result
  or die "usage: tap.pl [OPTION...] --result FILE TEST...\n";

# Perl tests tell what went wrong on standard error, others in comments.
my $program = $exec // 'perl -Itest/t/lib';

# A test that bails out would end all others.
my $run = "set -o pipefail; timeout --foreground -k 10 $limit $program \"\$0\""
  . ' | sed -u "s/^Bail out!/not ok - bail out:/"';

my $harness = TAP::Harness->new(
	{
		jobs     => $jobs,
		failures => 1,
		comments => defined $exec,
		timer    => 1,
		exec     => [ 'bash', '-c', $run ]
	});
my $aggregate = $harness->runtests(@ARGV);
my $failed    = 0;

foreach my $test ($aggregate->descriptions)
{
	my ($parser) = $aggregate->parsers($test);
	my $not_ok = scalar $parser->failed;
	my $broken = ($parser->parse_errors || ($parser->exit && !$not_ok)) ? 1 : 0;

	$failed += $not_ok + $broken;
	show_log($test) if $not_ok + $broken;
}

open(my $out, '>', $result) or die "$result: $!\n";
printf $out "%d %d\n", scalar $aggregate->passed, $failed;
close($out) or die "$result: $!\n";

# The end of the log that PostgreSQL::Test::Utils keeps beside its console.
sub show_log
{
	my ($test) = @_;
	my $log = 'tmp_check/log/regress_log_' . basename($test, '.pl');

	open(my $in, '<', $log) or return;
	my @lines = grep { !/^\[[\d:.]+\]\([\d.]+s\) ok / } <$in>;
	close($in);
	splice(@lines, 0, -100) if @lines > 100;
	print "--- end of $log\n", @lines;
	return;
}
