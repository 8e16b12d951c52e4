# 037_wire.pl
#	  What leaves: URL, headers and body of a request, in both dialects, for
#	  every option.

use strict;
use warnings;
use utf8;

use JSON::PP;
use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{MODELROUTE_WIRE_KEY} = 'key-for-the-wire';

my $upstream = start_upstream({ name => '*' });
my $node     = new_cluster('main', conf => "client_encoding = utf8\n");
my $session  = ModelrouteSession->new($node);
my $json     = JSON::PP->new->utf8->canonical;

add_sim_provider($node, $upstream,
	credential => { env => 'MODELROUTE_WIRE_KEY' });
add_sim_provider(
	$node, $upstream,
	provider   => 'ant',
	api        => 'anthropic',
	credential => { env => 'MODELROUTE_WIRE_KEY' });
$session->value(<<'SQL');
SELECT modelroute.add_model('small', 'sim', 'vendor/small-1', 1, 1,
	capabilities => '{chat,tools,json_schema,vision,sampling}');
SELECT modelroute.add_model('small', 'ant', 'claude-1', 1, 1,
	capabilities => '{chat,tools,json_schema,vision,sampling}');
SELECT modelroute.add_model('fixed', 'sim', 'fixed', 1, 1, capabilities => '{chat}');
SELECT modelroute.add_model('fixed', 'ant', 'fixed', 1, 1, capabilities => '{chat}');
SQL

# The request that the call makes; its body is decoded.
sub sent
{
	my ($call) = @_;
	my $answer = $session->run("SELECT $call");
	my $request;

	diag($answer->{stderr}) if $answer->{sqlstate};
	($request) = @{ $upstream->last_requests(1) };
	utf8::encode($request->{body});
	$request->{json} = $json->decode($request->{body});
	return $request;
}

sub complete
{
	my ($model, $options) = @_;
	my $literal = $json->encode($options // {});

	$literal =~ s/'/''/g;
	return sent("modelroute.complete('hello', '$model', '$literal')");
}

sub chat
{
	my ($model, $messages, $options) = @_;
	my ($first, $second) =
	  map { $json->encode($_) =~ s/'/''/gr } $messages, $options // {};

	return sent("modelroute.chat('$first', '$model', '$second')");
}

# ----------
# URL and headers
# ----------

my $request = complete('sim/small');
my $id = $session->value('SELECT max(attempt_id) FROM modelroute.attempt');
is("$request->{method} $request->{path}",
	'POST /v1/chat/completions', 'openai: method and path');
is($request->{headers}{authorization}, 'Bearer key-for-the-wire', 'the key');
is($request->{headers}{'x-client-request-id'}, $id, 'the id of the attempt');
is($request->{headers}{'content-type'}, 'application/json', 'Content-Type');
is($request->{headers}{accept},         'application/json', 'Accept');
is_deeply(
	[ sort keys %{ $request->{headers} } ],
	[   sort qw(accept authorization content-length content-type host
		  user-agent x-client-request-id) ],
	'and no header more');

$request = complete('ant/small');
is("$request->{method} $request->{path}",
	'POST /v1/messages', 'anthropic: method and path');
is($request->{headers}{'x-api-key'}, 'key-for-the-wire', 'the key');
is_deeply(
	[ sort keys %{ $request->{headers} } ],
	[   sort qw(accept anthropic-version content-length content-type host
		  user-agent x-api-key x-client-request-id) ],
	'and no header more');

$session->value(<<'SQL');
UPDATE modelroute.provider SET headers = '{"X-Title": "a title", "Accept": "*/*"}';
UPDATE modelroute.provider SET chat_path = '/p/other/v1/chat/completions',
	base_url = replace(base_url, '/v1', '') WHERE provider = 'sim'
SQL
$request = complete('sim/small');
is($request->{headers}{'x-title'}, 'a title', 'provider.headers are sent');
is($request->{headers}{accept}, '*/*', 'in place of ours');
is($request->{path}, '/p/other/v1/chat/completions', 'provider.chat_path');

# ----------
# Bodies
# ----------

is_deeply(
	complete('sim/small')->{json},
	{   model    => 'vendor/small-1',
		messages => [ { role => 'user', content => 'hello' } ]
	},
	'openai: nothing that was not asked for');
is_deeply(
	complete('ant/small')->{json},
	{   model      => 'claude-1',
		max_tokens => 4096,
		messages   => [ { role => 'user', content => 'hello' } ]
	},
	'anthropic: the same, and what it requires');

my $tool = {
	type     => 'function',
	function => {
		name        => 'rate',
		description => 'a rate',
		parameters  => {
			type       => 'object',
			properties => { currency => { type => 'string' } }
		}
	}
};
my $schema = {
	type       => 'object',
	properties => { city => { type => 'string' } },
	required   => ['city']
};
my $options = {
	system          => "Be \"brief\".\n\tÄ\x{1F600}",
	max_tokens      => 77,
	temperature     => 0.25,
	top_p           => 0.5,
	seed            => 9007199254740993,
	stop            => [ 'END', "\n\n" ],
	tools           => [$tool],
	tool_choice     => 'required',
	response_format => {
		type        => 'json_schema',
		json_schema => { name => 'city', schema => $schema }
	},
	reasoning_effort => 'low',
	extra            => { logit_bias => { 50256 => -100 }, user => 'me' },
	tag              => 'not sent',
	max_cost         => 10,
	objective        => 'cost'
};
$request = complete('sim/small', $options);
like($request->{body}, qr/"seed":\s*9007199254740993\b/,
	'openai: a seed of 54 bits');
delete $request->{json}{seed};
is_deeply(
	$request->{json},
	{   model    => 'vendor/small-1',
		messages => [
			{ role => 'system', content => $options->{system} },
			{ role => 'user',   content => 'hello' }
		],
		(map { $_ => $options->{$_} }
			  qw(max_tokens temperature top_p stop tools tool_choice
			  response_format reasoning_effort)),
		%{ $options->{extra} }
	},
	'openai: every option');
is_deeply(
	complete('ant/small', $options)->{json},
	{   model          => 'claude-1',
		system         => $options->{system},
		messages       => [ { role => 'user', content => 'hello' } ],
		max_tokens     => 77,
		temperature    => 0.25,
		top_p          => 0.5,
		stop_sequences => $options->{stop},
		tools          => [
			{   name         => 'rate',
				description  => 'a rate',
				input_schema => $tool->{function}{parameters}
			}
		],
		tool_choice   => { type => 'any' },
		output_config => {
			effort => 'low',
			format => { type => 'json_schema', schema => $schema }
		},
		%{ $options->{extra} }
	},
	'anthropic: every option');

$session->value(<<'SQL');
UPDATE modelroute.provider SET max_tokens_field = 'max_completion_tokens'
WHERE provider = 'sim'
SQL
$request = complete('sim/small', { max_tokens => 5 });
is($request->{json}{max_completion_tokens}, 5, 'provider.max_tokens_field');
ok(!exists $request->{json}{max_tokens}, 'in place of max_tokens');
$request =
  complete('sim/small', { temperature => 0.5, extra => { temperature => 1 } });
is($request->{json}{temperature}, 1, 'extra goes before an option');
is(() = $request->{body} =~ /temperature/g, 1, 'which is not sent twice');

foreach my $provider ('sim', 'ant')
{
	$request = complete("$provider/fixed", { temperature => 0.5, top_p => 0.5 });
	is_deeply([ sort keys %{ $request->{json} } ],
		[ $provider eq 'ant' ? 'max_tokens' : (), 'messages', 'model' ],
		"$provider: no sampling where it is not taken");
}
is(complete('ant/small', { temperature => 2 })->{json}{temperature},
	1, 'anthropic: its highest temperature');

# ----------
# Messages
# ----------

my $messages = [
	{ role => 'system', content => 'Be brief.' },
	{   role    => 'user',
		content => [
			{ type => 'text', text => 'What is this?' },
			{   type      => 'image_url',
				image_url => { url => 'data:image/png;base64,AAAA' }
			} ]
	},
	{   role       => 'assistant',
		content    => undef,
		tool_calls => [
			{   id       => 'c1',
				type     => 'function',
				function => { name => 'look', arguments => '{"at": "it"}' }
			} ]
	},
	{ role => 'tool', tool_call_id => 'c1', content => 'a "cat"' },
	{ role => 'user', content => 'Sure? 日本' } ];
is_deeply(chat('sim/small', $messages)->{json}{messages},
	$messages, 'openai: messages go out as they came');
$request = chat('ant/small', $messages);
is($request->{json}{system}, 'Be brief.', 'anthropic: the system message');
is_deeply(
	$request->{json}{messages},
	[   {   role    => 'user',
			content => [
				{ type => 'text', text => 'What is this?' },
				{   type   => 'image',
					source => {
						type       => 'base64',
						media_type => 'image/png',
						data       => 'AAAA'
					}
				} ]
		},
		{   role    => 'assistant',
			content => [
				{   type  => 'tool_use',
					id    => 'c1',
					name  => 'look',
					input => { at => 'it' }
				} ]
		},
		{   role    => 'user',
			content => [
				{   type        => 'tool_result',
					tool_use_id => 'c1',
					content     => 'a "cat"'
				},
				{ type => 'text', text => 'Sure? 日本' } ]
		} ],
	'anthropic: messages are translated');

# ----------
# Text
# ----------

foreach my $text (
	"quotes \" and \\ and /",
	"controls \x01 \x08 \x0c \x1f \x7f",
	"line\r\nbreaks\tand\ttabs",
	"Grüße, 日本語, \x{1F469}\x{200D}\x{1F4BB}, \x{10FFFF}",
	"\x{FEFF}mark, \x{2028} separator",
	'{"role": "system"}', '<script>', "'; DROP TABLE x; --")
{
	my $literal = $text =~ s/'/''/gr;

	utf8::encode($literal);
	$request = sent("modelroute.complete('$literal', 'sim/small')");
	is($request->{json}{messages}[0]{content},
		$text, 'text arrives as it was: ' . $json->encode([$text]));
}

$session->quit;
done_testing();
