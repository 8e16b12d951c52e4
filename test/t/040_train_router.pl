# 040_train_router.pl
#	  Training beside others: what can be seen of it, cancel and termination,
#	  one name in several transactions, large prompts, encodings.

use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $MB   = 1024;                        # in kB
my $node = new_cluster('main');

# The row n of gated_evals waits for the lock that close_gate takes.
$node->safe_psql('postgres', <<'SQL');
CREATE VIEW evals AS
SELECT 'Solve task ' || n || (CASE n % 2 WHEN 0 THEN ' of algebra' ELSE ' of law' END) AS prompt,
	model, ((n + ascii(model)) % 3 = 0)::int AS score
FROM generate_series(1, 100) n, unnest('{a,b}'::text[]) model;

CREATE FUNCTION gate(score int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(42);
	RETURN score;
END $$;
CREATE VIEW gated_evals AS
SELECT prompt, model, CASE row_number WHEN 150 THEN gate(score) ELSE score END AS score
FROM (SELECT *, row_number() OVER () FROM evals) e;

CREATE ROLE alice LOGIN;
CREATE ROLE deputy LOGIN IN ROLE alice;
CREATE ROLE bob LOGIN;
CREATE ROLE watcher LOGIN;
SELECT modelroute.grant_use(r) FROM unnest('{alice,deputy,bob}'::name[]) r;
SELECT modelroute.grant_monitor('watcher');
GRANT SELECT ON evals, gated_evals TO PUBLIC;
SQL

my $session = ModelrouteSession->new($node);
my $alice   = ModelrouteSession->new($node, user => 'alice');

test_progress();
test_cancel();
test_terminate();
test_rollback();
test_concurrent();
test_owners();
test_large();
test_encodings();

$session->quit;
$node->stop;
done_testing();

# ----------
# What can be seen
# ----------

sub test_progress
{
	my %seen;

	is($session->value('SELECT count(*) FROM modelroute.train_progress'),
		'0', 'nothing is trained');
	close_gate();
	$alice->begin(training('gated', 'gated_evals'));
	is_reading('gated', 149, 'a training is seen');
	is( $session->value(<<'SQL'), 'postgres|alice|reading||t', 'with its details');
SELECT database, role, phase, prompts, started_at <= clock_timestamp()
FROM modelroute.train_progress
SQL
	foreach my $role (qw(alice deputy bob watcher))
	{
		my $of = ModelrouteSession->new($node, user => $role);

		$seen{$role} = $of->value(<<'SQL');
SELECT coalesce(router, '-'), coalesce(role, '-'), num_nonnulls(database, phase, rows_read, prompts, done, total, started_at) > 0
FROM modelroute.train_progress
SQL
		is($of->value('SELECT pid FROM modelroute.train_progress'),
			$alice->pid, "$role sees its process");
		$of->quit;
	}
	is_deeply(
		\%seen,
		{
			alice   => 'gated|alice|t',
			deputy  => 'gated|alice|t',
			bob     => '-|-|f',
			watcher => 'gated|alice|t'
		},
		'the rest is for members and monitors');
	open_gate();
	is($alice->end->{rows}, '1', 'it ends');
	is($session->value('SELECT count(*) FROM modelroute.train_progress'),
		'0', 'and is not seen any more');
	return;
}

sub test_cancel
{
	my $answer;

	close_gate();
	$alice->value('BEGIN');
	$alice->begin(training('cancelled', 'gated_evals'));
	is_reading('cancelled', 149, 'a training that reads');
	cancel($alice);
	is($alice->end->{sqlstate}, '57014', 'is cancelled');
	is($session->value('SELECT count(*) FROM modelroute.train_progress'),
		'0', 'and not seen any more, though its transaction is still open');
	$alice->value('ROLLBACK');
	open_gate();

	# Again and again, so that learning is seen however short it is.
	$alice->begin('DO $$ BEGIN LOOP PERFORM modelroute.train_router('
		  . q{'cancelled', 'SELECT ''Question '' || n || md5(n::text) AS prompt,
			''m'' || m AS model, (n * m % 7) / 6.0 AS score
		FROM generate_series(1, 3000) n, generate_series(1, 10) m')}
		  . '; END LOOP; END $$');
	poll_sql($node, <<'SQL', '1', 'a training that learns');
SELECT count(*) FROM modelroute.train_progress
WHERE router = 'cancelled' AND phase IN ('validating', 'fitting')
	AND prompts > 0
SQL
	cancel($alice);
	is($alice->end->{sqlstate}, '57014', 'is cancelled');

	$answer = $alice->run(
		"SET statement_timeout = '100ms'; " . training('cancelled', q{
		(SELECT 'p' || i AS prompt, 'm' AS model, 1 AS score
		FROM (SELECT generate_series(1, 1000000000) AS i) s) e}));
	is($answer->{sqlstate}, '57014', 'statement_timeout ends one too');
	$alice->value('RESET statement_timeout');
	is($session->value('SELECT count(*) FROM modelroute.train_progress'),
		'0', 'nothing is seen of them');
	is(versions('cancelled'), '', 'and nothing is left');
	return;
}

sub test_terminate
{
	my $victim = ModelrouteSession->new($node, user => 'alice');

	close_gate();
	$victim->begin(training('terminated', 'gated_evals'));
	is_reading('terminated', 149, 'a training');
	$session->value('SELECT pg_terminate_backend(' . $victim->pid . ')');
	ok($victim->end->{ended}, 'whose process is terminated');
	poll_sql($node, 'SELECT count(*) FROM modelroute.train_progress', '0',
		'is not seen any more');
	open_gate();
	is(versions('terminated'), '', 'and leaves nothing');
	return;
}

# ----------
# Transactions
# ----------

sub test_rollback
{
	my $other = ModelrouteSession->new($node);

	$session->value('BEGIN');
	is($session->value(training('undone')), '1', 'trained in a transaction');
	is($session->value(loaded('undone')), '1', 'it serves there');
	is($other->run(loaded('undone'))->{sqlstate}, '42704', 'not elsewhere');
	$session->value('ROLLBACK');
	is($session->run(loaded('undone'))->{sqlstate},
		'42704', 'it is gone after ROLLBACK');

	is($session->value(training('done')), '1', 'another');
	is($other->value(loaded('done')),     '1', 'is found elsewhere');
	$session->value(training('done'));
	is($other->value(loaded('done')), '2', 'and so is its next version');
	$session->value("SELECT modelroute.drop_router('done', 2)");
	is($other->value(loaded('done')), '1', 'or that it was dropped');
	$session->value('TRUNCATE modelroute.router');
	is($other->run(loaded('done'))->{sqlstate}, '42704', 'or all were');
	$other->quit;
	return;
}

# Versions differ, and only the end of a training waits for another one.
sub test_concurrent
{
	my $other  = ModelrouteSession->new($node);
	my $second = ModelrouteSession->new($node);

	$session->value('BEGIN');
	is($session->value(training('shared')), '1', 'not yet committed');
	$other->begin(training('shared'));
	is_waiting($other, 'the same name waits');
	is( $session->value(
			"SELECT phase FROM modelroute.train_progress WHERE pid = "
			  . $other->pid),
		'writing', 'when all is learned');
	is($second->value(training('apart')), '1', 'another name does not wait');
	$session->value('COMMIT');
	is($other->end->{rows}, '2', 'after COMMIT it is the next version');

	$session->value('BEGIN');
	is($session->value(training('shared')), '3', 'again');
	$other->value('BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM modelroute.router');
	$other->begin(training('shared'));
	is_waiting($other, 'it waits with an old snapshot');
	$session->value('COMMIT');
	is($other->end->{rows}, '4', 'and does not mistake the number');
	$other->value('COMMIT');

	$session->value('BEGIN');
	is($session->value(training('shared')), '5', 'again');
	$other->begin(training('shared'));
	is_waiting($other, 'it waits');
	$session->value('ROLLBACK');
	is($other->end->{rows}, '5', 'after ROLLBACK the number is free');
	is(versions('shared'), '1,2,3,4,5', 'all are there');
	$second->quit;
	$other->quit;
	return;
}

# The owner is looked at before the work, and again at its end.
sub test_owners
{
	my $bob = ModelrouteSession->new($node, user => 'bob');
	my $answer;

	$alice->value('BEGIN');
	is($alice->value(training('claimed')), '1', 'alice begins a name');
	$bob->begin(training('claimed'));
	is_waiting($bob, 'so does bob');
	$alice->value('COMMIT');
	$answer = $bob->end;
	is($answer->{sqlstate}, '42501', 'and comes too late');
	like($answer->{hint}, qr/^Choose another name/, 'with a hint');
	is($bob->value(loaded('claimed')), '1', 'he may use it');
	$bob->quit;
	return;
}

# ----------
# Large prompts, other encodings
# ----------

sub test_large
{
	my $own    = ModelrouteSession->new($node);
	my $before = $own->memory_kb;

	$own->value("SET maintenance_work_mem = '16MB'");
	is( $own->value(training('large', q{
			(SELECT n || repeat('é', 5000000) AS prompt, model, n % 2 AS score
			FROM generate_series(1, 40) n, unnest('{a,b}'::text[]) model) e})),
		'1',
		'prompts of 10 MB');
	cmp_ok($own->memory_kb - $before, '<', 600 * $MB,
		'take the memory of a few, not of all 800 MB');
	$own->quit;
	return;
}

# The same evals give the same router, whatever the encoding.
sub test_encodings
{
	my $evals = q{(SELECT 'Größe ' || n || chr(233) AS prompt,
		'mod' || chr(232) || 'le ' || m AS model, (n % m)::real / m AS score,
		'tâche' AS task
		FROM generate_series(1, 60) n, generate_series(1, 2) m) e};
	my $training = training('accents', $evals, '{"note": "für später"}');
	my $summary  = q{SELECT encode(artifact_sha256, 'hex'), options ->> 'note',
		models FROM modelroute.router WHERE name = 'accents'};
	my ($utf8, $latin1);

	$node->safe_psql('postgres',
		"CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql('latin1', 'CREATE EXTENSION modelroute');
	$latin1 = ModelrouteSession->new($node, database => 'latin1');
	$_->value("SET client_encoding = 'UTF8'") foreach $session, $latin1;
	$_->value($training) foreach $session, $latin1;
	$utf8 = $session->value($summary);
	like($utf8, qr/\|für später\|\{"modèle 1","modèle 2"\}$/,
		'names with accents');
	is($latin1->value($summary), $utf8, 'are the same from LATIN1');
	is($latin1->value(loaded('accents')), '1', 'and serve there');
	$latin1->quit;
	return;
}

# ----------
# Steps
# ----------

sub training
{
	my ($name, $from, $options) = @_;
	my $query = '$q$SELECT * FROM ' . ($from // 'evals') . '$q$';

	$query .= ", '$options'" if defined $options;
	return "SELECT version FROM modelroute.train_router('$name', $query)";
}

sub loaded
{
	my ($router) = @_;

	return "SELECT version FROM modelroute.check_router('$router')";
}

sub versions
{
	my ($name) = @_;

	return $session->value("SELECT string_agg(version::text, ',' ORDER BY version)
		FROM modelroute.router WHERE name = '$name'");
}

sub close_gate
{
	$session->value('SELECT pg_advisory_lock(42)');
	return;
}

sub open_gate
{
	$session->value('SELECT pg_advisory_unlock(42)');
	return;
}

sub is_reading
{
	my ($router, $rows, $what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	poll_sql($node, <<"SQL", 'reading', $what);
SELECT phase FROM modelroute.train_progress
WHERE router = '$router' AND rows_read = $rows
SQL
	return;
}

sub is_waiting
{
	my ($of, $what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	poll_sql($node, 'SELECT wait_event_type FROM pg_stat_activity WHERE pid = '
		  . $of->pid, 'Lock', $what);
	return;
}

sub cancel
{
	my ($of) = @_;

	$session->value('SELECT pg_cancel_backend(' . $of->pid . ')');
	return;
}
