# SPDX-License-Identifier: Apache-2.0
# The same as copse-sim-check in ns-2: greedy TCP flows over one bottleneck. Prints each flow's bit/s.
# usage: ns ns2.tcl SECONDS RATE_BPS QUEUE_PACKETS BOTTLENECK_MS LOSS SEED ACCESS_MS...
lassign $argv seconds rate queue delay loss seed
set access [lrange $argv 6 end]
ns-random $seed
set ns [new Simulator]
set left [$ns node]
set right [$ns node]
$ns duplex-link $left $right $rate ${delay}ms DropTail
$ns queue-limit $left $right $queue
$ns queue-limit $right $left 100000
if {$loss > 0} {
  set errors [new ErrorModel]
  $errors set rate_ $loss
  $errors unit pkt
  $errors ranvar [new RandomVariable/Uniform]
  $errors drop-target [new Agent/Null]
  $ns lossmodel $errors $left $right
}
Agent/TCP set window_ 100000
Agent/TCP set packetSize_ 1460
Agent/TCP set windowInit_ 2
Agent/TCP set minrto_ 0.2
Agent/TCP set tcpTick_ 0.001
set flows {}
foreach ms $access {
  set source [$ns node]
  set target [$ns node]
  $ns duplex-link $source $left 100Mb ${ms}ms DropTail
  $ns duplex-link $right $target 100Mb 1ms DropTail
  foreach {from to} [list $source $left $left $source $right $target $target $right] { $ns queue-limit $from $to 100000 }
  set tcp [new Agent/TCP/Sack1]
  set sink [new Agent/TCPSink/Sack1/DelAck]
  $ns attach-agent $source $tcp
  $ns attach-agent $target $sink
  $ns connect $tcp $sink
  set ftp [new Application/FTP]
  $ftp attach-agent $tcp
  $ns at [expr {[llength $flows] * 0.097}] "$ftp start"
  lappend flows $tcp
}
proc finish {} {
  global flows seconds
  foreach tcp $flows { puts [expr {int([$tcp set ack_] * 1460.0 * 8 / $seconds)}] }
  exit 0
}
$ns at $seconds finish
$ns run
