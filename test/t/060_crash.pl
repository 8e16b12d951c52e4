# 060_crash.pl
#	  Sessions make calls all the time while backends, workers, the launcher
#	  and the postmaster are killed at random moments.  Nothing that a client
#	  was told of is missing from the ledger afterwards; with a strict ledger,
#	  nothing that the provider saw is.
#
# CRASH_LOOPS (200) says how often something is killed, half of it in each
# mode; CRASH_SEED repeats a run's choices.

use strict;
use warnings;

use ModelrouteTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $LOOPS    = $ENV{CRASH_LOOPS} || 200;
my $SEED     = $ENV{CRASH_SEED} || time() ^ $$;
my $SESSIONS = 5;

# What is killed, and how often of 20 times.
my @victims = (
	('backend') x 8,
	('worker') x 5,
	('postmaster') x 4,
	('launcher') x 1,
	('immediate shutdown') x 2);

my $upstream = start_upstream(
	map {
		{
			name       => $_,
			latency_ms => { dist => 'exp', p50 => 3 },
			faults     => [ { kind => 'status', status => 500, rate => 0.03 } ],
		}
	} qw(default strict));
my $node = new_cluster('crash', conf => <<'CONF');
restart_after_crash = on
shared_buffers = 4MB
max_connections = 20
autovacuum = off
log_statement = none
CONF

add_sim_provider($node, $upstream);
$node->safe_psql('postgres', "SELECT modelroute.add_model(m, 'sim',
	input_price => 1, output_price => 1)
	FROM unnest('{default,strict}'::text[]) m");

$node->stop;

my $postmaster;
my %callers;

note("seed $SEED");
srand($SEED);
start_postmaster();
crash('default', int(($LOOPS + 1) / 2));
crash('strict',  int($LOOPS / 2));
end_postmaster('INT');
unlike(slurp_file($node->logfile),
	qr/terminated by signal (?!9:)|PANIC:|TRAP:/, 'nothing crashed by itself');
done_testing();

END
{
	my $status = $?;

	end_callers();
	end_postmaster('QUIT');
	$? = $status;
}

# ----------
# One mode of the ledger
# ----------

sub crash
{
	my ($mode, $loops) = @_;
	my $start = time();
	my %done;

	start_callers($mode);
	foreach my $loop (1 .. $loops)
	{
		my $victim = $victims[ rand @victims ];

		wait_for_calls($mode) or last;
		pass_time(rand 0.1);
		end_by_force($victim);
		$done{$victim}++;
	}
	wait_for_calls($mode);
	end_callers();
	is(scalar callers_left(), 0, "$mode: the sessions have ended");

	my $killed = join ', ', map { "$done{$_} x $_" } sort keys %done;
	note("$mode: $killed");
	check_ledger($mode);
	note(sprintf '%s: %d loops in %.0f s', $mode, $loops, time() - $start);
	return;
}

# ----------
# Sessions that make calls until they are told to stop
# ----------

sub start_callers
{
	my ($mode) = @_;
	my $script = $node->basedir . "/$mode.sql";
	my $call = "SELECT (modelroute.complete_record('hello', '$mode',
		'{\"on_error\": \"null\"}')).call_id;";

	$call =~ s/\s+/ /g;
	my $round = "$call\n$call\n$call\nBEGIN; $call ROLLBACK;\n";
	append_to_file($script, $round x 500);
	unlink(stop_file());
	foreach my $i (1 .. $SESSIONS)
	{
		my $out = out_file($mode, $i);
		my $pid = fork() // die "fork: $!";

		if ($pid == 0)
		{
			run_caller($mode, $script, $out);
			POSIX::_exit(0);
		}
		$callers{$pid} = 1;
	}
	return;
}

# psql again and again: it ends when the server does.
sub run_caller
{
	my ($mode, $script, $out) = @_;
	my $parent = getppid();
	my $psql = 'psql -XAtq -d "$1" -f "$2" >>"$3" 2>/dev/null';

	$ENV{PGOPTIONS} = '-c modelroute.ledger=strict' if $mode eq 'strict';
	open(STDIN, '<', '/dev/null');
	until (-e stop_file() || getppid() != $parent)
	{
		system('sh', '-c', $psql, 'sh', $node->connstr('postgres'),
			$script, $out);
		pass_time(0.01);
	}
	return;
}

sub out_file  { return $node->basedir . "/$_[0].$_[1].out"; }
sub stop_file { return $node->basedir . '/stop'; }

# Tells the sessions to stop, and cuts their scripts short.
sub end_callers
{
	return if !%callers;
	append_to_file(stop_file(), '');
	wait_until
	{
		kill('TERM', map { $_->[0] } grep { is_client($_) } processes());
		!callers_left();
	};
	kill('KILL', keys %callers);
	return;
}

sub callers_left
{
	foreach my $pid (keys %callers)
	{
		delete $callers{$pid} if waitpid($pid, 1) == $pid;
	}
	return keys %callers;
}

# The ids that clients were told, from the lines that are complete.
sub told_ids
{
	my ($mode) = @_;

	return map { slurp_file(out_file($mode, $_)) =~ /^(\d+)\n/mg }
	  grep { -e out_file($mode, $_) } 1 .. $SESSIONS;
}

sub told_bytes
{
	my ($mode) = @_;
	my $bytes = 0;

	$bytes += -s out_file($mode, $_) || 0 foreach 1 .. $SESSIONS;
	return $bytes;
}

# Waits until the server answers again: some calls, a few or many, have
# succeeded.
sub wait_for_calls
{
	my ($mode) = @_;
	my $bytes = told_bytes($mode) + 10 + rand 300;

	return 1 if wait_until { told_bytes($mode) >= $bytes } 60, 0.005;
	fail("$mode: calls succeed again");
	return 0;
}

# A moment of no meaning, for accidents to come at random.
sub pass_time
{
	my ($seconds) = @_;
	my $end = time() + $seconds;

	wait_until { time() >= $end } $seconds, 0.002;
	return;
}

# ----------
# Accidents
# ----------

# The postmaster's children: pairs of pid and title.
sub processes
{
	my @found;

	foreach my $dir (glob '/proc/[0-9]*')
	{
		my ($stat, $title) = map { read_small_file("$dir/$_") } qw(stat cmdline);

		next unless $stat =~ /^(\d+) \(.*\) \S (\d+)/s && $2 == $postmaster;
		push @found, [ $1, $title ];
	}
	return @found;
}

sub read_small_file
{
	my ($name) = @_;

	open(my $in, '<', $name) or return '';
	local $/;
	return <$in> // '';
}

sub is_client { return $_[0][1] =~ /\[local\]|127\.0\.0\.1\(\d+\)/; }

sub end_by_force
{
	my ($victim) = @_;
	my %kind = (
		backend  => \&is_client,
		worker   => sub { $_[0][1] =~ /modelroute worker/ },
		launcher => sub { $_[0][1] =~ /modelroute launcher/ });

	return restart_after('KILL') if $victim eq 'postmaster';
	return restart_after('QUIT') if $victim eq 'immediate shutdown';

	my @pids;
	wait_until
	{
		@pids = map { $_->[0] } grep { $kind{$victim}->($_) } processes();
	}
	60, 0.005;
	kill('KILL', $pids[ rand @pids ]) if @pids;
	return;
}

# Starts the server again, once no process is left of the old one.
sub restart_after
{
	my ($signal) = @_;
	my @left = map { $_->[0] } processes();

	end_postmaster($signal);
	wait_until
	{
		!grep { read_small_file("/proc/$_/stat") =~ /\) [^ZX] / } @left;
	}
	60, 0.005;
	start_postmaster();
	return;
}

# The postmaster is a child of this process, which can tell at once that it
# has ended; it is ready when the sessions find it so.
sub start_postmaster
{
	$postmaster = fork() // die "fork: $!";
	return if $postmaster;
	open(STDIN,  '<',  '/dev/null');
	open(STDOUT, '>>', $node->logfile);
	open(STDERR, '>&', \*STDOUT);
	exec('postgres', '-D', $node->data_dir) or POSIX::_exit(1);
}

sub end_postmaster
{
	my ($signal) = @_;
	my $pid = $postmaster // return;

	undef $postmaster;
	kill($signal, $pid);
	waitpid($pid, 0);
	return;
}

# ----------
# What must be on record
# ----------

sub check_ledger
{
	my ($mode) = @_;
	my $seen   = $upstream->stats->{models}{$mode};
	my @sent   = @{ $seen->{ids} };
	my @told   = told_ids($mode);
	my %times;

	$times{$_}++ foreach @sent;
	is(scalar(grep { $_ > 1 } values %times),
		0, "$mode: the provider saw no id twice");
	is(missing('audit', 'call_id', @told),
		0, "$mode: every call that a client was told of is on record");
	is(missing('attempt', 'call_id', @told),
		0, "$mode: and so are their attempts");

	my $unrecorded = missing('attempt', 'attempt_id', @sent);
	is($unrecorded, 0, "$mode: so is every request that the provider saw")
	  if $mode eq 'strict';
	is( query("SELECT count(*) FROM modelroute.audit a WHERE attempts <>
			(SELECT count(*) FROM modelroute.attempt t
			WHERE t.call_id = a.call_id)"),
		0,
		"$mode: every call has its attempts");
	note( "$mode: the provider saw " . @sent . ' requests, '
		  . "$unrecorded without a row; clients were told of "
		  . @told . ' calls; rows of attempt by status: '
		  . query("SELECT string_agg(status || ' ' || n, ', ')
			FROM (SELECT status, count(*) AS n FROM modelroute.attempt
				WHERE model = '$mode' GROUP BY 1) s"));
	return;
}

sub query { return $node->safe_psql('postgres', $_[0]); }

# How many of the ids the table lacks.
sub missing
{
	my ($table, $column, @ids) = @_;
	my $array = join ',', @ids;

	return query("SELECT count(*) FROM unnest('{$array}'::bigint[]) id
		WHERE id NOT IN (SELECT $column FROM modelroute.$table)");
}
