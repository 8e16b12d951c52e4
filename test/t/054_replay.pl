# 054_replay.pl
#	  Replay of calls that were made: with and without their content, chats and
#	  prompts, and what another policy's replies would have been worth, which
#	  the test knows.

use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use Test::More;

my $upstream = start_upstream({ name => 'wise' }, { name => 'cheap' });
my $node     = new_cluster('main');
my $session  = ModelrouteSession->new($node);

add_sim_provider($node, $upstream);
$session->value(q{
	SELECT modelroute.add_model('wise', 'sim', NULL, 10, 10, quality => '{"default": 0.9}');
	SELECT modelroute.add_model('cheap', 'sim', NULL, 1, 1, 16000, 4000,
		'{chat,streaming}', '{"default": 0.5}');
	UPDATE modelroute.provider SET enabled = provider = 'sim'});

test_content();
test_estimate();

$session->quit;
$node->stop;
done_testing();

sub replayed
{
	my ($tag, @policy) = @_;

	return $session->value(
		"SELECT string_agg(concat_ws(' ', logged_model, replayed_model, how),
			', ' ORDER BY call_id)
		FROM modelroute.replay_calls(@{[join ', ', 'NULL', @policy]})
			JOIN modelroute.audit USING (call_id) WHERE tag = '$tag'");
}

# What a record keeps is enough to decide as the call did.
sub test_content
{
	foreach my $how (qw(none full))
	{
		my $tool = '[{"type": "function", "function": {"name": "f"}}]';

		$session->value("SET modelroute.log_content = $how");
		$session->value(qq[
			SELECT modelroute.complete('hello', 'auto',
				'{"objective": "quality", "tag": "$how"}');
			SELECT modelroute.complete('hello', 'sim/wise', '{"tag": "$how"}');
			SELECT modelroute.chat('[{"role": "system", "content": "Be brief."},
				{"role": "user", "content": [{"type": "text", "text": "caf\xc3\xa9"}]}]',
				'auto', '{"objective": "quality", "tag": "$how"}');
			SELECT modelroute.complete('hello', 'auto', '{"objective": "quality",
				"tag": "$how", "max_tokens": 4500}');
			SELECT modelroute.complete('hello', 'auto', '{"objective": "quality",
				"tag": "$how", "tools": $tool}')]);
	}
	$session->value('RESET modelroute.log_content');
	is(replayed('full'), join(', ', ('wise wise prompt') x 5), 'as it was');
	is(replayed('none'), join(', ', ('wise wise candidates') x 5),
		'also without content');
	is( replayed('full', q{'cost=1'}),
		'wise cheap prompt, wise wise prompt, wise cheap prompt, '
		  . 'wise wise prompt, wise wise prompt',
		'a call for a model, for many tokens or for tools stays so');
	is( replayed('none', q{'cost=1'}),
		'wise cheap candidates, wise wise candidates, wise cheap candidates, '
		  . 'wise wise candidates, wise wise candidates',
		'also without content');
	is( $session->value(
			"SELECT string_agg((decision - '{candidates,considered,excluded}'::text[])::text,
				' ' ORDER BY call_id) FROM modelroute.audit WHERE tag = 'none'"),
		'{} {"model": "sim/wise"} {"messages": 2} {"max_tokens": 4500} '
		  . '{"capabilities": ["tools"]}',
		'by what the decision keeps');
	is( $session->value(
			"SELECT bool_and(c.expected_cost = r.cost)
			FROM modelroute.replay_calls(NULL, 'cost=1') c JOIN modelroute.audit a USING (call_id),
				LATERAL modelroute.route(prompt, 'cost=1') r
			WHERE tag = 'full' AND requested_model = 'auto'
				AND prompt = 'hello' AND NOT decision ?| '{max_tokens,capabilities}'"),
		't',
		'with the cost that route() expects');
	return;
}

# The cheap model answers easy prompts well and hard ones badly, the wise one
# both well.  Easy prompts mostly went to the cheap one, hard ones to the wise
# one: of the replies of the cheap one three in four were good, but on all
# prompts it would have been half.  Half of the calls have no content.
sub test_estimate
{
	my $began = $session->value('SELECT clock_timestamp()');

	foreach my $kind (qw(easy hard))
	{
		my $objective = $kind eq 'easy' ? 'cost=1' : 'quality';

		foreach my $content (qw(none full))
		{
			$session->value("SET modelroute.log_content = $content");
			$session->value(
				qq[SELECT count(modelroute.complete('hello', 'auto', '{"ref": "$kind",
					"objective": "$objective", "explore": 0.5}'))
				FROM generate_series(1, 100)]);
		}
	}
	$session->value(
		"INSERT INTO modelroute.feedback (call_id, score)
		SELECT call_id, CASE WHEN model = 'wise' OR ref = 'easy' THEN 1 ELSE 0 END
		FROM modelroute.audit WHERE started_at >= '$began'");
	my $naive = $session->value(
		"SELECT avg(score) FROM modelroute.audit JOIN modelroute.feedback
			USING (call_id) WHERE model = 'cheap'");
	my %cheap = estimate($began, 'cost=1');
	my %wise  = estimate($began, 'quality');

	cmp_ok($naive, '>', 0.6, "the cheap model's replies were good ($naive)");
	cmp_ok(abs($cheap{ips} - 0.5), '<', 0.2, "half would be ($cheap{ips})");
	cmp_ok(abs($cheap{ips} - 0.5), '<', 6 * $cheap{stderr},
		"within the error ($cheap{stderr})");
	cmp_ok($cheap{stderr}, '<', 0.1, 'which is small');
	is($wise{ips}, 1, 'all replies of the wise one would be good');
	foreach my $policy (\%cheap, \%wise)
	{
		is("$policy->{calls} $policy->{replayed}", '400 400',
			'all calls are replayed');
		cmp_ok($policy->{effective}, '>', 50,  'the estimate rests on many');
		cmp_ok($policy->{effective}, '<', 400, 'but not on all');
		is($policy->{note}, '', 'and there is nothing to add');
	}
	return;
}

sub estimate
{
	my ($began, $objective) = @_;
	my %row;

	@row{qw(calls replayed ips stderr effective note)} =
	  split /\|/, $session->value(
		"SELECT calls, replayed, ips_quality, ips_stderr, effective_calls, note
		FROM modelroute.replay('$began', '$objective')
		WHERE policy = 'replayed'"), -1;
	return %row;
}
