# 035_without_preload.pl
#	  Without shared_preload_libraries calls work, and their records belong to
#	  the caller's transaction.

use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $upstream = start_upstream(
	{ name => 'small', usage => { prompt_tokens => 7, completion_tokens => 3 } },
	{ name => 'hang', faults => [ { kind => 'hang' } ] },
	{ name => 'down', faults => [ { kind => 'status', status => 400 } ] });
my $node = new_cluster('main', preload => 0);

add_sim_provider($node, $upstream);
$node->safe_psql('postgres', <<'SQL');
SELECT modelroute.add_model(m, 'sim', m, 1, 2)
FROM unnest('{small,hang,down}'::text[]) m;
CREATE ROLE plain;
SELECT modelroute.grant_use('plain');

CREATE FUNCTION caught(model text, options jsonb) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN modelroute.complete('hello', model, options);
EXCEPTION WHEN OTHERS THEN
	RETURN 'caught ' || SQLSTATE;
END $$;
SQL

my $session = ModelrouteSession->new($node);
my $answer;
my $record;

sub requests
{
	return $upstream->stats('ids=0')->{totals}{requests};
}

sub recorded
{
	my ($tag) = @_;
	return $session->value(
		"SELECT count(*) FROM modelroute.audit WHERE tag = '$tag'");
}

# ----------
# Calls work, and so do their records
# ----------

is($session->complete('small', 'plain')->{rows},
	'model small says: hello', 'complete()');
is( $session->value(
		q(SELECT (modelroute.complete_record('hello', 'small')).content)),
	'model small says: hello',
	'complete_record()');
is( $session->value(<<'SQL'), 'model small says: hello', 'chat()');
SELECT modelroute.chat('[{"role": "user", "content": "hello"}]', 'small')
	#>> '{choices,0,message,content}'
SQL
$record = $session->record('plain');
is("$record->{call}[0]{status} $record->{call}[0]{cost}",
	'ok 0.000013000000', 'the call is on record');
is_deeply(
	[ map { $_->{attempt_id} } @{ $record->{attempt} } ],
	[ $upstream->stats->{models}{small}{ids}[0] ],
	'its attempt has the id that the provider saw');
is($session->complete('down', 'failed', { on_error => 'null' })->{severity},
	'WARNING', 'a failed call with on_error null');
$record = $session->record('failed');
is("$record->{call}[0]{status} $record->{attempt}[0]{http_status}",
	'failed 400', 'is on record');
is( $session->value(<<'SQL'), '10|10', 'ten calls in a statement');
SELECT count(DISTINCT modelroute.complete('row ' || n, 'small',
	'{"tag": "rows"}')), count(*) FROM generate_series(1, 10) n
SQL
is(recorded('rows'), '10', 'are ten records');

# The owner writes them, whoever calls.
is( $session->value(<<'SQL'), "model small says: hello\nplain", 'a plain role');
SET ROLE plain;
SELECT modelroute.complete('hello', 'small', '{"tag": "role"}');
SELECT role FROM modelroute.audit WHERE tag = 'role';
RESET ROLE;
SQL

# ----------
# In the caller's transaction
# ----------

$session->value('BEGIN');
$session->complete('small', 'gone');
is(recorded('gone'), 1, 'the record is there within the transaction');
$session->value('ROLLBACK');
is(recorded('gone'), 0, 'and gone after ROLLBACK');

$session->value('BEGIN; SAVEPOINT s');
$session->complete('small', 'gone');
$session->value('ROLLBACK TO s');
$session->complete('small', 'kept');
$session->value('COMMIT');
is(recorded('gone'), 0, 'gone after ROLLBACK TO SAVEPOINT');
is(recorded('kept'), 1, 'kept after COMMIT');

$answer = $session->complete('down', 'raised');
is($answer->{sqlstate}, '38000', 'a call that raises');
is(recorded('raised'), 0, 'takes its record along');
is( $session->value(q(SELECT caught('down', '{"tag": "raised"}'))),
	'caught 38000', 'also when the error is caught');
is(recorded('raised'), 0, 'by a block');
is( $session->value(<<'SQL'), '0', 'ids are never used twice');
SELECT count(*) FROM (SELECT call_id AS id FROM modelroute.audit
	UNION ALL SELECT attempt_id FROM modelroute.attempt) i
GROUP BY id HAVING count(*) > 1 UNION ALL SELECT 0 LIMIT 1
SQL

$session->begin(q(SELECT modelroute.complete('hello', 'hang')));
poll_until { ($upstream->stats('ids=0')->{models}{hang}{in_flight}) == 1 }
'a call is under way';
kill('INT', $session->pid);
is($session->end->{sqlstate}, '57014', 'it can be cancelled');
poll_until { $upstream->stats('ids=0')->{models}{hang}{in_flight} == 0 }
'its socket is closed';

# ----------
# What cannot be recorded is not sent
# ----------

$upstream->reset_stats;
$session->value('BEGIN READ ONLY');
$answer = $session->complete('small', 'refused');
is($answer->{sqlstate}, '25006', 'a read-only transaction');
$session->value('ROLLBACK');

$session->value('SET modelroute.ledger = strict');
$answer = $session->complete('small', 'refused');
is($answer->{sqlstate}, '55000', 'modelroute.ledger = strict');
like($answer->{hint}, qr/shared_preload_libraries/, 'HINT names the setting');
$session->value('RESET modelroute.ledger');

$session->value(<<'SQL');
CREATE TABLE many AS SELECT n FROM generate_series(1, 10000) n;
SET force_parallel_mode = on;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SQL
$answer = $session->run(<<'SQL');
SELECT modelroute.complete('hello', 'small') FROM many WHERE n = 1
SQL
is($answer->{sqlstate}, '55000', 'a parallel query');
like($answer->{hint}, qr/shared_preload_libraries/, 'HINT names the setting');
is(requests(), 0, 'nothing was sent');

$session->value('SET modelroute.ledger = off');
is( $session->value(<<'SQL'), 'model small says: hello', 'ledger = off');
BEGIN READ ONLY;
SELECT modelroute.complete('hello', 'small') FROM many WHERE n = 1;
COMMIT;
SQL
is(requests(), 1, 'sends in any of them');
ok( !exists $upstream->last_requests(1)->[0]{headers}{'x-client-request-id'},
	'without the id of a record');

$session->quit;
done_testing();
