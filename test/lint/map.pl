#!/usr/bin/perl
#
# map.pl
#	  Writes the map of src into src/README.md: each file with the sentence
#	  that opens it.
#
# usage: map.pl [--check]
#
# The map stands between two marks.  A header is listed where no C file of
# its name is.  With --check nothing is written; the exit status is 1 if the
# map is not what it should be.

use strict;
use warnings;

use FindBin;

my $README = 'src/README.md';
my ($BEGIN, $END) = ('<!-- map: make format writes it -->', '<!-- end of map -->');

my $check = @ARGV && $ARGV[0] eq '--check';
my $before = read_file($README);
my $after  = $before;
my $map    = join "\n", map { folder_map($_) } folders();

$after =~ s/(\Q$BEGIN\E\n).*(?=\Q$END\E)/$1$map\n/s
  or die "$README: no marks for the map\n";
exit 0 if $after eq $before;
if ($check)
{
	my ($old, $new) = ([ split /\n/, $before ], [ split /\n/, $after ]);
	my $line = 0;

	$line++ while $line < @$old && $old->[$line] eq ($new->[$line] // '');
	printf "%s:%d: map: make format would change this line\n", $README,
	  $line + 1;
	exit 1;
}
open(my $out, '>', $README) or die "$README: $!\n";
print $out $after;
close($out) or die "$README: $!\n";

# From the entry down to the base, as the layers are.
sub folders
{
	open(my $in, '<', "$FindBin::Bin/layers.txt") or die "layers.txt: $!\n";
	return map { /^(\w+)/ ? "src/$1" : /^\./ ? 'src' : () } <$in>;
}

sub folder_map
{
	my ($folder) = @_;
	my @files = sort grep { !/\.h$/ || !-f s/h$/c/r } glob("$folder/*.[ch]");

	return () unless @files;
	return join "\n", '', "`$folder/`", '', '| file | job |', '|---|---|',
	  map { sprintf '| %s | %s |', s!.*/!!r, first_sentence($_) } @files;
}

sub first_sentence
{
	my ($file) = @_;
	my ($text) =
	  read_file($file) =~ m!\A/\*\n \* [\w.]+:?\s*\n \*\s+(.*?)(?:\n \*\n| \*/|\.  )!s;

	$text //= '';
	$text =~ s/\s*\n \*\s*/ /g;
	$text =~ s/\s*\*?\s*$//;
	$text =~ s/\.?$/./;
	$text =~ s/\|/\\|/g;
	return $text;
}

sub read_file
{
	my ($name) = @_;
	open(my $in, '<', $name) or die "$name: $!\n";
	local $/;
	return scalar <$in>;
}
