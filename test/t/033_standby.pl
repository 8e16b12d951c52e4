# Hot standby: routing works and follows the primary's catalog, calls are
# refused before anything is sent, and promotion makes them work.
use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $upstream = start_upstream({ name => '*', reply => 'hello' });
my $primary  = new_cluster('primary', allows_streaming => 1);

add_sim_provider($primary, $upstream);
$primary->safe_psql('postgres', q{
	UPDATE modelroute.provider SET enabled = provider = 'sim';
	SELECT modelroute.add_model('first', 'sim', input_price => 1, output_price => 1);
	CREATE ROLE alice LOGIN;
	SELECT modelroute.grant_use('alice')});
is($primary->safe_psql('postgres', "SELECT modelroute.complete('hi', 'first')"),
	'hello', 'a call on the primary');
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $session = ModelrouteSession->new($standby);
my $alice   = ModelrouteSession->new($standby, user => 'alice');

test_route();
test_catalog_changes();
test_refusal();
test_promotion();

$alice->quit;
$session->quit;
$standby->stop;
$primary->stop;
done_testing();

sub test_route
{
	is($session->value("SELECT provider || '/' || model FROM modelroute.route('hi')"),
		'sim/first', 'route');
	is(candidates($session), 'first', 'route_candidates');
	is($alice->value("SELECT model FROM modelroute.route('hi')"),
		'first', 'route for a role without other rights');
	is($alice->value(q{SELECT quality FROM modelroute.evaluate_router('default',
			'SELECT ''p'' AS prompt, ''first'' AS model, 0.5 AS score')
		WHERE kind = 'oracle'}), '0.5', 'evaluate_router');
	is($alice->value(q{SELECT modelroute.router_report(NULL,
			'SELECT ''p'' || n AS prompt, ''m'' || m AS model, 1 AS score
			FROM generate_series(1, 9) n, generate_series(1, 2) m',
			'{"crossval": 2}') LIKE '<!DOCTYPE html>%'}), 't', 'router_report');
	is($alice->run(q{SELECT modelroute.calibrate('default',
			'SELECT 1 AS prompt', 'cost_per_1k=1')})->{sqlstate},
		'25006', 'calibrate is refused');
	return;
}

# Each change reaches sessions that have read the catalog before.
sub test_catalog_changes
{
	foreach my $change (
		[ q{SELECT modelroute.add_model('second', 'sim', input_price => 9,
			output_price => 9)}, 'first,second', 'a new model' ],
		[ q{UPDATE modelroute.price SET input_price = 99, output_price = 99
			WHERE model = 'first'}, 'second,first', 'a price' ],
		[ q{UPDATE modelroute.model SET enabled = false WHERE model = 'second'},
			'first', 'a model that is off' ],
		[ q{BEGIN; UPDATE modelroute.model SET enabled = true; ROLLBACK},
			'first', 'what was rolled back' ],
		[ q{UPDATE modelroute.model SET enabled = true WHERE model = 'second'},
			'second,first', 'a model that is on again' ])
	{
		my ($sql, $expected, $what) = @{$change};

		replay($sql);
		is(candidates($session), $expected, "$what reaches the standby");
	}

	replay("SELECT modelroute.grant_model('first', 'alice')");
	is(candidates($alice), 'first', 'a grant on a model reaches the standby');
	is(candidates($session), 'second,first', 'for the role it was made to');
	replay("SELECT modelroute.revoke_model('first', 'alice')");
	is(candidates($alice), 'second,first', 'so does its end');

	replay("SELECT modelroute.revoke_use('alice')");
	is($alice->run("SELECT modelroute.route('hi')")->{sqlstate},
		'42501', 'and the end of the right to use modelroute');
	replay("SELECT modelroute.grant_use('alice')");
	return;
}

sub test_refusal
{
	$upstream->reset_stats;
	foreach my $call (
		q{complete('hi', 'first')},
		q{complete('hi', 'first', '{"on_error": "null"}')},
		q{complete_record('hi', 'first')},
		q{chat('[{"role": "user", "content": "hi"}]', 'first')})
	{
		my $answer = $session->run("SELECT modelroute.$call");

		is($answer->{sqlstate}, '25006', "refused: $call");
		like($answer->{hint}, qr/route\(\).*primary/, 'with a hint');
	}
	$session->run('SET modelroute.ledger = off');
	is($session->run("SELECT modelroute.complete('hi', 'first')")->{sqlstate},
		'25006', 'refused without a ledger too');
	$session->run('RESET modelroute.ledger');
	is($upstream->stats->{totals}{requests}, 0, 'nothing was sent');
	is($session->value(resident()), '', 'no process of modelroute runs');
	is($session->value("SELECT modelroute.complete(NULL) IS NULL"),
		't', 'NULL is no call');
	return;
}

# The sessions from before promotion, and the ids of the rows that came over.
sub test_promotion
{
	replay(q{SELECT modelroute.complete('hi', 'first')
		FROM generate_series(1, 5)});
	my $before = $session->value('SELECT max(call_id) FROM modelroute.audit');

	# the old primary goes on, as one that was cut off would
	$standby->promote;
	poll_sql($standby, resident(), 'modelroute launcher,modelroute worker',
		'the worker starts after promotion');
	is($session->value("SELECT modelroute.complete('hi', 'first')"),
		'hello', 'a call in an older session');
	is($alice->value("SELECT modelroute.complete('hi', 'second')"),
		'hello', 'and of another role');
	is($session->value(
			"SELECT count(*) FROM modelroute.audit WHERE call_id > $before"),
		'2', 'are recorded with ids above those before');

	$primary->safe_psql('postgres', q{SELECT modelroute.complete('hi', 'first')
		FROM generate_series(1, 5)});
	my %seen;
	$seen{$_}++ foreach map { split /\n/, $_->safe_psql('postgres', qq{
		SELECT call_id FROM modelroute.audit WHERE call_id > $before
		UNION ALL SELECT attempt_id FROM modelroute.attempt
		WHERE call_id > $before}) } ($primary, $standby);
	is(scalar(keys %seen), 14, 'ids of both lines of history differ');

	is($session->value(q{
			SELECT modelroute.add_model('third', 'sim', input_price => 1,
				output_price => 1);
			SELECT modelroute.complete('hi', 'third')}),
		"\nhello", 'its catalog can be changed');
	return;
}

# ----------
# Steps
# ----------

# Runs the statements on the primary and waits until the standby has them.
sub replay
{
	my ($sql) = @_;

	$primary->safe_psql('postgres', $sql);
	$primary->wait_for_catchup($standby, 'replay');
	return;
}

sub candidates
{
	my ($of) = @_;

	return $of->value(q{SELECT string_agg(model, ',' ORDER BY rank)
		FROM modelroute.route_candidates('hi', 'cost') WHERE excluded_by IS NULL});
}

sub resident
{
	return q{SELECT string_agg(backend_type, ',' ORDER BY backend_type)
		FROM pg_stat_activity WHERE backend_type LIKE 'modelroute%'};
}
