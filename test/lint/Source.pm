
=pod

=head1 NAME

Source - the files that lint looks at, and what is code in them

=cut

package Source;

use strict;
use warnings;

use Exporter 'import';
use File::Find;

our @EXPORT = qw(find_files files_like c_files all_c_files text_of lines_of
  line_at code_of sql_code perl_code in_parens);

my (@all_files, %text_of);

# The regular files under the current directory; the other functions know no
# others.
sub find_files
{
	my @found;
	my %skip = map { $_ => 1 } qw(./.git ./tmp_check ./results ./dist);

	find(
		{
			no_chdir => 1,
			wanted   => sub {
				$File::Find::prune = 1 if $skip{$_};
				push @found, substr($_, 2) if -f $_;
			}
		},
		'.');
	@all_files = sort @found;
	return;
}

# Files whose path matches one of the globs, in which * also matches slashes.
sub files_like
{
	my @patterns = map { glob_pattern($_) } @_;

	return grep {
		my $file = $_;
		grep { $file =~ $_ } @patterns
	} @all_files;
}

sub glob_pattern
{
	my ($glob) = @_;
	my $pattern = join '.*', map { quotemeta } split(/\*/, $glob, -1);

	return qr/^$pattern$/;
}

sub text_of
{
	my ($file) = @_;

	if (!defined $text_of{$file})
	{
		open(my $in, '<', $file) or die "$file: $!\n";
		local $/;
		$text_of{$file} = <$in> // '';
	}
	return $text_of{$file};
}

sub lines_of { return split(/\n/, $_[0]); }

sub line_at
{
	my ($text, $offset) = @_;

	return 1 + (substr($text, 0, $offset) =~ tr/\n//);
}

# C text with comments, and if asked for also strings, blanked out.
sub code_of
{
	my ($file, $without_strings) = @_;
	my $text = text_of($file);

	$text =~ s{(/\*.*?\*/)|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')}
		{defined $1 ? blank($1) : $without_strings ? quotes_only($2) : $2}gse;
	return $text;
}

sub blank
{
	my ($text) = @_;

	$text =~ s/[^\n]/ /g;
	return $text;
}

sub quotes_only
{
	my ($text) = @_;
	my $quote = substr($text, 0, 1);

	return $quote . ' ' x (length($text) - 2) . $quote;
}

# Perl text without its comments.
sub perl_code
{
	my $text = text_of($_[0]);

	$text =~ s/^=\w+.*?^=cut$/blank($&)/gsme;
	$text =~ s/#.*$/blank($&)/gme;
	return $text;
}

# SQL with comments blanked out and bodies of functions emptied.
sub sql_code
{
	my $text = text_of($_[0]);

	$text =~ s{(--[^\n]*)|(/\*.*?\*/)|('(?:''|[^'])*')|(\$(\w*)\$.*?\$\5\$)}
		{defined $1 ? blank($1) : defined $2 ? blank($2)
		 : defined $3 ? quotes_only($3) =~ s/\n/ /gr : blank($4)}gse;
	return $text;
}

# The text from an opening parenthesis to the one that closes it.
sub in_parens
{
	my ($text, $start) = @_;
	my $depth = 0;

	pos($text) = $start;
	while ($text =~ /([()])/g)
	{
		$depth += $1 eq '(' ? 1 : -1;
		return substr($text, $start, pos($text) - $start) if $depth == 0;
	}
	return substr($text, $start);
}

sub c_files { return files_like('src/*.c', 'src/*.h'); }

sub all_c_files
{
	return files_like(map { ("$_/*.c", "$_/*.h") } qw(src test bench training));
}

1;
