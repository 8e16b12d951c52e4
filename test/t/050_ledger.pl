# 050_ledger.pl
#	  The ledger: what was sent is on record whatever becomes of the caller,
#	  with what modelroute.log_content asks for, and seen by those who may.

use strict;
use warnings;

use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $upstream = start_upstream(
	{ name => 'small', latency_ms => 5 },
	{ name => 'hang', faults => [ { kind => 'hang' } ] },
	{ name => 'large', reply_bytes => 5_000_000 });
my $node = new_cluster(
	'main',
	extra => [ '-E', 'UTF8', '--locale', 'C' ],
	conf => <<'CONF');
autovacuum = off
wal_writer_delay = 10s
max_connections = 50
modelroute.max_attempts = 1
CONF

add_models($node);
my $admin = ModelrouteSession->new($node);

test_survival();
test_visibility();
test_content();
test_dropped_content();
test_no_shared_memory();
test_row_security();
test_ids();
test_group_commit();
test_synchronous_commit();
test_off();
test_not_preloaded();

$admin->quit;
$node->stop;
done_testing();

# ----------
# Helpers
# ----------

sub add_models
{
	my ($target) = @_;

	add_sim_provider($target, $upstream);
	$target->safe_psql('postgres',
		"SELECT modelroute.add_model(m, 'sim', input_price => 1, "
		  . "output_price => 2) FROM unnest('{small,hang,large}'::text[]) m"
	);
	return;
}

# A statement that makes one call.
sub call
{
	my ($tag, $model, $prompt) = @_;

	$model  //= 'small';
	$prompt //= "'hello'";
	return "SELECT modelroute.complete($prompt, '$model', "
	  . qq[jsonb_build_object('tag', '$tag'))];
}

# ----------
# The caller's end
# ----------

sub test_survival
{
	my $session = ModelrouteSession->new($node);

	$session->run('BEGIN;' . call('rollback') . '; ROLLBACK');
	is_recorded($admin, 'rollback', 'ok', 'ok', 'a call survives ROLLBACK');

	$session->run(
		'BEGIN; SAVEPOINT s;' . call('savepoint') . '; ROLLBACK TO s; COMMIT');
	is_recorded($admin, 'savepoint', 'ok', 'ok', 'and ROLLBACK TO SAVEPOINT');

	my $body = call('block') =~ s/^SELECT/PERFORM/r;
	$session->value("DO \$\$ BEGIN $body; RAISE EXCEPTION 'no';
		EXCEPTION WHEN raise_exception THEN NULL; END \$\$");
	is_recorded($admin, 'block', 'ok', 'ok', 'and an EXCEPTION block');

	is($session->run(call('failing') . ', 1 / floor(random())')->{sqlstate},
		'22012', 'another part of the statement fails');
	is_recorded($admin, 'failing', 'ok', 'ok', 'and an error of its statement');

	is( $session->run(
			"SET statement_timeout = '300ms';" . call('timeout', 'hang'))
		  ->{sqlstate},
		'57014',
		'statement_timeout');
	becomes_recorded($admin, 'timeout', 'cancelled', 'unknown', 'is on record');
	$session->value('RESET statement_timeout');

	end_by('cancel', $session, '57014');
	end_by('terminate', $session, '57P01');
	$session->quit;
	return;
}

# Ends a call that is under way by pg_cancel_backend or pg_terminate_backend.
sub end_by
{
	my ($how, $session, $sqlstate) = @_;

	$session->begin(call($how, 'hang'));
	poll_until { $upstream->in_flight('hang') == 1 } 'a call hangs at the provider';
	$admin->value("SELECT pg_${how}_backend(" . $session->pid . ')');
	is($session->end->{sqlstate}, $sqlstate, "$how ends it");
	becomes_recorded($admin, $how, 'cancelled', 'unknown', 'and it is on record');
	poll_until { $upstream->in_flight('hang') == 0 } 'its connection is closed';

	my $call = $admin->record($how)->{call}[0];
	is($call->{attempts_unknown}, 1,     'its attempt may have been billed');
	is($call->{cost},             undef, 'and its cost is not known');
	return;
}

# ----------
# What is seen
# ----------

sub test_visibility
{
	my $session = ModelrouteSession->new($node);
	my $count = q{SELECT count(*) FROM modelroute.audit JOIN modelroute.attempt
		USING (call_id) WHERE tag = 'visible'};

	$session->value('BEGIN; SET TRANSACTION ISOLATION LEVEL READ COMMITTED');
	$session->value(call('visible'));
	is($session->value($count), 1, 'seen at once, in the same transaction');
	$session->value('COMMIT');

	$session->value(
		'BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
	is($session->value($count), 1, 'a snapshot is taken');
	$session->value(call('visible'));
	is($session->value($count), 1, 'an older snapshot stays as it is');
	$session->value('COMMIT');
	is($session->value($count), 2, 'and a newer one has the call');
	$session->quit;
	return;
}

sub test_content
{
	my $session = ModelrouteSession->new($node);
	my $prompt  = "U&'gr\\00fc\\00df dich'";
	my $seen    = 'SELECT prompt_sha256 IS NULL, reply_sha256 IS NULL,
		prompt IS NULL, reply IS NULL, content_dropped
		FROM modelroute.audit WHERE tag =';
	my $right = "SELECT prompt_sha256 = sha256(convert_to($prompt, 'UTF8'))
		AND reply_sha256 = sha256(convert_to('%s', 'UTF8'))
		FROM modelroute.audit WHERE tag =";

	foreach my $how (qw(none hash full))
	{
		$session->value("SET modelroute.log_content = $how");
		my $reply = $session->value(call($how, 'small', $prompt));
		my $null  = $how eq 'none' ? 't' : 'f';
		my $text  = $how eq 'full' ? 'f' : 't';

		is($session->value("$seen '$how'"),
			"$null|$null|$text|$text|f", "log_content = $how");
		is($session->value(sprintf("$right '%s'", $reply, $how)),
			't', 'with the right hashes')
		  unless $how eq 'none';
	}
	is( $session->value(
			"SELECT prompt = $prompt AND reply ~ 'gr' FROM modelroute.audit
			WHERE tag = 'full'"),
		't',
		'with the right text');

	$session->value(call('megabytes', 'large', "repeat('0123456789', 500000)"));
	is( $session->value(
			"SELECT length(prompt), length(reply), content_dropped,
				prompt_sha256 = sha256(convert_to(prompt, 'UTF8')),
				reply_sha256 = sha256(convert_to(reply, 'UTF8'))
			FROM modelroute.audit WHERE tag = 'megabytes'"),
		'5000000|5000000|f|t|t',
		'megabytes are kept whole');
	$session->quit;
	return;
}

# Content that finds no room is left out; the row never is.
sub test_dropped_content
{
	my $small   = new_cluster('small', conf => <<'CONF');
modelroute.ledger_memory = 4MB
modelroute.log_content = full
CONF

	add_models($small);
	my $session = ModelrouteSession->new($small);
	foreach my $tag (1 .. 3)
	{
		$session->value(
			call("large$tag", 'large', "repeat('0123456789', 500000)"));
	}
	is( $session->value(
			"SELECT count(*), bool_and(content_dropped), count(prompt),
				count(reply), count(prompt_sha256), bool_and(status = 'ok'),
				sum(attempts), count(cost)
			FROM modelroute.audit WHERE tag ~ 'large'"),
		'3|t|0|0|3|t|3|3',
		'what does not fit is left out, and the rows say so');
	$session->value(
		call('fits', 'small', "repeat('0123456789', 10000)"));
	is( $session->value(
			"SELECT content_dropped, length(prompt) FROM modelroute.audit
			WHERE tag = 'fits'"),
		'f|100000',
		'what fits is kept');
	$session->quit;
	$small->stop;
	return;
}

# The same where the operating system has no shared memory to give: with mmap,
# segments are files in a directory.
sub test_no_shared_memory
{
	my $poor = new_cluster('poor', conf => <<'CONF');
dynamic_shared_memory_type = mmap
modelroute.log_content = full
CONF
	my $directory = $poor->data_dir . '/pg_dynshmem';
	my $prompt    = "repeat('0123456789', 500000)";

	add_models($poor);
	my $session = ModelrouteSession->new($poor);
	my $other   = ModelrouteSession->new($poor);
	chmod(0500, $directory) or die "chmod: $!";

	my $answer =
	  $session->run('BEGIN; ' . call('poor', 'small', $prompt) . '; COMMIT');
	is($answer->{stderr}, '', 'without memory for its record a call succeeds');
	$session->value(call('poor-small'));

	$session->begin(call('poor-ended', 'hang', $prompt));
	poll_until { $upstream->in_flight('hang') == 1 } 'another one hangs';
	$other->value('SELECT pg_terminate_backend(' . $session->pid . ')');
	is($session->end->{sqlstate}, '57P01', 'and is ended');
	becomes_recorded($other, 'poor-ended', 'cancelled', 'unknown',
		'it is on record');
	is( $other->value(
			"SELECT string_agg(tag || ' ' || content_dropped, ', '
				ORDER BY call_id) FROM modelroute.audit"),
		'poor true, poor-small false, poor-ended true',
		'what had no room was left out');
	chmod(0700, $directory) or die "chmod: $!";
	$_->quit foreach $session, $other;
	$poor->stop;
	return;
}

sub test_row_security
{
	$admin->value(
		"CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN;
		CREATE ROLE dave LOGIN; CREATE ROLE monitor LOGIN;
		SELECT modelroute.grant_use(r)
			FROM unnest('{alice,bob,carol}'::name[]) r;
		SELECT modelroute.grant_monitor('monitor')");
	my %session = map { $_ => ModelrouteSession->new($node, user => $_) }
	  qw(alice bob carol dave monitor);
	my $seen = "SELECT string_agg(tag, ',' ORDER BY tag) || ':' || count(t)
		FROM modelroute.audit JOIN modelroute.attempt t USING (call_id, role)
		WHERE tag LIKE 'rls-%'";

	$session{$_}->value(call("rls-$_")) foreach qw(alice bob);
	is($session{alice}->value($seen), 'rls-alice:1', 'a role sees its calls');
	is($session{bob}->value($seen), 'rls-bob:1', 'and another one its own');
	is($session{carol}->value($seen), '', 'a role without calls sees none');
	is($session{dave}->run($seen)->{sqlstate},
		'42501', 'a role without privileges must not look');
	is($session{monitor}->value($seen),
		'rls-alice,rls-bob:2', 'a monitor sees all');
	is( $session{alice}->run("DELETE FROM modelroute.audit")->{sqlstate},
		'42501', 'nobody changes the record');
	$session{$_}->quit foreach keys %session;
	return;
}

# ----------
# Many at a time
# ----------

sub test_ids
{
	$upstream->reset_stats;
	$node->pgbench(
		'--no-vacuum --client=16 --jobs=2 --transactions=25 --protocol=prepared',
		0,
		[qr{actually processed: 400/400}],
		[qr{^$}],
		'16 sessions make 400 calls',
		{ '050_ids' => call('load') . ';' });

	my $seen = $upstream->stats->{models}{small};
	my $rows = $admin->json(
		"SELECT jsonb_build_object('calls', count(DISTINCT call_id),
			'attempts', count(DISTINCT attempt_id), 'rows', count(*),
			'ids', jsonb_agg(attempt_id::text ORDER BY attempt_id))
		FROM modelroute.audit JOIN modelroute.attempt USING (call_id)
		WHERE tag = 'load'");

	is($seen->{received},  400, 'the provider saw so many requests');
	is($rows->{calls},     400, 'there is a row for each call');
	is($rows->{attempts},  400, 'and one for each attempt');
	is($rows->{rows},      400, 'and no more');
	is_deeply([ sort { $a <=> $b } @{ $seen->{ids} } ],
		$rows->{ids}, 'the provider saw just these ids');
	return;
}

# What is queued while the worker is busy is committed together.
sub test_group_commit
{
	my $blocker = ModelrouteSession->new($node);
	my $done    = $upstream->requests;
	my $pgbench = start_pgbench($node, 12, call('group'));

	$blocker->value('BEGIN; LOCK modelroute.audit IN EXCLUSIVE MODE');
	poll_until { $upstream->requests >= $done + 12 } 'sessions wait for the worker';
	$blocker->value('COMMIT');
	finish_pgbench($pgbench);
	$blocker->quit;

	my ($rows, $commits) = split /\|/,
	  $admin->value(
		"SELECT count(*), count(DISTINCT xmin::text) FROM modelroute.audit
		WHERE tag = 'group'");
	is($rows, 12, 'all are on record');
	cmp_ok($commits, '<', 12, "in fewer transactions ($commits)");
	return;
}

# The commit of a record waits for the disk as its session wishes.  Reading a
# page with dead rows may write, too: there are none.
sub test_synchronous_commit
{
	my $session = ModelrouteSession->new($node);
	my $lag = 'SELECT pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()';
	my %lagging = (on => 0, off => 0);

	$session->value('VACUUM');
	foreach my $how (qw(on off))
	{
		$session->value("SET synchronous_commit = $how");
		foreach my $i (1 .. 20)
		{
			$session->value(call("commit-$how"));
			$lagging{$how}++ if $session->value($lag) eq 't';
		}
	}
	is($lagging{on}, 0, 'synchronous_commit = on: a record is on disk');
	cmp_ok($lagging{off}, '>', 0, 'off: it may not be yet');
	is( $session->value(
			"SELECT count(*) FROM modelroute.audit WHERE tag ~ '^commit-'"),
		40,
		'all are there');
	$session->quit;
	return;
}

sub test_off
{
	my $session = ModelrouteSession->new($node);
	my $rows = $admin->value(
		'SELECT count(*) FROM modelroute.audit, modelroute.attempt');

	$upstream->reset_stats;
	$session->value('SET modelroute.ledger = off');
	is( $session->value(
			"SELECT call_id IS NULL, status FROM
			modelroute.complete_record('hello', 'small', '{\"tag\": \"off\"}')"),
		't|ok',
		'ledger = off: a call has no id');
	is( $admin->value(
			'SELECT count(*) FROM modelroute.audit, modelroute.attempt'),
		$rows,
		'and no row');
	like($upstream->stats->{models}{small}{ids}[0],
		qr/^gen-/, 'and the provider got no id');
	$session->quit;
	return;
}

# ----------
# Without the library preloaded
# ----------

# Records are part of the caller's transaction.
sub test_not_preloaded
{
	my $plain = new_cluster('plain', preload => 0);

	add_models($plain);
	my $session = ModelrouteSession->new($plain);
	my $ids = "SELECT string_agg(call_id::text, ',' ORDER BY call_id)
		FROM modelroute.audit";

	$session->value(call('one'));
	is($session->value($ids), '1', 'a call is on record');
	$session->value('BEGIN; ' . call('two') . '; ROLLBACK');
	is($session->value($ids), '1', 'until ROLLBACK');
	$session->value(call('three'));
	is($session->value($ids), '1,5', 'no id is given out twice');
	is( $session->run('SET modelroute.ledger = strict;' . call('four'))
		  ->{sqlstate},
		'55000', 'strict needs a worker');
	$session->value('RESET modelroute.ledger');

	$session->value(
		'DROP EXTENSION modelroute; CREATE EXTENSION modelroute');
	add_models($plain);
	$session->value(call('again'));
	is($session->value($ids), '1', 'a new extension counts from 1');
	$session->quit;
	$plain->stop;
	return;
}
