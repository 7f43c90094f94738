// Command goserver is the yardstick of `make bench`: a minimal net/http server that makes the same two checks as
// the validator, and a load generator that both are measured with.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: goserver serve|load [flags]")
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(os.Args[2:])
	case "load":
		err = load(os.Args[2:])
	default:
		fail("unknown command " + os.Args[1])
	}
	if err != nil {
		fail(err.Error())
	}
}

func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	options := serverOptions{}
	flags.StringVar(&options.index, "index", "", "file with the key and the stored tokens (JSON)")
	flags.StringVar(&options.forwardAuth, "forward-auth-address", "", "host:port of the plain listener")
	flags.StringVar(&options.tokenReview, "token-review-address", "", "host:port of the TLS listener")
	flags.StringVar(&options.certificate, "tls-cert-file", "", "certificate of the TLS listener (PEM)")
	flags.StringVar(&options.key, "tls-key-file", "", "its key (PEM)")
	_ = flags.Parse(arguments)
	return run(options)
}

func load(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	options := loadOptions{}
	flags.StringVar(&options.address, "address", "", "host:port to send to")
	flags.StringVar(&options.shape, "shape", "forward-auth", "forward-auth, ext-authz, token-review or introspection")
	flags.StringVar(&options.tokens, "tokens", "", "file with one token a line, sent in rotation")
	flags.StringVar(&options.caller, "caller", "", "id:token that an introspection authenticates with")
	flags.BoolVar(&options.tls, "tls", false, "speak TLS 1.3 (the certificate is not checked)")
	flags.IntVar(&options.connections, "connections", 32, "keep-alive connections")
	flags.IntVar(&options.rate, "rate", 0, "requests a second over all connections; 0 is as fast as they are answered")
	flags.DurationVar(&options.duration, "duration", 2*time.Second, "how long to send")
	_ = flags.Parse(arguments)
	return generate(options)
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}
