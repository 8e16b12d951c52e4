#!/usr/bin/perl
#
# format.pl
#	  Lays out C files as PostgreSQL's pgindent does.
#
# usage: format.pl [--check] FILE...
#
# Calls pg_bsd_indent with pgindent's options.  That program must be told what
# is a type: it gets the typedefs of PostgreSQL's and our own headers that
# occur in the file.  With --check no file is changed; the first line of each
# file that would change is told, and the exit status is 1 if there is one.

use strict;
use warnings;

use File::Temp;

my @OPTIONS = qw(-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1
  -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4);

# Headers outside this tree whose typedefs occur in it.
my @SYSTEM_HEADERS = (
	'/usr/include/cjson/cJSON.h',
	glob('/usr/include/*/curl/*.h'),
	glob('/usr/include/curl/*.h'));

# Typedefs that no header scanned here defines.
my @BUILT_IN = qw(bool size_t ssize_t va_list FILE pid_t time_t off_t uid_t
  int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t uintptr_t
  intptr_t socklen_t sigset_t sigjmp_buf pthread_t);

my $check    = @ARGV && $ARGV[0] eq '--check' && shift @ARGV;
my %typedefs = map { $_ => 1 } @BUILT_IN, find_typedefs();
my $changed  = 0;

foreach my $file (@ARGV)
{
	my $before = read_file($file);
	my $after  = layout($file, $before);

	next if $after eq $before;
	$changed = 1;
	if ($check)
	{
		printf "%s:%d: layout: make format would change this line\n",
		  $file, first_difference($before, $after);
	}
	else
	{
		write_file($file, $after);
		print "$file\n";
	}
}
exit($check && $changed ? 1 : 0);

# What pg_bsd_indent makes of a file, with its oddities put right.
sub layout
{
	my ($file, $text) = @_;
	my $types = File::Temp->new;
	my $input = File::Temp->new(SUFFIX => '.c');
	my $output = File::Temp->new;

	# unknown to pg_bsd_indent: hexadecimal floating point numbers, and
	# compound literals
	my @held;
	$text =~ s/\b(0x[0-9a-f]+\.?[0-9a-f]*p[-+]?\d+)/hold(\@held, $1)/gie;
	$text =~ s/(\(\w+\) \{[^{};\n]*\})(?!;)/hold(\@held, $1)/ge;

	print $types map { "$_\n" } types_in($text);
	print $input $text;
	close($types);
	close($input);
	my $errors =
	  `pg_bsd_indent @OPTIONS -U$types $input $output 2>&1`;
	die "$file:1: layout: pg_bsd_indent: ", (split /\n/, $errors)[0], "\n"
	  if $? || $errors ne '';

	$text = read_file($output);

	# the star of a function's return type
	$text =~ s/^([A-Za-z_]\S*)[ \t]+\*$/$1 */gm;

	# text is also a usual name of a variable, see types_in
	$text =~ s/\btext \* (?=\w)/text */g;

	# designated initialisers in one line
	$text =~ s/,\.(?=[a-z_][\w.]* =)/, ./g;

	# ranges of array elements: 0x80...0xBF would be one wrong number
	$text =~ s/\[([^\s\[\]]+)\.\.\.([^\s\[\]]+)\]/[$1 ... $2]/g;

	# a comment after the end of another
	$text =~ s!\*/(/\*.*\*/)$!*/\t$1!gm;

	# tables whose row type has no name
	$text =~ s/( =)\n\n(?=\{\n)/$1\n/g;
	$text =~ s/( = \{\n)\n/$1/g;
	$text =~ s/\bheld_(\d+)_*/$held[$1]/g;
	return indent_initialisers($text);
}

# A word as long as the text it stands for.
sub hold
{
	my ($held, $text) = @_;
	my $word = sprintf('held_%d_', scalar @$held);

	push @$held, $text;
	return $word . '_' x (length($text) - length($word));
}

# Continuation lines of a declaration's initialiser go one tab to the right,
# as they do in later releases of pg_bsd_indent.
sub indent_initialisers
{
	my @lines = split(/\n/, $_[0], -1);

	for (my $i = 0; $i < @lines; $i++)
	{
		next unless $lines[$i] =~ /^(\t*)(?:\w+ )*\w+\s+\**\w+(?:\[\w*\])* =(?: [^;{]*)?$/;
		my $indent = $1;
		my @shifted = open_parens($lines[$i], 0);

		while ($lines[$i] !~ /[;{]$/ && $i + 1 < @lines)
		{
			my $line = $lines[ ++$i ];
			my $shift =
			  @shifted ? $shifted[-1] : $line =~ /^$indent[^\t{]/ ? 1 : 0;

			$lines[$i] = "\t$line" if $shift;
			@shifted = open_parens($line, $shift, @shifted);
		}
	}
	return join("\n", @lines);
}

# The parentheses open after a line; each is known by its line's shift.
sub open_parens
{
	my ($line, $shift, @open) = @_;

	$line =~ s!/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'!!g;
	foreach my $paren ($line =~ /[()]/g)
	{
		$paren eq '(' ? push(@open, $shift) : pop(@open);
	}
	return @open;
}

# The typedefs that a text uses as such: a name that is also a variable there,
# as text often is, must not be told.
sub types_in
{
	my ($text) = @_;
	my %seen;

	$text =~ s!/\*.*?\*/! !gs;
	$seen{$_}++ foreach $text =~ /\b([A-Za-z_]\w*)\b/g;
	return grep {
		$typedefs{$_} && $text !~ /\w[\s*]\s*\**\b$_\s*(?:[;,=)\[]|->|\+\+)/
		  || exists $seen{$_} && defines($text, $_)
	} sort keys %seen;
}

sub defines
{
	my ($text, $name) = @_;
	return $text =~ /^\}\s*$name;/m || $text =~ /^typedef[^;{]*\b$name;/m;
}

sub find_typedefs
{
	my $includes = `"\${PG_CONFIG:-pg_config}" --includedir-server 2>/dev/null`;
	my @names;

	chomp($includes);
	$includes = '/usr/include/postgresql/15/server' unless -d $includes;
	foreach my $file (@SYSTEM_HEADERS,
		split(/\n/, `find src test bench training '$includes' -name '*.[ch]' 2>/dev/null`))
	{
		push @names, typedefs_of(read_file($file)) if -f $file;
	}
	return @names;
}

sub typedefs_of
{
	my ($text) = @_;
	my @names;

	$text =~ s!/\*.*?\*/! !gs;
	$text =~ s/^[ \t]*#.*(?:\\\n.*)*//gm;
	push @names, $1
	  while $text =~ /\btypedef\b[^;{}()]*?\b(\w+)\s*(?:\[[^\]]*\]\s*)?;/g;
	push @names, $1 while $text =~ /\btypedef\b[^;{}()]*\(\s*\*\s*(\w+)\s*\)/g;
	push @names, $1
	  while $text =~ /^\}\s*(?:pg_attribute_\w+\(\)\s*)?\**(\w+)\s*;/gm;
	return @names;
}

sub first_difference
{
	my @before = split(/\n/, $_[0], -1);
	my @after  = split(/\n/, $_[1], -1);
	my $line   = 0;

	$line++ while $line < @before && $before[$line] eq ($after[$line] // '');
	return $line + 1;
}

sub read_file
{
	my ($name) = @_;
	open(my $in, '<', $name) or die "$name: $!\n";
	local $/;
	return scalar <$in>;
}

sub write_file
{
	my ($name, $text) = @_;
	open(my $out, '>', $name) or die "$name: $!\n";
	print $out $text;
	close($out) or die "$name: $!\n";
	return;
}
