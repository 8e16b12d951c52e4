# 031_failures.pl
#	  Every way in which a provider can fail: the error that the caller sees,
#	  what is recorded, how often the provider was asked, and whether another
#	  provider answers instead.

use strict;
use warnings;

use IO::Socket::IP;
use JSON::PP;
use ModelrouteSession;
use ModelrouteTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Socket;
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
	add_model($name, 'one_openai', 1);
	$started = time();
	$answer  = complete("one_openai/$name", $name, $options);
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
add_model('after_long', 'two_openai', 2);
$answer = complete('after_long', 'after_next');
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
add_model('one_only', 'two_openai', 2);
$answer = complete('one_only', 'one_only_next');
is($answer->{sqlstate}, '58000', 'modelroute.max_attempts counts fallbacks');
$session->value('RESET modelroute.max_attempts');

($answer, $seconds, $asked) = timed_call(
	'total',
	{   kind           => 'status',
		status         => 500,
		delay_ms       => 400,
		retry_after_ms => 1
	},
	{ total_timeout_ms => 1000 });
is("$answer->{sqlstate} $asked", '08006 3',
	'total_timeout_ms ends the last of several attempts');
cmp_ok($seconds, '>=', 1, 'not before it has passed');

($answer) = timed_call('endless', { kind => 'drip', bytes_per_second => 2000 },
	{ total_timeout_ms => 0 });
is($answer->{rows}, 'model endless says: hello', 'total_timeout_ms 0 is none');

# ----------
# A reply without end; a redirect; usage missing
# ----------

my $memory = memory_kb();
($answer) = timed_call('flood', { kind => 'huge', bytes => 1e9 });
is($answer->{sqlstate}, '38000', 'a reply of 1 GB is refused');
cmp_ok(memory_kb() - $memory, '<', 8 * 1024,
	'the backend did not grow by 8 MB');
$session->value("SET modelroute.max_response_size = '2kB'");
$upstream->admin(
	[   { name => 'fits',  reply_bytes => 1500 },
		{ name => 'bulky', reply_bytes => 2048 } ]);
add_model($_, 'one_openai', 1) foreach 'fits', 'bulky';
is(length(complete('fits', 'fits')->{rows}),
	1500, 'a reply within max_response_size');
is(complete('bulky', 'bulky')->{sqlstate},
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
add_model('moved', 'one_openai', 1);
$answer = complete('moved', 'moved');
like($answer->{detail}, qr/redirects are not followed/, 'a redirect');
is(requests('elsewhere:moved'), 0, 'is not followed');

# A database's own answer to a missing usage is an estimate.
($answer) = timed_call('uncounted', { kind => 'usage_missing' });
my $record = $session->record('uncounted');
is($answer->{rows}, 'model uncounted says: hello', 'usage missing: a reply');
ok($record->{attempt}[0]{usage_estimated}, 'usage missing: is estimated');
cmp_ok($record->{attempt}[0]{output_tokens}, '>', 0, 'usage missing: tokens');

# ----------
# Connections: reuse, refusal, and what a server sends unasked
# ----------

$upstream->admin({ name => 'steady' });
add_model('steady', 'one_openai', 1);
complete('steady', 'steady');
$upstream->reset_stats;
complete('steady', 'steady') foreach 1 .. 10;
is($upstream->stats('ids=0')->{totals}{connections_opened},
	0, 'ten calls over the connection that is open');
foreach my $announce (JSON::PP::false, JSON::PP::true)
{
	$upstream->admin(
		{   name   => 'steady',
			faults => [ { kind => 'close_after', announce => $announce } ]
		});
	$upstream->reset_stats;
	is(complete('steady', 'steady')->{rows},
		'model steady says: hello', 'a whole reply, then the end')
	  foreach 1 .. 3;
	is(requests('steady'), 3, 'no request is sent twice for it');
}

my $closed_port =
  $upstream->call('POST', '/admin/listen', { port => 0, listening => JSON::PP::true })
  ->{port};
$upstream->call('POST', '/admin/listen',
	{ port => $closed_port, listening => JSON::PP::false });
$session->value("SELECT modelroute.add_provider('nobody', "
	  . "'http://127.0.0.1:$closed_port/v1')");
add_model('unreached', 'nobody', 1);
$answer = complete('unreached', 'unreached');
$record = $session->record('unreached');
is($answer->{sqlstate}, '08001', 'nobody listens');
is( join(', ',
		map { "$_->{status} $_->{error_kind} $_->{cost}" }
		  @{ $record->{attempt} }),
	join(', ', ("failed connect $FREE") x 2),
	'nobody listens: two attempts that cost nothing');
$upstream->admin({ name => 'unreached' });
add_model('unreached', 'two_openai', 2);
$answer = complete('unreached', 'unreached_next');
is($answer->{rows}, 'model unreached says: hello',
	'nobody listens: another provider answers');

# Servers of our own, for what the simulated provider does not do.  The
# handler gets each connection; it runs in a process of its own.
my @servers;

sub start_server
{
	my ($address, $handler) = @_;
	my $listener = IO::Socket::IP->new(
		LocalHost => $address,
		LocalPort => 0,
		Listen    => 8,
		Type      => SOCK_STREAM) or return;
	my $pid = fork() // die "fork: $!";

	if ($pid == 0)
	{
		$SIG{PIPE} = 'IGNORE';
		while (my $connection = $listener->accept)
		{
			$handler->($connection);
		}
		POSIX::_exit(0);
	}
	push @servers, $pid;
	return $listener->sockport;
}

# Reads a request; false at the end of the connection.
sub read_request
{
	my ($connection) = @_;
	my ($head, $body, $line) = ('', '');

	while (defined($line = <$connection>) && $line ne "\r\n")
	{
		$head .= $line;
	}
	my ($bytes) = $head =~ /^content-length: (\d+)/mi or return 0;
	return read($connection, $body, $bytes) == $bytes;
}

sub http_reply
{
	my ($content, @headers) = @_;
	my $body = encode_json(
		{   choices => [ { message => { content => $content } } ],
			usage => { prompt_tokens => 1, completion_tokens => 1 }
		});

	return join("\r\n",
		'HTTP/1.1 200 OK',
		'Content-Length: ' . length($body),
		@headers, '', $body);
}

sub call_server
{
	my ($name, $port, $host) = @_;

	$session->value(sprintf "SELECT modelroute.add_provider('%s', "
		  . "'http://%s:%d/v1')", $name, $host // '127.0.0.1', $port);
	add_model($name, $name, 1);
	return complete($name, $name);
}

# A second reply that nobody asked for must not answer the next request.
my $port = start_server(
	'127.0.0.1',
	sub {
		my ($connection) = @_;

		while (read_request($connection))
		{
			$connection->syswrite(http_reply('asked for'));
			$connection->syswrite(http_reply('injected'));
		}
	});
foreach my $n (1 .. 5)
{
	$answer = call_server('chatty', $port);
	is($answer->{rows}, 'asked for', "a server that talks unasked, call $n")
	  or diag($answer->{stderr});
}

$port = start_server(
	'127.0.0.1',
	sub {
		my ($connection) = @_;

		read_request($connection);
		$connection->syswrite("HTTP/1.1 200 OK\r\n");
		1 while $connection->syswrite("X-Noise: " . 'n' x 8000 . "\r\n");
	});
$memory = memory_kb();
$answer = call_server('headers', $port);
is($answer->{sqlstate}, '38000', 'headers without end are refused')
  or diag($answer->{stderr});
cmp_ok(memory_kb() - $memory, '<', 8 * 1024,
	'the backend did not grow by 8 MB');

# ----------
# A credential that cannot be read
# ----------

$session->value("SELECT modelroute.add_provider('keyless', "
	  . "'http://127.0.0.1:$closed_port/v1', 'openai', "
	  . q('{"env": "MODELROUTE_NOT_SET"}')
	  . ')');
add_model('locked', 'keyless', 1);
$answer = complete('locked', 'locked');
is($answer->{sqlstate}, '55000', 'a credential that is not there');
$upstream->admin({ name => 'locked' });
add_model('locked', 'two_openai', 2);
$answer = complete('locked', 'locked_next');
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
	WHERE provider = 'nobody'
SQL
add_model('laden', 'nobody', 1);
$answer = complete('laden', 'laden');
is($answer->{sqlstate}, '54000', 'more headers than fit');
poll_sql(
	$node,
	"SELECT status, error_kind FROM modelroute.audit WHERE tag = 'laden'",
	'failed|internal', 'is on record as a failure, not as a cancel');

# ----------
# modelroute.allowed_hosts
# ----------

my $web = $upstream->port;

# The setting, the provider's URL, and the answer: ok, or SQLSTATE.
my @hosts = (
	[ '', "http://127.0.0.1:$web", '22023' ],
	[ '127.0.0.1',             "http://127.0.0.1:$web", 'ok' ],
	[ "127.0.0.1:$web",        "http://127.0.0.1:$web", 'ok' ],
	[ '127.0.0.1:1',           "http://127.0.0.1:$web", '22023' ],
	[ '127.0.0.0/8',           "http://127.0.0.1:$web", 'ok' ],
	[ ' example.com , 127.0.0.1/32 ', "http://127.0.0.1:$web", 'ok' ],
	[ '10.0.0.0/8',            "http://127.0.0.1:$web", '22023' ],
	[ '127.0.0.2',             "http://127.0.0.1:$web", '22023' ],
	[ 'localhost',             "http://localhost:$web", 'ok' ],
	[ 'LOCALHOST',             "http://LocalHost:$web", 'ok' ],
	[ "localhost:$web",        "http://localhost:$web", 'ok' ],
	[ 'localhost:1',           "http://localhost:$web", '22023' ],
	[ 'example.com',           "http://localhost:$web", '22023' ],
	[ '127.0.0.1',             "http://localhost:$web", 'ok' ],
	[ '10.0.0.0/8',            "http://localhost:$web", '42501' ],
	[ '',                      "https://localhost:$web", '42501' ],
	[ '',                      "https://127.0.0.1:$web", '22023' ],
	[ '',                      "https://2130706433:$web", '22023' ],
	[ '',                      "https://127.1:$web", '22023' ],
	[ '',                      "https://0.0.0.0:$web", '22023' ],
	[ '',                      "https://169.254.169.254", '22023' ],
	[ '',                      "http://169.254.169.254", '22023' ],
	[ '',                      "https://192.168.1.1", '22023' ],
	[ '',                      "https://[::1]:$web", '22023' ],
	[ '',                      "https://[fe80::1]", '22023' ],
	[ '',                      "https://[::ffff:127.0.0.1]:$web", '22023' ],
	[ '127.0.0.1',             "https://127.0.0.1:$web", '08001' ]);

$upstream->admin({ name => 'hosted' });
foreach my $row (@hosts)
{
	my ($setting, $url, $expected) = @$row;
	my $before = requests('hosted');

	$session->value("SELECT modelroute.add_provider('host', '$url/v1')");
	add_model('hosted', 'host', 1);
	$session->value("SET modelroute.allowed_hosts = '$setting'");
	$answer = complete('hosted', 'hosted',
		{ max_attempts => 1, connect_timeout_ms => 500 });
	is($answer->{sqlstate} // 'ok', $expected,
		"allowed_hosts '$setting': $url")
	  or diag($answer->{stderr});
	is(requests('hosted') - $before,
		$expected eq 'ok' ? 1 : 0, 'and as many requests');
}
$session->value("SET modelroute.allowed_hosts = ''");
$answer = complete('hosted', 'hosted');
like($answer->{detail}, qr{^host/hosted: host}, 'DETAIL names the reason');
like($answer->{hint}, qr/allowed_hosts/, 'HINT names the setting');

SKIP:
{
	$port = start_server(
		'::1',
		sub {
			my ($connection) = @_;
			$connection->syswrite(http_reply('six'))
			  while read_request($connection);
		}) or skip 'no IPv6 here', 3;

	foreach my $setting ('::1', "[::1]:$port", '::/64')
	{
		$session->value("SET modelroute.allowed_hosts = '$setting'");
		is(call_server('six', $port, '[::1]')->{rows},
			'six', "allowed_hosts '$setting'");
	}
}

foreach my $url ('http://user@127.0.0.1/v1', 'http://user:pass@127.0.0.1/v1',
	'ftp://127.0.0.1/v1', 'file:///etc/passwd')
{
	$answer =
	  $session->run("SELECT modelroute.add_provider('odd', '$url')");
	is($answer->{sqlstate}, '22023', "$url is no base_url");
}

foreach my $value ('two words', 'http://127.0.0.1', '127.0.0.1/33', '::1/129',
	'name/8', 'name:0', 'name:65536', 'name:x', '1.2.3.4/x', 'a,b c')
{
	$answer = $session->run("SET modelroute.allowed_hosts = '$value'");
	is($answer->{sqlstate}, '22023', "'$value' is no list of hosts");
	like($answer->{detail}, qr/^".+" is not a host/, 'DETAIL names the entry');
}
$session->value("SET modelroute.allowed_hosts = '$_'")
  foreach '', 'a', 'a,b:1,10.0.0.0/8,::1,[::1]:80,fe80::/10';
$session->value('CREATE ROLE plain');
$answer = $session->run(
	"SET ROLE plain; SET modelroute.allowed_hosts = '127.0.0.1'; RESET ROLE");
is($answer->{sqlstate}, '42501', 'only a superuser sets the hosts');

# ----------
# The environment's proxy is not used
# ----------

$session->quit;
{
	local $ENV{http_proxy} = "http://127.0.0.1:$closed_port";
	local $ENV{ALL_PROXY}  = "http://127.0.0.1:$closed_port";
	$node->restart;
}
$session = ModelrouteSession->new($node);
$upstream->admin({ name => 'direct' });
add_model('direct', 'one_openai', 1);
is(complete('direct', 'direct')->{rows},
	'model direct says: hello', 'no proxy but modelroute.proxy');

$session->quit;
kill('TERM', @servers);
waitpid($_, 0) foreach @servers;
done_testing();
