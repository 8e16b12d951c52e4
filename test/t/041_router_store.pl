# 041_router_store.pl
#	  Where trained routers go: dumps, standbys, subscribers, parallel workers,
#	  other databases; and their artifacts in shared memory, which is bounded,
#	  may be full, and may not be there.

use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# With mmap, segments of shared memory are files of the data directory.
my $node = new_cluster(
	'main',
	allows_streaming => 'logical',
	conf             => "dynamic_shared_memory_type = mmap\nrestart_after_crash = on\n");
my $evals = q{SELECT 'Solve task ' || n AS prompt, model,
	((n + ascii(model)) % 3 = 0)::int AS score
	FROM generate_series(1, 100) n, unnest('{a,b}'::text[]) model};
my $contents = q{SELECT md5(string_agg(r::text, ',' ORDER BY name, version)), count(*)
	FROM modelroute.router r};
my $session;

train($node, 'x', 1);
train($node, 'x', 2);
train($node, 'y', 3);

test_dump();
test_shared();
test_no_memory();
test_damage();
test_parallel();
test_standby();
test_subscriber();
test_bound();
test_many();
test_crash();
test_new_extension();
test_without_preload();

$node->stop;
done_testing();

# ----------
# Other databases
# ----------

sub test_dump
{
	my $dir      = $node->basedir;
	my $expected = $node->safe_psql('postgres', $contents);

	command_ok([ 'pg_dump', '-f', "$dir/plain.sql", $node->connstr('postgres') ],
		'a dump');
	command_ok(
		[ 'pg_dump', '-Fc', '-f', "$dir/custom", $node->connstr('postgres') ],
		'another');
	$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(plain custom);
	command_ok(
		[
			'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql",
			'-o', '/dev/null', '-d', $node->connstr('plain')
		],
		'is restored');
	command_ok([ 'pg_restore', '-d', $node->connstr('custom'), "$dir/custom" ],
		'and so is the other');
	foreach my $database (qw(plain custom))
	{
		is($node->safe_psql($database, $contents),
			$expected, "every byte is there again in $database");
		is( $node->safe_psql(
				$database,
				'SELECT bool_and(artifact_sha256 = sha256(artifact)) FROM modelroute.router'),
			't',
			'and known by its SHA-256');
		is(check($database, 'x'), 'x|2|t', 'the latest version serves');
		is(check($database, 'x:1'), 'x|1|t', 'and an older one');
	}
	$node->safe_psql('plain', "SELECT modelroute.drop_router('x', 1)");
	is($node->safe_psql('plain', train_sql('x', 4)), '3', 'versions go on');
	return;
}

sub test_shared
{
	my $before;
	my @sessions;

	$node->restart;
	$before = segments();
	foreach my $database (qw(postgres plain custom))
	{
		my $of = ModelrouteSession->new($node, database => $database);

		is($of->value(check_sql('y')), 'y|1|t', "shared in $database");
		push @sessions, $of;
	}
	is(segments(), $before + 1, 'three databases share one segment');
	is($sessions[0]->value(check_sql('x:2')), 'x|2|t', 'another artifact');
	is(segments(), $before + 2, 'is another one');
	$_->quit foreach @sessions;
	is(check('custom', 'x'), 'x|2|t', 'they stay for the next session');
	is(segments(), $before + 2, 'which makes none');
	return;
}

# ----------
# Trouble
# ----------

# No memory to share is no error.
sub test_no_memory
{
	my $directory = $node->data_dir . '/pg_dynshmem';

	$node->restart;
	chmod(0500, $directory) or die "$directory: $!";
	is(check('postgres', 'x'), 'x|2|f', 'a copy of its own');
	chmod(0700, $directory) or die "$directory: $!";
	is(check('postgres', 'x'), 'x|2|t', 'shared when there is memory again');
	return;
}

sub test_damage
{
	my $answer;

	$session = ModelrouteSession->new($node);
	$session->value(train_sql('damaged', 5));
	is($session->value(check_sql('damaged')), 'damaged|1|t', 'sound');

	$session->value(q{BEGIN; UPDATE modelroute.router
		SET artifact = set_byte(artifact, 0, 255 - get_byte(artifact, 0))
		WHERE name = 'damaged'});
	$answer = $session->run(check_sql('damaged'));
	is($answer->{sqlstate}, 'XX001', 'damaged');
	like($answer->{hint}, qr/Train it again, or .*drop_router\('damaged', 1\)/,
		'with what to do');
	$session->value('ROLLBACK');
	is($session->value(check_sql('damaged')), 'damaged|1|t', 'sound again');

	$session->value(q{BEGIN; UPDATE modelroute.router SET artifact = ''
		WHERE name = 'damaged'});
	is($session->run(check_sql('damaged'))->{sqlstate}, 'XX001', 'empty');
	$session->value('ROLLBACK');

	# As if a disk had changed the artifact and not the row's other columns.
	$session->value(q{BEGIN;
		ALTER TABLE modelroute.router ALTER artifact_sha256 DROP EXPRESSION;
		UPDATE modelroute.router SET artifact_sha256 = sha256('other')
		WHERE name = 'damaged'});
	$answer = $session->run(check_sql('damaged'));
	is($answer->{sqlstate}, 'XX001', 'not what was stored');
	like($answer->{detail}, qr/SHA-256/, 'as its SHA-256 tells');
	$session->value('ROLLBACK');

	is($session->value("SELECT modelroute.drop_router('damaged')"),
		'1', 'what is damaged can be dropped');
	$session->quit;
	return;
}

# ----------
# Other processes and servers
# ----------

sub test_parallel
{
	my $many = q{SELECT DISTINCT (modelroute.check_router('p')).version FROM numbers};

	$node->safe_psql('postgres', q{
		CREATE TABLE numbers AS SELECT n FROM generate_series(1, 3000) n;
		ALTER TABLE numbers SET (parallel_workers = 2);
		ANALYZE numbers});
	train($node, 'p', 6);
	$session = ModelrouteSession->new($node);
	$session->value("SET $_ = 0") foreach
	  qw(parallel_setup_cost parallel_tuple_cost min_parallel_table_scan_size);
	like($session->value("EXPLAIN (COSTS OFF) $many"),
		qr/Gather/, 'a parallel query');
	is($session->value($many), '1', 'serves itself');
	train($node, 'p', 7);
	is($session->value($many), '2', 'and sees a new version');
	is($session->value("BEGIN; SELECT modelroute.drop_router('p', 2); $many"),
		"1\n1", 'or that it is gone in its own transaction');
	is($session->value("ROLLBACK; $many"), '2', 'until it is back');

	# A leader that reads first in parallel mode, under an old snapshot.
	$session->value('SET force_parallel_mode = on');
	$session->value('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	train($node, 'p', 8);
	is($session->value(check_sql('p')), 'p|2|t', 'an old snapshot');
	is($session->value('COMMIT; ' . check_sql('p')), 'p|3|t', 'goes with it');
	is( $session->value('RESET force_parallel_mode; ' . check_sql('p')),
		'p|3|t', 'in the leader too');
	$session->quit;
	return;
}

sub test_standby
{
	my $standby = PostgreSQL::Test::Cluster->new('standby');

	$node->backup('base');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	train($node, 's', 9);
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	$session = ModelrouteSession->new($standby);
	is($session->value(check_sql('s')), 's|1|t', 'a standby has it');
	train($node, 's', 10);
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	is($session->value(check_sql('s')), 's|2|t', 'and its next version');
	is($session->run(train_sql('s', 11))->{sqlstate},
		'25006', 'but does not train');
	is($session->run("SELECT modelroute.drop_router('s')")->{sqlstate},
		'25006', 'nor drop');
	$session->quit;
	$standby->stop;
	return;
}

sub test_subscriber
{
	my $subscriber = new_cluster('subscriber');

	$node->safe_psql('postgres',
		'CREATE PUBLICATION routers FOR TABLE modelroute.router');
	$subscriber->safe_psql('postgres', 'CREATE SUBSCRIPTION routers CONNECTION '
		  . "'" . $node->connstr('postgres') =~ s/'/''/gr . "' PUBLICATION routers");
	$session = ModelrouteSession->new($subscriber);
	poll_sql($subscriber, "SELECT count(*) FROM modelroute.router WHERE name = 'x'",
		'2', 'a subscriber gets the rows');
	is($session->value(check_sql('x')), 'x|2|t', 'and has the router');
	train($node, 'x', 12);
	poll_until { $session->value(check_sql('x')) eq 'x|3|t' }
	'and its next version';
	$session->quit;
	$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION routers');
	$subscriber->stop;
	return;
}

# ----------
# How much memory
# ----------

sub test_bound
{
	my ($before, @sessions);

	# room for one artifact with what a segment holds beside it
	my $kb = $node->safe_psql('postgres', q{
		SELECT ceil((max(artifact_bytes) + 64) / 1024.0)
		FROM modelroute.router_list WHERE name IN ('x', 'y')});

	$node->append_conf('postgresql.conf', "modelroute.router_memory = ${kb}kB");
	$node->restart;
	$before = segments();
	push @sessions, ModelrouteSession->new($node) foreach 1 .. 3;
	is($sessions[0]->value(check_sql('x:1')), 'x|1|t', 'the first one fits');
	is($sessions[1]->value(check_sql('x:2')), 'x|2|t', 'a second displaces it');
	is(segments(), $before + 2, 'which stays for who has it');
	is($sessions[0]->value(check_sql('x:1')), 'x|1|t', 'and serves there');
	is($sessions[2]->value(check_sql('x:1')), 'x|1|t', 'others share it anew');
	$_->quit foreach @sessions;
	poll_until { segments() == $before + 1 } 'in the end one is left';

	foreach my $too_little (0, 1)
	{
		$node->append_conf('postgresql.conf',
			"modelroute.router_memory = ${too_little}kB");
		$node->restart;
		is(check('postgres', 'x'),
			'x|3|f', "a copy of its own with router_memory = $too_little kB");
	}
	$node->append_conf('postgresql.conf', 'modelroute.router_memory = 1MB');
	$node->restart;
	return;
}

# More names than a session remembers, all with the same bytes.
sub test_many
{
	my $before = segments();
	my @names  = map { "many-$_" } 1 .. 7;

	train($node, $_, 13) foreach @names;
	$session = ModelrouteSession->new($node);
	is( $session->value(<<'SQL'), join(',', map { "many-$_:1" } 1 .. 7),
SELECT string_agg(DISTINCT (c).name || ':' || (c).version, ',')
FROM (SELECT modelroute.check_router('many-' || 1 + n % 7) AS c
	FROM generate_series(1, 1000) n) s
SQL
		'seven routers in turn');
	is(segments(), $before + 1, 'have one artifact');
	$session->value("SELECT modelroute.drop_router('$_')") foreach @names;
	is($session->run(check_sql($_))->{sqlstate}, '42704', "$_ is gone")
	  foreach @names;
	$session->quit;
	return;
}

sub test_crash
{
	my ($before, $victim);

	$node->restart;
	$before = segments();
	$victim = ModelrouteSession->new($node);

	is($victim->value(check_sql('y')), 'y|1|t', 'a session has a router');
	kill('KILL', $victim->pid);
	$victim->abandon;
	poll_until
	{
		my ($status, $out) = $node->psql('postgres', check_sql('y'));
		$status == 0 && $out eq 'y|1|t';
	}
	'after a crash it is shared again';
	is(segments(), $before + 1, 'once');
	return;
}

sub test_new_extension
{
	$session = ModelrouteSession->new($node, database => 'custom');
	is($session->value(check_sql('x')), 'x|2|t', 'a session has a router');
	$node->safe_psql('custom', 'DROP EXTENSION modelroute');
	ok($session->run('SELECT 1')->{rows}, 'its extension is dropped');
	$node->safe_psql('custom', 'CREATE EXTENSION modelroute');
	is($session->run(check_sql('x'))->{sqlstate},
		'42704', 'a new one has no routers');
	is($session->value(train_sql('x', 1)), '1', 'until one is trained');
	is($session->value(check_sql('x')), 'x|1|t', 'which serves');
	$session->quit;
	return;
}

sub test_without_preload
{
	my $plain = new_cluster('plain', preload => 0);

	is($plain->safe_psql('postgres', train_sql('x', 1)), '1', 'trained');
	is($plain->safe_psql('postgres', check_sql('x')),
		'x|1|f', 'a copy of its own');
	is($plain->safe_psql('postgres', 'SELECT count(*) FROM modelroute.train_progress'),
		'0', 'no progress is seen');
	is($plain->safe_psql('postgres', "SELECT current_setting('modelroute.router_memory', true) IS NULL"),
		't', 'there is no setting for it');
	is($plain->safe_psql('postgres', "SELECT modelroute.drop_router('x')"),
		'1', 'dropped');
	$plain->stop;
	return;
}

# ----------
# Steps
# ----------

sub train_sql
{
	my ($name, $seed) = @_;

	return "SELECT version FROM modelroute.train_router('$name', \$q\$$evals\$q\$, "
	  . "'{\"seed\": $seed}')";
}

sub train
{
	my ($on, $name, $seed) = @_;

	$on->safe_psql('postgres', train_sql($name, $seed));
	return;
}

sub check_sql
{
	my ($router) = @_;

	return "SELECT name, version, shared FROM modelroute.check_router('$router')";
}

sub check
{
	my ($database, $router) = @_;

	return $node->safe_psql($database, check_sql($router));
}

sub segments
{
	my @files = glob($node->data_dir . '/pg_dynshmem/mmap.*');

	return scalar(@files);
}
