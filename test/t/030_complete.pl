# 030_complete.pl
#	  The functions complete, complete_record and chat: answers, tokens and
#	  money, whom auto chooses, and what becomes of a call that fails.

use strict;
use warnings;

use JSON::PP;
use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $upstream = start_upstream();
my $node     = new_cluster('main');
my $session  = ModelrouteSession->new($node);

add_sim_provider($node, $upstream);
add_sim_provider($node, $upstream, provider => 'ant', api => 'anthropic');

# A model that the simulated provider configures so, at either provider.
sub new_model
{
	my ($name, $provider, $prices, %config) = @_;

	$upstream->admin({ name => $name, %config });
	$session->value("SELECT modelroute.add_model('$name', '$provider', "
		  . "'$name', $prices)");
	return;
}

# The record of complete_record() as a hash; its cost is text.
sub complete_record
{
	my ($prompt, $model, $options) = @_;
	my $json = quote_json($options // {});

	return $session->json(
		"SELECT to_jsonb(r) || jsonb_build_object('cost', r.cost::text) "
		  . "FROM modelroute.complete_record('$prompt', '$model', $json) r");
}

sub requests
{
	return $upstream->stats('ids=0')->{totals}{requests};
}

# ----------
# Answers
# ----------

new_model('small', 'sim', '3, 15');
new_model('claude', 'ant', '3, 15');
foreach my $model ('small', 'claude')
{
	is($session->value("SELECT modelroute.complete('hello', '$model')"),
		"model $model says: hello", "complete() with $model");
	is( $session->value(
			"SELECT modelroute.complete(prompt => 'hello', model => '$model', options => NULL)"
		),
		"model $model says: hello",
		"by named arguments");
	my $record = complete_record('hello', $model);
	ok($record->{call_id} > 0 && $record->{latency_ms} > 0,
		"complete_record() with $model: call_id and latency_ms");
	delete @{$record}{qw(call_id latency_ms)};
	is_deeply(
		$record,
		{   status        => 'ok',
			content       => "model $model says: hello",
			model         => $model,
			provider      => $model eq 'small' ? 'sim' : 'ant',
			input_tokens  => 2,
			output_tokens => 6,
			cost          => '0.000096000000',
			attempts      => 1,
			cached        => JSON::PP::false,
			finish_reason => 'stop',
			error_code    => undef,
			error         => undef
		},
		'the record');
	my $chat = $session->json(<<"SQL");
SELECT modelroute.chat('[{"role": "user", "content": "hello"}]', '$model')
SQL
	is_deeply(
		$chat->{choices},
		[   {   index   => 0,
				message => {
					role    => 'assistant',
					content => "model $model says: hello",
					(exists $chat->{choices}[0]{message}{refusal}
						? (refusal => undef)
						: ())
				},
				finish_reason => 'stop'
			} ],
		"chat() with $model");
	is($chat->{object}, 'chat.completion', 'its object');
	is($chat->{usage}{prompt_tokens}, 2, 'its usage');
	is($chat->{modelroute}{provider}, $model eq 'small' ? 'sim' : 'ant',
		'its member modelroute');
}
is( $session->value(<<'SQL'), 'model small says: second', 'a conversation');
SELECT modelroute.chat('[{"role": "system", "content": "Be brief."},
	{"role": "user", "content": "first"},
	{"role": "assistant", "content": "yes"},
	{"role": "user", "content": [{"type": "text", "text": "second"}]}]',
	'sim/small') #>> '{choices,0,message,content}'
SQL
is(complete_record('hello world', 'small', { max_tokens => 2 })->{finish_reason},
	'length', 'a reply cut off by max_tokens');

# A reply that calls a tool has no content.
my $calls =
  '[{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]';
new_model(
	'caller', 'sim', '1, 1',
	faults => [
		{   kind   => 'status',
			status => 200,
			body   => qq({"choices": [{"index": 0, "message": {"role": "assistant",
				"content": null, "tool_calls": $calls},
				"finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1,
				"completion_tokens": 1}})
		} ]);
is( $session->value(<<'SQL'), '|t|tool_calls', 'a reply that only calls a tool');
SELECT r.content, r.content IS NULL, r.finish_reason
FROM modelroute.complete_record('hello', 'caller') r
SQL
is_deeply(
	$session->json(<<'SQL'), decode_json($calls), 'chat() passes the call on');
SELECT modelroute.chat('[{"role": "user", "content": "hello"}]', 'caller')
	#> '{choices,0,message,tool_calls}'
SQL

# ----------
# NULL and empty
# ----------

$upstream->reset_stats;
is( $session->value(<<"SQL"), "t|t|t|t", 'NULL in, NULL out');
SELECT modelroute.complete(NULL, 'small') IS NULL,
	modelroute.complete_record(NULL, 'small') IS NULL,
	modelroute.chat(NULL, 'small') IS NULL,
	modelroute.complete(NULL, 'no such model', '{"no such": "option"}') IS NULL
SQL
foreach my $bad (
	"modelroute.complete('', 'small')",
	"modelroute.complete('hello', '')",
	"modelroute.complete('hello', 'small', '[]')",
	q(modelroute.complete('hello', 'small', '{"unknown": 1}')),
	q(modelroute.complete('hello', 'small', '{"max_tokens": 0}')),
	q(modelroute.complete('hello', 'small', '{"extra": {"model": "x"}}')),
	"modelroute.chat('[]', 'small')",
	q(modelroute.chat('{"role": "user"}', 'small')),
	q(modelroute.chat('[{"role": "user", "content": "x"}]', 'small',
		'{"system": "y"}')),
	q(modelroute.chat('[{"role": "nobody", "content": "x"}]', 'small')))
{
	is($session->run("SELECT $bad")->{sqlstate}, '22023', "$bad is refused");
}
is( $session->run("SELECT modelroute.complete('x', 'smal')")->{sqlstate},
	'42704', 'an unknown model');
is(requests(), 0, 'nothing was sent');
is($session->value("SELECT modelroute.complete('hello', NULL, '{\"models\": \"small\"}')"),
	'model small says: hello', 'model NULL is auto');

# ----------
# Tokens and money, to the last digit
# ----------

# The usage object of the OpenAI dialect.
sub usage
{
	my ($prompt, $completion) = @_;
	return {
		prompt_tokens     => $prompt,
		completion_tokens => $completion,
		total_tokens      => $prompt + $completion
	};
}

sub check_cost
{
	my ($model, $input, $output, $cost, $what) = @_;
	my $record = complete_record('hello', $model, { tag => $what });
	my $ledger = $session->record($what);

	is_deeply([ @{$record}{qw(input_tokens output_tokens cost)} ],
		[ $input, $output, $cost ], "$what: the record");
	is_deeply(
		[ @{ $ledger->{call}[-1] }{qw(input_tokens output_tokens cost)} ],
		[ $input, $output, $cost ], "$what: audit");
	is($ledger->{attempt}[-1]{cost}, $cost, "$what: attempt");
	return $ledger->{attempt}[-1];
}

new_model('plain', 'sim', '3, 15',
	usage => usage(1000, 500));
check_cost('plain', 1000, 500, '0.010500000000', 'whole prices');
new_model('fraction', 'sim', '0.15, 0.075',
	usage => usage(7, 3));
check_cost('fraction', 7, 3, '0.000001275000', 'prices below a cent');
new_model('tiny', 'sim', '0.000001, 0',
	usage => usage(1, 1));
check_cost('tiny', 1, 1, '0.000000000001', 'the smallest price');
new_model('gigantic', 'sim', '1000000, 1000000',
	usage => usage(1000000, 1000000));
check_cost('gigantic', 1000000, 1000000, '2000000.000000000000',
	'the largest price');
new_model('free', 'sim', '0, 0');
check_cost('free', 2, 6, '0.000000000000', 'a price of nothing');

new_model('cached', 'sim', '3, 15',
	usage => {
		%{ usage(1000, 500) },
		prompt_tokens_details => { cached_tokens => 400 }
	});
check_cost('cached', 1000, 500, '0.010500000000',
	'cached tokens without their own price');
$session->value(<<'SQL');
UPDATE modelroute.price SET cached_input_price = 0.3, cache_write_price = 3.75
WHERE model = 'cached'
SQL
my $attempt = check_cost('cached', 1000, 500, '0.009420000000', 'cached tokens');
is($attempt->{cached_input_tokens}, 400, 'cached tokens are on record');

new_model('anthropic_cached', 'ant', '3, 15',
	usage => {
		input_tokens                => 500,
		cache_read_input_tokens     => 400,
		cache_creation_input_tokens => 100,
		output_tokens               => 500
	});
$session->value(<<'SQL');
UPDATE modelroute.price SET cached_input_price = 0.3, cache_write_price = 3.75
WHERE model = 'anthropic_cached'
SQL
$attempt = check_cost('anthropic_cached', 1000, 500, '0.009495000000',
	'tokens read from and written to a cache');
is( "$attempt->{cached_input_tokens} $attempt->{cache_write_tokens}",
	'400 100', 'both are on record');

foreach my $tokens (1000, 1001)
{
	new_model('long', 'sim', '3, 15',
		usage => usage($tokens, 10));
	$session->value(<<'SQL');
UPDATE modelroute.price SET long_context_threshold = 1000,
	long_context_input_price = 6, long_context_output_price = 22.5
WHERE model = 'long'
SQL
	check_cost('long', $tokens, 10,
		$tokens == 1000 ? '0.003150000000' : '0.006231000000',
		"$tokens tokens, and a tier above 1000");
}

new_model('unpriced', 'sim', 'NULL, NULL');
check_cost('unpriced', 2, 7, undef, 'no price');
new_model('half', 'sim', '3, NULL');
check_cost('half', 2, 6, undef, 'no price for the reply');
new_model('reported', 'sim', 'NULL, NULL', report_cost => JSON::PP::true,
	input_price => 2, output_price => 4,
	usage => usage(10, 10));
check_cost('reported', 10, 10, '0.000060000000', 'a cost the provider reports');

new_model('uncounted', 'sim', '1, 1', usage => JSON::PP::false);
my $estimate = complete_record('hello', 'uncounted', { tag => 'uncounted' });
my $ledger   = $session->record('uncounted');
ok($ledger->{call}[0]{usage_estimated}, 'no usage: marked as an estimate');
cmp_ok($estimate->{output_tokens}, '>', 3,  'no usage: not too few tokens');
cmp_ok($estimate->{output_tokens}, '<', 15, 'no usage: not too many');
is( $estimate->{cost} * 1e6,
	$estimate->{input_tokens} + $estimate->{output_tokens},
	'no usage: the cost is that of the estimate');

# A price is a row from its time on; what was billed stays.
new_model('history', 'sim', '1, 0',
	usage => usage(1000000, 0));
is(complete_record('a', 'history')->{cost}, '1.000000000000', 'a price');
$session->value(
	"SELECT modelroute.add_model('history', 'sim', input_price => 2)");
is(complete_record('a', 'history')->{cost}, '2.000000000000', 'a new price');
$session->value(<<'SQL');
INSERT INTO modelroute.price (model, provider, valid_from, input_price, output_price)
VALUES ('history', 'sim', clock_timestamp() + interval '1.5 seconds', 3, 0)
SQL
is(complete_record('a', 'history')->{cost},
	'2.000000000000', 'a price of the future does not count yet');
poll_until { complete_record('a', 'history')->{cost} eq '3.000000000000' }
'it counts when its time has come', 20;
is( $session->value(<<'SQL'), '1,2,3', 'what was billed stays');
SELECT string_agg(DISTINCT trim_scale(cost)::text, ',')
FROM modelroute.audit WHERE model = 'history'
SQL

# ----------
# auto, and the order of fallbacks
# ----------

$session->value(<<'SQL');
SELECT modelroute.add_model('wise', 'sim', 'wise', 20, 80, quality => '{"default": 0.95}');
SELECT modelroute.add_model('cheap', 'sim', 'cheap', 0.1, 0.1, quality => '{"default": 0.8}');
SELECT modelroute.add_model('fast', 'sim', 'fast', 4, 16, quality => '{"default": 0.85}');
SELECT modelroute.add_model('poor', 'sim', 'poor', 0.01, 0.01, quality => '{"default": 0.1}');
UPDATE modelroute.endpoint SET first_token_ms = 20000, tokens_per_second = 5
WHERE model IN ('wise', 'cheap', 'poor');
UPDATE modelroute.endpoint SET first_token_ms = 20, tokens_per_second = 2000
WHERE model = 'fast';
SQL
my $choice = [ 'wise', 'cheap', 'fast', 'poor' ];
$upstream->admin(
	[ map { { name => $_, latency_ms => $_ eq 'fast' ? 0 : 200 } } @$choice ]);
my %best = (quality => 'wise', cost => 'cheap', latency => 'fast');
foreach my $objective (sort keys %best)
{
	my $options = { objective => $objective, models => $choice };
	my $json    = quote_json($options);

	is(complete_record('hello', 'auto', $options)->{model},
		$best{$objective}, "auto by $objective");
	is( $session->value(
			"SELECT model FROM modelroute.route('hello', options => $json)"),
		$best{$objective},
		'as route() recommends');
	$session->value("SET modelroute.objective = '$objective'");
	is(complete_record('hello', 'auto', { models => $choice })->{model},
		$best{$objective}, 'by the setting, too');
	$session->value('RESET modelroute.objective');
}

# Failures are not measured, so the order cannot change between the two.
$upstream->admin(
	[   map { { name => $_, faults => [ { kind => 'status', status => 404 } ] } }
		  @$choice ]);
my $json   = quote_json({ models => $choice });
my $answer = $session->run(
	"SELECT modelroute.complete('hello', 'auto', "
	  . quote_json({ models => $choice, tag => 'order' }) . ')');
is($answer->{sqlstate}, '38000', 'all fail');
is( join(',', map { $_->{model} } @{ $session->record('order')->{attempt} }),
	$session->value(<<"SQL"), 'they were tried in the order of rank');
SELECT string_agg(model, ',' ORDER BY rank)
FROM modelroute.route_candidates('hello', options => $json) WHERE rank > 0
SQL
is( $session->value(
		"SELECT objective, decision -> 'candidates' -> 0 ->> 'model' "
		  . "= (SELECT model FROM modelroute.attempt t WHERE t.call_id = a.call_id AND ordinal = 1) "
		  . "FROM modelroute.audit a WHERE tag = 'order'"),
	'balanced|t',
	'the decision is on record');

# ----------
# on_error
# ----------

new_model('down', 'sim', '1, 1',
	faults => [ { kind => 'status', status => 400, message => 'no way' } ]);
$answer = $session->run("SELECT modelroute.complete('x', 'down')");
is("$answer->{severity} $answer->{sqlstate}", 'ERROR 38000', 'raise by default');
like($answer->{detail}, qr/: no way$/, "with the provider's words");
foreach my $how (
	[ q({"on_error": "null"}), 'RESET modelroute.on_error' ],
	[ '{}',                    "SET modelroute.on_error = 'null'" ])
{
	my ($options, $setting) = @$how;

	$session->value($setting);
	$answer = $session->run(
		"SELECT modelroute.complete('x', 'down', '$options') IS NULL");
	is( "$answer->{severity} $answer->{sqlstate} $answer->{rows}",
		'WARNING 38000 t', 'on_error null: a warning and NULL');
	$answer = $session->run(<<"SQL");
SELECT status, content, model, provider, cost, attempts, error_code, error
FROM modelroute.complete_record('x', 'down', '$options')
SQL
	is($answer->{rows}, 'failed||down|sim|0.000000000000|1|38000|no way',
		'complete_record(): a failed record');
	$answer = $session->run(<<"SQL");
SELECT modelroute.chat('[{"role": "user", "content": "x"}]', 'down', '$options') IS NULL
SQL
	is("$answer->{severity} $answer->{rows}", 'WARNING t', 'chat(): NULL');
}
is( $session->run(q(SELECT modelroute.complete('x', 'down', '{"on_error": "raise"}')))
	  ->{severity},
	'ERROR', 'the option goes before the setting');
$session->value('RESET modelroute.on_error');

# ----------
# What the ledger keeps
# ----------

complete_record('hello', 'small',
	{ tag => 'a tag', ref => 'row 7', task => 'greeting' });
is( $session->value(<<'SQL'), 'row 7|greeting|small|balanced|stop|1|0', 'tag, ref and task');
SELECT ref, task, requested_model, objective, finish_reason, attempts,
	attempts_unknown FROM modelroute.audit WHERE tag = 'a tag'
SQL
$session->value('SET modelroute.log_content = hash');
complete_record('hello', 'small', { tag => 'hash' });
$session->value('SET modelroute.log_content = full');
complete_record('hello', 'small', { tag => 'full' });
$session->value('RESET modelroute.log_content');
complete_record('hello', 'small', { tag => 'none' });
is( $session->value(<<'SQL'), <<'ROWS' =~ s/\n\z//r, 'log_content');
SELECT tag, prompt_sha256 = sha256('hello'), reply_sha256 = sha256('model small says: hello'),
	prompt, reply
FROM modelroute.audit WHERE tag IN ('none', 'hash', 'full') ORDER BY call_id
SQL
hash|t|t||
full|t|t|hello|model small says: hello
none||||
ROWS
$session->value("BEGIN; SELECT modelroute.complete('x', 'small', '{\"tag\": \"undone\"}'); ROLLBACK");
is($session->record('undone')->{call}[0]{status},
	'ok', 'a record outlives ROLLBACK');

# ----------
# Ten megabytes each way
# ----------

new_model('bulk', 'sim', '1, 1', reply_bytes => 10_000_000);
is( $session->value(<<'SQL'), '10000000', 'a prompt and a reply of 10 MB');
SELECT length(modelroute.complete(repeat('0123456789', 1000000), 'bulk'))
SQL
my ($last) = @{ $upstream->last_requests(1) };
cmp_ok($last->{body_bytes}, '>', 10_000_000, 'all of the prompt was sent');
new_model('echo', 'sim', '1, 1', reply => '{prompt}');
is( $session->value(<<'SQL'), 't', 'and comes back unchanged');
SELECT modelroute.complete(p, 'echo') = p
FROM (SELECT string_agg(chr(1 + n % 55000), '') FROM generate_series(1, 1000000) n) t (p)
SQL

$session->quit;
done_testing();
