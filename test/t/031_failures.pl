# 031_failures.pl
#	  Every way in which a provider can fail: the error that the caller sees,
#	  what is recorded, how often the provider was asked, and whether another
#	  provider answers instead.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# Each row: a name; the fault; SQLSTATE, error_kind and attempt.status; how
# often one endpoint is asked; whether a second provider is asked; options;
# whether the cost is 0, unknown (undef) or billed.
my $FREE   = '0.000000000000';
my $BILLED = 'billed';
my @failures = (
	# HTTP statuses
	[ 's400', { status => 400 }, '38000', 'bad_request', 'failed', 1, 0 ],
	[ 's401', { status => 401 }, '38000', 'auth', 'failed', 1, 1 ],
	[ 's402', { status => 402 }, '53000', 'quota', 'failed', 1, 1 ],
	[ 's403', { status => 403 }, '38000', 'auth', 'failed', 1, 1 ],
	[ 's404', { status => 404 }, '38000', 'not_found', 'failed', 1, 1 ],
	[ 's408', { status => 408 }, '58000', 'server', 'failed', 3, 1 ],
	[ 's409', { status => 409 }, '58000', 'server', 'failed', 3, 1 ],
	[ 's413', { status => 413 }, '38000', 'context_length', 'failed', 1, 1 ],
	[ 's422', { status => 422 }, '38000', 'bad_request', 'failed', 1, 0 ],
	[ 's429', { status => 429 }, '53000', 'rate_limit', 'failed', 4, 1 ],
	[ 's500', { status => 500 }, '58000', 'server', 'failed', 3, 1 ],
	[ 's502', { status => 502 }, '58000', 'server', 'failed', 3, 1 ],
	[ 's503', { status => 503 }, '58000', 'server', 'failed', 3, 1 ],
	[ 's529', { status => 529 }, '58000', 'server', 'failed', 3, 1 ],
	[ 'quota', { status => 429, quota => JSON::PP::true },
		'53000', 'quota', 'failed', 1, 1 ],
	[ 'norepeat', { status => 500, should_retry => JSON::PP::false },
		'58000', 'server', 'failed', 1, 1 ],
	[ 'window', { status => 400, code => 'context_length_exceeded' },
		'38000', 'context_length', 'failed', 1, 1 ],
	[ 'filter', { status => 400, code => 'content_filter' },
		'38000', 'content_filter', 'failed', 1, 1 ],
	[ 'redirect', { kind => 'redirect' },
		'38000', 'bad_request', 'failed', 1, 0 ],

	# the connection
	[ 'refuse', { kind => 'refuse' }, '08006', 'lost', 'unknown', 2, 1 ],
	[ 'close', { kind => 'close' }, '08006', 'lost', 'unknown', 2, 1 ],
	[ 'hang', { kind => 'hang' }, '08006', 'timeout', 'unknown', 1, 1,
		{ first_byte_timeout_ms => 150 } ],
	[ 'headers_hang', { kind => 'headers_hang' },
		'08006', 'timeout', 'unknown', 1, 1, { idle_timeout_ms => 150 } ],
	[ 'slow_headers', { kind => 'slow_headers' },
		'08006', 'deadline', 'unknown', 1, 0, { total_timeout_ms => 300 } ],
	[ 'drip', { kind => 'drip' },
		'08006', 'deadline', 'unknown', 1, 0, { total_timeout_ms => 300 } ],
	[ 'cut', { kind => 'cut' }, '08006', 'lost', 'unknown', 2, 1 ],
	[ 'cut_reset', { kind => 'cut', reset => JSON::PP::true },
		'08006', 'lost', 'unknown', 2, 1 ],
	[ 'cut_first', { kind => 'cut', at => 1 },
		'08006', 'lost', 'unknown', 2, 1 ],
	[ 'too_long', { kind => 'wrong_length', delta => 16 },
		'08006', 'lost', 'unknown', 2, 1 ],
	[ 'noise', { kind => 'garbage', raw => JSON::PP::true },
		'08006', 'lost', 'unknown', 2, 1 ],

	# what is in a whole reply
	[ 'too_short', { kind => 'wrong_length', delta => -16 },
		'38000', 'malformed', 'unknown', 1, 1 ],
	[ 'garbage', { kind => 'garbage' },
		'38000', 'malformed', 'unknown', 1, 1 ],
	[ 'html', { kind => 'html' }, '38000', 'malformed', 'unknown', 1, 1 ],
	[ 'empty_body', { kind => 'empty_body' },
		'38000', 'malformed', 'unknown', 1, 1 ],
	[ 'truncated', { kind => 'truncated_json' },
		'38000', 'malformed', 'unknown', 1, 1 ],
	[ 'deep', { kind => 'deep_json' },
		'38000', 'malformed', 'unknown', 1, 1 ],
	[ 'utf8', { kind => 'invalid_utf8' },
		'38000', 'malformed', 'unknown', 1, 1 ],
	[ 'nul', { kind => 'nul' }, '38000', 'malformed', 'unknown', 1, 1 ],
	[ 'no_choice', { kind => 'empty_choices' },
		'38000', 'malformed', 'unknown', 1, 1, {}, $BILLED ],
	[ 'no_content', { kind => 'null_content' },
		'38000', 'malformed', 'unknown', 1, 1, {}, $BILLED ],
	[ 'inside', { kind => 'stream_error' },
		'58000', 'server', 'unknown', 3, 1 ],
	[ 'huge', { kind => 'huge', bytes => 1e9 },
		'38000', 'too_large', 'unknown', 1, 1 ]);

my $upstream = start_upstream();
my $node     = new_cluster('main',
	conf => "modelroute.max_response_size = '1MB'\n");
my $session = ModelrouteSession->new($node);

# Two providers behind one port, so that their connections are shared.
foreach my $dialect ('openai', 'anthropic')
{
	foreach my $provider ('one', 'two')
	{
		$session->value(
			sprintf "SELECT modelroute.add_provider('%s', '%s/p/%s/v1', '%s')",
			"${provider}_$dialect", $upstream->url, $provider, $dialect);
	}
}

# A model at a provider; the first one is cheaper, so it is asked first.
sub add_model
{
	my ($model, $provider, $price) = @_;

	$session->value("SELECT modelroute.add_model('$model', '$provider', "
		  . "'$model', $price, 1)");
	return;
}

sub complete
{
	my ($model, $tag, $options) = @_;
	my $json = quote_json({ tag => $tag, %{ $options // {} } });

	return $session->run(
		"SELECT modelroute.complete('hello', '$model', $json)");
}

sub requests
{
	my ($model) = @_;
	my $stats = $upstream->stats->{models}{$model};

	return $stats ? $stats->{received} : 0;
}

sub ids_seen
{
	my ($model) = @_;
	return [ sort { $a <=> $b } @{ $upstream->stats->{models}{$model}{ids} } ];
}

sub ids_recorded
{
	my ($record, $provider) = @_;
	return [
		map { $_->{attempt_id} }
		grep { !$provider || $_->{provider} eq $provider }
		@{ $record->{attempt} } ];
}

sub memory_kb
{
	my $status = slurp_file('/proc/' . $session->pid . '/status');
	return $status =~ /^VmHWM:\s+(\d+) kB/m ? $1 : die 'no VmHWM';
}

# ----------
# The table, in both dialects
# ----------

sub test_failure
{
	my ($dialect, $row) = @_;
	my ($name, $fault, $sqlstate, $kind, $status, $asked, $next, $options,
		$cost) = @$row;
	my $model = "${name}_$dialect";
	my $tag   = "alone_$model";
	my $costs;
	my $answer;
	my $record;

	# Repeats come at once, for the sake of the time this takes.
	$upstream->admin(
		{   name   => "one:$model",
			faults => [
				{   kind => 'status',
					$asked > 1 ? (retry_after_ms => 1) : (), %$fault
				} ] });
	add_model($model, "one_$dialect", 1);
	$answer = complete("one_$dialect/$model", $tag, $options);
	$record = $session->record($tag);
	is($answer->{sqlstate}, $sqlstate, "$dialect $name: SQLSTATE")
	  or diag($answer->{stderr});
	like(
		$answer->{detail} // '',
		qr/^Model \Q$model\E at provider one_$dialect(, HTTP status \d+)?, after $asked attempt\(s\): ./,
		"$dialect $name: DETAIL");
	like($answer->{hint} // '', qr/^\w.*\.$/, "$dialect $name: HINT");
	is(requests("one:$model"), $asked, "$dialect $name: requests");
	is_deeply(
		[ map { "$_->{status} $_->{error_kind}" } @{ $record->{attempt} } ],
		[ ("$status $kind") x $asked ], "$dialect $name: attempts");
	is_deeply(ids_recorded($record), ids_seen("one:$model"),
		"$dialect $name: one attempt for each request");
	is("$record->{call}[0]{status} $record->{call}[0]{error_kind} "
		  . "$record->{call}[0]{error_code} $record->{call}[0]{attempts}",
		"failed $kind $sqlstate $asked", "$dialect $name: audit");

	$costs = join ',', map { $_->{cost} // 'unknown' } @{ $record->{attempt} };
	$cost //= $status eq 'failed' ? $FREE : 'unknown';
	like($costs, $cost eq $BILLED ? qr/^0\.0+[1-9]/ : qr/^$cost(,$cost)*$/,
		"$dialect $name: cost");

	test_fallback($dialect, $row, $model);
	return;
}

# The same model at a second, healthy provider.
sub test_fallback
{
	my ($dialect, $row, $model) = @_;
	my ($name, undef, $sqlstate, $kind, $status, undef, $next, $options) =
	  @$row;
	my $tag = "next_$model";
	my $answer;
	my $record;

	$upstream->admin({ name => "two:$model", reply => "healthy {n}" });
	$upstream->reset_stats;
	add_model($model, "two_$dialect", 2);
	$answer = complete($model, $tag, $options);
	$record = $session->record($tag);
	if (!$next)
	{
		is($answer->{sqlstate}, $sqlstate, "$dialect $name: is final");
		is(requests("two:$model"), 0, "$dialect $name: no second provider");
		return;
	}
	is($answer->{rows}, 'healthy 1', "$dialect $name: answered by another")
	  or diag($answer->{stderr});
	is( join(', ',
			map { "$_->{provider} $_->{status}" } @{ $record->{attempt} }),
		"one_$dialect $status, two_$dialect ok",
		"$dialect $name: both attempts are recorded");
	is_deeply(
		[   ids_recorded($record, "one_$dialect"),
			ids_recorded($record, "two_$dialect") ],
		[ ids_seen("one:$model"), ids_seen("two:$model") ],
		"$dialect $name: under their ids");
	is("$record->{call}[0]{status} $record->{call}[0]{provider}",
		"ok two_$dialect", "$dialect $name: the call is good");
	return;
}

foreach my $dialect ('openai', 'anthropic')
{
	my $started = time();

	test_failure($dialect, $_) foreach @failures;
	diag(sprintf '%s: %.1f s', $dialect, time() - $started);
}
$session->quit;
done_testing();
