# 032_cancel.pl
#	  Cancel, time-outs, and the end of session or server while a call waits:
#	  each takes effect at once, closes the socket and leaves a record.
#
# Latencies are told as diagnostics.  The limit is generous, so that a busy
# machine does not matter; a wait that does not heed the signal is longer.

use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $LIMIT_MS = 1000;

my $resolver = build_resolver();
my $entries  = "$resolver.log";
my $upstream = start_upstream(
	{ name => 'quick' },
	{ name => 'hang', faults => [ { kind => 'hang' } ] },
	{ name => 'drip', faults => [ { kind => 'drip', bytes_per_second => 1 } ] },
	{   name   => 'busy',
		faults => [ { kind => 'status', status => 429, retry_after => 100 } ]
	});

unlink($entries);

my $node = new_cluster(
	'main',
	start => 0,
	conf  => "modelroute.allowed_hosts = '127.0.0.1, api.blackhole.test'\n");

sub start_node
{
	local $ENV{LD_PRELOAD}   = $resolver;
	local $ENV{RESOLVER_LOG} = $entries;
	$node->start;
	return;
}

start_node();
$node->safe_psql('postgres', 'CREATE EXTENSION modelroute');
add_sim_provider($node, $upstream);
$node->safe_psql('postgres', <<'SQL');
SELECT modelroute.add_provider('lost', 'http://api.blackhole.test:1/v1');
SELECT modelroute.add_model('lost', 'lost', 'lost', 1, 1);
SELECT modelroute.add_model(m, 'sim', m, 1, 1)
FROM unnest('{quick,hang,drip,busy}'::text[]) m;

CREATE FUNCTION caught(model text, options jsonb) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN modelroute.complete('hello', model, options);
EXCEPTION WHEN query_canceled THEN
	RETURN 'caught ' || SQLSTATE;
END $$;
SQL

my $admin   = ModelrouteSession->new($node);
my $session = ModelrouteSession->new($node);
my $calls   = 0;

sub call_sql
{
	my ($model, $tag, $function) = @_;
	my $options = quote_json(
		{ tag => $tag, max_attempts => 1, connect_timeout_ms => 60000 });

	return $function
	  ? "SELECT $function('$model', $options)"
	  : "SELECT modelroute.complete('hello', '$model', $options)";
}

sub in_flight
{
	return $upstream->stats('ids=0')->{models}{ $_[0] }{in_flight};
}

# How often a black-holed name was looked up.
sub look_ups
{
	return -e $entries ? scalar(() = slurp_file($entries) =~ /in/g) : 0;
}

# Begins a statement that calls the model, and waits until the call waits.
sub begin_call
{
	my ($sql, $model) = @_;
	my $before = look_ups();

	$upstream->reset_stats;
	$session->begin($sql);
	poll_until
	{
		$model eq 'lost'
		  ? look_ups() > $before
		  : $upstream->stats('ids=0')->{models}{$model}{received} > 0;
	}
	"$model: the call is under way";
	return;
}

# Milliseconds until the session answers; passes when within the limit.
sub end_within
{
	my ($started, $what) = @_;
	my $answer = $session->end;
	my $ms     = (time() - $started) * 1000;

	diag(sprintf '%-50s %6.1f ms', $what, $ms);
	cmp_ok($ms, '<', $LIMIT_MS, "$what: at once");
	return $answer;
}

# What is left of a call that was given up.
sub check_record
{
	my ($tag, $model, $what) = @_;
	my %attempt = (
		hang => 'unknown cancelled',
		drip => 'unknown cancelled',
		busy => 'failed rate_limit',
		lost => 'failed cancelled');
	my $record;

	if ($model ne 'lost')
	{
		poll_until { in_flight($model) == 0 } "$what: the socket is closed";
	}
	poll_until
	{
		$record = $admin->record($tag);
		@{ $record->{call} } > 0;
	}
	"$what: on record";
	is( join(', ',
			map { "$_->{status} $_->{error_kind} $_->{error_code}" }
			  @{ $record->{call} }),
		'cancelled cancelled 57014',
		"$what: the call is cancelled");
	is( join(', ',
			map { "$_->{status} $_->{error_kind}" } @{ $record->{attempt} }),
		$attempt{$model},
		"$what: its attempt");
	return;
}

sub check_session
{
	my ($what) = @_;

	is($session->value(call_sql('quick', 'after')),
		'model quick says: hello', "$what: the session goes on");
	return;
}

# ----------
# Cancel, in every state that waits for the network
# ----------

foreach my $model ('hang', 'drip', 'busy', 'lost')
{
	my $what = "cancel ($model)";
	my $sql  = call_sql($model, $what);
	my $answer;
	my $started;

	# a long Retry-After is waited for only when there is an attempt left
	$sql =~ s/"max_attempts":1/"max_attempts":2/ if $model eq 'busy';
	begin_call($sql, $model);
	$started = time();
	kill('INT', $session->pid);
	$answer = end_within($started, $what);
	is($answer->{sqlstate}, '57014', "$what: SQLSTATE");
	check_record($what, $model, $what);
	check_session($what);
}

foreach my $model ('hang', 'lost')
{
	my $what = "pg_cancel_backend ($model)";
	my $started;
	my $answer;

	begin_call(call_sql($model, $what), $model);
	$started = time();
	$admin->value('SELECT pg_cancel_backend(' . $session->pid . ')');
	$answer = end_within($started, $what);
	is($answer->{sqlstate}, '57014', "$what: SQLSTATE");
	check_record($what, $model, $what);
}

foreach my $model ('hang', 'lost')
{
	my $what = "statement_timeout ($model)";
	my $started;
	my $answer;

	$session->value("SET statement_timeout = '400ms'");
	$started = time() + 0.4;
	begin_call(call_sql($model, $what), $model);
	$answer = end_within($started, $what);
	is($answer->{sqlstate}, '57014', "$what: SQLSTATE");
	$session->value('RESET statement_timeout');
	check_record($what, $model, $what);
	check_session($what);
}

# ----------
# Inside blocks
# ----------

foreach my $model ('hang', 'lost')
{
	my $what = "EXCEPTION block ($model)";
	my $started;
	my $answer;

	begin_call(call_sql($model, $what, 'caught'), $model);
	$started = time();
	kill('INT', $session->pid);
	$answer = end_within($started, $what);
	is($answer->{rows}, 'caught 57014', "$what: is caught");
	check_record($what, $model, $what);
	check_session($what);
}

{
	my $what = 'transaction block';
	my $started;
	my $answer;

	$session->value('BEGIN; SAVEPOINT s');
	begin_call(call_sql('hang', $what), 'hang');
	$started = time();
	kill('INT', $session->pid);
	$answer = end_within($started, $what);
	is($answer->{sqlstate}, '57014', "$what: SQLSTATE");
	check_record($what, 'hang', "$what before ROLLBACK");
	is($session->run('SELECT 1')->{sqlstate},
		'25P02', "$what: the transaction has failed");
	$session->value('ROLLBACK TO SAVEPOINT s');
	check_session("$what after ROLLBACK TO SAVEPOINT");
	$session->value('ROLLBACK');
	check_session("$what after ROLLBACK");
}

# ----------
# While the ledger is not written
# ----------

{
	my $what   = 'cancel (ledger)';
	my $worker = $admin->value(<<'SQL');
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'modelroute worker' AND datname = current_database()
SQL
	my $started;
	my $answer;

	kill('STOP', $worker);
	begin_call(call_sql('quick', $what), 'quick');
	poll_until { in_flight('quick') == 0 } "$what: the reply was sent";
	$started = time();
	kill('INT', $session->pid);
	$answer = end_within($started, $what);
	kill('CONT', $worker);
	is($answer->{sqlstate}, '57014', "$what: SQLSTATE");
	poll_until { @{ $admin->record($what)->{call} } == 1 }
	"$what: the call is recorded all the same";
	like($admin->record($what)->{attempt}[0]{status},
		qr/^(ok|unknown)$/, "$what: with the reply if it was read");
	check_session($what);
}

# ----------
# What others may do meanwhile
# ----------

{
	my $what = 'DROP DATABASE';
	my $started;

	begin_call(call_sql('hang', $what), 'hang');
	$started = time();
	$admin->value("CREATE DATABASE other\n;\nDROP DATABASE other");
	cmp_ok(time() - $started, '<', 30, "$what does not wait for the call");
	is(in_flight('hang'), 1, "$what: the call goes on");
	kill('INT', $session->pid);
	$session->end;
	check_record($what, 'hang', $what);
}

# ----------
# connect_timeout ends a look-up
# ----------

{
	my $options = quote_json(
		{ tag => 'look-up', max_attempts => 1, connect_timeout_ms => 300 });
	my $started = time() + 0.3;
	my $record;
	my $answer;

	begin_call("SELECT modelroute.complete('hello', 'lost', $options)", 'lost');
	$answer = end_within($started, 'connect_timeout (lost)');
	is($answer->{sqlstate}, '08001', 'connect_timeout: SQLSTATE');
	$record = $admin->record('look-up');
	is("$record->{attempt}[0]{status} $record->{attempt}[0]{error_kind}",
		'failed connect', 'connect_timeout: the attempt');
	check_session('connect_timeout');
}

# ----------
# The end of the session
# ----------

foreach my $model ('hang', 'busy', 'lost')
{
	my $what = "pg_terminate_backend ($model)";
	my $sql  = call_sql($model, $what);
	my $started;
	my $answer;

	$sql =~ s/"max_attempts":1/"max_attempts":2/ if $model eq 'busy';
	begin_call($sql, $model);
	$started = time();
	$admin->value('SELECT pg_terminate_backend(' . $session->pid . ')');
	$answer = end_within($started, $what);
	is("$answer->{severity} $answer->{sqlstate}",
		'FATAL 57P01', "$what: SQLSTATE");
	ok($answer->{ended}, "$what: the session has ended");
	check_record($what, $model, $what);
	$session = ModelrouteSession->new($node);
}

{
	my $what = 'client gone';
	my $pid  = $session->pid;

	$session->value("SET client_connection_check_interval = '50ms'");
	begin_call(call_sql('hang', $what), 'hang');
	$session->abandon;
	check_record($what, 'hang', $what);
	poll_until { !kill(0, $pid) } "$what: the backend has ended";
	$session = ModelrouteSession->new($node);
}

# ----------
# The end of the server
# ----------

foreach my $model ('hang', 'lost')
{
	my $what = "fast shutdown ($model)";
	my $started;
	my $answer;

	begin_call(call_sql($model, $what), $model);
	$admin->quit;
	$started = time();
	kill('INT', $node->{_pid});
	$answer = end_within($started, $what);
	is($answer->{sqlstate}, '57P01', "$what: SQLSTATE");
	poll_until { !-e $node->data_dir . '/postmaster.pid' }
	"$what: the server ends";
	$node->_update_pid(0);
	diag(sprintf '%-50s %6.1f ms', "$what: the server is down",
		(time() - $started) * 1000);
	start_node();
	$admin   = ModelrouteSession->new($node);
	$session = ModelrouteSession->new($node);
	check_record($what, $model, $what);
	check_session($what);
}

{
	my $what = 'death of the postmaster';
	my $pid  = $session->pid;
	my $started;

	begin_call(call_sql('hang', $what), 'hang');
	$started = time();
	$node->kill9;
	ok(end_within($started, $what)->{ended}, "$what: the session has ended");
	poll_until { !kill(0, $pid) } "$what: so has its process";
	poll_until { in_flight('hang') == 0 } "$what: the socket is closed";
}

$_->quit foreach $admin, $session;
done_testing();
