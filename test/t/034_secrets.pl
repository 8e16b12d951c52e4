# 034_secrets.pl
#	  No secret in anything a busy cluster shows: tables and views, settings,
#	  activity, the server's log, a dump, errors, also when the provider
#	  repeats it (I5).  What may be a credential: 021_credentials.pl.

use strict;
use warnings;

use JSON::PP;
use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Parts, because what looks for a secret must not be found itself.
my @env_key  = ('sk-env-5d41402abc',  '4b2a76b9719', 'd911017c592');
my @file_key = ('sk-file-7d793037a0', '76018657', '4b0282f2f435e7');
my $env_key  = join '', @env_key;
my $file_key = join '', @file_key;

$ENV{MODELROUTE_SECRET_TEST} = $env_key;

my $upstream = start_upstream();
my $node     = new_cluster(
	'main',
	start => 0,
	conf  => <<'CONF');
modelroute.log_content = full
log_statement = all
log_duration = on
log_min_messages = debug1
log_min_error_statement = debug1
log_error_verbosity = verbose
log_connections = on
log_disconnections = on
track_activity_query_size = 100kB
CONF
my $keys = $node->basedir . '/hidden_directory';

mkdir($keys, 0700) or die "$keys: $!";
append_to_file("$keys/hidden_file", "$file_key\n");
chmod(0600, "$keys/hidden_file");
$node->append_conf('postgresql.conf',
	"modelroute.credential_directory = '$keys'\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION modelroute;
CREATE ROLE plain LOGIN;
SELECT modelroute.grant_use('plain'), modelroute.grant_monitor('plain');
SQL
add_sim_provider($node, $upstream, provider => 'by_env',
	credential => { env => 'MODELROUTE_SECRET_TEST' });
add_sim_provider(
	$node, $upstream,
	provider   => 'by_file',
	api        => 'anthropic',
	credential => { file => 'hidden_file' });

my $session = ModelrouteSession->new($node);
my $plain   = ModelrouteSession->new($node, user => 'plain');
my $shown   = '';

# What an answer shows must not hold a secret; all of it is kept for later.
sub run
{
	my ($where, $sql) = @_;
	my $answer = $where->run($sql);

	$shown .= $answer->{rows} . $answer->{stderr};
	return $answer;
}

# Passes when the text holds neither a secret nor the end of one; else shows
# the lines that do.
sub has_no_secret
{
	my ($text, $what) = @_;
	my @ends  = map { $_->[1] . $_->[2] } \@env_key, \@file_key;
	my @found = grep { /$ends[0]|$ends[1]/ } split /\n/, $text;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join("\n", @found), '', "no secret in $what");
	return;
}

# ----------
# The secrets are used
# ----------

$upstream->admin(
	[   { name => 'env',  api_key => $env_key },
		{ name => 'file', api_key => $file_key } ]);
$session->add_model('env',  'by_env',  1);
$session->add_model('file', 'by_file', 1);
foreach my $user ($session, $plain)
{
	is(run($user, "SELECT modelroute.complete('hello', '$_')")->{rows},
		"model $_ says: hello", "the provider takes the secret by $_")
	  foreach 'env', 'file';
}
my ($last) = @{ $upstream->last_requests(1) };
is($last->{headers}{'x-api-key'}, $file_key, 'as x-api-key');
ok(!exists $last->{headers}{authorization}, 'and nothing else');
unlike($last->{body}, qr/sk-/, 'not in the body');

# ----------
# Providers that repeat what they were sent
# ----------

sub echo
{
	my ($key) = @_;

	return (
		{ status => 401, message => "Incorrect API key provided: $key." },
		{ status => 400, message => "twice: $key and $key" },
		{ status => 500, message => $key, should_retry => JSON::PP::false },
		{ status => 403, code    => $key },
		{ status => 403, type    => $key },
		{ status => 400, message => ('x' x 1000) . " cut off here: $key" },
		{ status => 400, message => ('x' x 1000) . $key },
		{ status => 400, message => ('x' x 990) . $key },
		{ status => 404, body    => "You sent Bearer $key" },
		{ status => 404, body    => qq({"detail": "key $key"}) },
		{ status => 404, body    => "<html><title>$key</title></html>" },
		{ status => 200, body    => "You sent Bearer $key" },
		{ status => 200, body    => qq({"error": "bad key $key"}) },
		{ status => 200, body => qq({"error": {"message": "bad", "code": "$key"}}) },
		{   status => 200,
			body   => qq({"choices": [{"message": {"refusal": "$key"}}]})
		},
		{   status => 200,
			body   => qq({"choices": [], "model": "$key", "id": "$key"})
		},
		{   status => 200,
			body   => qq({"choices": [{"message": {"content": "good"}}],
				"model": "$key", "id": "$key", "usage": {"prompt_tokens": 1,
				"completion_tokens": 1}})
		},
		{   status => 200,
			body   => qq({"type": "message", "content": [{"type": "text",
				"text": "good"}], "model": "$key", "id": "$key",
				"usage": {"input_tokens": 1, "output_tokens": 1}})
		},
		{ status => 302, body => $key },
		{   status => 429,
			code   => 'insufficient_quota',
			message => "no credit for $key"
		});
}

foreach my $row ([ 'env', $env_key ], [ 'file', $file_key ])
{
	my ($model, $key) = @$row;

	foreach my $fault (echo($key))
	{
		$upstream->admin(
			{ name => $model, faults => [ { kind => 'status', %$fault } ] });
		foreach my $on_error ('raise', 'null')
		{
			my $options =
			  quote_json({ on_error => $on_error, max_attempts => 1 });

			foreach my $function ('complete', 'complete_record')
			{
				run($plain,
					"SELECT modelroute.$function('hello', '$model', $options)");
			}
		}
		has_no_secret($shown,
			"what a caller sees of $model with " . encode_json($fault)
			  =~ s/\Q$key\E/KEY/gr =~ s/x{100,}/.../gr);
	}
}

# ----------
# While a call is under way
# ----------

$upstream->admin({ name => 'env', faults => [ { kind => 'hang' } ] });
$plain->begin("SELECT modelroute.complete('hello', 'env')");
poll_until { $upstream->stats('ids=0')->{models}{env}{in_flight} > 0 }
'a call is under way';
has_no_secret($session->value('SELECT a::text FROM pg_stat_activity a'),
	'pg_stat_activity');
kill('INT', $plain->pid);
$plain->end;

# ----------
# Credentials that went away: errors name neither place nor secret
# ----------

sub fails_quietly
{
	my ($model, $what) = @_;
	my $answer = run($plain, "SELECT modelroute.complete('hello', '$model')");

	is($answer->{sqlstate}, '55000', $what);
	unlike($answer->{stderr}, qr/hidden_|SECRET_TEST/, "$what: without its place");
	like($answer->{hint}, qr/set_credential/, "$what: HINT");
	return;
}

chmod(0644, "$keys/hidden_file");
fails_quietly('file', 'a file that everybody may read');
unlink("$keys/hidden_file");
fails_quietly('file', 'a file that is gone');
append_to_file("$keys/hidden_file", "$file_key\nX-Header: 1");
chmod(0600, "$keys/hidden_file");
fails_quietly('file', 'a file with a second line');
unlink("$keys/hidden_file");
symlink('/etc/passwd', "$keys/hidden_file") or die "symlink: $!";
fails_quietly('file', 'a link');
$session->value("SET modelroute.env_prefix = 'NONE_'");
is( run($session, q(SELECT modelroute.complete('hello', 'env')))->{sqlstate},
	'55000', 'a variable that is not allowed any more');
foreach my $setting ('credential_directory', 'env_prefix', 'ca_file', 'proxy')
{
	is(run($plain, "SHOW modelroute.$setting")->{sqlstate},
		'42501', "$setting is for superusers");
}
is(run($plain, 'SELECT * FROM modelroute.credential')->{sqlstate},
	'42501', 'so are credentials');

# ----------
# Everything that can be read
# ----------

# The relations with a row that the session may read and that holds one of
# these, each given in parts.
sub relations_with
{
	my ($where, @words) = @_;
	my $array = join ', ',
	  map { join ' || ', map { "'$_'" } @$_ } @words;

	return $where->value("SELECT relations_with(ARRAY[$array])");
}

$session->value(<<'SQL');
CREATE FUNCTION relations_with(words text[]) RETURNS SETOF regclass
LANGUAGE plpgsql AS $$
DECLARE
	pattern text := array_to_string(words, '|');
	relation regclass;
	found boolean;
BEGIN
	FOR relation IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'v', 'm')
		AND relnamespace <> 'information_schema'::regnamespace
	LOOP
		BEGIN
			EXECUTE format('SELECT bool_or(t::text ~ $1) FROM %s t', relation)
				INTO found USING pattern;
			IF found THEN
				RETURN NEXT relation;
			END IF;
		EXCEPTION WHEN insufficient_privilege THEN
			CONTINUE;
		END;
	END LOOP;
END $$
SQL
like(relations_with($plain, [ 'hel', 'lo' ]),
	qr/audit/, 'a search of all relations finds a prompt');
is( relations_with($_, \@env_key, \@file_key, [ @env_key[ 1, 2 ] ],
		[ @file_key[ 1, 2 ] ]),
	'', 'but no secret')
  foreach $session, $plain;

$session->quit;
$plain->quit;
has_no_secret(
	(run_command([ 'pg_dump', '-d', $node->connstr('postgres') ]))[0], 'a dump');
has_no_secret(
	(run_command([ 'pg_dumpall', '-d', $node->connstr('postgres') ]))[0],
	'a dump of all');
$node->stop;
has_no_secret(slurp_file($node->logfile), "the server's log");
is( join("\n",
		grep { /SECRET_TEST/ && !/statement: / }
		  split /\n/,
		slurp_file($node->logfile)),
	'', 'nor the name of the variable');

done_testing();
