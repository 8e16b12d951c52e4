#!/usr/bin/perl
#
# lint.pl
#	  Checks what the project's style asks for and a program can see.
#
# usage: lint.pl [--root DIR] [--tap] [RULE...]
#        lint.pl --list
#
# Prints "file:line: rule: text" for each fault, or with --tap one test for
# each rule; the exit status is 1 when there is a fault.  layers.txt and
# gatekeepers.txt beside this file are the data of the rules of that name;
# exceptions.txt holds the faults that stand, each with its reason.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use FindBin;
use Getopt::Long;

use lib $FindBin::Bin;
use Source;

my $HERE = abs_path(dirname(__FILE__));

my %LIMIT = (
	columns         => 80,
	tab             => 4,
	file_lines      => 600,
	function_lines  => 60,
	parameters      => 6);

# Each rule takes nothing and calls fault() for what it finds.
my @RULES = (
	[ layers      => \&check_layers ],
	[ gatekeepers => \&check_gatekeepers ],
	[ errcode     => \&check_errcode ],
	[ messages    => \&check_messages ],
	[ symbols     => \&check_symbols ],
	[ functions   => \&check_functions ],
	[ files       => \&check_file_lengths ],
	[ columns     => \&check_columns ],
	[ heads       => \&check_heads ],
	[ unfinished  => \&check_unfinished ],
	[ expected    => \&check_expected ],
	[ sql         => \&check_sql ],
	[ version     => \&check_version ],
	[ map         => \&check_map ],
	[ layout      => \&check_layout ]);

my ($root, $tap, $list) = ("$HERE/../..");
my @faults;

main();

sub main
{
	GetOptions('root=s' => \$root, 'tap' => \$tap, 'list' => \$list)
	  or die "usage: lint.pl [--root DIR] [--tap] [RULE...] | --list\n";
	my %wanted = map { $_ => 1 } @ARGV;
	my @rules  = grep { !@ARGV || $wanted{ $_->[0] } } @RULES;

	die "lint.pl: no such rule\n" if @ARGV && @rules != keys %wanted;
	if ($list)
	{
		print "$_->[0]\n" foreach @RULES;
		return;
	}
	chdir($root) or die "$root: $!\n";
	find_files();
	print '1..' . @rules . "\n" if $tap;
	exit(run_rules(@rules) ? 1 : 0);
}

sub run_rules
{
	my @rules = @_;
	my ($number, $total) = (0, 0);

	foreach my $rule (@rules)
	{
		my ($name, $check) = @$rule;

		@faults = ();
		$check->();
		@faults = grep { !is_exception($name, @$_) } @faults;
		$total += @faults;
		printf "%sok %d - %s\n", @faults ? 'not ' : '', ++$number, $name
		  if $tap;
		foreach my $fault (@faults)
		{
			my ($file, $line, $text) = @$fault;
			printf "%s%s:%d: %s: %s\n", $tap ? '# ' : '', $file, $line, $name,
			  $text;
		}
	}
	return $total;
}

sub fault
{
	my ($file, $line, $text) = @_;

	push @faults, [ $file, $line, $text ];
	return;
}

sub is_exception
{
	my ($rule, $file, $line, $text) = @_;

	foreach my $row (rows_of('exceptions.txt'))
	{
		my ($in_rule, $in_file, $words) = split(/ \| /, $row);

		return 1
		  if $rule eq $in_rule && $file eq $in_file && $text =~ /\Q$words\E/;
	}
	return 0;
}

# Rows of a data file, without comments.
sub rows_of
{
	my ($name) = @_;
	open(my $in, '<', "$HERE/$name") or die "$name: $!\n";
	my @rows = grep { /\S/ && !/^#/ } <$in>;

	chomp(@rows);
	return @rows;
}

# ----------
# Layers and gatekeepers
# ----------

sub check_layers
{
	my %may;

	foreach my $row (rows_of('layers.txt'))
	{
		my ($folder, @below) = split(' ', $row);
		$may{$folder} = { map { $_ => 1 } $folder, @below };
	}
	foreach my $file (c_files())
	{
		my $code = code_of($file);
		my $from = folder_of($file);

		while ($code =~ /^#include "([^"]+)"/gm)
		{
			my $include = $1;
			my $line    = line_at($code, $-[0]);
			my $to      = folder_of("src/$include");

			fault($file, $line, "include it by its path from src")
			  if $include !~ m!/! && -f dirname($file) . "/$include";
			next unless -f "src/$include";
			fault($file, $line, "$from may not include $include")
			  unless $may{$from}{$to} || $may{$from}{'*'};
		}
	}
	return;
}

sub folder_of { return $_[0] =~ m!^src/(\w+)/! ? $1 : '.'; }

sub check_gatekeepers
{
	foreach my $row (rows_of('gatekeepers.txt'))
	{
		my ($where, $word, $allowed) = $row =~ /^(.*?) \| (.*) \|(.*)$/
		  or die "gatekeepers.txt: $row\n";
		my %may = map { $_ => 1 } files_like(split(' ', $allowed));

		foreach my $file (grep { !$may{$_} } files_like(split(' ', $where)))
		{
			my $code = $file =~ /\.[ch]$/ ? code_of($file, 1) : perl_code($file);

			while ($code =~ /$word/g)
			{
				fault($file, line_at($code, $-[0]), "$& has no place here");
			}
		}
	}
	return;
}

# ----------
# Errors
# ----------

# Each ereport with its arguments: calls visit(file, line, level, text).
sub each_ereport
{
	my ($visit) = @_;

	foreach my $file (c_files())
	{
		my $bare = code_of($file, 1);
		my $code = code_of($file);

		while ($bare =~ /\bereport\s*(?=\()/g)
		{
			my $start = pos($bare);
			my $length = length(in_parens($bare, $start));
			my $call = substr($code, $start, $length);
			my ($level) = $call =~ /^\(\s*([^,]+)/;

			$visit->($file, line_at($bare, $start), $level, $call);
		}
	}
	return;
}

sub check_errcode
{
	each_ereport(
		sub {
			my ($file, $line, $level, $call) = @_;

			return if $level =~ /^(?:DEBUG[1-5]|LOG|LOG_SERVER_ONLY|INFO|NOTICE)$/;
			fault($file, $line, "ereport($level) without errcode")
			  unless $call =~ /\berrcode(?:_for_file_access|_for_socket_access)?\s*\(/;
		});
	return;
}

sub check_messages
{
	each_ereport(
		sub {
			my ($file, $line, $level, $call) = @_;

			while ($call =~ /\berr(msg|detail|hint)(?:_internal|_plural|_log)?\s*\(\s*((?:"(?:\\.|[^"\\])*"\s*)+)/g)
			{
				my ($kind, $text) = ($1, join('', split(/"\s*"/, $2)));

				$text =~ s/^"|"\s*$//g;
				fault($file, $line, "errmsg starts with a capital: $text")
				  if $kind eq 'msg' && $text =~ /^[A-Z][a-z]/;
				fault($file, $line, "errmsg ends with a full stop: $text")
				  if $kind eq 'msg' && $text =~ /\.$/;
				fault($file, $line, "err$kind is not a sentence: $text")
				  if $kind ne 'msg' && $text !~ /^(?:["A-Z%{'(].*(?:[.!?)]|%s)|%s)$/s;
			}
		});
	return;
}

# ----------
# Names, lengths, layout
# ----------

# Only what PostgreSQL looks up may lack the prefix.
sub check_symbols
{
	foreach my $object (files_like('src/*.o'))
	{
		(my $source = $object) =~ s/o$/c/;
		next unless -f $source;
		foreach my $row (`nm --defined-only --extern-only '$object'`)
		{
			my ($name) = $row =~ /\s(\S+)$/;

			fault($source, 1, "exports $name, which does not start with mr_")
			  unless $name =~ /^(?:mr_\w+|_PG_init|Pg_magic_func|pg_finfo_mr_sql_\w+|__\w+|_?asan\w*)(?:\.\w+)*$/;
		}
	}
	return;
}

# Relies on the layout: a function's braces stand in the first column.
sub check_functions
{
	foreach my $file (grep { /\.c$/ } all_c_files())
	{
		my $code = code_of($file, 1);

		while ($code =~ /^(\w+)(\((?:[^(){};]|\([^(){};]*\))*\))\s*\n\{\n(.*?)^\}/gsm)
		{
			my ($name, $parameters, $body) = ($1, $2, $3);
			my $line   = line_at($code, $-[1]);
			my $lines  = 2 + ($body =~ tr/\n//);
			my $number = () = $parameters =~ /,/g;

			fault($file, $line, "$name has $lines lines")
			  if $lines > $LIMIT{function_lines};
			fault($file, $line, "$name has " . ($number + 1) . ' parameters')
			  if $number >= $LIMIT{parameters};
		}
	}
	return;
}

sub check_file_lengths
{
	foreach my $file (all_c_files(), files_like('test/*.sh', 'test/*.pl',
			'test/*.pm', 'bench/*.sh', 'bench/*.pl', 'training/*.sh',
			'sql/parts/*.sql',
			'sql/parts/*.pl'))
	{
		my $lines = () = text_of($file) =~ /\n/g;

		fault($file, $lines, "has $lines lines")
		  if $lines > $LIMIT{file_lines};
	}
	return;
}

# A line may be longer for a string that it would be a pity to break.
sub check_columns
{
	foreach my $file (all_c_files())
	{
		my $number = 0;

		foreach my $line (lines_of(text_of($file)))
		{
			$number++;
			my $width = width_of($line);
			next if $width <= $LIMIT{columns};
			(my $short = $line) =~ s/"(?:\\.|[^"\\])*"/""/g;
			fault($file, $number, "has $width columns")
			  if $short eq $line || width_of($short) > $LIMIT{columns};
		}
	}
	return;
}

sub width_of
{
	my ($line) = @_;

	1 while $line =~ s/^([^\t]*)\t/$1 . ' ' x ($LIMIT{tab} - length($1) % $LIMIT{tab})/e;
	return length($line);
}

# The first comment tells, in a sentence, the file's job; in C, after its name.
sub check_heads
{
	foreach my $file (all_c_files(), files_like('Makefile', '.ci/run',
			'test/*.sh', 'test/*.pl', 'test/*.pm', 'bench/*.sh', 'training/*.sh'))
	{
		my @lines = lines_of(text_of($file));
		my $head  = join "\n", @lines[ 0 .. ($#lines < 7 ? $#lines : 7) ];
		my $name  = basename($file);

		fault($file, 1, 'does not open with a comment that tells its job')
		  unless $file =~ /\.[ch]$/
		  ? $head =~ m!\A/\*\n \* \Q$name\E(?::|\n).*[.:;]$!sm
		  : $head =~ /\A(?:#.*\n)*#[ \t]*[A-Z].*\w/ || $head =~ /^=head1 NAME/m;
	}
	foreach my $file (files_like('sql/parts/*.sql', 'test/sql/*.sql',
			'test/specs/*.spec'))
	{
		my $text = text_of($file);

		fault($file, 1, 'does not open with a comment that tells its job')
		  unless $text =~ /^(?:--|#)\s?\S/m && $text =~ /\A(?:--|#|\\echo)/;
	}
	return;
}

sub check_unfinished
{
	foreach my $file (grep { !m!^test/lint/! } all_c_files(),
		files_like('*.sql', '*.sh', '*.pl', '*.pm', '*.md', '*.spec'))
	{
		my $text = text_of($file);

		while ($text =~ /\b(?:TODO|FIXME|XXX|HACK)\b/g)
		{
			fault($file, line_at($text, $-[0]), $&);
		}
	}
	return;
}

sub check_layout
{
	my @files = all_c_files();

	return unless @files;
	told_by("perl '$HERE/format.pl' --check @files");
	return;
}

sub check_map
{
	told_by("perl '$HERE/map.pl' --check") if files_like('src/README.md');
	return;
}

# Faults that another program tells, one in a line.
sub told_by
{
	my ($command) = @_;

	foreach my $row (`$command 2>&1`)
	{
		chomp($row);
		my ($file, $line, $text) = $row =~ /^(.*?):(\d+): \w+: (.*)$/;

		fault($file // 'test/lint', $line // 1, $text // $row);
	}
	return;
}

# ----------
# Tests and their expected files
# ----------

sub check_expected
{
	my %test;

	foreach my $file (files_like('test/sql/*.sql', 'test/specs/*.spec'))
	{
		my ($name) = basename($file) =~ /^(.*)\.\w+$/;

		fault($file, 1, "$name is the name of another test, too")
		  if $test{$name}++;
		fault($file, 1, 'the name of a spec must start with iso_')
		  if $file =~ /spec$/ && $name !~ /^iso_/;
		fault($file, 1, "expected/$name.out is missing")
		  unless -f "expected/$name.out";
	}
	foreach my $file (files_like('expected/*'))
	{
		my ($name) = basename($file) =~ /^(.*?)(?:_\d)?\.out$/;
		my ($whole) = basename($file) =~ /^(.*)\.out$/;

		fault($file, 1, 'belongs to no test')
		  unless defined $name && ($test{$name} || $test{$whole});
	}
	foreach my $file (files_like('sql/*.sql'))
	{
		fault($file, 1, 'pg_regress would run it: only install scripts here')
		  unless $file =~ m!^sql/(?:parts/|modelroute--)!;
	}
	return;
}

# ----------
# SQL
# ----------

sub check_sql
{
	foreach my $file (files_like('sql/parts/*.sql', 'sql/modelroute--*--*.sql'))
	{
		my $sql = sql_code($file);

		while ($sql =~ /^CREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|PROCEDURE)\s+([\w.]+)(.*?);/gsm)
		{
			my ($kind, $name, $rest) = ($1, $2, $3);
			my $line = line_at($sql, $-[0]);

			fault($file, $line, "$name does not state its volatility")
			  if $kind eq 'FUNCTION'
			  && $rest !~ /\b(?:IMMUTABLE|STABLE|VOLATILE)\b/;
			fault($file, $line, "$name does not state its parallel safety")
			  if $kind eq 'FUNCTION'
			  && $rest !~ /\bPARALLEL\s+(?:SAFE|RESTRICTED|UNSAFE)\b/
			  && $rest !~ /\bRETURNS\s+(?:event_)?trigger\b/i;
			fault($file, $line, "$name is SECURITY DEFINER without search_path")
			  if $rest =~ /\bSECURITY\s+DEFINER\b/
			  && $rest !~ /\bSET\s+search_path\b/;
		}
		while ($sql =~ /^CREATE\s+OR\s+REPLACE\b|\bIF\s+NOT\s+EXISTS\b/gm)
		{
			fault($file, line_at($sql, $-[0]), "$&: objects may not exist yet");
		}
	}
	return;
}

# ----------
# The version
# ----------

sub check_version
{
	my ($control) = files_like('*.control') or return;
	my ($version) = text_of($control) =~ /^default_version = '(.*)'/m;

	if (!defined $version)
	{
		fault($control, 1, 'states no default_version');
		return;
	}
	foreach my $file (files_like('Makefile', 'META.json.in', 'README.md',
			'docs/*', 'src/*.c', 'src/*.h', 'sql/parts/*', 'test/*'))
	{
		next if $file =~ /\.[od]$/ || -B $file;
		my $text = text_of($file);
		while ($text =~ /(?<![\d.])\Q$version\E(?![\d.]*\d)/g)
		{
			fault($file, line_at($text, $-[0]),
				"the version is stated in $control only");
		}
	}
	return;
}
