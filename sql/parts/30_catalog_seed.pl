#!/usr/bin/perl
# Prints the INSERT statements of the shipped catalog from catalog/*.csv.
#
# One CSV per table; its header names the columns.  An empty field is NULL:
# unknown.  Facts that are the same for every row of a table stand here.
use strict;
use warnings;
use File::Basename qw(dirname);

# In the order of their foreign keys.
my @tables = (
	{ name => 'provider' },
	{ name => 'model' },
	{ name => 'endpoint' },
	{ name => 'price' },
	{   name     => 'category_prior',
		constant => {
			source => 'ridge model over public scores (table benchmark)',
			as_of  => '2026-11-22'
		}
	},
	{ name => 'benchmark', not_null => { variant => 1 } });

my $dir = dirname(__FILE__) . '/catalog';

print "-- ----------\n-- The shipped catalog\n-- ----------\n\n";
print_table($_) foreach @tables;

sub print_table
{
	my ($table)  = @_;
	my $rows     = read_csv("$dir/$table->{name}.csv");
	my $header   = shift @$rows;
	my $constant = $table->{constant} // {};
	my @extra    = sort keys %$constant;
	my @values;

	foreach my $row (@$rows)
	{
		die "$table->{name}.csv: row with a wrong number of fields\n"
		  if @$row != @$header;
		my @literals =
		  map { literal($row->[$_], $table->{not_null}{ $header->[$_] }) }
		  0 .. $#$header;
		push @literals, map { literal($constant->{$_}) } @extra;
		push @values, '(' . join(', ', @literals) . ', true)';
	}
	print "INSERT INTO modelroute.$table->{name}\n\t("
	  . join(', ', @$header, @extra, 'shipped')
	  . ") VALUES\n"
	  . join(",\n", @values)
	  . ";\n\n";
}

# Any SQL type takes a quoted literal; backslashes and bytes beyond ASCII
# would depend on settings and the database's encoding.
sub literal
{
	my ($text, $not_null) = @_;

	die "not printable ASCII: $text\n" if $text =~ /[^ -~]|\\/;
	return 'NULL' if $text eq '' && !$not_null;
	$text =~ s/'/''/g;
	return "'$text'";
}

# RFC 4180: fields may be quoted, quotes inside are doubled.
sub read_csv
{
	my ($path) = @_;
	my @rows;

	open(my $file, '<', $path) or die "cannot open $path: $!\n";
	while (my $line = <$file>)
	{
		chomp $line;
		my @fields;
		while ($line =~ /\G(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/gc)
		{
			my $field = defined $1 ? $1 =~ s/""/"/gr : $2;
			push @fields, $field;
			last if $3 eq '';
		}
		die "$path: malformed line $.\n" if pos($line) != length($line);
		push @rows, \@fields;
	}
	close($file);
	return \@rows;
}
