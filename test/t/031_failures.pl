# 031_failures.pl
#	  Every way in which a provider can fail: the error that the caller sees,
#	  what is recorded, how often the provider was asked, and whether another
#	  provider answers instead.

use strict;
use warnings;

use JSON::PP;
use ModelrouteSession;
use ModelrouteTest;
use Test::More;
use Time::HiRes qw(time);

# Each row: a name; the fault; SQLSTATE, error_kind and attempt.status; how
# often one endpoint is asked; whether a second provider is asked; options;
# the cost, when it does not follow from the status; the only dialect.
my $FREE   = '0.000000000000';
my $BILLED = 'billed';
my @replies = (
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
		'38000', 'malformed', 'unknown', 1, 1, {}, $BILLED, 'openai' ],
	[ 'no_content', { kind => 'null_content' },
		'38000', 'malformed', 'unknown', 1, 1, {}, $BILLED ],
	[ 'inside', { kind => 'stream_error' },
		'58000', 'server', 'unknown', 3, 1 ],
	[ 'huge', { kind => 'huge', bytes => 1e9 },
		'38000', 'too_large', 'unknown', 1, 1 ]);

# The same of the connection, which knows no dialect.
my @connections = (
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
		'08006', 'lost', 'unknown', 2, 1 ]);

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

# ----------
# The tables
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
	$session->add_model($model, "one_$dialect", 1);
	$answer = $session->complete("one_$dialect/$model", $tag, $options);
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
	$session->add_model($model, "two_$dialect", 2);
	$answer = $session->complete($model, $tag, $options);
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

test_failure('openai', $_) foreach @connections, @replies;
foreach my $row (@replies)
{
	test_failure('anthropic', $row) if ($row->[9] // 'anthropic') eq 'anthropic';
}

# ----------
# Retries: Retry-After, max_attempts, total_timeout
# ----------

# Calls model NAME at the first provider and returns answer, seconds, requests.
sub timed_call
{
	my ($name, $fault, $options) = @_;
	my $started;
	my $answer;

	$upstream->admin({ name => "one:$name", faults => [$fault] });
	$session->add_model($name, 'one_openai', 1);
	$started = time();
	$answer  = $session->complete("one_openai/$name", $name, $options);
	return ($answer, time() - $started, requests("one:$name"));
}

my ($answer, $seconds, $asked);

($answer, $seconds, $asked) = timed_call('after_s',
	{ kind => 'status', status => 429, retry_after => 1, times => 1 });
is($answer->{sqlstate}, undef, 'Retry-After: the retry is answered');
is($asked, 2, 'Retry-After: one retry');
cmp_ok($seconds, '>=', 1, 'Retry-After in seconds is honoured');

($answer, $seconds, $asked) = timed_call('after_ms',
	{ kind => 'status', status => 429, retry_after_ms => 700, times => 1 });
is($asked, 2, 'Retry-After-Ms: one retry');
cmp_ok($seconds, '>=', 0.7, 'Retry-After-Ms is honoured');

($answer, $seconds, $asked) = timed_call(
	'after_date',
	{   kind                => 'status',
		status              => 503,
		retry_after_date_in => 2,
		times               => 1
	});
is($asked, 2, 'Retry-After as a date: one retry');
cmp_ok($seconds, '>=', 0.9, 'Retry-After as a date is honoured');

($answer, $seconds, $asked) = timed_call(
	'after_long',
	{ kind => 'status', status => 429, retry_after => 3600 },
	{ total_timeout_ms => 60000 });
is($answer->{sqlstate}, '53000', 'Retry-After beyond the deadline fails');
is($asked, 1, 'Retry-After beyond the deadline: no retry');
cmp_ok($seconds, '<', 10, 'Retry-After beyond the deadline: at once');

$upstream->admin({ name => 'two:after_long' });
$session->add_model('after_long', 'two_openai', 2);
$answer = $session->complete('after_long', 'after_next');
is($answer->{rows}, 'model after_long says: hello',
	'Retry-After: another provider answers')
  or diag($answer->{stderr});

($answer, $seconds, $asked) = timed_call(
	'two_only',
	{ kind => 'status', status => 500, retry_after_ms => 1 },
	{ max_attempts => 2 });
is($asked, 2, 'option max_attempts limits the requests');
like($answer->{detail}, qr/after 2 attempt\(s\)/, 'and DETAIL counts them');

$session->value('SET modelroute.max_attempts = 1');
($answer, $seconds, $asked) =
  timed_call('one_only', { kind => 'status', status => 500 });
is($asked, 1, 'modelroute.max_attempts limits the requests');
$session->add_model('one_only', 'two_openai', 2);
$answer = $session->complete('one_only', 'one_only_next');
is($answer->{sqlstate}, '58000', 'modelroute.max_attempts counts fallbacks');
$session->value('RESET modelroute.max_attempts');

($answer, $seconds, $asked) = timed_call(
	'total',
	{   kind           => 'status',
		status         => 500,
		delay_ms       => 600,
		retry_after_ms => 1
	},
	{ total_timeout_ms => 1000 });
is("$answer->{sqlstate} $asked", '08006 2',
	'total_timeout_ms ends the last of several attempts');
cmp_ok($seconds, '>=', 1, 'not before it has passed');

($answer) = timed_call('endless', { kind => 'drip', bytes_per_second => 2000 },
	{ total_timeout_ms => 0 });
is($answer->{rows}, 'model endless says: hello', 'total_timeout_ms 0 is none');

# ----------
# A reply without end; a redirect; usage missing
# ----------

my $memory = $session->memory_kb;
($answer) = timed_call('flood', { kind => 'huge', bytes => 1e9 });
is($answer->{sqlstate}, '38000', 'a reply of 1 GB is refused');
cmp_ok($session->memory_kb - $memory, '<', 8 * 1024,
	'the backend did not grow by 8 MB');
$session->value("SET modelroute.max_response_size = '2kB'");
$upstream->admin(
	[   { name => 'fits',  reply_bytes => 1500 },
		{ name => 'bulky', reply_bytes => 2048 } ]);
$session->add_model($_, 'one_openai', 1) foreach 'fits', 'bulky';
is(length($session->complete('fits', 'fits')->{rows}),
	1500, 'a reply within max_response_size');
is($session->complete('bulky', 'bulky')->{sqlstate},
	'38000', 'a reply beyond max_response_size');
$session->value('RESET modelroute.max_response_size');

$upstream->admin(
	[   {   name   => 'moved',
			faults => [
				{   kind     => 'redirect',
					status   => 307,
					location => $upstream->url
					  . '/p/elsewhere/v1/chat/completions'
				} ]
		},
		{ name => 'elsewhere:moved' } ]);
$session->add_model('moved', 'one_openai', 1);
$answer = $session->complete('moved', 'moved');
like($answer->{detail}, qr/redirects are not followed/, 'a redirect');
is(requests('elsewhere:moved'), 0, 'is not followed');

# A database's own answer to a missing usage is an estimate.
($answer) = timed_call('uncounted', { kind => 'usage_missing' });
my $record = $session->record('uncounted');
is($answer->{rows}, 'model uncounted says: hello', 'usage missing: a reply');
ok($record->{attempt}[0]{usage_estimated}, 'usage missing: is estimated');
cmp_ok($record->{attempt}[0]{output_tokens}, '>', 0, 'usage missing: tokens');

# ----------
# A credential that cannot be read
# ----------

$session->value("SELECT modelroute.add_provider('keyless', "
	  . "'http://127.0.0.1:1/v1', 'openai', "
	  . q('{"env": "MODELROUTE_NOT_SET"}')
	  . ')');
$session->add_model('locked', 'keyless', 1);
$answer = $session->complete('locked', 'locked');
is($answer->{sqlstate}, '55000', 'a credential that is not there');
$upstream->admin({ name => 'locked' });
$session->add_model('locked', 'two_openai', 2);
$answer = $session->complete('locked', 'locked_next');
$record = $session->record('locked_next');
is($answer->{rows}, 'model locked says: hello',
	'another provider answers');
like(
	$record->{attempt}[0]{error},
	qr/^the credential of provider "keyless" cannot be used: The server's environment has no such variable\.$/,
	'the attempt says why it could not be made');
is("$record->{attempt}[0]{status} $record->{attempt}[0]{error_kind}",
	'failed credential', 'and that it failed');

# ----------
# An error that is not the provider's
# ----------

$session->value(<<'SQL');
	UPDATE modelroute.provider SET headers = (
		SELECT jsonb_object_agg('X-' || n, n::text) FROM generate_series(1, 20) n)
	WHERE provider = 'one_openai'
SQL
$session->add_model('laden', 'one_openai', 1);
$answer = $session->complete('laden', 'laden');
is($answer->{sqlstate}, '54000', 'more headers than fit');
poll_sql(
	$node,
	"SELECT status, error_kind FROM modelroute.audit WHERE tag = 'laden'",
	'failed|internal', 'is on record as a failure, not as a cancel');

$session->quit;
done_testing();
