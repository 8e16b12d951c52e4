# 052_ledger_trouble.pl
#	  The ledger when it cannot go on: nothing is sent that there is no room to
#	  record, a strict ledger has the intent first, and what was sent is not
#	  dropped.

use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $upstream = start_upstream(
	{ name => 'small', latency_ms => 5 },
	{ name => 'slow', latency_ms => 1000 },
	{ name => 'hang', faults => [ { kind => 'hang' } ] });
my $node = new_cluster('main', conf => <<'CONF');
max_connections = 50
modelroute.max_attempts = 1
modelroute.ledger_slots = 16
CONF

add_sim_provider($node, $upstream);
$node->safe_psql('postgres',
	"SELECT modelroute.add_model(m, 'sim', input_price => 1, "
	  . "output_price => 2) FROM unnest('{small,slow,hang}'::text[]) m");
my $admin = ModelrouteSession->new($node);

test_strict();
test_strict_group();
test_unsent_intents();
test_refused_record();
test_worker_stopped();
test_table_locked();

$admin->quit;
$node->stop;
done_testing();

# ----------
# Helpers
# ----------

# A statement that makes one call.
sub call
{
	my ($tag, $model) = @_;

	$model //= 'small';
	return qq[SELECT modelroute.complete('hello', '$model', '{"tag": "$tag"}')];
}

sub worker_pid
{
	return $admin->value("SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'modelroute worker'
			AND datname = current_database()");
}

# ----------
# Strict: the intent first
# ----------

sub test_strict
{
	my $session = ModelrouteSession->new($node);

	$session->value('SET modelroute.ledger = strict');
	$session->begin(call('strict-hang', 'hang'));
	poll_until { $upstream->in_flight('hang') == 1 } 'a request is at the provider';
	my $record =
	  is_recorded($admin, 'strict-hang', 'unknown', 'unknown', 'its intent is there');
	is($record->{call}[0]{attempts_unknown}, 1, 'as not known');
	is($record->{attempt}[0]{cost}, undef, 'without a cost');
	$admin->value('SELECT pg_cancel_backend(' . $session->pid . ')');
	is($session->end->{sqlstate}, '57014', 'it is cancelled');
	becomes_recorded($admin, 'strict-hang', 'cancelled', 'unknown', 'and then says so');

	$session->begin(call('strict-slow', 'slow'));
	poll_until { $upstream->in_flight('slow') == 1 } 'another is at the provider';
	is_recorded($admin, 'strict-slow', 'unknown', 'unknown', 'with its intent');
	is($session->end->{sqlstate}, undef, 'it succeeds');
	$record = is_recorded($admin, 'strict-slow', 'ok', 'ok', 'and then says so');
	is($record->{call}[0]{attempts_unknown}, 0, 'with nothing unknown');
	isnt($record->{attempt}[0]{cost}, undef, 'and with its cost');

	$session->value(
		"SELECT modelroute.complete(NULL, 'small'); "
		  . join ';', map { call("strict-$_") } 1 .. 5);
	is( $session->value(
			"SELECT count(*), count(DISTINCT attempt_id),
				bool_and(a.status = 'ok' AND t.status = 'ok')
			FROM modelroute.audit a JOIN modelroute.attempt t USING (call_id)
			WHERE tag ~ '^strict-[0-9]'"),
		'5|5|t',
		'no row is there twice');
	$session->quit;
	return;
}

# Several intents become final records in one transaction.
sub test_strict_group
{
	my @sessions = map { ModelrouteSession->new($node) } 1 .. 4;
	my $blocker  = ModelrouteSession->new($node);

	$_->value('SET modelroute.ledger = strict;' . call('strict-warm'))
	  foreach @sessions;
	$_->begin(call('strict-group', 'slow')) foreach @sessions;
	poll_until { $upstream->in_flight('slow') == 4 } 'requests are at the provider';
	$blocker->value('BEGIN; LOCK modelroute.audit IN EXCLUSIVE MODE');
	poll_until { $upstream->in_flight('slow') == 0 } 'they are answered';
	worker_waits_for_lock();
	$blocker->value('COMMIT');
	is($_->end->{sqlstate}, undef, 'a call succeeds') foreach @sessions;
	is( $admin->value(
			"SELECT count(*), count(DISTINCT attempt_id),
				bool_and(a.status = 'ok' AND t.status = 'ok')
			FROM modelroute.audit a JOIN modelroute.attempt t USING (call_id)
			WHERE tag = 'strict-group'"),
		'4|4|t',
		'all are on record');
	$_->quit foreach @sessions, $blocker;
	return;
}

# A call that ends between its intent and the request never was sent.
sub test_unsent_intents
{
	my $session = ModelrouteSession->new($node);
	my $blocker = ModelrouteSession->new($node);
	my $sent    = $upstream->requests;

	$session->value('SET modelroute.ledger = strict');
	$session->value(call('unsent-warm'));
	$sent++;

	$blocker->value('BEGIN; LOCK modelroute.audit IN EXCLUSIVE MODE');
	$session->begin(call('unsent-cancel'));
	worker_waits_for_lock();
	$admin->value('SELECT pg_cancel_backend(' . $session->pid . ')');
	is($session->end->{sqlstate}, '57014', 'cancelled before it is sent');
	$blocker->value('COMMIT');
	becomes_recorded($admin, 'unsent-cancel', 'cancelled', 'failed',
		'the attempt has failed, not unknown');
	is($admin->record('unsent-cancel')->{call}[0]{cost},
		'0.000000000000', 'and cost nothing');

	$session->value("SET modelroute.ledger_timeout = '200ms'");
	$blocker->value('BEGIN; LOCK modelroute.audit IN EXCLUSIVE MODE');
	is($session->run(call('unsent-late'))->{sqlstate},
		'53400', 'an intent that is not written in time ends the call');
	$blocker->value('COMMIT');
	becomes_recorded($admin, 'unsent-late', 'failed', 'failed', 'which is on record');
	$session->value('RESET modelroute.ledger_timeout');

	is($upstream->requests, $sent, 'the provider saw neither');

	$admin->value(
		"SELECT modelroute.add_provider('closed', 'http://127.0.0.1:1/v1');
		SELECT modelroute.add_model('closed', 'closed', NULL, 1, 1)");
	is($session->run(call('unsent-closed', 'closed'))->{sqlstate},
		'08001', 'a port where nobody listens');
	my $record = is_recorded($admin, 'unsent-closed', 'failed', 'failed',
		'leaves no unknown attempt either');
	is($record->{call}[0]{attempts_unknown}, 0, 'in its audit row, too');
	$session->quit;
	$blocker->quit;
	return;
}

sub worker_waits_for_lock
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return poll_until
	{
		$admin->value("SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'modelroute worker'
				AND wait_event_type = 'Lock'") == 1;
	}
	'the worker waits for the table';
}

# ----------
# When records cannot be written
# ----------

# A constraint of the user's costs the calls that violate it, no others.
sub test_refused_record
{
	my @good    = map { ModelrouteSession->new($node) } 1 .. 3;
	my $bad     = ModelrouteSession->new($node);
	my $blocker = ModelrouteSession->new($node);
	my $worker  = worker_pid();
	my $log_end = -s $node->logfile;

	$_->value('SELECT 1') foreach @good;
	$admin->value(q{ALTER TABLE modelroute.audit
		ADD CONSTRAINT no_bad_tags CHECK (tag <> 'bad')});
	$blocker->value('BEGIN; LOCK modelroute.audit IN EXCLUSIVE MODE');
	$good[0]->begin(call('good-0'));
	worker_waits_for_lock();
	my $before = $upstream->requests;
	$good[1]->begin(call('good-1'));
	$bad->begin(call('bad'));
	$good[2]->begin(call('good-2'));
	poll_until { $upstream->requests == $before + 3 } 'a batch comes together';
	$blocker->value('COMMIT');

	my $answer = $bad->end;
	is($answer->{sqlstate}, '55000', 'the record is refused');
	like($answer->{message}, qr/did not take the record/, 'the call says so');
	like($answer->{hint}, qr/constraint/, 'with a hint');
	is($_->end->{sqlstate}, undef, 'a call beside it succeeds') foreach @good;
	ok($node->log_contains('violates check constraint "no_bad_tags"', $log_end),
		'the log has the reason');
	ok($node->log_contains('could not write an audit record', $log_end),
		'and the consequence');
	is(worker_pid(), $worker, 'the worker lives on');

	my $start = time();
	foreach my $i (1 .. 8)
	{
		is($bad->run(call('bad'))->{sqlstate}, '55000', 'it is refused again');
	}
	$bad->value(call('after-bad'));
	cmp_ok(time() - $start, '<', 6, 'and the worker does not rest after each');
	is( $admin->value(
			"SELECT count(*), count(*) FILTER (WHERE tag = 'bad')
			FROM modelroute.audit WHERE tag ~ '^good-' OR tag ~ 'bad'"),
		'4|0',
		'all others are on record');
	$admin->value(
		'ALTER TABLE modelroute.audit DROP CONSTRAINT no_bad_tags');
	$_->quit foreach @good, $bad, $blocker;
	return;
}

# With every slot taken nothing is sent, and nothing of what was is dropped.
sub test_worker_stopped
{
	my $session = ModelrouteSession->new($node);
	my $worker  = worker_pid();

	$session->value(call('stopped-warm'));
	my $sent = $upstream->requests;
	kill('STOP', $worker) or die "kill: $!";

	$session->value("SET modelroute.ledger_timeout = '200ms'");
	my $answer = $session->run(call('stopped-late'));
	is($answer->{sqlstate}, '53400', 'a record is not written in time');
	like($answer->{hint}, qr/ledger_timeout/, 'the hint names a setting');
	is($upstream->requests, $sent + 1, 'its request was sent');

	my $pgbench = start_pgbench($node, 15, call('stopped'));
	poll_until { $upstream->requests == $sent + 16 } 'calls take all other slots';
	$answer = $session->run(call('stopped-unsent'));
	is($answer->{sqlstate}, '53400', 'no slot is free');
	like($answer->{hint}, qr/ledger_slots/, 'the hint names the setting');
	is($upstream->requests, $sent + 16, 'nothing was sent');

	kill('CONT', $worker) or die "kill: $!";
	finish_pgbench($pgbench);
	becomes_recorded($admin, 'stopped-late', 'ok', 'ok', 'the late record is there');
	is( $admin->value(
			"SELECT count(*), count(DISTINCT attempt_id), bool_and(t.status = 'ok')
			FROM modelroute.audit JOIN modelroute.attempt t USING (call_id)
			WHERE tag = 'stopped'"),
		'15|15|t',
		'and so are those that waited');
	is( $admin->value(
			"SELECT count(*) FROM modelroute.audit WHERE tag = 'stopped-unsent'"),
		0,
		'what was not sent is not on record');
	is(worker_pid(), $worker, 'it is the same worker');
	$session->quit;
	return;
}

# A lock on the table is waited for, whatever the database says of time-outs.
sub test_table_locked
{
	my $session = ModelrouteSession->new($node);
	my $blocker = ModelrouteSession->new($node);
	my $worker  = worker_pid();

	$admin->value("ALTER DATABASE postgres SET lock_timeout = '10ms';
		ALTER DATABASE postgres SET statement_timeout = '10ms';
		ALTER DATABASE postgres SET default_transaction_read_only = on;
		SELECT pg_terminate_backend($worker)");
	poll_until { worker_pid() !~ /^($worker|)$/ } 'a new worker is there';
	$admin->value("ALTER DATABASE postgres RESET ALL");
	$worker = worker_pid();

	$blocker->value('BEGIN; LOCK modelroute.audit IN EXCLUSIVE MODE');
	$session->begin(call('locked'));
	worker_waits_for_lock();
	my $log_end = -s $node->logfile;
	$admin->value("SELECT pg_cancel_backend($worker)");
	poll_until
	{
		slurp_file($node->logfile, $log_end) =~
		  /\[$worker\].*canceling statement due to user request/;
	}
	'a statement of the worker is cancelled';
	worker_waits_for_lock();
	$blocker->value('COMMIT');
	is($session->end->{sqlstate}, undef, 'the call succeeds all the same');
	is_recorded($admin, 'locked', 'ok', 'ok', 'and is on record');
	is(worker_pid(), $worker, 'by the same worker');
	$session->quit;
	$blocker->quit;
	return;
}

