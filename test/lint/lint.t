#!/usr/bin/perl
#
# lint.t
#	  Each rule of lint.pl as a test.

use strict;
use warnings;

use FindBin;

exec($^X, "$FindBin::Bin/lint.pl", '--tap') or die "lint.pl: $!\n";
