// The yardstick of `make bench`: what a team would write by hand, with the standard library only.
module servicetokens.dev/bench/goserver

go 1.26
