
=pod

=head1 NAME

ModelrouteTest - clusters with modelroute and the simulated provider

=head1 SYNOPSIS

  use ModelrouteTest;

  my $upstream = start_upstream({ name => 'small', latency_ms => 20 });
  my $node = new_cluster('main', conf => "modelroute.max_attempts = 1\n");

  add_sim_provider($node, $upstream);
  $node->safe_psql('postgres',
      "SELECT modelroute.add_model('small', 'sim', 'small', 1, 2)");
  is($upstream->stats->{totals}{requests}, 0, 'nothing was sent');
  $upstream->admin([ { name => 'small', faults => [ { kind => 'hang' } ] } ]);
  poll_until { $upstream->stats->{models}{small}{in_flight} == 1 } 'the request is there';

=head1 DESCRIPTION

Tests find programs through PATH, as PostgreSQL::Test::Cluster does; make test
puts a private installation there that holds the extension.  Nothing here
sleeps for a fixed time: wait with poll_until or poll_sql, which have a limit.

=cut

package ModelrouteTest;

use strict;
use warnings;

use Exporter 'import';
use File::Spec;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(new_cluster start_upstream add_sim_provider build_resolver
  wait_until poll_until poll_sql is_recorded becomes_recorded
  start_pgbench finish_pgbench quote_json);

=pod

=head1 FUNCTIONS

=over

=item new_cluster(name, preload => 1, conf => '', extension => 1, start => 1)

A running PostgreSQL::Test::Cluster that may reach the simulated provider:
loopback is an allowed host.  preload => 0 leaves the library out of
shared_preload_libraries, extension => 0 does not create the extension in
database postgres, start => 0 does not start the server.  conf is appended to
postgresql.conf.  Further options go to init, for example allows_streaming.

=cut

sub new_cluster
{
	my ($name, %option) = @_;
	my $preload   = delete $option{preload}   // 1;
	my $extension = delete $option{extension} // 1;
	my $start     = delete $option{start}     // 1;
	my $conf      = delete $option{conf}      // '';
	my $node      = PostgreSQL::Test::Cluster->new($name);

	$node->init(%option);
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'modelroute'\n")
	  if $preload;
	$node->append_conf('postgresql.conf',
		"modelroute.allowed_hosts = '127.0.0.1'\njit = off\n" . $conf);
	if ($start)
	{
		$node->start;
		$node->safe_psql('postgres', 'CREATE EXTENSION modelroute')
		  if $extension;
	}
	return $node;
}

=pod

=item start_upstream(model, ..., { seed => N })

Starts the simulated provider with these models (hashes as for POST
/admin/models) and returns a ModelrouteTest::Upstream.  It ends with the test.

=cut

sub start_upstream
{
	return ModelrouteTest::Upstream->new(@_);
}

=pod

=item add_sim_provider(node, upstream, provider => 'sim', api => 'openai',
credential => undef, database => 'postgres')

Adds the simulated provider as a provider.  credential is a hash, for example
{ file => '/path' }.

=cut

sub add_sim_provider
{
	my ($node, $upstream, %option) = @_;
	my $provider = $option{provider} // 'sim';
	my $api      = $option{api}      // 'openai';
	my $url      = $upstream->url . '/v1';
	my $credential =
	  $option{credential} ? quote_json($option{credential}) : 'NULL';

	$node->safe_psql($option{database} // 'postgres',
		"SELECT modelroute.add_provider('$provider', '$url', '$api', "
		  . "$credential)");
	return;
}

=pod

=item wait_until { condition } seconds, step

Waits until the block returns true, at most so many seconds (default: 60), and
looks every step seconds (0.02).  Returns whether it became true.

=cut

sub wait_until (&;$$)
{
	my ($condition, $seconds, $step) = @_;
	my $end  = time() + ($seconds // 60);
	my $true = 0;

	until ($true = $condition->())
	{
		last if time() > $end;
		usleep(1_000_000 * ($step // 0.02));
	}
	return $true;
}

=pod

=item build_resolver

Builds the library of resolver.c, whose names resolve as tests want them to,
and returns its path, for a server that is started with LD_PRELOAD set to it.

=cut

sub build_resolver
{
	my $library = File::Spec->rel2abs(
		"${PostgreSQL::Test::Utils::tmp_check}/resolver.$$.so");

	system_or_bail($ENV{CC} // 'cc',
		'-shared', '-fPIC', '-o', $library, 'test/t/lib/resolver.c', '-ldl');
	return $library;
}

=pod

=item poll_until { condition } what, seconds

Waits until the block returns true, at most so many seconds (default: 60), and
passes or fails a test called what.  Returns whether it became true.

=cut

sub poll_until (&$;$)
{
	my ($condition, $what, $seconds) = @_;
	my $true = &wait_until($condition, $seconds);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($true, $what);
	return $true;
}

=pod

=item poll_sql(node, query, expected, what, seconds)

The same until the query's result, as psql -At prints it, is as expected.

=cut

sub poll_sql
{
	my ($node, $query, $expected, $what, $seconds) = @_;
	my $result;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $true = poll_until
	{
		$result = $node->safe_psql('postgres', $query);
		$result eq $expected;
	}
	$what, $seconds;
	diag("got: $result\nexpected: $expected") unless $true;
	return $true;
}

=pod

=item is_recorded(session, tag, call, attempt, what)

The ledger has one call with this tag and one attempt of it, with these
statuses.  Returns the record.

=item becomes_recorded(session, tag, call, attempt, what)

The same within 20 seconds, for a call whose end nobody waited for.

=cut

sub statuses_of
{
	my ($record) = @_;

	return join '/', map { join ',', map { $_->{status} } @{ $record->{$_} } }
	  qw(call attempt);
}

sub is_recorded
{
	my ($session, $tag, $call, $attempt, $what) = @_;
	my $record = $session->record($tag);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(statuses_of($record), "$call/$attempt", $what);
	return $record;
}

sub becomes_recorded
{
	my ($session, $tag, $call, $attempt, $what) = @_;

	wait_until { statuses_of($session->record($tag)) eq "$call/$attempt" } 20;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is_recorded(@_);
}

=pod

=item start_pgbench(node, sessions, statement), finish_pgbench

So many sessions run the statement once, at the same time; finish_pgbench
waits for what start_pgbench returned, and tests that all of them succeeded.

=cut

sub start_pgbench
{
	my ($node, $sessions, $statement) = @_;
	my %run    = (sessions => $sessions, out => '', err => '');
	my $script = $node->basedir . '/start_pgbench.sql';

	open(my $file, '>', $script) or die "$script: $!";
	print $file "$statement;\n";
	close($file);
	$run{harness} = IPC::Run::start(
		[ 'pgbench', '-n', '-c', $sessions, '-t', 1, '-f', $script,
			$node->connstr('postgres') ],
		'<', \undef, '>', \$run{out}, '2>', \$run{err},
		IPC::Run::timeout(120));
	return \%run;
}

sub finish_pgbench
{
	my ($run) = @_;
	my $all = "$run->{sessions}/$run->{sessions}";

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$run->{harness}->finish;
	like($run->{out}, qr{actually processed: $all}, 'all sessions succeed')
	  or diag($run->{err});
	return;
}

=pod

=item quote_json(data)

An SQL literal of type jsonb.

=back

=cut

sub quote_json
{
	my ($data) = @_;
	my $text = ModelrouteTest::Upstream::encode($data);

	$text =~ s/'/''/g;
	return "'$text'::jsonb";
}

=pod

=head1 ModelrouteTest::Upstream

=over

=cut

package ModelrouteTest::Upstream;

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep time);

my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my $started = 0;
my %running;

sub encode { return $json->encode($_[0]); }

sub new
{
	my ($class, @models) = @_;
	my %option =
	  (@models && !exists $models[-1]{name}) ? %{ pop @models } : ();
	my $self = bless {
		seed => $option{seed} // 1,
		port => $option{port} // 0,
		http => HTTP::Tiny->new(timeout => 30, proxy => undef),
	}, $class;

	$self->start;
	$self->admin(\@models) if @models;
	return $self;
}

=pod

=item start, stop, kill9

Ends the provider, also at once and by force, and starts it again on the same
port.  A new process has no models, no counts and the first seed.

=cut

sub start
{
	my ($self)   = @_;
	my $name     = "upstream_" . ++$started;
	my $portfile = "${PostgreSQL::Test::Utils::tmp_check}/$name.port.$$";
	my $log      = "${PostgreSQL::Test::Utils::log_path}/$name.$$.log";
	my $program  = $ENV{UPSTREAM_PROGRAM} // 'test/upstream/upstream';
	my $end      = time() + 30;
	my $pid;

	unlink($portfile);
	$pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		open(STDIN,  '<',  '/dev/null');
		open(STDOUT, '>',  $log);
		open(STDERR, '>&', \*STDOUT);
		exec($program, '--port', $self->{port}, '--portfile', $portfile,
			'--seed', $self->{seed})
		  or die "$program: $!";
	}
	$self->{pid} = $pid;
	$running{$pid} = 1;
	until (-s $portfile)
	{
		die "the simulated provider did not start, see $log"
		  if time() > $end || waitpid($pid, 1) == $pid;
		usleep(10_000);
	}
	$self->{port} = PostgreSQL::Test::Utils::slurp_file($portfile) + 0;
	return;
}

sub stop  { return end_process($_[0], 'TERM'); }
sub kill9 { return end_process($_[0], 'KILL'); }

sub end_process
{
	my ($self, $signal) = @_;
	my $pid = delete $self->{pid} or return;
	my $status = $?;

	kill($signal, $pid);
	waitpid($pid, 0);
	delete $running{$pid};
	$? = $status;
	return;
}

END
{
	my $status = $?;

	foreach my $pid (keys %running)
	{
		kill('TERM', $pid);
		waitpid($pid, 0);
	}
	$? = $status;
}

=pod

=item port, url

Where it listens; url has no path and no trailing slash.

=cut

sub port { return $_[0]{port}; }
sub url  { return "http://127.0.0.1:$_[0]{port}"; }

=pod

=item stats(query), reset_stats

What it has served since the last reset, as GET /stats returns it; query is
for example 'ids=0'.

=cut

sub stats
{
	my ($self, $query) = @_;
	return $self->call('GET', '/stats' . ($query ? "?$query" : ''));
}

sub reset_stats { return $_[0]->call('POST', '/stats/reset'); }

=pod

=item requests, in_flight(model)

How many requests it has seen, and how many of a model it has not answered.

=cut

sub requests { return $_[0]->stats('ids=0')->{totals}{requests}; }

sub in_flight
{
	my ($self, $model) = @_;
	return $self->stats('ids=0')->{models}{$model}{in_flight};
}

=pod

=item admin(models)

Adds or replaces models: an array of hashes, one hash, or JSON text.

=item remove_models(name)

Removes one model, or all.

=item last_requests(n)

The requests seen last, as GET /admin/last returns them.

=item call(method, path, data)

Any other administrative call; returns the decoded reply and dies when its
status is not 2xx.

=back

=cut

sub admin { return $_[0]->call('POST', '/admin/models', $_[1]); }

sub remove_models
{
	my ($self, $name) = @_;
	return $self->call('DELETE',
		'/admin/models' . (defined $name ? "?name=$name" : ''));
}

sub last_requests
{
	my ($self, $n) = @_;
	return $self->call('GET', '/admin/last' . ($n ? "?n=$n" : ''));
}

sub call
{
	my ($self, $method, $path, $data) = @_;
	my $content = ref $data ? encode($data) : $data // '';
	my $reply = $self->{http}->request($method, $self->url . $path,
		{ content => $content });

	die "$method $path: $reply->{status} $reply->{content}"
	  unless $reply->{success};
	return $json->decode($reply->{content});
}

1;
