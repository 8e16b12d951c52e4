# 036_connections.pl
#	  Connections: when they are reused, what a server may not do to them, and
#	  which hosts they may go to.

use strict;
use warnings;

use IO::Socket::IP;
use IPC::Run;
use JSON::PP;
use ModelrouteSession;
use ModelrouteTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket;
use Test::More;

my $upstream = start_upstream({ name => 'steady' }, { name => 'unreached' });
my $node     = new_cluster('main',
	conf => "modelroute.max_response_size = '1MB'\n");
my $session = ModelrouteSession->new($node);
my $answer;
my $record;

add_sim_provider($node, $upstream);

sub requests
{
	my ($model) = @_;
	my $stats = $upstream->stats('ids=0')->{models}{$model};

	return $stats ? $stats->{received} : 0;
}

# ----------
# Connections: reuse, refusal, and what a server sends unasked
# ----------

$upstream->admin({ name => 'steady' });
$session->add_model('steady', 'sim', 1);
$session->complete('steady', 'steady');
$upstream->reset_stats;
$session->complete('steady', 'steady') foreach 1 .. 10;
is($upstream->stats('ids=0')->{totals}{connections_opened},
	0, 'ten calls over the connection that is open');
foreach my $announce (JSON::PP::false, JSON::PP::true)
{
	$upstream->admin(
		{   name   => 'steady',
			faults => [ { kind => 'close_after', announce => $announce } ]
		});
	$upstream->reset_stats;
	is($session->complete('steady', 'steady')->{rows},
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
$session->add_model('unreached', 'nobody', 1);
$answer = $session->complete('unreached', 'unreached');
$record = $session->record('unreached');
is($answer->{sqlstate}, '08001', 'nobody listens');
is( join(', ',
		map { "$_->{status} $_->{error_kind} $_->{cost}" }
		  @{ $record->{attempt} }),
	join(', ', ('failed connect 0.000000000000') x 2),
	'nobody listens: two attempts that cost nothing');
$session->add_model('unreached', 'sim', 2);
$answer = $session->complete('unreached', 'unreached_next');
is($answer->{rows}, 'model unreached says: hello',
	'nobody listens: another provider answers');

# Servers of our own, for what the simulated provider does not do.  The
# handler gets each connection; it runs in a process of its own.
my $test_pid = $$;
my @servers;

sub stop_servers
{
	kill('TERM', @servers);
	waitpid($_, 0) foreach splice(@servers);
	return;
}

END
{
	my $status = $?;

	stop_servers() if $$ == $test_pid;
	$? = $status;
}

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
		$SIG{TERM} = 'DEFAULT';
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
	$session->add_model($name, $name, 1);
	return $session->complete($name, $name);
}

# A second reply that nobody asked for must not answer the next request,
# whether it comes right behind the first or while the connection is idle.
my $port = start_server(
	'127.0.0.1',
	sub {
		my ($connection) = @_;

		while (read_request($connection))
		{
			$connection->syswrite(
				http_reply('asked for') . http_reply('injected'));
		}
	});
foreach my $n (1 .. 3)
{
	$answer = call_server('chatty', $port);
	is($answer->{rows}, 'asked for', "a server that talks unasked, call $n")
	  or diag($answer->{stderr});
}

pipe(my $wait_for_call,  my $call_is_over)  or die "pipe: $!";
pipe(my $wait_for_reply, my $reply_is_sent) or die "pipe: $!";
$port = start_server(
	'127.0.0.1',
	sub {
		my ($connection) = @_;

		while (read_request($connection))
		{
			$connection->syswrite(http_reply('asked for'));
			sysread($wait_for_call, my $ignored, 1);
			$connection->syswrite(http_reply('injected'));
			syswrite($reply_is_sent, '.');
		}
	});
foreach my $n (1 .. 3)
{
	$answer = call_server('late', $port);
	is($answer->{rows}, 'asked for', "a server that talks later, call $n")
	  or diag($answer->{stderr});
	syswrite($call_is_over, '.');
	sysread($wait_for_reply, my $ignored, 1);
}
is_deeply(
	[ map { $_->{attempts} } @{ $session->record('late')->{call} } ],
	[ 1, 1, 1 ], 'and no attempt is lost to it');

$port = start_server(
	'127.0.0.1',
	sub {
		my ($connection) = @_;

		read_request($connection);
		$connection->syswrite("HTTP/1.1 200 OK\r\n");
		1 while $connection->syswrite("X-Noise: " . 'n' x 8000 . "\r\n");
	});
my $memory = $session->memory_kb;
$answer = call_server('headers', $port);
is($answer->{sqlstate}, '38000', 'headers without end are refused')
  or diag($answer->{stderr});
cmp_ok($session->memory_kb - $memory, '<', 8 * 1024,
	'the backend did not grow by 8 MB');

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
	$session->add_model('hosted', 'host', 1);
	$session->value("SET modelroute.allowed_hosts = '$setting'");
	$answer = $session->complete('hosted', 'hosted',
		{ max_attempts => 1, connect_timeout_ms => 500 });
	is($answer->{sqlstate} // 'ok', $expected,
		"allowed_hosts '$setting': $url")
	  or diag($answer->{stderr});
	is(requests('hosted') - $before,
		$expected eq 'ok' ? 1 : 0, 'and as many requests');
}
$session->value("SET modelroute.allowed_hosts = ''");
$answer = $session->complete('hosted', 'hosted');
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
# modelroute.proxy
# ----------

$port = start_server(
	'127.0.0.1',
	sub {
		my ($connection) = @_;
		$connection->syswrite(http_reply('by proxy'))
		  while read_request($connection);
	});
$session->value("SET modelroute.proxy = 'http://127.0.0.1:$port'");
$session->value("SET modelroute.allowed_hosts = 'api.invalid'");
is(call_server('proxied', 80, 'api.invalid')->{rows},
	'by proxy', 'a proxy finds the host');
$session->value("SET modelroute.allowed_hosts = ''");
is($session->complete('proxied', 'proxied')->{sqlstate},
	'22023', 'but allowed_hosts decides');
$session->value('RESET modelroute.proxy');

# ----------
# TLS: who answers must show a certificate that is trusted, for its name
# ----------

# A server that never answers, with a certificate for these names.
sub start_tls_server
{
	my ($name, $names) = @_;
	my $file  = "${PostgreSQL::Test::Utils::tmp_check}/$name";
	my $port  = PostgreSQL::Test::Cluster::get_free_port();
	my $input = '';

	run_log(
		[   'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes',
			'-days', '2', '-subj', '/CN=test', '-addext',
			"subjectAltName=$names", '-keyout', "$file.key", '-out',
			"$file.crt" ]) or die 'openssl req';
	my $server = IPC::Run::start(
		[   'openssl', 's_server', '-quiet', '-accept', "127.0.0.1:$port",
			'-cert', "$file.crt", '-key', "$file.key" ],
		'<', \$input, '>', '/dev/null', '2>', '/dev/null');
	poll_until
	{
		$server->pump_nb;
		IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port);
	}
	"$name: the TLS server is up";
	$session->value("SELECT modelroute.add_provider('$name', "
		  . "'https://127.0.0.1:$port/v1')");
	$session->add_model($name, $name, 1);
	return ($server, "$file.crt");
}

SKIP:
{
	skip 'no openssl here', 8 unless eval { run_log([ 'openssl', 'version' ]) };

	my ($known, $certificate) =
	  start_tls_server('known', 'IP:127.0.0.1');
	my ($other, $other_certificate) =
	  start_tls_server('other', 'DNS:localhost');

	$session->value("SET modelroute.allowed_hosts = '127.0.0.1'");
	$answer = $session->complete('known', 'known', { max_attempts => 1 });
	is($answer->{sqlstate}, '08001', 'a certificate that nobody vouches for');
	like($answer->{detail}, qr/certificate/, 'DETAIL says so');
	$session->value("SET modelroute.ca_file = '$certificate'");
	$answer = $session->complete('known', 'known',
		{ max_attempts => 1, first_byte_timeout_ms => 300 });
	is($answer->{sqlstate}, '08006', 'modelroute.ca_file vouches for it');
	$session->value("SET modelroute.ca_file = '$other_certificate'");
	$answer = $session->complete('other', 'other', { max_attempts => 1 });
	is($answer->{sqlstate}, '08001', 'a certificate for another name');
	like($answer->{detail}, qr/certificate/, 'DETAIL says so');
	$answer = $session->complete('known', 'known', { max_attempts => 1 });
	is($answer->{sqlstate}, '08001', 'a certificate that is trusted no more');
	$_->kill_kill foreach $known, $other;
}

# ----------
# The environment's proxy is not used; a host with more than one address
# ----------

$session->quit;
{
	local $ENV{LD_PRELOAD} = build_resolver();
	local $ENV{http_proxy} = "http://127.0.0.1:$closed_port";
	local $ENV{ALL_PROXY}  = "http://127.0.0.1:$closed_port";
	$node->restart;
}
$session = ModelrouteSession->new($node);
$upstream->admin({ name => 'direct' });
$session->add_model('direct', 'sim', 1);
is($session->complete('direct', 'direct')->{rows},
	'model direct says: hello', 'no proxy but modelroute.proxy');

$session->value("SELECT modelroute.add_provider('twofold', "
	  . "'http://api.twofold.test:$web/v1')");
$session->add_model('direct', 'twofold', 1);
foreach my $row (
	[ '127.0.0.1', 'ok', 'one address is refused, another serves' ],
	[ '127.0.0.0/8', 'ok', 'one has no server, another serves' ],
	[ '127.0.0.9', '42501', 'all are refused' ])
{
	my ($setting, $expected, $what) = @$row;

	$session->value("SET modelroute.allowed_hosts = '$setting'");
	$answer =
	  $session->complete('twofold/direct', 'twofold', { max_attempts => 1 });
	is($answer->{sqlstate} // 'ok', $expected, "two addresses: $what")
	  or diag($answer->{stderr});
}

$session->quit;
stop_servers();
done_testing();
