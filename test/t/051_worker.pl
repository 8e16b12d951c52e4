# 051_worker.pl
#	  The launcher and its workers: one in each database that has the
#	  extension, there when needed, gone when in the way.

use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $upstream = start_upstream(
	{ name => 'small' },
	{ name => 'slow', latency_ms => 2000 },
	{ name => 'hang', faults => [ { kind => 'hang' } ] });
my $node = new_cluster(
	'main',
	extension => 0,
	conf      => "max_worker_processes = 12\nmodelroute.max_attempts = 1\n");
my $admin = ModelrouteSession->new($node, database => 'template1');

test_create_extension();
test_idle_worker();
test_second_database();
test_drop_extension();
test_drop_with_calls();
test_databases();
test_terminate();
test_launcher();
test_reload();
test_unprivileged();
test_shutdown();

$node->stop;
test_no_slot();
test_too_many_databases();
done_testing();

# ----------
# Helpers
# ----------

# The pids of the workers of a database, separated by commas.
sub workers
{
	my ($database, $where) = @_;

	return ($where // $admin)->value(
		"SELECT string_agg(pid::text, ',') FROM pg_stat_activity
		WHERE backend_type = 'modelroute worker' AND datname = '$database'");
}

# Waits until the database has a worker, another one than before; its pid.
sub worker_comes
{
	my ($database, $what, $before, $seconds) = @_;
	my $pid;

	$before //= '';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	poll_until
	{
		$pid = workers($database);
		$pid =~ /^\d+$/ && $pid ne $before;
	}
	$what, $seconds // 10;
	return $pid;
}

sub worker_goes
{
	my ($database, $what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return poll_until { workers($database) eq '' } $what, 10;
}

# The extension with two models, or a script that makes them.
sub setup_script
{
	my $url = $upstream->url . '/v1';

	return "CREATE EXTENSION modelroute;
		SELECT modelroute.add_provider('sim', '$url');
		SELECT modelroute.add_model(m, 'sim', input_price => 1,
			output_price => 1) FROM unnest('{small,slow,hang}'::text[]) m;";
}

sub call
{
	my ($tag, $model) = @_;

	$model //= 'small';
	return qq[SELECT modelroute.complete('hello', '$model',
		jsonb_build_object('tag', '$tag'))];
}

# A session that may be in a call, whose catalog is loaded.
sub caller_in
{
	my ($database) = @_;
	my $session = ModelrouteSession->new($node, database => $database);

	$session->value(call('warm'));
	return $session;
}

# Runs a statement and tells whether it took no longer than so many seconds.
sub runs_within
{
	my ($seconds, $sql, $what) = @_;
	my $start  = time();
	my $answer = $admin->run($sql);
	my $took   = time() - $start;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($answer->{sqlstate}, undef, $what);
	cmp_ok($took, '<', $seconds, sprintf('at once: %.3f s', $took));
	return;
}

# ----------
# The extension comes and goes
# ----------

sub test_create_extension
{
	is(workers('postgres'), '', 'no worker without the extension');

	my $session = ModelrouteSession->new($node);
	$session->value('BEGIN; CREATE EXTENSION modelroute; ROLLBACK');
	$session->value(setup_script());
	worker_comes('postgres', 'CREATE EXTENSION brings one');
	$session->value(call('first'));
	is($session->value('SELECT count(*) FROM modelroute.audit'),
		1, 'which writes the ledger');
	$session->quit;
	return;
}

sub test_idle_worker
{
	my $worker = workers('postgres');

	poll_until
	{
		$admin->value("SELECT backend_type, application_name, state,
				backend_xmin IS NULL, backend_xid IS NULL, wait_event
			FROM pg_stat_activity WHERE pid = $worker") eq
		  'modelroute worker|modelroute worker|idle|t|t|Extension';
	}
	'pg_stat_activity shows it idle, without a snapshot';
	is( $admin->value("SELECT count(*) FROM pg_locks WHERE pid = $worker"),
		0, 'and it holds no lock');
	is( $admin->value("SELECT application_name, state FROM pg_stat_activity
			WHERE backend_type = 'modelroute launcher'"),
		'modelroute launcher|idle',
		'the launcher is there, too');
	return;
}

sub test_second_database
{
	$admin->value('CREATE DATABASE second');
	my $session = ModelrouteSession->new($node, database => 'second');
	my $start   = time();

	$session->value(setup_script());
	$session->value(call('first'));
	cmp_ok(time() - $start, '<', 5, 'a second database gets its worker');
	is( $session->value('SELECT string_agg(database, $$,$$)
			FROM modelroute.audit'),
		'second',
		'and has its own ledger');
	$session->quit;
	isnt(workers('second'), workers('postgres'), 'each has its own worker');
	return;
}

sub test_drop_extension
{
	my $session = ModelrouteSession->new($node, database => 'second');
	my $worker  = workers('second');
	my $other   = workers('postgres');
	my $log_end = -s $node->logfile;

	$session->value('BEGIN; DROP EXTENSION modelroute; ROLLBACK;
		BEGIN; SAVEPOINT s; DROP EXTENSION modelroute; ROLLBACK TO s; COMMIT');
	$session->value(call('kept'));
	is(workers('second'), $worker, 'a DROP EXTENSION that is undone is none');

	$session->value('DROP EXTENSION modelroute');
	worker_goes('second', 'DROP EXTENSION makes the worker leave');
	ok(!$node->log_contains("PID $worker\\) exited with exit code", $log_end),
		'in peace');
	is(workers('postgres'), $other, 'another database keeps its own');

	$session->value(setup_script());
	$session->value(call('again') . ' FROM generate_series(1, 3)');
	is( $session->value('SELECT string_agg(call_id::text, $$,$$ ORDER BY call_id)
			FROM modelroute.audit'),
		'1,3,5',
		'created again, it counts from 1');

	$session->value(
		'BEGIN; DROP EXTENSION modelroute;' . setup_script() . 'COMMIT');
	$session->value(call('again') . ' FROM generate_series(1, 3)');
	is( $session->value('SELECT string_agg(call_id::text, $$,$$ ORDER BY call_id)
			FROM modelroute.audit'),
		'1,3,5',
		'and so it does when that is one transaction');
	$session->quit;
	return;
}

# Calls under way at DROP EXTENSION end with an error, and leave no record to
# the extension that is created afterwards.
sub test_drop_with_calls
{
	my @callers = map { caller_in('second') } 1 .. 4;
	my $late    = caller_in('second');
	my $session = ModelrouteSession->new($node, database => 'second');

	$_->begin(call('orphan', 'hang')) foreach @callers;
	poll_until { $upstream->in_flight('hang') == 4 } 'calls hang at the provider';
	$late->begin(call('orphan', 'slow'));
	poll_until { $upstream->in_flight('slow') == 1 } 'another will be answered';
	$session->value("SET lock_timeout = '5s'; DROP EXTENSION modelroute");
	worker_goes('second', 'the worker does not wait for them');
	$session->value(setup_script());
	$session->value(call('new'));

	$admin->value('SELECT pg_cancel_backend(' . $_->pid . ')')
	  foreach @callers;
	is($_->end->{sqlstate}, '57014', 'a call can be cancelled')
	  foreach @callers;
	my $answer = $late->end;
	is($answer->{sqlstate}, '55000', 'the answered one cannot be recorded');
	like($answer->{hint}, qr/extension was dropped/, 'and says why');
	$session->value(call('new'));
	is( $session->value('SELECT string_agg(tag, $$,$$) FROM modelroute.audit'),
		'new,new',
		'the new ledger has its own calls only');
	$_->quit foreach @callers, $late, $session;
	return;
}

# ----------
# Databases that nobody may be connected to
# ----------

sub test_databases
{
	worker_comes('second', 'a worker is there');
	runs_within(3, 'CREATE DATABASE copy TEMPLATE second',
		'CREATE DATABASE ... TEMPLATE of a database with a worker');
	worker_comes('second', 'the template has its worker again');
	worker_comes('copy', 'and the copy one, too', undef, 20);

	my $session = ModelrouteSession->new($node, database => 'copy');
	$session->value(call('in the copy'));
	is( $session->value("SELECT count(*) FROM modelroute.audit
			WHERE tag = 'in the copy'"),
		1,
		'which works');
	$session->quit;

	runs_within(3, 'ALTER DATABASE copy RENAME TO renamed', 'RENAME');
	worker_comes('renamed', 'the worker is back');
	runs_within(3, 'DROP DATABASE renamed', 'DROP DATABASE');

	$admin->value('CREATE DATABASE forced TEMPLATE second');
	my $caller = caller_in('forced');
	$caller->begin(call('hangs', 'hang'));
	poll_until { $upstream->in_flight('hang') == 1 } 'a call hangs in a database';
	runs_within(3, 'DROP DATABASE forced WITH (FORCE)',
		'DROP DATABASE ... WITH (FORCE)');
	ok($caller->end->{ended}, 'ends the call, too');
	$caller->quit;

	is($admin->run('DROP DATABASE nowhere')->{sqlstate},
		'3D000', 'DROP DATABASE of none');
	my $log = slurp_file($node->logfile);
	unlike($log, qr/database "?\d+"? does not exist/,
		'no worker is started in a database that is gone');
	return;
}

# ----------
# Accidents
# ----------

sub test_terminate
{
	my $blocker = ModelrouteSession->new($node);
	my $caller  = caller_in('postgres');
	my $worker  = worker_comes('postgres', 'a worker is there');

	$admin->value("SELECT pg_terminate_backend($worker)");
	$worker = worker_comes('postgres',
		'a terminated worker is back within seconds', $worker, 8);

	$blocker->value('BEGIN; LOCK modelroute.audit IN EXCLUSIVE MODE');
	$caller->begin(call('waiting'));
	poll_until
	{
		$admin->value("SELECT wait_event_type FROM pg_stat_activity
			WHERE pid = $worker") eq 'Lock';
	}
	'a worker has a record in hand';
	$admin->value("SELECT pg_terminate_backend($worker)");
	$blocker->value('COMMIT');
	is($caller->end->{sqlstate}, undef, 'the waiting call succeeds');
	is( $caller->value("SELECT count(*), count(t) FROM modelroute.audit
			JOIN modelroute.attempt t USING (call_id) WHERE tag = 'waiting'"),
		'1|1',
		'and its record is there, once');

	# An error in the worker: a cancel, while it writes.
	$worker = worker_comes('postgres', 'a new worker is there', $worker);
	$blocker->value('BEGIN; LOCK modelroute.audit IN EXCLUSIVE MODE');
	$caller->begin(call('cancelled'));
	poll_until
	{
		$admin->value("SELECT wait_event_type FROM pg_stat_activity
			WHERE pid = $worker") eq 'Lock';
	}
	'the next one, too';
	$admin->value("SELECT pg_cancel_backend($worker)");
	$blocker->value('COMMIT');
	is($caller->end->{sqlstate}, undef, 'a cancelled write is repeated');
	is(workers('postgres'), $worker, 'by the same worker');
	$_->quit foreach $blocker, $caller;
	return;
}

sub test_launcher
{
	my $launcher = "SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'modelroute launcher'";
	my $pid    = $admin->value($launcher);
	my $worker = worker_comes('postgres', 'a worker is there');

	$admin->value("SELECT pg_terminate_backend($pid)");
	poll_until
	{
		my $now = $admin->value($launcher);

		$now ne '' && $now ne $pid;
	}
	'a terminated launcher is back';
	is(workers('postgres'), $worker, 'its workers stayed');
	$admin->value("SELECT pg_terminate_backend($worker)");
	worker_comes('postgres', 'the new launcher knows of them', $worker, 20);
	return;
}

# Settings reach a worker that has been running.
sub test_reload
{
	my $worker = workers('postgres');
	my $caller = caller_in('postgres');

	$admin->value("ALTER SYSTEM SET log_min_duration_statement = 0");
	$node->append_conf('postgresql.conf', "log_min_messages = debug5\n");
	$node->reload;
	my $log_end = -s $node->logfile;
	poll_until
	{
		$caller->value(call('reload'));
		slurp_file($node->logfile, $log_end) =~ /\[$worker\].*DEBUG/;
	}
	'a changed setting reaches the worker';
	$node->append_conf('postgresql.conf', "log_min_messages = warning\n");
	$admin->value("ALTER SYSTEM RESET log_min_duration_statement");
	$node->reload;
	is(workers('postgres'), $worker, 'it is the same worker');
	$caller->quit;
	return;
}

# Who may not drop a database cannot send its worker away either.
sub test_unprivileged
{
	$admin->value('CREATE ROLE nobody LOGIN');
	my $session =
	  ModelrouteSession->new($node, database => 'template1', user => 'nobody');
	my $worker = workers('second');

	foreach my $sql (
		'DROP DATABASE second',
		'ALTER DATABASE second RENAME TO third',
		'CREATE DATABASE third TEMPLATE second')
	{
		is($session->run($sql)->{sqlstate}, '42501', "$sql is refused");
	}
	is(workers('second'), $worker, 'and the worker stays');
	$session->quit;
	return;
}

sub test_shutdown
{
	my @callers = map { caller_in('postgres') } 1 .. 5;

	$_->begin(call('shutdown', 'hang')) foreach @callers;
	poll_until { $upstream->in_flight('hang') == 5 } 'calls hang at the provider';
	my $start = time();
	$node->stop('fast');
	cmp_ok(time() - $start, '<', 5, 'a fast shutdown does not wait for them');
	$_->end  foreach @callers;
	$_->quit foreach @callers, $admin;

	$node->start;
	$admin = ModelrouteSession->new($node, database => 'template1');
	worker_comes('postgres', 'after a restart the workers are back');
	worker_comes('second',   'in every database');
	my $session = caller_in('postgres');
	is( $session->value("SELECT count(*) FROM modelroute.audit
			WHERE tag = 'shutdown'"),
		5,
		'what was under way is on record');
	$session->quit;
	$admin->quit;
	return;
}

# ----------
# Limits
# ----------

sub test_no_slot
{
	my $full = new_cluster(
		'full',
		extension => 0,
		conf      => <<'CONF');
max_worker_processes = 2
modelroute.ledger_timeout = '300ms'
CONF
	my $session = ModelrouteSession->new($full);

	$session->value(setup_script());
	my $answer = $session->run(call('none'));
	is($answer->{sqlstate}, '55000', 'without a worker slot a call fails');
	like($answer->{hint}, qr/max_worker_processes/,
		'with a hint that names the setting');
	is($session->value("SELECT (modelroute.route('hello')).model IS NOT NULL"),
		't', 'route() works');
	is($upstream->stats('ids=0')->{models}{small}{received},
		$upstream->stats('ids=0')->{models}{small}{answered},
		'nothing was sent');
	ok($full->log_contains('no background worker slot is free'),
		'the log says so');
	$session->quit;
	$full->stop;
	return;
}

sub test_too_many_databases
{
	my $few = new_cluster(
		'few',
		extension => 0,
		conf      => <<'CONF');
modelroute.max_databases = 1
modelroute.ledger_timeout = '2s'
CONF
	my $session = ModelrouteSession->new($few);

	$session->value(setup_script());
	$session->value(call('first'));
	$session->value('CREATE DATABASE other');
	my $other = ModelrouteSession->new($few, database => 'other');
	$other->value(setup_script());
	my $answer = $other->run(call('none'));
	is($answer->{sqlstate}, '55000',
		'with more databases than max_databases a call fails');
	like($answer->{hint}, qr/modelroute\.max_databases/,
		'with a hint that names the setting');

	$session->value('DROP EXTENSION modelroute');
	$other->value(call('room'));
	is($other->value('SELECT count(*) FROM modelroute.audit'),
		1, 'when another database needs no worker, it works');
	$_->quit foreach $session, $other;
	$few->stop;
	return;
}
