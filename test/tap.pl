#!/usr/bin/perl
#
# tap.pl
#	  Runs TAP tests and writes how many passed and failed to a file.
#
# usage: tap.pl [--jobs N] [--exec INTERPRETER] --result FILE TEST...
#
# A test that dies, is cut short or breaks its plan counts as one failure more
# than the "not ok" lines it printed.  Logs of failed PostgreSQL TAP tests are
# shown.

use strict;
use warnings;

use File::Basename;
use Getopt::Long;
use TAP::Harness;

my ($jobs, $exec, $result) = (1, undef, undef);

GetOptions('jobs=i' => \$jobs, 'exec=s' => \$exec, 'result=s' => \$result)
  or die "usage: tap.pl [--jobs N] [--exec PROGRAM] --result FILE TEST...\n";

my $harness = TAP::Harness->new(
	{
		jobs     => $jobs,
		failures => 1,
		comments => 1,
		timer    => 1,
		$exec ? (exec => [ split ' ', $exec ]) : (lib => ['test/t/lib'])
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
close($out);

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
