
=pod

=head1 NAME

ModelrouteSession - a psql session that stays open, with errors as data

=head1 SYNOPSIS

  use ModelrouteSession;

  my $session = ModelrouteSession->new($node);
  my $answer = $session->run("SELECT modelroute.complete('hello')");
  is($answer->{sqlstate}, '08006', 'a lost connection');

  $session->begin("SELECT modelroute.complete('a long one')");
  # meanwhile, elsewhere: pg_cancel_backend
  is($session->end->{sqlstate}, '57014', 'cancelled');

=head1 METHODS

=over

=item new(node, database => 'postgres', user => undef)

Connects; dies when it cannot.

=cut

package ModelrouteSession;

use strict;
use warnings;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;

my $LIMIT_SECONDS = 120;

sub new
{
	my ($class, $node, %option) = @_;
	my $where = $node->connstr($option{database} // 'postgres');
	my $self  = bless { in => '', out => '', err => '', marks => 0 }, $class;

	$where .= " user=$option{user}" if defined $option{user};
	$self->{timer}   = IPC::Run::timer($LIMIT_SECONDS);
	$self->{harness} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $where, '-f', '-' ],
		'<',  \$self->{in},
		'>',  \$self->{out},
		'2>', \$self->{err},
		$self->{timer});
	$self->{pid} = $self->value('SELECT pg_backend_pid()');
	return $self;
}

=pod

=item pid

The process id of the backend.

=cut

sub pid { return $_[0]{pid}; }

=pod

=item run(statements)

Runs them and returns a hash: rows, the output of psql -At; severity, sqlstate,
message, detail and hint of the first error or, without one, of the first
warning or notice; stderr, all that psql said; ended, true when the connection
is gone.

=item begin(statements), end

The same in two steps: end waits for what begin sent.

=cut

sub run
{
	my ($self, $sql) = @_;

	$self->begin($sql);
	return $self->end;
}

sub begin
{
	my ($self, $sql) = @_;
	my $mark = 'MARK ' . ++$self->{marks};

	$self->{in} .= "$sql\n;\n\\echo $mark\n\\warn $mark\n";
	$self->{harness}->pump_nb;
	return;
}

sub end
{
	my ($self) = @_;
	my $mark   = "MARK $self->{marks}\n";
	my $ended  = 0;

	$self->{timer}->start($LIMIT_SECONDS);
	until ($self->{out} =~ /^$mark/m && $self->{err} =~ /^$mark/m)
	{
		die "no answer from psql: $self->{out} $self->{err}"
		  if $self->{timer}->is_expired;
		if (!eval { $self->{harness}->pump; 1 })
		{
			$ended = 1;
			last;
		}
	}
	my $answer = read_stderr($self->{err});
	$answer->{rows}  = $self->{out};
	$answer->{ended} = $ended;
	$answer->{rows}   =~ s/\n?$mark\z//;
	$answer->{stderr} =~ s/$mark\z//;
	$self->{out} = $self->{err} = '';
	return $answer;
}

sub read_stderr
{
	my ($text) = @_;
	my %answer = (stderr => $text);
	my $prefix = qr/^(?:psql:<stdin>:\d+: )?/m;
	my ($report) = $text =~ /$prefix((?:ERROR|FATAL|PANIC):.*)/s;

	($report) = $text =~ /$prefix((?:WARNING|NOTICE):.*)/s
	  unless defined $report;
	return \%answer unless defined $report;
	@answer{qw(severity sqlstate message)} =
	  $report =~ /\A(\w+):  (\w{5}): (.*)/;
	($answer{detail}) = $report =~ /^DETAIL:  (.*)/m;
	($answer{hint})   = $report =~ /^HINT:  (.*)/m;
	return \%answer;
}

=pod

=item value(statement)

Its only value, as text; dies on an error.

=item json(statement)

The same, decoded from JSON.

=cut

sub value
{
	my ($self, $sql) = @_;
	my $answer = $self->run($sql);

	die "$sql\n$answer->{stderr}"
	  if $answer->{ended} || ($answer->{severity} // '') eq 'ERROR';
	return $answer->{rows};
}

sub json
{
	my ($self, $sql) = @_;
	return JSON::PP->new->utf8->allow_nonref->decode($self->value($sql));
}

=pod

=item complete(model, tag, options)

Runs complete('hello') with the model, and options as a hash.

=cut

sub complete
{
	my ($self, $model, $tag, $options) = @_;
	my $json = encode_json({ tag => $tag, %{ $options // {} } });

	return $self->run(
		"SELECT modelroute.complete('hello', '$model', '$json')");
}

=pod

=item add_model(model, provider, price)

Adds a model at a provider, with its price per million tokens of the prompt.

=cut

sub add_model
{
	my ($self, $model, $provider, $price) = @_;

	$self->value("SELECT modelroute.add_model('$model', '$provider', "
		  . "'$model', $price, 1)");
	return;
}

=pod

=item memory_kb

The most memory that the backend ever had.

=cut

sub memory_kb
{
	my ($self) = @_;
	my $status = slurp_file("/proc/$self->{pid}/status");

	return $status =~ /^VmHWM:\s+(\d+) kB/m ? $1 : die 'no VmHWM';
}

=pod

=item record(tag)

What the ledger has of the calls with this tag: a hash with call, the rows of
audit by call_id, and attempt, the rows of attempt in order.  A cost is text, as
the table has it.

=cut

sub record
{
	my ($self, $tag) = @_;

	return $self->json(<<"SQL");
		SELECT jsonb_build_object(
			'call', (SELECT coalesce(jsonb_agg(to_jsonb(a)
					|| jsonb_build_object('cost', a.cost::text)
					ORDER BY call_id), '[]')
				FROM modelroute.audit a WHERE tag = '$tag'),
			'attempt', (SELECT coalesce(jsonb_agg(to_jsonb(t)
					|| jsonb_build_object('cost', t.cost::text)
					ORDER BY t.call_id, ordinal), '[]')
				FROM modelroute.attempt t JOIN modelroute.audit a USING (call_id)
				WHERE tag = '$tag'))
SQL
}

=pod

=item abandon

Ends psql by force, so that the backend finds its client gone.

=item quit

Ends psql.

=back

=cut

sub abandon
{
	my ($self) = @_;

	$self->{harness}->kill_kill;
	return;
}

sub quit
{
	my ($self) = @_;

	eval { $self->{in} .= "\\q\n"; $self->{harness}->finish; };
	return;
}

1;
