# 039_presets.pl
#	  Calls by preset: its options reach the provider, those of the call go
#	  before them, and the record says which preset was asked for.

use strict;
use warnings;

use JSON::PP;
use ModelrouteSession;
use ModelrouteTest;
use Test::More;

my $upstream = start_upstream({ name => 'small' }, { name => 'large' });
my $node     = new_cluster('main');
my $session  = ModelrouteSession->new($node);

add_sim_provider($node, $upstream);
$session->add_model($_, 'sim', 1) foreach qw(small large);
$session->value(q{SELECT modelroute.set_preset('brief',
	'{"model": "small", "system": "Be brief.", "max_tokens": 7, "tag": "by preset"}')});
$session->value(q{SELECT modelroute.set_preset('open', '{"models": "large"}')});

# The body that the provider saw last.
sub last_body
{
	my ($last) = @{ $upstream->last_requests(1) };

	return decode_json($last->{body});
}

sub requested
{
	return $session->value('SELECT requested_model, model, tag
		FROM modelroute.audit ORDER BY call_id DESC LIMIT 1');
}

is($session->value("SELECT modelroute.complete('hello', '\@brief')"),
	'model small says: hello', 'complete() by preset');
is(requested(), '@brief|small|by preset', 'is on record');
my $body = last_body();
is($body->{max_tokens} // $body->{max_completion_tokens},
	7, "the preset's max_tokens");
is($body->{messages}[0]{content}, 'Be brief.', "and its system text");

$session->value(q{SELECT modelroute.complete('hello', '@brief:1',
	'{"max_tokens": 3, "system": null, "tag": "by call"}')});
is(requested(), '@brief:1|small|by call', 'a version of it, with own options');
$body = last_body();
is($body->{max_tokens} // $body->{max_completion_tokens},
	3, "the call's max_tokens");
is($body->{messages}[0]{content}, 'hello', 'and no system text');

$session->value(q{SELECT modelroute.complete('hello', options => '{"preset": "open"}')});
is(requested(), '@open|large|', 'by option');
$session->value(q{SELECT modelroute.complete('hello', 'large', '{"preset": "brief"}')});
is(requested(), 'large|large|by preset', 'a named model goes before');
is( $session->value(<<'SQL'), 'large', 'chat()');
SELECT modelroute.chat('[{"role": "user", "content": "hello"}]', '@open')
	#>> '{modelroute,model}'
SQL
is( $session->value(
		"SELECT (modelroute.complete_record('hello', '\@open')).model"),
	'large', 'complete_record()');
is($session->run("SELECT modelroute.complete('hello', '\@none')")->{sqlstate},
	'42704', 'no such preset');

$session->quit;
done_testing();
