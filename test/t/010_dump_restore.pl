# Dump and restore keep the user's rows and edits, no more and no less, and
# never a credential: plain, custom and directory format, in one transaction,
# in parallel, as INSERTs, and a dump of what was restored.
use strict;
use warnings;

use ModelrouteTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @tables = qw(provider model endpoint price category_prior benchmark
  catalog_edit model_grant preset feedback);

my $node = new_cluster('main', preload => 0, extension => 0);
my $dir  = $node->basedir;

$node->safe_psql('postgres', 'CREATE ROLE dump_user; CREATE ROLE gone');
$node->safe_psql('postgres', 'CREATE DATABASE source');
change_catalog('source');

# A database that nobody touched dumps nothing of the catalog.
$node->safe_psql('postgres', 'CREATE DATABASE untouched');
$node->safe_psql('untouched', 'CREATE EXTENSION modelroute');
dump_database('untouched', 'untouched.sql');
unlike(slurp_file("$dir/untouched.sql"),
	qr/^(?:[a-z0-9_.-]+\t)+/m, 'shipped rows are not dumped');

dump_database('source', 'plain.sql');
dump_database('source', 'inserts.sql', '--inserts');
dump_database('source', 'custom.dump', '--format=custom');
dump_database('source', 'directory', '--format=directory', '--jobs=2');

# Formats of pg_restore are compressed: what they say is in the plain dump.
foreach my $file ('plain.sql', 'inserts.sql')
{
	my $text = slurp_file("$dir/$file");

	unlike($text, qr/MODELROUTE_DUMP_TEST|dump_test\.key/,
		"$file holds no reference to a secret");
	like($text, qr/dump-own/, "$file holds the user's model");
	unlike($text, qr/gpt-6-astra/, "$file holds no shipped model");
}

my $expected = contents('source');

restore_plain('plain',              'plain.sql');
restore_plain('single_transaction', 'plain.sql', '--single-transaction');
restore_plain('inserts',            'inserts.sql');
restore_archive('custom',           'custom.dump');
restore_archive('custom_single',    'custom.dump', '--single-transaction');
restore_archive('custom_parallel',  'custom.dump', '--jobs=4');
restore_archive('parallel',         'directory', '--jobs=2');

dump_database('custom_parallel', 'again.sql');
restore_plain('again', 'again.sql');

# What was granted works in the restored database.
is( $node->safe_psql(
		'custom', q{
		SELECT has_function_privilege('dump_user', 'modelroute.route(text, text, jsonb)', 'EXECUTE'),
			has_schema_privilege('dump_user', 'modelroute', 'USAGE'),
			has_table_privilege('dump_user', 'modelroute.credential', 'SELECT'),
			has_function_privilege('public', 'modelroute.route(text, text, jsonb)', 'EXECUTE')}
	),
	't|t|f|f',
	'privileges are restored');

# The restored rows are ordinary: edits and deletions go on.
$node->safe_psql(
	'custom', q{
	UPDATE modelroute.provider SET note = 'again' WHERE provider = 'openai';
	DELETE FROM modelroute.model WHERE model = 'dump-own';
	SELECT modelroute.add_model('gpt-4.1', 'openai', input_price => 8)});
$expected = contents('custom');
dump_database('custom', 'later.sql');
restore_plain('later', 'later.sql');

is($node->safe_psql('later', q{SELECT modelroute.set_preset('dump', '{}')}),
	'3', 'presets are numbered on');
is($node->safe_psql('later', 'SELECT modelroute.feedback(7, 0)'),
	'3', 'feedback is numbered on');

# An INSERT is a takeover only in a restore.
my ($status, $out, $error) =
  $node->psql('later', q{INSERT INTO modelroute.model (model) VALUES ('gpt-4o-mini')});
like($error, qr/duplicate key value/, 'elsewhere a duplicate is an error');

$node->stop;
done_testing();

# Everything a user can do to the catalog.
sub change_catalog
{
	my ($database) = @_;

	$node->safe_psql(
		$database, q{
		CREATE EXTENSION modelroute;

		-- edited rows of each table
		UPDATE modelroute.provider SET note = E'tab\there' WHERE provider = 'openai';
		UPDATE modelroute.model SET enabled = false WHERE model = 'o4-mini';
		UPDATE modelroute.endpoint SET enabled = false WHERE model = 'gpt-4o';
		UPDATE modelroute.price SET input_price = 9.99 WHERE model = 'gpt-4o';
		UPDATE modelroute.category_prior SET quality = 0.11
		WHERE model = 'gpt-4o' AND category = 'code';
		UPDATE modelroute.benchmark SET score = 0.5 WHERE model = 'o4-mini';

		-- own rows, also beside shipped ones
		SET client_min_messages = error;
		SELECT modelroute.add_provider('dump_own', 'http://127.0.0.1:9/v1',
			credential => '{"env": "MODELROUTE_DUMP_TEST"}');
		SELECT modelroute.add_model('dump-own', 'dump_own', input_price => 1,
			output_price => 2, quality => '{"default": 0.6, "code": 0.8}');
		SELECT modelroute.add_model('gpt-4o', 'dump_own', input_price => 1);
		SELECT modelroute.add_model('gpt-4.1', 'openai', input_price => 7);
		INSERT INTO modelroute.benchmark (model, benchmark, category, score)
		VALUES ('dump-own', 'own', 'code', 0.3);

		-- deleted shipped rows, alone and with what hangs on them
		DELETE FROM modelroute.model WHERE model = 'claude-opus-5';
		DELETE FROM modelroute.provider WHERE provider = 'xai';
		DELETE FROM modelroute.price WHERE model = 'gpt-5-mini';
		DELETE FROM modelroute.category_prior
		WHERE model = 'gpt-5-mini' AND category = 'math';
		DELETE FROM modelroute.benchmark WHERE benchmark LIKE 'Vectara%';

		-- edited, then deleted; deleted, then added again; deleted twice
		UPDATE modelroute.model SET note = 'x' WHERE model = 'gpt-5-nano';
		DELETE FROM modelroute.model WHERE model = 'gpt-5-nano';
		DELETE FROM modelroute.model WHERE model = 'kimi-k2.6';
		INSERT INTO modelroute.model (model) VALUES ('kimi-k2.6');
		SELECT modelroute.add_model('kimi-k2.6', 'dump_own');
		DELETE FROM modelroute.model WHERE model = 'minimax-m3';
		INSERT INTO modelroute.model (model) VALUES ('minimax-m3');
		DELETE FROM modelroute.model WHERE model = 'minimax-m3';

		-- renamed, with what hangs on them
		UPDATE modelroute.model SET model = 'dump-renamed' WHERE model = 'glm-5.3';
		UPDATE modelroute.provider SET provider = 'dump_renamed' WHERE provider = 'groq';

		-- own rows that are gone leave no trace
		SELECT modelroute.add_model('dump-brief', 'dump_own', input_price => 1);
		DELETE FROM modelroute.model WHERE model = 'dump-brief';

		-- versions of a preset
		SELECT modelroute.set_preset('dump', '{"model": "gpt-4o"}'),
			modelroute.set_preset('dump', '{"system": "caf\u00e9\ttab"}');

		-- feedback on a call
		INSERT INTO modelroute.audit (call_id, status, role, database,
			requested_model, attempts, attempts_unknown, started_at,
			content_dropped)
		VALUES (7, 'ok', 'gone', 'source', 'auto', 1, 0, now(), false);
		SELECT modelroute.feedback(7, 0.7, 'judge', E'tab\there'),
			modelroute.feedback(7, 1);

		SELECT modelroute.grant_use('dump_user');
		SELECT modelroute.grant_model('gpt-*', 'dump_user');
		SELECT modelroute.grant_model('gpt-*', 'gone')});
	$node->safe_psql('postgres', 'DROP ROLE gone');
	return;
}

sub dump_database
{
	my ($database, $file, @options) = @_;

	$node->command_ok(
		[ 'pg_dump', @options, '--file', "$dir/$file", $database ],
		"dump of $database to $file");
	return;
}

sub restore_plain
{
	my ($database, $file, @options) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->command_ok(
		[   'psql', '--no-psqlrc', '--quiet', '--set', 'ON_ERROR_STOP=1',
			@options, '--file', "$dir/$file", $database
		],
		"$database: restored");
	compare($database);
	return;
}

sub restore_archive
{
	my ($database, $file, @options) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->command_ok(
		[   'pg_restore', '--exit-on-error', @options, '--dbname', $database,
			"$dir/$file"
		],
		"$database: restored");
	compare($database);
	return;
}

sub compare
{
	my ($database) = @_;
	my $got = contents($database);

	is($got->{$_}, $expected->{$_}, "$database: $_") foreach @tables;
	is($node->safe_psql($database, 'SELECT count(*) FROM modelroute.credential'),
		'0', "$database: no credential came along");
	return;
}

# The text of each table, whatever order its rows are stored in.  The grant of
# a role that is gone does not count.
sub contents
{
	my ($database) = @_;
	my %contents;

	foreach my $table (@tables)
	{
		my $where =
		  $table eq 'model_grant'
		  ? 'WHERE role IN (SELECT oid FROM pg_roles)'
		  : '';
		$contents{$table} = $node->safe_psql($database,
			"SELECT * FROM modelroute.$table t $where ORDER BY t::text COLLATE \"C\"");
	}
	return \%contents;
}
