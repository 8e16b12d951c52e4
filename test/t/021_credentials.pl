# Credentials: where a secret may come from, whose it is, that it is read anew
# for each call, and that it shows up nowhere but in the request (I5).
use strict;
use warnings;

use ModelrouteTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $secret   = 'sk-test-0123456789abcdef';
my $upstream = start_upstream({ name => 'small', reply => 'hello' });

$ENV{MODELROUTE_TEST_KEY} = $secret;
$ENV{MODELROUTE_TEST_BAD} = "two words";
$ENV{OTHER_TEST_KEY}      = $secret;

my $node = new_cluster('main', start => 0);
my $keys = $node->basedir . '/keys';

mkdir $keys or die;
mkdir "$keys/sub" or die;
$node->append_conf('postgresql.conf', qq{
modelroute.credential_directory = '$keys'
modelroute.max_attempts = 1
log_statement = none
log_min_messages = debug1
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION modelroute;
	CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN;
	SELECT modelroute.grant_use('alice'); SELECT modelroute.grant_use('bob')});
add_sim_provider($node, $upstream);
$node->safe_psql('postgres', q{
	SELECT modelroute.add_model('small', 'sim', input_price => 1, output_price => 1)});

test_environment();
test_files();
test_roles();
test_silence();

$node->stop;
done_testing();

sub test_environment
{
	is(set_credential({ env => 'MODELROUTE_TEST_KEY' }), '', 'a variable');
	is(sent_key(), $secret, 'reaches the provider');
	is(set_credential({ env => 'OTHER_TEST_KEY' }),
		'42501', 'a variable without an allowed prefix');
	is(set_credential({ env => 'MODELROUTE_TEST_BAD' }),
		'22023', 'a variable that holds no secret');
	is(set_credential({ env => 'MODELROUTE_TEST_KEY=x' }),
		'22023', 'not the name of a variable');
	is(sent_key(), $secret, 'what was refused changed nothing');

	# The setting counts when the secret is read, not only when it is named.
	$node->safe_psql('postgres',
		"ALTER SYSTEM SET modelroute.env_prefix = 'MODELROUTE_X,OTHER_'");
	$node->reload;
	poll_until { complete_error() eq '55000' } 'a prefix that was taken away';
	is(set_credential({ env => 'OTHER_TEST_KEY' }), '', 'and one that was added');
	is(sent_key(), $secret, 'works');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET modelroute.env_prefix');
	$node->reload;
	return;
}

sub test_files
{
	write_key("$keys/good", "$secret\n", 0600);
	write_key("$keys/sub/good", $secret, 0400);
	write_key("$keys/group", $secret, 0640);
	write_key("$keys/world", $secret, 0604);
	write_key("$keys/large", 'k' x 4097, 0600);
	write_key("$keys/full", 'k' x 4096, 0600);
	write_key("$keys/empty", "\n", 0600);
	write_key("$keys/header", "$secret\r\nX-Evil: 1", 0600);
	write_key("$keys/nul", "$secret\0", 0600);
	write_key($node->basedir . '/outside', $secret, 0600);
	symlink("$keys/good", "$keys/link") or die;
	symlink($node->basedir, "$keys/way_out") or die;
	system_or_bail('mkfifo', '-m', '600', "$keys/fifo");

	is(set_credential({ file => $_->[0] }), $_->[1], "file: $_->[2]")
	  foreach (
		[ 'good',                     '',      'by name' ],
		[ "$keys/sub/good",           '',      'by path, in a folder' ],
		[ 'full',                     '',      '4096 bytes' ],
		[ 'later',                    '',      'not there yet' ],
		[ 'group',                    '22023', 'open to the group' ],
		[ 'world',                    '22023', 'open to others' ],
		[ 'large',                    '22023', 'over 4096 bytes' ],
		[ 'empty',                    '22023', 'empty' ],
		[ 'header',                   '22023', 'with a second header' ],
		[ 'nul',                      '22023', 'with a zero byte' ],
		[ 'link',                     '22023', 'a link' ],
		[ 'sub',                      '22023', 'a directory' ],
		[ 'fifo',                     '22023', 'a pipe' ],
		[ 'sub/../good',              '22023', 'with a step up' ],
		[ '',                         '22023', 'no name' ],
		[ 'way_out/outside',          '42501', 'outside through a link' ],
		[ $node->basedir . '/outside', '42501', 'outside' ],
		[ "${keys}x/good",            '42501', 'beside the directory' ],
		[ '/etc/hostname',            '42501', 'anywhere' ]);

	is(set_credential({ file => 'good' }), '', 'a file');
	is(sent_key(), $secret, 'reaches the provider without its line break');
	write_key("$keys/good", 'rotated-key', 0600);
	is(sent_key(), 'rotated-key', 'a new secret counts at once');
	chmod 0644, "$keys/good" or die;
	is(complete_error(), '55000', 'so does a new mode');
	unlink "$keys/good" or die;
	is(complete_error(), '55000', 'and that it is gone');
	return;
}

sub test_roles
{
	write_key("$keys/all", 'key-of-all', 0600);
	write_key("$keys/alice", 'key-of-alice', 0600);
	is(set_credential({ file => 'all' }), '', 'for every role');
	is(set_credential({ file => 'alice' }, 'alice'), '', 'for one');
	is(sent_key('alice'), 'key-of-alice', 'a role uses its own');
	is(sent_key('bob'), 'key-of-all', 'another the one for all');
	$node->safe_psql('postgres', "SELECT modelroute.unset_credential('sim', 'alice')");
	is(sent_key('alice'), 'key-of-all', 'without its own too');
	$node->safe_psql('postgres', q{
		SELECT modelroute.unset_credential('sim');
		UPDATE modelroute.provider SET needs_credential = true WHERE provider = 'sim'});
	is(complete_error('alice'), '22023', 'none is no candidate');
	return;
}

# Everything above is in the log by now.
sub test_silence
{
	my $log = slurp_file($node->logfile);

	unlike($log, qr/\Q$secret\E|rotated-key|key-of-/, 'no secret in the log');

	# A secret in the place of its name is not repeated, nor its statement.
	foreach my $source (
		{ env  => 'sk-pasted' },
		{ env  => 'sk_pasted' },
		{ file => '/sk-pasted' },
		{ file => 'sk-pasted/' },
		{ key  => 'sk-pasted' },
		['sk-pasted'])
	{
		my ($status, $out, $error) = $node->psql('postgres',
			"SELECT modelroute.set_credential('sim', " . quote_json($source) . ')');

		like($error, qr/ERROR:  credential/, 'a pasted secret is refused');
		unlike($error =~ s/^LINE .*$//mr, qr/pasted/, 'and not repeated');
	}
	unlike(slurp_file($node->logfile), qr/pasted/, 'nor logged');

	my $dump = $node->safe_psql('postgres', q{
		SELECT string_agg(a::text, ' ') FROM modelroute.audit a
		UNION ALL SELECT string_agg(a::text, ' ') FROM modelroute.attempt a});
	unlike($dump, qr/\Q$secret\E|rotated-key|key-of-/, 'nor in the ledger');
	return;
}

# ----------
# Steps
# ----------

sub write_key
{
	my ($path, $text, $mode) = @_;

	unlink $path;
	append_to_file($path, $text);
	chmod $mode, $path or die;
	return;
}

# The SQLSTATE of the error, or nothing.
sub set_credential
{
	my ($source, $role) = @_;
	my $argument = $role ? ", '$role'" : '';

	return sqlstate("SELECT modelroute.set_credential('sim', "
		  . quote_json($source)
		  . "$argument)");
}

sub complete_error
{
	my ($role) = @_;
	return sqlstate("SELECT modelroute.complete('hi', 'small')", $role);
}

# The key that a call sends, as the provider sees it.
sub sent_key
{
	my ($role) = @_;
	my $error = complete_error($role);
	my ($request) = @{ $upstream->last_requests(1) };

	return $error
	  ? "error $error"
	  : $request->{headers}{authorization} =~ s/^Bearer //r;
}

sub sqlstate
{
	my ($sql, $role) = @_;
	my $connstr = $node->connstr('postgres') . ($role ? " user=$role" : '');
	my ($status, $out, $error) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\n$sql", connstr => $connstr);

	return $error =~ /ERROR:  (\w{5})/ ? $1 : '';
}
