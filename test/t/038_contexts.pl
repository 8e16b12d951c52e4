# 038_contexts.pl
#	  Calls wherever SQL can call a function: over a table, in PL/pgSQL and
#	  triggers, in parallel and prepared statements, read-only transactions and
#	  cursors; and in databases of other encodings.

use strict;
use warnings;

use JSON::PP;
use ModelrouteSession;
use ModelrouteTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $upstream = start_upstream(
	{ name => 'echo', reply => '{prompt}' },
	{ name => 'one:twice', faults => [ { kind => 'status', status => 503 } ] },
	{ name => 'two:twice', reply => 'from two' },
	{   name   => 'picky',
		reply  => '{prompt}',
		faults => [ { kind => 'status', status => 400, match => 'bad' } ]
	});
my $node    = new_cluster('main');
my $session = ModelrouteSession->new($node);

add_sim_provider($node, $upstream);
$session->value(<<'SQL');
SELECT modelroute.add_model('echo', 'sim', 'echo', 1, 1);
SELECT modelroute.add_model('picky', 'sim', 'picky', 1, 1);
CREATE TABLE prompt (id int PRIMARY KEY, body text, answer text);
INSERT INTO prompt SELECT n, CASE WHEN n % 10 = 0 THEN NULL
	WHEN n % 10 = 5 THEN 'bad ' || n ELSE 'row ' || n END
FROM generate_series(1, 50) n;
SQL

sub requests
{
	return $upstream->stats('ids=0')->{totals}{requests};
}

# ----------
# Tables
# ----------

$upstream->reset_stats;
is( $session->value(<<'SQL'), '45|45', 'a call for each row');
SELECT count(*), count(*) FILTER (WHERE answer = body)
FROM (SELECT body, modelroute.complete(body, 'echo') AS answer
	FROM prompt OFFSET 0) t WHERE answer IS NOT NULL
SQL
is(requests(), 45, 'and none for a NULL');
$session->value(<<'SQL');
UPDATE prompt SET answer = modelroute.complete(body, 'picky',
	jsonb_build_object('on_error', 'null', 'tag', 'update', 'ref', id::text))
SQL
is( $session->value(<<'SQL'), '40|0', 'an UPDATE that leaves failures NULL');
SELECT count(*) FILTER (WHERE answer = body), count(*) FILTER (WHERE answer <> body)
FROM prompt
SQL
is( $session->value(<<'SQL'), "failed|5\nok|40", 'each row is on record');
SELECT status, count(*) FROM modelroute.audit a JOIN prompt p ON p.id = a.ref::int
WHERE tag = 'update' GROUP BY status ORDER BY status
SQL
is( $session->run("UPDATE prompt SET answer = modelroute.complete(body, 'picky')")
	  ->{sqlstate},
	'38000', 'without on_error the statement fails');
is( $session->value(<<'SQL'), 'row 1|row 1|1', 'a lateral record');
SELECT body, r.content, r.attempts
FROM prompt, modelroute.complete_record(body, 'echo') r WHERE id = 1
SQL
$upstream->reset_stats;
is( $session->value(<<'SQL'), 'row 1', 'the expanded record');
SELECT (r).content FROM (
	SELECT modelroute.complete_record(body, 'echo') AS r FROM prompt WHERE id = 1
	OFFSET 0) s
SQL
is(requests(), 1, 'is one call');

# ----------
# PL/pgSQL and triggers
# ----------

$session->value(<<'SQL');
CREATE FUNCTION try(body text, OUT answer text, OUT state text)
LANGUAGE plpgsql AS $$
BEGIN
	answer := modelroute.complete(body, 'picky', '{"tag": "try"}');
	state := 'good';
EXCEPTION WHEN external_routine_exception THEN
	state := SQLSTATE;
END $$;

CREATE FUNCTION fill_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.answer := modelroute.complete(NEW.body, 'picky', '{"tag": "trigger"}');
	RETURN NEW;
END $$;
CREATE TRIGGER fill_answer BEFORE INSERT ON prompt
	FOR EACH ROW EXECUTE FUNCTION fill_answer();
SQL
is($session->value("SELECT * FROM try('fine')"), 'fine|good', 'a block');
is($session->value("SELECT * FROM try('bad')"), '|38000', 'catches a failure');
is( $session->value("SELECT * FROM try('bad'), try('fine again') AS t(a, s)"),
	'|38000|fine again|good', 'and goes on');
is( join(',', map { $_->{status} } @{ $session->record('try')->{call} }),
	'ok,failed,failed,ok', 'every call is on record');
is( $session->value(<<'SQL'), "first\nsecond\n", 'a trigger fills a column');
INSERT INTO prompt VALUES (100, 'first'), (101, 'second'), (102, NULL)
RETURNING answer
SQL
is($session->run("INSERT INTO prompt VALUES (103, 'bad')")->{sqlstate},
	'38000', 'a trigger that fails');
is( $session->value('SELECT count(*) FROM prompt WHERE id = 103'),
	0, 'keeps the row out');
is( join(',', map { $_->{status} } @{ $session->record('trigger')->{call} }),
	'ok,ok,failed', 'but not the record');
is( $session->value(<<'SQL'), 'in a DO block', 'a DO block');
DO $$
BEGIN
	PERFORM set_config('test.answer', modelroute.complete('in a DO block', 'echo'), false);
END $$;
SELECT current_setting('test.answer')
SQL

# ----------
# Transactions
# ----------

foreach my $mode (
	'READ ONLY',
	'ISOLATION LEVEL SERIALIZABLE',
	'ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE')
{
	$session->value("BEGIN $mode");
	is($session->value("SELECT modelroute.complete('quiet', 'echo', '{\"tag\": \"$mode\"}')"),
		'quiet', "$mode: an answer");
	$session->value('COMMIT');
	is($session->record($mode)->{call}[0]{status}, 'ok', 'and its record');
}
is( $session->value(<<'SQL'), "row 1\nrow 2\nrow 3", 'a cursor');
BEGIN;
DECLARE c CURSOR FOR SELECT modelroute.complete(body, 'echo') FROM prompt ORDER BY id;
FETCH 2 FROM c;
FETCH 1 FROM c;
ROLLBACK;
SQL
is( $session->value(<<'SQL'), 'copied', 'COPY');
COPY (SELECT modelroute.complete('copied', 'echo')) TO STDOUT
SQL

# ----------
# Plans
# ----------

$upstream->reset_stats;
$session->value(<<'SQL');
EXPLAIN SELECT modelroute.complete('constant', 'echo');
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off)
	SELECT 1 WHERE false AND modelroute.complete('x', 'echo') IS NULL;
PREPARE ask(text) AS SELECT modelroute.complete($1, 'echo', '{"tag": "prepared"}');
SET plan_cache_mode = force_generic_plan;
EXPLAIN EXECUTE ask('constant')
SQL
is(requests(), 0, 'planning sends nothing');
is($session->value("EXECUTE ask('$_')"), $_, 'a prepared statement')
  foreach 'one', 'two';
is($session->value('EXECUTE ask(NULL)'), '', 'with NULL');
$session->value('SET plan_cache_mode = force_custom_plan');
is($session->value("EXECUTE ask('three')"), 'three', 'with a custom plan');
is(requests(), 3, 'one call for each execution');
$session->value('RESET plan_cache_mode');
is( $session->value(<<'SQL'), '3', 'not evaluated once for all rows');
SELECT count(*) FROM (SELECT modelroute.complete('same', 'echo')
	FROM generate_series(1, 3)) t
SQL
is(requests(), 6, 'though the argument is a constant');

$session->value(<<'SQL');
CREATE TABLE wide AS SELECT n, repeat('x', 100) AS filler
	FROM generate_series(1, 20000) n;
ANALYZE wide;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SQL
my $parallel = <<'SQL';
SELECT modelroute.complete('row ' || n, 'echo', '{"tag": "parallel"}')
FROM wide WHERE n % 4000 = 1 ORDER BY n
SQL
like($session->value("EXPLAIN (COSTS off) $parallel"),
	qr/Gather/, 'a parallel plan');
is( $session->value($parallel),
	join("\n", map { 'row ' . (4000 * $_ + 1) } 0 .. 4),
	'with calls above its Gather');
is(scalar @{ $session->record('parallel')->{call} }, 5, 'on record once each');
$session->value('SET force_parallel_mode = on');
is($session->value("SELECT modelroute.complete('forced', 'echo')"),
	'forced', 'force_parallel_mode');
$session->value('RESET ALL');

# ----------
# One model at two providers
# ----------

foreach my $provider ('one', 'two')
{
	my $price = $provider eq 'one' ? 1 : 2;

	$session->value(sprintf "SELECT modelroute.add_provider('%s', '%s/p/%s/v1')",
		$provider, $upstream->url, $provider);
	$session->add_model('twice', $provider, $price);
}
is($session->complete('twice', 'twice')->{rows},
	'from two', 'a model at two providers falls back');
is( join(',',
		map { "$_->{provider} $_->{status}" }
		  @{ $session->record('twice')->{attempt} }),
	'one failed,two ok',
	'from the cheaper one');
is($session->run("SELECT modelroute.complete('x', 'two/twice')")->{rows},
	'from two', 'unless one of them is named');
is( $session->run(
		q(SELECT modelroute.complete('x', 'twice',
			'{"provider": {"order": ["two"]}, "tag": "ordered"}'))
	)->{rows},
	'from two',
	'or put in order');
is($session->record('ordered')->{call}[0]{attempts}, 1, 'at once');
is( $session->run(
		q(SELECT modelroute.complete('x', 'twice',
			'{"provider": {"allow_fallbacks": false, "order": ["one"]}, "max_attempts": 2}'))
	)->{sqlstate},
	'58000',
	'or fallbacks are not allowed');

# ----------
# Encodings
# ----------

# A session in a new database of the encoding; statements are bytes in it.
sub new_database
{
	my ($encoding) = @_;
	my $name = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $name ENCODING '$encoding' "
		  . "LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($name, 'CREATE EXTENSION modelroute');
	add_sim_provider($node, $upstream, database => $name);
	my $there = ModelrouteSession->new($node, database => $name);
	$there->value("SET client_encoding = '$encoding'; "
		  . "SELECT modelroute.add_model('echo', 'sim', 'echo', 1, 1), "
		  . "modelroute.add_model('euro', 'sim', 'euro', 1, 1), "
		  . "modelroute.add_model('odd', 'sim', 'odd', 1, 1)");
	return $there;
}

# The prompt that the provider saw last, as UTF-8.
sub prompt_sent
{
	my ($request) = @{ $upstream->last_requests(1) };

	utf8::encode($request->{body});
	my $prompt = decode_json($request->{body})->{messages}[-1]{content};
	utf8::encode($prompt);
	return $prompt;
}

my $utf8   = "Gr\xc3\xbc\xc3\x9fe";    # "Grüße", and the same in LATIN1
my $latin1 = "Gr\xfc\xdfe";
my $wide   = "$utf8 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80";

$upstream->admin(
	[   { name => 'euro', reply_json => "5 \x{20ac}" },
		{   name   => 'odd',
			faults => [
				{   kind    => 'status',
					status  => 400,
					message => "kaputt: \x{e4} \x{20ac}"
				} ]
		} ]);
$session->value("SET client_encoding = 'utf8'");
is($session->value("SELECT modelroute.complete('$wide', 'echo')"),
	$wide, 'UTF8: comes back');
is(prompt_sent(), $wide, 'UTF8: as it was sent');

my $there = new_database('LATIN1');
is($there->value("SELECT modelroute.complete('$latin1', 'echo')"),
	$latin1, 'LATIN1: comes back');
is(prompt_sent(), $utf8, 'LATIN1: sent as UTF-8');
is( $there->value(
		"SELECT modelroute.chat('[{\"role\": \"user\", \"content\": \"$latin1\"}]', "
		  . "'echo') #>> '{choices,0,message,content}'"),
	$latin1,
	'LATIN1: chat()');
my $answer = $there->run(<<"SQL");
SET modelroute.log_content = full;
SELECT modelroute.complete('$latin1', 'euro', '{"tag": "$latin1"}')
SQL
is($answer->{sqlstate}, '22P05', 'LATIN1: a reply that cannot be shown');
like($answer->{hint}, qr/UTF8/, 'HINT names the encoding to use');
is( $there->value(<<"SQL"), "failed|encoding|22P05|0.000004000000|$latin1|ok|200", 'LATIN1: is on record with its cost');
SELECT a.status, a.error_kind, a.error_code, a.cost, a.prompt, t.status, t.http_status
FROM modelroute.audit a JOIN modelroute.attempt t USING (call_id)
WHERE tag = '$latin1'
SQL
is( $there->run(<<'SQL')->{sqlstate}, '22P05', 'LATIN1: chat() alike');
SELECT modelroute.chat('[{"role": "user", "content": "x"}]', 'euro')
SQL
$answer = $there->run("SELECT modelroute.complete('x', 'odd')");
is($answer->{sqlstate}, '38000', 'LATIN1: an error that cannot be shown');
like($answer->{detail}, qr/: kaputt: /, 'LATIN1: is shown as far as it goes');
$there->quit;

$there = new_database('SQL_ASCII');
is($there->value("SELECT modelroute.complete('$utf8', 'echo')"),
	$utf8, 'SQL_ASCII: UTF-8 comes back');
is(prompt_sent(), $utf8, 'SQL_ASCII: as it was sent');
$upstream->reset_stats;
is($there->run("SELECT modelroute.complete('$latin1', 'echo')")->{sqlstate},
	'22021', 'SQL_ASCII: bytes that are no UTF-8');
is(requests(), 0, 'SQL_ASCII: are not sent');
is($there->value("SELECT modelroute.complete('x', 'euro')"),
	"5 \xe2\x82\xac", 'SQL_ASCII: any reply');
$there->quit;

$session->quit;
done_testing();
