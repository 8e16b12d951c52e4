# The catalog's snapshot where invalidation takes other ways: a hot standby,
# parallel workers, prepared transactions, and an extension made anew.
use strict;
use warnings;

use ModelrouteTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $best = "SELECT model FROM modelroute.route('hi', 'quality')";

my $primary = new_cluster(
	'primary',
	preload          => 0,
	allows_streaming => 1,
	conf             => "max_prepared_transactions = 5\n");
add_models();

test_prepared();
test_presets();
test_parallel();
test_drop_and_create();
test_standby();

$primary->stop;
done_testing();

sub add_models
{
	$primary->safe_psql(
		'postgres', q{
		SELECT modelroute.add_provider('own', 'http://127.0.0.1:9/v1');
		SELECT modelroute.add_model('own-good', 'own', NULL, 1, 1, quality => '{"default": 0.9}');
		SELECT modelroute.add_model('own-fair', 'own', NULL, 1, 1, quality => '{"default": 0.5}')});
	return;
}

# One session sees the change when it commits, whoever commits it.
sub test_prepared
{
	my $session = Session->new($primary);

	is($session->query($best), 'own-good', 'before');
	$primary->safe_psql('postgres', q{
		BEGIN;
		UPDATE modelroute.model SET enabled = false WHERE model = 'own-good';
		PREPARE TRANSACTION 'change'});
	is($session->query($best), 'own-good', 'prepared is not committed');
	$primary->safe_psql('postgres', "COMMIT PREPARED 'change'");
	is($session->query($best), 'own-fair', 'prepared and committed');
	$primary->safe_psql('postgres', q{
		BEGIN;
		UPDATE modelroute.model SET enabled = true WHERE model = 'own-good';
		PREPARE TRANSACTION 'change';
		ROLLBACK PREPARED 'change'});
	is($session->query($best), 'own-fair', 'prepared and rolled back');
	$primary->safe_psql('postgres',
		"UPDATE modelroute.model SET enabled = true WHERE model = 'own-good'");
	is($session->query($best), 'own-good', 'changed back');
	$session->quit;
	return;
}

# A preset is as every session sees it from the commit on, parallel or not.
sub test_presets
{
	my $session = Session->new($primary);
	my $preset = q{SELECT model FROM modelroute.route('hi', NULL, '{"preset": "own"}')};
	my $set = q{SELECT modelroute.set_preset('own', '{"model": "own-%s"}')};

	like($session->query($preset), qr/preset "own" does not exist/, 'no preset');
	$primary->safe_psql('postgres',
		'BEGIN; ' . sprintf($set, 'fair') . '; ROLLBACK');
	like($session->query($preset), qr/does not exist/, 'nor one undone');
	foreach my $model (qw(fair good))
	{
		$primary->safe_psql('postgres', sprintf($set, $model));
		is($session->query($preset), "own-$model", "a preset with own-$model");
	}
	is($session->query("SET force_parallel_mode = on; $preset"),
		'own-good', 'in a worker');
	$primary->safe_psql('postgres', "SELECT modelroute.drop_preset('own', 2)");
	is($session->query($preset), 'own-fair', 'the version before');
	$session->quit;
	return;
}

# Workers read the catalog with the snapshot of the query; what the leader
# reads that way must not outlive it.
sub test_parallel
{
	my $session = Session->new($primary);
	my $many =
	  "SELECT DISTINCT (modelroute.route('hi ' || n, 'quality')).model FROM numbers";

	$primary->safe_psql('postgres', q{
		CREATE TABLE numbers AS SELECT n FROM generate_series(1, 3000) n;
		ALTER TABLE numbers SET (parallel_workers = 2);
		ANALYZE numbers});
	$session->query("SET $_ = 0")
	  foreach qw(parallel_setup_cost parallel_tuple_cost min_parallel_table_scan_size);
	like($session->query("EXPLAIN (COSTS OFF) $many"), qr/Gather/,
		'route runs in parallel');
	is($session->query($many), 'own-good', 'and chooses as ever');
	$primary->safe_psql('postgres',
		"UPDATE modelroute.model SET enabled = false WHERE model = 'own-good'");
	is($session->query($many), 'own-fair', 'a change reaches the next query');
	is($session->query(
			"BEGIN; UPDATE modelroute.model SET enabled = true WHERE model = 'own-good'; $many"),
		'own-good', 'and one of the transaction its own next query');
	is($session->query("ROLLBACK; $many"), 'own-fair', 'until it is undone');

	# A leader that reads first in parallel mode, under an old snapshot.
	$session->quit;
	$session = Session->new($primary);
	$session->query("SET force_parallel_mode = on");
	is($session->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"),
		'1', 'an old snapshot');
	$primary->safe_psql('postgres',
		"UPDATE modelroute.model SET enabled = true WHERE model = 'own-good'");
	is($session->query($best), 'own-fair', 'is what a worker sees');
	is($session->query("COMMIT; $best"), 'own-good', 'and it goes with it');
	is($session->query("RESET force_parallel_mode; $best"),
		'own-good', 'in the leader too');
	$session->quit;
	return;
}

sub test_drop_and_create
{
	my $session = Session->new($primary);

	is($session->query($best), 'own-good', 'a session that has read');
	$primary->safe_psql('postgres', 'DROP EXTENSION modelroute');
	like($session->query($best), qr/schema "modelroute" does not exist/,
		'finds no extension');
	$primary->safe_psql('postgres', 'CREATE EXTENSION modelroute');
	like($session->query($best), qr/no model can serve/,
		'and then a new one, in which no provider is usable yet');
	add_models();
	is($session->query($best), 'own-good', 'whose changes it sees');
	$session->quit;
	return;
}

sub test_standby
{
	my $standby = PostgreSQL::Test::Cluster->new('standby');

	$primary->backup('base');
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->start;
	my $session = Session->new($standby);

	is($session->query($best), 'own-good', 'a standby routes');
	$primary->safe_psql('postgres',
		"UPDATE modelroute.model SET enabled = false WHERE model = 'own-good'");
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	is($session->query($best), 'own-fair', 'and hears of a commit');
	$primary->safe_psql('postgres', q{
		BEGIN;
		UPDATE modelroute.model SET enabled = true WHERE model = 'own-good';
		ROLLBACK});
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	is($session->query($best), 'own-fair', 'not of a rollback');
	$primary->safe_psql('postgres',
		q{SELECT modelroute.set_preset('s', '{"model": "own-fair"}')});
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	is( $session->query(
			q{SELECT model FROM modelroute.route('hi', NULL, '{"preset": "s"}')}),
		'own-fair',
		'and of a preset');
	like($session->query("SELECT modelroute.set_preset('t', '{}')"),
		qr/read-only transaction|during recovery/, 'but makes none');
	like($session->query("SELECT modelroute.add_provider('x', 'https://api.example.com')"),
		qr/read-only transaction/, 'and changes nothing');
	$session->quit;
	$standby->stop;
	return;
}

# A psql that stays.
package Session;

use IPC::Run;

sub new
{
	my ($class, $node) = @_;
	my $self = bless { in => '', out => '', count => 0 }, $class;

	$self->{psql} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$self->{in}, '>', \$self->{out}, '2>&1',
		IPC::Run::timeout(60));
	return $self;
}

# What the statements print, errors included.
sub query
{
	my ($self, $sql) = @_;
	my $end = 'end of query ' . ++$self->{count};

	$self->{out} = '';
	$self->{in} .= "$sql;\n\\echo $end\n";
	$self->{psql}->pump until $self->{out} =~ /^\Q$end\E$/m;
	$self->{out} =~ s/\n?^\Q$end\E\n//m;
	return $self->{out};
}

sub quit
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	$self->{psql}->finish;
	return;
}
