#!/usr/bin/perl
# A service in Perl, core modules only, on the socket that it inherits as file descriptor 3 (sd_listen_fds(3)):
# any language can be replaced under load. One request at a time; SIGTERM lets the one under way finish.
use strict;
use warnings;
use Errno qw(EAGAIN EINTR ECONNABORTED);
use IO::Select;
use IO::Socket;
use Time::HiRes qw(time sleep);

my $version = $ENV{VERSION} // $ENV{GUPPER_VERSION} // 'unknown';
($ENV{LISTEN_PID} // '') eq $$ && ($ENV{LISTEN_FDS} // 0) >= 1
  or die "accept.pl: it wants a socket on file descriptor 3, as sd_listen_fds(3) says\n";
delete @ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)};

my $listener = IO::Socket->new_from_fd(3, 'r+') or die "accept.pl: file descriptor 3: $!\n";
# It may be bound only, so far.
listen $listener, 4096 or die "accept.pl: file descriptor 3 is no socket that can listen: $!\n";
my $ending = 0;
$SIG{TERM} = sub { $ending = 1 };
$SIG{PIPE} = 'IGNORE';
$| = 1;
print "$version accepts\n";

if (defined(my $fd = delete $ENV{GUPPER_READY_FD})) {
  if (open my $ready, '>&=', $fd) {
    syswrite $ready, "\n";
    close $ready;
  }
}

# Another process takes connections from the same socket, which may be non-blocking for all: accept() may find nothing.
# A signal that comes just before select() is seen within a second.
my $select = IO::Select->new($listener);
until ($ending) {
  next unless $select->can_read(1);
  my $client = $listener->accept('IO::Socket');
  if ($client) { serve($client) }
  elsif (!$!{EAGAIN} && !$!{EINTR} && !$!{ECONNABORTED}) { die "accept.pl: accept: $!\n" }
}

sub serve {
  my ($client) = @_;
  $client->blocking(1);
  my $readable = IO::Select->new($client);
  my $head = '';
  while ($head !~ /\r?\n\r?\n/) {
    $! = 0;
    unless ($readable->can_read(5)) { $!{EINTR} ? next : return }
    my $read = sysread $client, $head, 4096, length $head;
    return unless $read && length $head < 65536;
  }
  my ($path) = $head =~ m{^[A-Z]+ (\S+)} or return;
  my $until = $path =~ m{^/slow\?ms=(\d+)} ? time + $1 / 1000 : 0;
  while ((my $left = $until - time) > 0) { sleep $left }
  my $answer = sprintf "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", length $version, $version;
  while (length $answer) {
    my $written = syswrite $client, $answer;
    next if !defined $written && $!{EINTR};
    return unless $written;
    substr $answer, 0, $written, '';
  }
  # The client reads to the end before the connection is closed on what it may still send.
  shutdown $client, 1;
  my $rest;
  1 while $readable->can_read(1) && sysread $client, $rest, 4096;
}
