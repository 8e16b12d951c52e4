# Who may do what: each kind of role against each function and relation of the
# extension, rows of others in the ledger, and grants on models.
use strict;
use warnings;

use ModelrouteTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What is not listed here is for nobody.
my %functions = (
	route             => 'user admin',
	route_candidates  => 'user admin',
	predict_quality   => 'user admin',
	complete          => 'user admin',
	complete_record   => 'user admin',
	chat              => 'user admin',
	train_router      => 'user admin',
	drop_router       => 'user admin',
	check_router      => 'user admin',
	predict_quality   => 'user admin',
	evaluate_router   => 'user admin',
	router_report     => 'user admin',
	calibrate         => 'user admin',
	list_trainings    => 'user admin monitor',
	set_preset        => 'user admin',
	drop_preset       => 'user admin',
	feedback          => 'user admin',
	replay            => 'user admin',
	replay_calls      => 'user admin',
	replay_decision   => 'user admin',
	replay_note       => 'user admin',
	add_provider      => 'admin',
	add_model         => 'admin',
	set_credential    => 'admin',
	unset_credential  => 'admin',
	grant_use         => 'admin',
	revoke_use        => 'admin',
	grant_monitor     => 'admin',
	revoke_monitor    => 'admin',
	grant_model       => 'admin',
	revoke_model      => 'admin',
	monitor           => 'monitor');
my $catalog   = { user => 'r', admin => 'riud' };
my $routers   = { user => 'r', admin => 'r' };
my $ledger    = { user => 'r', admin => 'r', monitor => 'r' };
my %relations = (
	provider         => $catalog,
	model            => $catalog,
	endpoint         => $catalog,
	price            => $catalog,
	category_prior   => $catalog,
	benchmark        => $catalog,
	benchmark_prior  => $routers,
	router           => $routers,
	router_list      => $routers,
	train_progress   => $ledger,
	model_grant      => { admin => 'riud' },
	catalog_edit     => { admin => 'r' },
	audit            => $ledger,
	attempt          => $ledger,
	preset           => { user => 'r', admin => 'r' },
	feedback         => $ledger,
	audit_cost_daily => $ledger);
my @roles = qw(nobody user admin monitor);

my $node = new_cluster('main', preload => 0);

$node->safe_psql('postgres', "CREATE ROLE \"$_\" LOGIN") foreach @roles;
$node->safe_psql('postgres', "SELECT modelroute.grant_$_") foreach (
	q{use('user')}, q{admin('admin')}, q{monitor('monitor')});

test_matrix(\%functions, \%relations, 'granted');
test_ledger_rows();
test_deeds();
test_model_grants();
test_revoke();

$node->stop;
done_testing();

# ----------
# Privileges, one by one
# ----------

sub test_matrix
{
	my ($functions, $relations, $name) = @_;
	my (@expected, @got);

	foreach my $line (split /\n/, query('postgres', q{
		SELECT p.proname, r.rolname,
			has_function_privilege(r.oid, p.oid, 'EXECUTE')
		FROM pg_proc p, pg_roles r
		WHERE p.pronamespace = 'modelroute'::regnamespace
			AND r.rolname IN ('nobody', 'user', 'admin', 'monitor')
		ORDER BY 1, 2}))
	{
		my ($function, $role, $may) = split /\|/, $line;
		my $should =
		  grep({ $_ eq $role } split(/ /, $functions->{$function} // ''));

		push @got, "$function $role $may";
		push @expected, "$function $role " . ($should ? 't' : 'f');
	}
	is(join("\n", @got), join("\n", @expected), "$name: functions");

	@got = @expected = ();
	foreach my $line (split /\n/, query('postgres', q{
		SELECT c.relname, r.rolname,
			concat(CASE WHEN has_table_privilege(r.oid, c.oid, 'SELECT') THEN 'r' END,
				CASE WHEN has_table_privilege(r.oid, c.oid, 'INSERT') THEN 'i' END,
				CASE WHEN has_table_privilege(r.oid, c.oid, 'UPDATE') THEN 'u' END,
				CASE WHEN has_table_privilege(r.oid, c.oid, 'DELETE') THEN 'd' END,
				CASE WHEN has_table_privilege(r.oid, c.oid, 'TRUNCATE') THEN 't' END)
		FROM pg_class c, pg_roles r
		WHERE c.relnamespace = 'modelroute'::regnamespace
			AND c.relkind IN ('r', 'v', 'm', 'S', 'p')
			AND r.rolname IN ('nobody', 'user', 'admin', 'monitor')
		ORDER BY 1, 2}))
	{
		my ($relation, $role, $may) = split /\|/, $line;

		push @got, "$relation $role $may";
		push @expected,
		  "$relation $role " . ($relations->{$relation}{$role} // '');
	}
	is(join("\n", @got), join("\n", @expected), "$name: relations");
	return;
}

# ----------
# The ledger: own rows, or all for the monitor
# ----------

sub test_ledger_rows
{
	query('postgres', q{
		INSERT INTO modelroute.audit (call_id, status, role, database,
			requested_model, attempts, attempts_unknown, started_at,
			content_dropped)
		SELECT n, 'ok', r, 'postgres', 'auto', 1, 0, now(), false
		FROM unnest('{user,admin,nobody}'::name[]) WITH ORDINALITY t (r, n);
		INSERT INTO modelroute.attempt (attempt_id, call_id, ordinal, role,
			model, provider, status, started_at)
		SELECT call_id, call_id, 1, role, 'm', 'p', 'ok', now()
		FROM modelroute.audit});
	foreach my $relation (qw(audit attempt audit_cost_daily))
	{
		my $count = "SELECT count(*), min(role) FROM modelroute.$relation";

		is(query('user',  $count), '1|user',  "$relation: a user's own rows");
		is(query('admin', $count), '1|admin', "$relation: an admin's own rows");
		is(query('monitor', $count), '3|admin', "$relation: the monitor's");
		is(sqlstate('nobody', $count), '42501', "$relation: not for nobody");
	}
	return;
}

# ----------
# Deeds, as the roles themselves
# ----------

sub test_deeds
{
	my $add = "SELECT modelroute.add_provider('perm', 'http://127.0.0.1:9/v1')";

	is(sqlstate('nobody',  $add), '42501', 'nobody adds no provider');
	is(sqlstate('user',    $add), '42501', 'a user adds no provider');
	is(sqlstate('monitor', $add), '42501', 'the monitor adds no provider');
	is(sqlstate('admin',   $add), '',      'an admin does');
	foreach my $model (qw(perm-good perm-fair))
	{
		my $quality = $model eq 'perm-good' ? 0.9 : 0.5;

		is( sqlstate('admin',
				"SELECT modelroute.add_model('$model', 'perm', NULL, 1, 1, quality => '{\"default\": $quality}')"),
			'',
			"an admin adds $model");
	}
	is(sqlstate('admin', q{UPDATE modelroute.provider SET note = 'x' WHERE provider = 'openai'}),
		'', 'an admin edits a shipped row by hand');
	is(sqlstate('admin', q{DELETE FROM modelroute.model WHERE model = 'o4-mini'}),
		'', 'an admin deletes a shipped row by hand');
	is(sqlstate('user', q{UPDATE modelroute.price SET input_price = 0}),
		'42501', 'a user edits no price');

	is(sqlstate('user', q{SELECT modelroute.set_credential('openai', '{"env": "MODELROUTE_X"}')}),
		'42501', 'a user sets no credential');
	is(sqlstate('admin', q{SELECT modelroute.set_credential('openai', '{"env": "MODELROUTE_X"}')}),
		'', 'an admin does');
	is(sqlstate('admin', q{SELECT modelroute.unset_credential('openai')}),
		'', 'and takes it away');
	is(sqlstate('admin', 'SELECT * FROM modelroute.credential'),
		'42501', 'an admin does not read credentials');
	is( sqlstate('admin',
			q{SELECT modelroute.route('hi'); SHOW modelroute.credential_directory}),
		'42501',
		'an admin does not see where files are');
	is(sqlstate('admin', q{SELECT modelroute.check_credential_source('{"env": "HOME"}')}),
		'42501', 'the steps of admin functions are for nobody');
	is(sqlstate('admin', q{SELECT modelroute.grant_admin('user')}),
		'42501', 'an admin makes no admin');
	is(sqlstate('admin', q{SELECT modelroute.grant_use('public')}),
		'42704', 'PUBLIC is not a role');

	is(sqlstate('user', q{SELECT modelroute.route('hi')}),
		'', 'a user routes');
	is(sqlstate('nobody', q{SELECT modelroute.route('hi')}),
		'42501', 'nobody does not');
	is(sqlstate('monitor', q{SELECT modelroute.route('hi')}),
		'42501', 'the monitor does not');

	# A role cannot slip its own objects under functions of the owner.
	query('postgres', 'CREATE SCHEMA trap AUTHORIZATION admin');
	is( query(
			'admin', q{
			CREATE FUNCTION trap.lower(text) RETURNS text LANGUAGE sql
				AS $$ SELECT current_user::text $$;
			CREATE FUNCTION trap.rtrim(text, text) RETURNS text LANGUAGE plpgsql
				AS $$ BEGIN RAISE EXCEPTION 'trapped as %', current_user; END $$;
			SET search_path = trap, pg_catalog;
			SELECT modelroute.add_provider('perm', 'http://127.0.0.1:9/v1');
			SELECT model FROM modelroute.route('hi', 'quality')}),
		"\nperm-good",
		'functions of the owner ignore the search_path of the caller');
	return;
}

# ----------
# Grants on models
# ----------

sub test_model_grants
{
	my $auto = "SELECT model FROM modelroute.route('hi', 'quality')";
	my $limited =
	  "SELECT string_agg(model, ' ' ORDER BY model) FROM modelroute.route_candidates('hi')"
	  . " WHERE model LIKE 'perm-%' AND excluded_by IS DISTINCT FROM 'not_granted'";

	query('postgres', q{CREATE ROLE "group"; GRANT "group" TO "user"});
	is(query('user', $auto), 'perm-good', 'without grants every model is open');

	query('postgres', q{SELECT modelroute.grant_model('perm/*-f?ir', 'group')});
	is(query('user', $auto), 'perm-fair', 'an inherited grant limits auto');
	is(query('user', $limited), 'perm-fair', 'and what may be chosen');
	is(query('admin', $auto), 'perm-good', 'not that of another role');
	is( sqlstate('user', q{SELECT modelroute.complete('hi', 'perm-good')}),
		'42501', 'a model that is not granted cannot be named');
	is( sqlstate('user', q{SELECT modelroute.complete('hi', 'perm/perm-good')}),
		'42501', 'nor with its provider');

	query('postgres', q{SELECT modelroute.grant_model('perm-good', 'user')});
	is(query('user', $limited), 'perm-fair perm-good', 'grants add up');
	query('postgres', q{SELECT modelroute.revoke_model('perm-good', 'user')});
	is(query('user', $limited), 'perm-fair', 'and are taken back');

	is( query('postgres', "SET ROLE \"user\"; $auto; RESET ROLE; $auto"),
		"perm-fair\nperm-good", 'the current role counts');
	query('postgres', q{
		CREATE FUNCTION route_as_owner() RETURNS text LANGUAGE sql
			SECURITY DEFINER AS $$ SELECT model FROM modelroute.route('hi', 'quality') $$});
	is( query('user', "$auto; SELECT route_as_owner(); $auto"),
		"perm-fair\nperm-good\nperm-fair",
		'within one session, also through SECURITY DEFINER');

	query('postgres', q{ALTER ROLE "user" SUPERUSER});
	is(query('user', $auto), 'perm-good', 'a superuser is not limited');
	query('postgres', q{ALTER ROLE "user" NOSUPERUSER; REVOKE "group" FROM "user"});
	is(query('user', $auto), 'perm-good', 'a former member neither');

	is(sqlstate('postgres', q{SELECT modelroute.grant_model('perm-*', 'no_such_role')}),
		'42704', 'unknown role');
	is(sqlstate('postgres', q{SELECT modelroute.grant_model('', 'user')}),
		'22023', 'empty glob');
	is(sqlstate('postgres', q{SELECT modelroute.revoke_model('perm-*', 'user')}),
		'42704', 'a grant that does not exist');
	return;
}

sub test_revoke
{
	query('postgres', q{
		SELECT modelroute.revoke_admin('admin');
		SELECT modelroute.revoke_monitor('monitor')});
	is(sqlstate('admin', 'SELECT modelroute.monitor()'), '42501', 'no monitor');
	is(sqlstate('admin', "SELECT modelroute.route('hi')"),
		'', 'a former admin still uses');
	is(query('monitor', 'SELECT count(*) FROM modelroute.audit'),
		'0', 'a former monitor sees no other role');

	query('postgres', "SELECT modelroute.revoke_use('$_')") foreach @roles;
	test_matrix({}, {}, 'revoked');
	is(query('postgres', q{
		SELECT count(*) FROM pg_roles r
		WHERE r.rolname IN ('nobody', 'user', 'admin', 'monitor')
			AND has_schema_privilege(r.oid, 'modelroute', 'USAGE')}),
		'0', 'and the schema');
	return;
}

# ----------
# Sessions
# ----------

sub query
{
	my ($role, $sql) = @_;

	return $node->safe_psql('postgres', "SET client_min_messages = error; $sql",
		connstr => connection($role));
}

# The SQLSTATE that the statement fails with, or an empty string.
sub sqlstate
{
	my ($role, $sql) = @_;
	my ($status, $out, $error) = $node->psql(
		'postgres', "\\set VERBOSITY sqlstate\n$sql",
		connstr => connection($role));

	return $error =~ /ERROR:  (\w{5})/ ? $1 : '';
}

sub connection
{
	my ($role) = @_;

	$role = getpwuid($<) if $role eq 'postgres';
	return $node->connstr('postgres') . " user='$role'";
}
