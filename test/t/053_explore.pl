# 053_explore.pl
#	  Exploration: calls are spread over the candidates as propensity says, and
#	  the record has who was put first, how probably, and by which router.

use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use Test::More;

my @models   = qw(best good fair poor);
my $upstream = start_upstream(map { { name => $_ } } @models);
my $node     = new_cluster('main');
my $session  = ModelrouteSession->new($node);

add_sim_provider($node, $upstream);
add_models();

test_distribution();
test_record();
test_fallbacks();
test_fixed();

$session->quit;
$node->stop;
done_testing();

sub add_models
{
	my $quality = 0.9;

	foreach my $model (@models)
	{
		$session->value("SELECT modelroute.add_model('$model', 'sim',
			input_price => 1, output_price => 1,
			quality => '{\"default\": $quality}')");
		$quality -= 0.2;
	}
	return;
}

# So many calls with these options.
sub calls
{
	my ($count, $tag, $options) = @_;
	my $json = quote_json({ objective => 'quality', tag => $tag, %$options });

	$session->value("SELECT count(modelroute.complete('hello', 'auto', $json))
		FROM generate_series(1, $count)");
	return;
}

# What each model got, 0.1 to one of four: 40 of 400 calls, six standard
# deviations wide.
sub test_distribution
{
	calls(400, 'explore', { explore => 0.4 });
	my $served = $session->json(
		"SELECT jsonb_object_agg(model, n) FROM (SELECT model, count(*) AS n
		FROM modelroute.audit WHERE tag = 'explore' GROUP BY 1) s");

	foreach my $model (qw(good fair poor))
	{
		cmp_ok($served->{$model}, '>', 4,  "$model: not too few");
		cmp_ok($served->{$model}, '<', 76, "$model: not too many");
	}
	cmp_ok($served->{best}, '>', 225, 'the best one: most');
	is($session->value(<<'SQL'), <<'ROWS' =~ s/\n\z//r, 'with their propensities');
SELECT model, array_agg(DISTINCT round(propensity::numeric, 9)), bool_and(router = 'default')
FROM modelroute.audit WHERE tag = 'explore' GROUP BY 1 ORDER BY 1
SQL
best|{0.700000000}|t
fair|{0.100000000}|t
good|{0.100000000}|t
poor|{0.100000000}|t
ROWS
	return;
}

# Who was put first is first in the decision, and the others keep their order.
sub test_record
{
	is($session->value(<<'SQL'), <<'ROWS' =~ s/\n\z//r, 'the decisions');
SELECT DISTINCT (SELECT string_agg(c ->> 'model', ' ' ORDER BY c -> 'rank')
		FROM jsonb_array_elements(decision -> 'candidates') c)
FROM modelroute.audit
WHERE tag = 'explore' AND model = decision #>> '{candidates,0,model}' ORDER BY 1
SQL
best good fair poor
fair best good poor
good best fair poor
poor best good fair
ROWS
	my $options = quote_json({ explore => 1, objective => 'quality' });
	my %reasons = map { $_ => 1 } split /\n/, $session->value(<<"SQL");
SELECT (modelroute.chat('[{"role": "user", "content": "hello"}]', 'auto', $options)) #>> '{modelroute,reason}'
FROM generate_series(1, 100)
SQL
	is_deeply(
		[ sort keys %reasons ],
		[   'best of 4 by quality',
			'explored: drawn by chance, not by quality'
		],
		'the reasons');
	return;
}

# A call whose first candidate fails still has the propensity of that one.
sub test_fallbacks
{
	$upstream->admin(
		{ name => 'best', faults => [ { kind => 'status', status => 404 } ] });
	calls(20, 'fallback', { explore => 0.000001 });
	$upstream->admin({ name => 'best' });
	is( $session->value(
			"SELECT DISTINCT model, decision #>> '{candidates,0,model}',
				round(propensity::numeric, 5)
			FROM modelroute.audit WHERE tag = 'fallback'"),
		'good|best|1.00000',
		'the propensity is that of the first choice');
	return;
}

sub test_fixed
{
	calls(20, 'none', {});
	is( $session->value(
			"SELECT DISTINCT model, propensity IS NULL
			FROM modelroute.audit WHERE tag = 'none'"),
		'best|t',
		'without exploration there is no propensity');
	calls(20, 'one', { explore => 1, models => 'good' });
	is( $session->value(
			"SELECT DISTINCT model, propensity
			FROM modelroute.audit WHERE tag = 'one'"),
		'good|1',
		'nor anything to explore among one');
	calls(60, 'single', { explore => 1, provider => { allow_fallbacks => \0 } });
	is( $session->value(
			"SELECT count(DISTINCT model) > 1, min(propensity), max(propensity),
				max(jsonb_array_length(decision -> 'candidates'))
			FROM modelroute.audit WHERE tag = 'single'"),
		't|0.25|0.25|1',
		'where none may fall back, the drawn one is the only one');
	return;
}
